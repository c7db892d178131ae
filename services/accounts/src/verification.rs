//! Verification: who opens the link of a mail has the address that it went to.

use std::time::Duration;

use db::Tx;
use kernel::{Error, Instant, Result, UserId};
use web::Session;

use crate::Accounts;
use crate::model::{Account, key};
use crate::post::{Code, Kind, Post, no_such_code};
use crate::store::mail as rows;

/// How long a link counts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 3600);

pub(crate) const SUBJECT: &str = "Confirm your e-mail address";

pub(crate) fn text(site: &str, link: &str) -> String {
    format!(
        "Hello,\n\n\
         somebody, we hope you, has given this address at {site}\n\
         To confirm that it is yours, open this page and press the button:\n\n\
         {link}\n\n\
         The link counts for 24 hours. If it was not you, you need not do anything.\n"
    )
}

impl Accounts {
    /// When a user has shown that the address that they have is theirs; `None` if they have not.
    ///
    /// # Errors
    /// As the database says.
    pub async fn verified_at(&self, user: UserId) -> Result<Option<Instant>> {
        rows::verified(&self.0.db, user).await
    }

    /// Sends another mail by which somebody can verify their address.
    ///
    /// # Errors
    /// `Unauthorized` if the session is no more; `Invalid` without an address; `Conflict` if it is verified already;
    /// `TooMany` more than once a minute, or above the hour's limits of their mails and of those to their address.
    pub async fn ask_to_verify(&self, session: &Session) -> Result<()> {
        let account = self.current(session).await?.ok_or_else(Error::unauthorized)?;
        let email = account.email.ok_or_else(|| Error::invalid("There is no address to verify"))?;
        if self.verified_at(account.id).await?.is_some() {
            return Err(Error::conflict("Email is verified already"));
        }
        let (post, user, address) = (&self.0.post, account.id.to_string(), key(&email));
        let limits = [
            (&post.verifications_a_minute, &user),
            (&post.verifications_of_user, &user),
            (&post.verifications_of_address, &address),
        ];
        limits.iter().try_for_each(|(limit, key)| limit.check(key))?;
        limits.iter().for_each(|(limit, key)| limit.hit(key));
        let email = &email;
        self.0
            .db
            .write(|tx| async move { self.queue(&tx, Some(account.id), Kind::Verification, email).await })
            .await
    }

    /// Verifies the address that a code was sent to; answers which.
    ///
    /// # Errors
    /// `Invalid` if the code does not count: it is wrong, was used, has expired, or its user has another address now.
    pub(crate) async fn verify(&self, code: Code) -> Result<String> {
        let code = &code;
        let verified = self.0.db.write(|tx| async move {
            let account = rows::use_code(&tx, code, Kind::Verification).await?.ok_or_else(no_such_code)?;
            self.note_verified(&tx, &account).await?;
            account.email.ok_or_else(no_such_code)
        });
        verified.await
    }

    /// Notes that an address was shown to be its user's; other links that would show it are of no more use.
    pub(crate) async fn note_verified(&self, tx: &Tx, account: &Account) -> Result<()> {
        rows::verify(tx, account).await?;
        rows::burn_codes(tx, account.id, Kind::Verification).await
    }

    /// Has the first mail sent to an address that a user has now, and counts it once it is durable. Above the limits
    /// nothing is sent, for the address may be a stranger's; its owner asks for a mail later.
    pub(crate) async fn mail_first(&self, tx: &Tx, user: UserId, email: &str) -> Result<()> {
        let (accounts, id, address) = (self.clone(), user.to_string(), key(email));
        let Post { verifications_of_user, verifications_of_address, .. } = &self.0.post;
        if verifications_of_user.check(&id).and(verifications_of_address.check(&address)).is_err() {
            tracing::info!(%user, "no mail to verify an address: the user or the address has had its share");
            return Ok(());
        }
        tx.after_commit(move || {
            accounts.0.post.verifications_of_user.hit(&id);
            accounts.0.post.verifications_of_address.hit(&address);
        });
        self.queue(tx, Some(user), Kind::Verification, email).await
    }

    /// What follows for mail from a change: another address is to be verified, and with another address or password a
    /// link that was sent before resets nothing.
    pub(crate) async fn mail_after(&self, tx: &Tx, before: &Account, after: &Account) -> Result<()> {
        let moved = before.email_key() != after.email_key();
        if moved || before.password_hash != after.password_hash {
            rows::burn_codes(tx, after.id, Kind::Reset).await?;
        }
        match after.email.as_deref().filter(|_| moved) {
            Some(email) => self.mail_first(tx, after.id, email).await,
            None => Ok(()),
        }
    }
}
