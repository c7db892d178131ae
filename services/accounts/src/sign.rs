//! Signing up, in and out, and API tokens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use contracts::{Role, UserState};
use kernel::{Error, Instant, Kind as ErrorKind, Result, SessionId, UserId};
use web::{ByCookie, ClientAddr, MaybeSession, SESSION_LIFETIME, Session};

use crate::changes::Changed;
use crate::forms::Credentials;
use crate::model::{Account, NewUser, SignUp, key};
use crate::session::Kind;
use crate::store::{self, NewSession, Taken};
use crate::{Accounts, device};

/// How long an API token lives unless it was said.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest life of an API token: ten years.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(3653 * 24 * 3600);

/// Who is calling, for the limits, for the list of one's own sessions, and for what becomes of the session that they
/// come with. An extractor.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) network: String,
    pub(crate) device: String,
    /// What they come with, if it is good.
    pub(crate) session: Option<Session>,
    /// Whether they take another session from `Set-Cookie`.
    pub(crate) by_cookie: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Infallible> {
        let network = ClientAddr::from_request_parts(parts, state).await?.network().to_string();
        let agent = parts.headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let device = device::summary(&String::from_utf8_lossy(agent));
        let MaybeSession(session) = MaybeSession::from_request_parts(parts, state).await?;
        let ByCookie(by_cookie) = ByCookie::from_request_parts(parts, state).await?;
        Ok(Self { network, device, session, by_cookie })
    }
}

impl Client {
    /// A session of `user`, of the device that this is.
    pub(crate) fn new_session(&self, id: SessionId, user: UserId, expires_at: Instant) -> NewSession<'_> {
        NewSession { id, user, kind: Kind::Session, device: &self.device, expires_at }
    }
}

/// A fresh session. It cannot be printed, for its cookie is the key.
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: UserState,
    /// For `Set-Cookie`.
    pub cookie: HeaderValue,
}

impl Taken {
    pub(crate) fn error(self, kind: ErrorKind) -> Error {
        match self {
            Self::Email => Error::new(kind, "Email in use").at("email"),
            Self::Username => Error::new(kind, "Username in use").at("username"),
        }
    }
}

impl Accounts {
    /// Makes a user and signs them in. The session that they came with ends.
    ///
    /// # Errors
    /// `Invalid` `Email in use`, `Username in use`; `TooMany`; `Unavailable` when too many wait.
    pub async fn sign_up(&self, new: SignUp, client: &Client) -> Result<SignedIn> {
        self.count_sign_up(client)?;
        let session = SessionId::new(self.0.web.clock());
        let created = self.create(new, Role::User, Some((session, client)), true).await?;
        let account = created.map_err(|taken| taken.error(ErrorKind::Invalid))?;
        self.signed_in(&account, session, self.end_of(SESSION_LIFETIME))
    }

    /// Makes a user and signs nobody in.
    ///
    /// # Errors
    /// `Conflict` `User already exists`; `TooMany`; `Unavailable` when too many wait.
    pub async fn register(&self, new: SignUp, client: &Client) -> Result<UserState> {
        self.count_sign_up(client)?;
        let created = self.create(new, Role::User, None, true).await?;
        created.map(|account| account.state()).map_err(|_| Error::conflict("User already exists"))
    }

    /// Makes a user of any role, for the command line.
    ///
    /// # Errors
    /// `Invalid` with a sentence per field; `Conflict` `Email in use`, `Username in use`.
    pub async fn create_user(&self, new: NewUser) -> Result<UserState> {
        let (new, role) = new.checked()?;
        let created = self.create(new, role, None, false).await?;
        created.map(|account| account.state()).map_err(|taken| taken.error(ErrorKind::Conflict))
    }

    /// Signs somebody in: a new session each time. The one that they came with ends.
    ///
    /// # Errors
    /// `Invalid` `Invalid credentials`, whatever is wrong; `TooMany`, even if all is right; `Unavailable`
    /// when too many wait.
    pub async fn sign_in(&self, with: Credentials, client: &Client) -> Result<SignedIn> {
        self.authenticate(with, client).await?.ok_or_else(|| Error::invalid("Invalid credentials"))
    }

    /// [`Accounts::sign_in`]; `None` if the credentials are wrong.
    pub(crate) async fn authenticate(&self, with: Credentials, client: &Client) -> Result<Option<SignedIn>> {
        let found = store::by_email(&self.0.db, &with.email).await?;
        let hash = found.as_ref().and_then(|account| account.password_hash.clone());
        let right = self.prove(&key(&with.email), client, with.password, hash.clone()).await?;
        let Some(account) = found.filter(|_| right) else { return Ok(None) };

        let (id, expires_at) = (SessionId::new(self.0.web.clock()), self.end_of(SESSION_LIFETIME));
        let (hash, account) = (&hash, &account);
        let opened = self.0.db.write(|tx| async move {
            // What changed while the password was hashed counts: the password, the role, or that they are gone.
            let account = store::lock(&tx, account.id).await?.filter(|now| now.password_hash == *hash);
            if let Some(account) = &account {
                self.open_for(&tx, client, &client.new_session(id, account.id, expires_at)).await?;
            }
            Ok(account)
        });
        opened.await?.map(|account| self.signed_in(&account, id, expires_at)).transpose()
    }

