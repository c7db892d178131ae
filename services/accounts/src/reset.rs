//! Reset: who opens the link of a mail may choose another password, for the mail went to the account's address.

use std::time::Duration;

use kernel::{Error, Result};

use crate::model::{Change, Email, Password};
use crate::post::{Code, Kind, no_such_code};
use crate::store::{self, mail as rows};
use crate::{Accounts, Client};

/// How long a link counts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

pub(crate) const SUBJECT: &str = "Choose a new password";

pub(crate) fn text(site: &str, link: &str) -> String {
    format!(
        "Hello,\n\n\
         somebody, we hope you, wants a new password at {site}\n\
         To choose one, open this page:\n\n\
         {link}\n\n\
         The link counts for an hour, and once.\n\
         A new password signs you out everywhere.\n\
         If it was not you, you need not do anything: the old password stays.\n"
    )
}

impl Accounts {
    /// Sends whoever signs in with `email` a mail by which they can choose another password; nobody, if there is no such
    /// user. Which of both it is takes the same work here and cannot be told from outside. An address that has had its
    /// share, known or not, is sent nothing more for now.
    ///
    /// # Errors
    /// `TooMany` from one network.
    pub async fn ask_to_reset(&self, email: &Email, client: &Client) -> Result<()> {
        let (post, key) = (&self.0.post, email.key());
        post.resets_from_network.check(&client.network)?;
        post.resets_from_network.hit(&client.network);
        // Anybody may have asked for those before, and their links count: a refusal would shut the owner out.
        if post.resets_of_address.check(&key).is_err() {
            tracing::info!("an address has had its share of mails to choose a password");
            return Ok(());
        }
        post.resets_of_address.hit(&key);
        self.0.db.write(|tx| async move { self.queue(&tx, None, Kind::Reset, email.as_str()).await }).await
    }

    /// Whose password a code may choose now, by their address.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn may_reset(&self, code: &Code) -> Result<Option<String>> {
        rows::address_of(&self.0.db, code, Kind::Reset).await
    }

    /// Sets another password for whom a code was sent to, and ends all their sessions and tokens. It shows as well that
    /// the address is theirs. Answers the number of this change.
    ///
    /// # Errors
    /// `Invalid` if the code does not count: it is wrong, was used, has expired, or its user has another address or
    /// password now; `Unavailable` when too many wait.
    pub(crate) async fn reset(&self, code: Code, password: Password) -> Result<i64> {
        // Hashing is dear, so nobody has it done with a code of their own making.
        if self.may_reset(&code).await?.is_none() {
            return Err(no_such_code());
        }
        let password_hash = Some(self.0.passwords.hash(&self.0.passwords.enter()?, password).await?);
        let (code, change) = (&code, &Change { password_hash, ..Change::default() });
        let reset = self.0.db.write(|tx| async move {
            let now = rows::use_code(&tx, code, Kind::Reset).await?.ok_or_else(no_such_code)?;
            let saved = self.save(&tx, &now, change).await?;
            store::revoke_all(&tx, &self.0.web, now.id, None).await?;
            self.note_verified(&tx, &saved.account).await?;
            Ok::<_, Error>(saved)
        });
        let saved = reset.await?;
        // Whoever guessed before guesses at something else now, and the owner is not to wait for that; nor for those who
        // asked for mails, whose links count no more.
        let key = saved.account.email_key().unwrap_or_default();
        self.0.account_failures.forget(&key);
        self.0.post.resets_of_address.forget(&key);
        Ok(self.written(saved).await.change)
    }
}
