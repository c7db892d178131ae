//! Mail to users. Asking for one writes a row, in the transaction of the act that it follows from; a job sends what
//! waits, so neither a crash nor a mail server that is away loses one. The code of a mail's link is made when it is
//! sent, and only its hash is kept: no database and no backup has what would open an account. Where no mail server is
//! named the mails themselves lie in `mail/` of the data directory, with links that count: who reads that folder, or a
//! copy of the whole directory, opens accounts with them. `marquee backup` leaves it out.

use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, every};
use data_encoding::HEXLOWER;
use db::Tx;
use kernel::{Clock, Error, Kind as ErrorKind, Result, UserId};
use mail::{Letter, Mail, Sent};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use web::Limiter;

use crate::store::mail::{self as rows, Waiting};
use crate::{Accounts, Limits, reset, verification};

/// How often what waits is looked through; the bell makes it sooner.
const PERIOD: Duration = Duration::from_secs(10);
/// A mail that is being sent is nobody else's for so long. Sending takes less, or is given up.
const TURN: Duration = Duration::from_secs(60);
/// When a mail that could not be sent is tried again: this long after, then twice as long, up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A mail is given up when it could not be sent for so long.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// After so many failures the round is over: a server that is away would fail every mail.
const MOST_FAILURES: usize = 4;

/// How often somebody may ask for another mail to verify their address.
const MINUTE: Duration = Duration::from_secs(60);

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Verification,
    Reset,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Reset => "reset",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        [Self::Verification, Self::Reset]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::internal("a mail of no kind"))
    }

    /// How long its code counts.
    pub(crate) fn lifetime(self) -> Duration {
        match self {
            Self::Verification => verification::LIFETIME,
            Self::Reset => reset::LIFETIME,
        }
    }
}

/// What a mail's link proves. It cannot be printed.
pub(crate) struct Code(String);

impl Code {
    fn new() -> Self {
        Self(kernel::random_code())
    }

    /// As somebody sent it.
    pub(crate) fn given(text: String) -> Self {
        Self(text)
    }

    /// What is kept of it. It has as many bits of chance as a key, so nothing slower than SHA-256 is needed.
    pub(crate) fn hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.0))
    }
}

/// The way out, and how often somebody may ask for mail. The limits are this process's.
pub(crate) struct Post {
    mail: Mail,
    bell: Arc<Notify>,
    pub(crate) verifications_a_minute: Limiter,
    pub(crate) verifications_of_user: Limiter,
    pub(crate) verifications_of_address: Limiter,
    pub(crate) resets_of_address: Limiter,
    pub(crate) resets_from_network: Limiter,
}

impl Post {
    pub(crate) fn new(mail: Mail, limits: &Limits, clock: &Clock) -> Self {
        let limiter = |limit, per| Limiter::new(limit, per, clock.clone());
        Self {
            mail,
            bell: Arc::default(),
            verifications_a_minute: limiter(1, MINUTE),
            verifications_of_user: limiter(limits.mails_per_user, limits.mail_window),
            verifications_of_address: limiter(limits.mails_per_address, limits.mail_window),
            resets_of_address: limiter(limits.mails_per_address, limits.mail_window),
            resets_from_network: limiter(limits.mails_per_network, limits.mail_window),
        }
    }
}

/// Sends what waits. `site` is where people reach the pages that links lead to.
pub(crate) fn job(accounts: &Accounts, site: String) -> Job {
    let (accounts, bell) = (accounts.clone(), Arc::clone(&accounts.0.post.bell));
    Job::new("accounts: send mail", move |stop| async move {
        every("accounts: send mail", PERIOD, &bell, stop, || accounts.send_mail(&site)).await;
    })
}

impl Accounts {
    /// Has a mail sent, once this transaction is durable. `user` is who has the address then, if it is `None`.
    pub(crate) async fn queue(&self, tx: &Tx, user: Option<UserId>, kind: Kind, email: &str) -> Result<()> {
        rows::queue(tx, user, kind, email).await?;
        let bell = Arc::clone(&self.0.post.bell);
        tx.after_commit(move || bell.notify_one());
        Ok(())
    }

