//! What people see and change of themselves, and operators of others.

use std::time::Duration;

use axum::http::HeaderValue;
use contracts::Role;
use db::Tx;
use kernel::{Error, Kind as ErrorKind, Result, SessionId, UserId};
use web::{Paging, SESSION_LIFETIME, Session};

use crate::changes::Changed;
use crate::forms::{CURRENT_PASSWORD, WRONG_PASSWORD};
use crate::model::{Account, Change, Email, Password, User, Username};
use crate::session::OwnSession;
use crate::{Accounts, Client, store};

/// The last use of a session is kept to this.
const TOUCH: Duration = Duration::from_secs(60);

/// What somebody wants to be different about themselves; `None` stays as it is.
#[derive(Clone, Default)]
pub struct AccountChange {
    /// Another address. Needs the current password.
    pub email: Option<Email>,
    /// Another public name.
    pub username: Option<Username>,
    /// The password that they have.
    pub current_password: Option<String>,
    /// The password that they want. Needs the current one.
    pub new_password: Option<Password>,
}

/// What an operator wants to be different about somebody; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another address.
    pub email: Option<Email>,
    /// Another public name.
    pub username: Option<Username>,
    /// Another role.
    pub role: Option<Role>,
}

/// A user that was changed. It cannot be printed, for its cookie is a key.
pub struct Written {
    /// The user.
    pub user: User,
    /// The number of the change that made this version, of all changes of all users.
    pub change: i64,
    /// For `Set-Cookie`, if the session that asked made way for another.
    pub cookie: Option<HeaderValue>,
}

/// A user whom a transaction saved.
#[derive(Clone)]
pub(crate) struct Saved {
    pub account: Account,
    /// What became of them; `None` if nothing is different.
    changed: Option<Changed>,
}

impl Accounts {
    /// Whose session it is; `None` if it was revoked here, or the user is gone. Counts as use.
    ///
    /// # Errors
    /// As the database says.
    pub async fn current_user(&self, session: &Session) -> Result<Option<User>> {
        Ok(self.current(session).await?.map(|account| account.view()))
    }

    pub(crate) async fn current(&self, session: &Session) -> Result<Option<Account>> {
        let Some((account, last_used_at)) = store::current(&self.0.db, session.id).await? else {
            return Ok(None);
        };
        let now = self.0.web.clock().now();
        if last_used_at <= now - TOUCH
            && let Err(error) = store::touch(&self.0.db, session.id, now, now - TOUCH).await
        {
            // Reading goes on when the disk is full.
            tracing::warn!(error = ?error, "the use of a session could not be noted");
        }
        Ok(Some(account))
    }

    /// One's own live sessions and tokens, in order of creation. Counts as use.
    ///
    /// # Errors
    /// `Unauthorized` if the session is no more; `NotFound` if `paging.after` is no id.
    pub async fn sessions(&self, session: &Session, paging: &Paging) -> Result<Vec<OwnSession>> {
        self.current(session).await?.ok_or_else(Error::unauthorized)?;
        self.listed(session, paging).await
    }

    /// [`Accounts::sessions`] of somebody who is known to be there.
    pub(crate) async fn listed(&self, session: &Session, paging: &Paging) -> Result<Vec<OwnSession>> {
        let after = paging.after.as_deref().map(str::parse).transpose().map_err(|_| Error::not_found())?;
        let mut own = store::own(&self.0.db, session.user, after, paging.descending, paging.limit).await?;
        for one in &mut own {
            one.current = one.id == session.id;
        }
        Ok(own)
    }

    /// Ends one of one's own sessions or tokens.
    ///
    /// # Errors
    /// `NotFound` if it is not live; `Unauthorized` if it is somebody else's.
    pub async fn revoke_session(&self, session: &Session, id: SessionId) -> Result<()> {
        let owner = store::owner(&self.0.db, id).await?.ok_or_else(Error::not_found)?;
        session.require_owner(owner)?;
        self.0.db.write(|tx| async move { store::revoke(&tx, &self.0.web, id).await }).await
    }

    /// Ends all of one's own sessions and tokens, this one too.
    ///
    /// # Errors
    /// As the database says.
    pub async fn revoke_sessions(&self, session: &Session) -> Result<()> {
        self.0
            .db
            .write(|tx| async move { store::revoke_all(&tx, &self.0.web, session.user, None).await })
            .await
    }