    /// Ends a session, if there is one, in every process. Answers the `Set-Cookie` that clears the cookie.
    ///
    /// # Errors
    /// As the database says; the session is as good as before then.
    pub async fn sign_out(&self, session: Option<&Session>) -> Result<HeaderValue> {
        if let Some(session) = session {
            self.0.db.write(|tx| async move { store::revoke(&tx, &self.0.web, session.id).await }).await?;
            // Even if this database has no row of it.
            self.0.web.revocations().revoke(session.id, session.expires_at);
        }
        Ok(self.0.web.sessions().clear_cookie())
    }

    /// An API token of the user with this address; it lives [`TOKEN_LIFETIME`] unless it is said.
    ///
    /// # Errors
    /// `NotFound` without such a user; `Invalid` if it would live longer than [`MAX_TOKEN_LIFETIME`] or not at all.
    pub async fn create_token(&self, email: &str, expires_in: Option<Duration>) -> Result<String> {
        let lifetime = expires_in.unwrap_or(TOKEN_LIFETIME);
        if !(Duration::from_secs(1)..=MAX_TOKEN_LIFETIME).contains(&lifetime) {
            return Err(Error::invalid("A token lives between a second and ten years"));
        }
        let unknown = || Error::new(ErrorKind::NotFound, "There is no user with this e-mail address");
        let found = store::by_email(&self.0.db, email).await?.ok_or_else(unknown)?;
        let (user, id, expires_at) = (found.id, SessionId::new(self.0.web.clock()), self.end_of(lifetime));
        let opened = self.0.db.write(|tx| async move {
            let account = store::lock(&tx, user).await?.ok_or_else(unknown)?;
            store::open(&tx, &NewSession { id, user, kind: Kind::Token, device: "API token", expires_at })
                .await?;
            Ok(account)
        });
        let role = opened.await?.role;
        self.0.web.sessions().issue(&Session { id, user, role, expires_at })
    }

    /// Whether `password` belongs to `hash`, within the limits of the account (known or not) and of the
    /// client. One try at a time per account, so that a crowd of guesses meets the same limit as a queue.
    pub(crate) async fn prove(
        &self,
        account: &str,
        client: &Client,
        password: String,
        hash: Option<String>,
    ) -> Result<bool> {
        let within_limits = || {
            self.0.account_failures.check(account)?;
            self.0.address_failures.check(&client.network)
        };
        within_limits()?;
        let place = self.0.passwords.enter()?;
        let _turn = self.0.passwords.turn(account).await;
        within_limits()?;
        let right = self.0.passwords.verify(&place, password, hash).await?;
        if !right {
            self.0.account_failures.hit(account);
            self.0.address_failures.hit(&client.network);
        }
        Ok(right)
    }

    pub(crate) fn count_sign_up(&self, client: &Client) -> Result<()> {
        self.0.sign_ups.check(&client.network)?;
        self.0.sign_ups.hit(&client.network);
        Ok(())
    }

    /// Writes a new user, with a session for `opening`, and a mail to verify their address if they are to be `mailed`.
    async fn create(
        &self,
        new: SignUp,
        role: Role,
        opening: Option<(SessionId, &Client)>,
        mailed: bool,
    ) -> Result<std::result::Result<Account, Taken>> {
        let SignUp { email, username, password } = new;
        let place = self.0.passwords.enter()?;
        let password_hash = Some(self.0.passwords.hash(&place, password).await?);
        drop(place);
        let clock = self.0.web.clock();
        let account = Account {
            id: UserId::new(clock),
            version: 0,
            email: Some(email.as_str().to_owned()),
            username: username.map(|name| name.as_str().to_owned()),
            password_hash,
            role,
            created_at: clock.now(),
            change: 0,
            changed_at: clock.now(),
        };
        let (new, email, expires_at) = (&account, &email, self.end_of(SESSION_LIFETIME));
        let created = self.0.db.write(|tx| async move {
            let new = match store::insert(&tx, new).await? {
                Ok(new) => new,
                Err(taken) => return Ok(Err(taken)),
            };
            if let Some((id, client)) = opening {
                self.open_for(&tx, client, &client.new_session(id, new.id, expires_at)).await?;
            }
            if mailed {
                self.mail_first(&tx, new.id, email.as_str()).await?;
            }
            let created = Changed::created(&new);
            self.announce(&tx, &created).await?;
            Ok(Ok((new, created)))
        });
        match created.await? {
            Ok((new, created)) => {
                self.share(&created).await;
                Ok(Ok(new))
            }
            Err(taken) => Ok(Err(taken)),
        }
    }

    pub(crate) fn signed_in(
        &self,
        account: &Account,
        id: SessionId,
        expires_at: Instant,
    ) -> Result<SignedIn> {
        let session = Session { id, user: account.id, role: account.role, expires_at };
        let token = self.0.web.sessions().issue(&session)?;
        let cookie = self.0.web.sessions().cookie(&token, expires_at);
        Ok(SignedIn { session, user: account.state(), cookie })
    }

    /// The end of something that begins now, in whole seconds, as tokens have it.
    pub(crate) fn end_of(&self, lifetime: Duration) -> Instant {
        let end = self.0.web.clock().now() + lifetime;
        Instant::from_millis(end.as_seconds() * 1000)
    }
}