    /// Sends the mails that are due. One that cannot be sent now waits for its next turn; after a day, or if it never
    /// can be, it is given up.
    ///
    /// # Errors
    /// As the database says; a mail that was being sent then comes round again.
    pub async fn send_mail(&self, site: &str) -> Result<()> {
        let mut failures = 0;
        while failures < MOST_FAILURES {
            let now = self.0.web.clock().now();
            let Some(mail) = rows::claim(&self.0.db, now, now + TURN).await? else { return Ok(()) };
            if !self.deliver(&mail, site).await? {
                failures += 1;
            }
        }
        Ok(())
    }

    /// Sends one mail; answers whether nothing stands in the way of others.
    async fn deliver(&self, mail: &Waiting, site: &str) -> Result<bool> {
        let kind = Kind::parse(&mail.kind)?;
        let code = Code::new();
        let Some((user, to)) = self.addressed(mail, kind, &code).await? else {
            rows::take_off(&self.0.db, mail).await?;
            return Ok(true);
        };
        let link = |page: &str| format!("{site}/{page}?code={}", code.0);
        let (subject, text) = match kind {
            Kind::Verification => (verification::SUBJECT, verification::text(site, &link("verify"))),
            Kind::Reset => (reset::SUBJECT, reset::text(site, &link("reset"))),
        };
        let sent = self.0.post.mail.send(&Letter { to: &to, subject, text: &text }).await;
        let (mail_kind, attempts) = (kind.as_str(), mail.attempts);
        match sent {
            Ok(Sent::Handed) => tracing::info!(%user, mail_kind, "a mail was sent"),
            Ok(Sent::Kept(file)) => {
                tracing::info!(%user, mail_kind, file = %file.display(), "a mail lies in a file");
            }
            Err(error) if error.kind == ErrorKind::Invalid => {
                tracing::info!(%user, mail_kind, error = ?error, "a mail cannot be delivered to its address");
            }
            Err(error) if self.0.web.clock().now() >= mail.created_at + PATIENCE => {
                tracing::error!(%user, mail_kind, attempts, error = ?error, "a mail could not be sent for a day");
            }
            Err(error) => {
                tracing::warn!(%user, mail_kind, attempts, error = ?error, "a mail will be tried again");
                let next = self.0.web.clock().now() + wait_after(attempts);
                return rows::postpone(&self.0.db, mail, next).await.map(|()| false);
            }
        }
        rows::take_off(&self.0.db, mail).await.map(|()| true)
    }

    /// Whom a mail goes to, with a code that counts for them; `None` if there is nobody whom it would help.
    async fn addressed(&self, mail: &Waiting, kind: Kind, code: &Code) -> Result<Option<(UserId, String)>> {
        self.0
            .db
            .write(|tx| async move {
                let account = rows::recipient(&tx, mail).await?;
                // Who has no password does not sign in.
                let wanted = account.filter(|a| kind == Kind::Verification || a.password_hash.is_some());
                let Some((account, to)) = wanted.and_then(|a| a.email.clone().map(|email| (a, email))) else {
                    return Ok(None);
                };
                rows::keep_code(&tx, code, &account, kind, tx.clock().now() + kind.lifetime()).await?;
                Ok(Some((account.id, to)))
            })
            .await
    }

    /// Deletes codes that have expired.
    pub(crate) async fn prune_codes(&self) -> Result<()> {
        while rows::prune_codes(&self.0.db, self.0.web.clock().now()).await?
            >= crate::store::BATCH.unsigned_abs()
        {}
        Ok(())
    }
}

/// How long to wait after so many tries.
fn wait_after(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}

/// What is said of a code that does not count, whatever is wrong with it.
pub(crate) fn no_such_code() -> Error {
    Error::invalid("This link does not count any more: it has expired, was used, or is for another address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_grows_to_an_hour_and_stays() {
        let waits: Vec<u64> = [1, 2, 3, 9, 10, 60].map(|n| wait_after(n).as_secs()).into();
        assert_eq!(waits, [10, 20, 40, 2560, 3600, 3600]);
        assert_eq!(wait_after(0), FIRST_WAIT);
    }

    #[test]
    fn a_code_is_kept_as_its_hash_alone() {
        let code = Code::given("abc".into());
        assert_eq!(code.hash(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(Code::new().hash(), Code::new().hash());
    }
}