    /// Ends all of somebody's sessions and tokens, as an operator.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn sign_out_everywhere(&self, id: UserId) -> Result<()> {
        let ended = self.0.db.write(|tx| async move {
            // Whoever is signing in as them waits, and is not missed.
            store::lock(&tx, id).await?.ok_or_else(Error::not_found)?;
            store::revoke_all(&tx, &self.0.web, id, None).await
        });
        ended.await
    }

    /// Changes one's own account. A new password ends all other sessions, and the cookie of this one is replaced; one
    /// that came as a bearer token stays, for its client keeps no cookies.
    ///
    /// # Errors
    /// `Invalid` `Current password is wrong`; `Conflict` `Email in use`, `Username in use`; `TooMany`
    /// guesses of the password.
    pub async fn change_account(
        &self,
        session: &Session,
        wanted: AccountChange,
        client: &Client,
    ) -> Result<Written> {
        let known = self.current(session).await?.ok_or_else(Error::unauthorized)?;
        let email = wanted.email.filter(|email| known.email.as_deref() != Some(email.as_str()));
        let guarded = email.is_some() || wanted.new_password.is_some();
        if guarded {
            let given = wanted.current_password.ok_or_else(wrong_password)?;
            let key = known.email_key().unwrap_or_else(|| known.id.to_string());
            if !self.prove(&key, client, given, known.password_hash.clone()).await? {
                return Err(wrong_password());
            }
        }
        let password_hash = match wanted.new_password {
            Some(password) => Some(self.0.passwords.hash(&self.0.passwords.enter()?, password).await?),
            None => None,
        };
        let (known, change) =
            (&known, &Change { email, username: wanted.username, role: None, password_hash });
        let (id, expires_at) = (SessionId::new(self.0.web.clock()), self.end_of(SESSION_LIFETIME));
        let changed = self.0.db.write(|tx| async move {
            let now = store::lock(&tx, known.id).await?.ok_or_else(Error::unauthorized)?;
            if guarded && now.password_hash != known.password_hash {
                return Err(wrong_password());
            }
            let saved = self.save(&tx, &now, change).await?;
            let renewed = change.password_hash.is_some()
                && self.renew(&tx, client, session, &client.new_session(id, now.id, expires_at)).await?;
            Ok((saved, renewed))
        });
        let (saved, renewed) = changed.await?;
        let fresh = renewed.then(|| self.signed_in(&saved.account, id, expires_at)).transpose()?;
        let written = self.written(saved).await;
        Ok(Written { cookie: fresh.map(|fresh| fresh.cookie), ..written })
    }

    /// Changes somebody's account, as an operator. Another role ends all their sessions.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` `Email in use`, `Username in use`.
    pub async fn change_user(&self, id: UserId, wanted: UserChange) -> Result<Written> {
        let UserChange { email, username, role } = wanted;
        let change = &Change { email, username, role, password_hash: None };
        let changed = self.0.db.write(|tx| async move {
            let now = store::lock(&tx, id).await?.ok_or_else(Error::not_found)?;
            self.save(&tx, &now, change).await
        });
        Ok(self.written(changed.await?).await)
    }

    /// Deletes a user and ends all their sessions. Tickets and orders hear of it, and do what is theirs to do. Answers the
    /// number of this change.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_user(&self, id: UserId) -> Result<i64> {
        self.delete_user_if(id, |_| Ok(())).await
    }

    /// [`Accounts::delete_user`], unless `may` says no to the user as they are at that moment.
    ///
    /// # Errors
    /// `NotFound`; those of `may`.
    pub(crate) async fn delete_user_if(
        &self,
        id: UserId,
        may: impl Fn(&Account) -> Result<()> + Sync,
    ) -> Result<i64> {
        let may = &may;
        let deleted = self.0.db.write(|tx| async move {
            let account = store::lock(&tx, id).await?.ok_or_else(Error::not_found)?;
            may(&account)?;
            let deleted = Changed::deleted(&store::delete(&tx, &account).await?);
            store::revoke_all(&tx, &self.0.web, id, None).await?;
            self.announce(&tx, &deleted).await?;
            Ok(deleted)
        });
        let deleted = deleted.await?;
        self.share(&deleted).await;
        Ok(deleted.number)
    }

    /// Writes the next version, if there is one, with what follows from it.
    pub(crate) async fn save(&self, tx: &Tx, now: &Account, change: &Change) -> Result<Saved> {
        let next = now.after(change);
        if next.version == now.version {
            return Ok(Saved { account: next, changed: None });
        }
        let next = store::update(tx, now, &next).await?.map_err(|taken| taken.error(ErrorKind::Conflict))?;
        if next.role != now.role {
            store::revoke_all(tx, &self.0.web, next.id, None).await?;
        }
        self.mail_after(tx, now, &next).await?;
        let changed = Changed::updated(now, &next);
        self.announce(tx, &changed).await?;
        Ok(Saved { account: next, changed: Some(changed) })
    }

    /// What was saved, once whoever looks up is told.
    pub(crate) async fn written(&self, Saved { account, changed }: Saved) -> Written {
        if let Some(changed) = changed {
            self.share(&changed).await;
        }
        Written { user: account.view(), change: account.change, cookie: None }
    }
}

fn wrong_password() -> Error {
    Error::invalid(WRONG_PASSWORD).at(CURRENT_PASSWORD)
}
