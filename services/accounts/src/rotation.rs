//! A browser has one session at a time, and a new one whenever it has shown a password: what somebody had planted in
//! it, or taken from it, before is worth nothing afterwards.

use db::Tx;
use kernel::{Error, Result};
use web::Session;

use crate::session::Kind;
use crate::store::{self, NewSession};
use crate::{Accounts, Client};

impl Accounts {
    /// Opens a session for whoever signed in, and ends the one that they came with, whosever that was. An API token
    /// that they came with stays.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn open_for(&self, tx: &Tx, client: &Client, new: &NewSession<'_>) -> Result<()> {
        if let Some(old) = &client.session {
            store::sessions::replace(tx, &self.0.web, old.id).await?;
        }
        store::open(tx, new).await
    }

    /// Ends a user's sessions and tokens because their password is another one. Theirs that asks makes way for
    /// `new`, if it is a sign-in and its cookie can be replaced; otherwise it stays. Answers whether `new` was opened.
    ///
    /// # Errors
    /// `Unauthorized` if the session that asks has been ended meanwhile.
    pub(crate) async fn renew(
        &self,
        tx: &Tx,
        client: &Client,
        session: &Session,
        new: &NewSession<'_>,
    ) -> Result<bool> {
        let kind = store::sessions::hold(tx, session.id).await?.ok_or_else(Error::unauthorized)?;
        let renewed = kind == Kind::Session && client.by_cookie;
        let kept = (!renewed).then_some(session.id);
        store::revoke_all(tx, &self.0.web, session.user, kept).await?;
        if renewed {
            store::open(tx, new).await?;
        }
        Ok(renewed)
    }
}
