//! What all handlers of one process share. A handler finds it in the request, where [`crate::stack`]
//! puts it, so no service has to carry it for the extractors' sake.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kernel::Clock;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::failure::Failure;
use crate::live::Changes;
use crate::meters::Meters;
use crate::network::Network;
use crate::revocations::Revocations;
use crate::sessions::Sessions;
use crate::turns::Turns;

/// What an installation decides about its web side.
pub struct Config {
    /// Where "now" comes from.
    pub clock: Clock,
    /// Signs sessions. Whoever knows it is everybody.
    pub jwt_key: Vec<u8>,
    /// Whether the site is reached by TLS: cookies are then `Secure` and named `__Host-session`.
    pub secure_cookies: bool,
    /// ISO 4217, in lower case: `usd`.
    pub currency: String,
    /// Where people reach the site, e.g. `https://tickets.example`, if that is known.
    pub public_url: Option<String>,
    /// The longest JSON body or form, in bytes. 64 KiB is plenty.
    pub body_limit: usize,
    /// Where proxies ask from whose `X-Forwarded-For` is believed. The header of anybody else is ignored.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Config {
    /// A plain-HTTP installation behind no proxy, that counts in US dollars and takes bodies of 64 KiB. Its key
    /// is random: its sessions end with the process, and a key that was forgotten is not one that everybody knows.
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            jwt_key: format!("{}{}", kernel::random_code(), kernel::random_code()).into_bytes(),
            secure_cookies: false,
            currency: "usd".to_owned(),
            public_url: None,
            body_limit: 64 * 1024,
            trusted_proxies: Vec::new(),
        }
    }
}

/// What all handlers of one process share. Clones are the same one.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

struct Shared {
    clock: Clock,
    sessions: Sessions,
    revocations: Revocations,
    currency: String,
    public_url: Option<String>,
    body_limit: usize,
    trusted_proxies: Vec<Network>,
    changes: Changes,
    shutdown: CancellationToken,
    turns: Turns,
    meters: Meters,
}

impl Web {
    /// Sets up the shared parts. The metrics recorder has to be installed before.
    pub fn new(config: Config) -> Self {
        let revocations = Revocations::new(config.clock.clone());
        let sessions =
            Sessions::new(config.clock.clone(), &config.jwt_key, revocations.clone(), config.secure_cookies);
        Self(Arc::new(Shared {
            clock: config.clock,
            sessions,
            revocations,
            currency: config.currency,
            public_url: config.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            body_limit: config.body_limit,
            trusted_proxies: config.trusted_proxies,
            changes: Changes::default(),
            shutdown: CancellationToken::new(),
            turns: Turns::default(),
            meters: Meters::new(),
        }))
    }

    /// Where "now" comes from.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Issues and verifies session tokens.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// The sessions that ended before their time.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// ISO 4217, in lower case.
    pub fn currency(&self) -> &str {
        &self.0.currency
    }

    /// Where people reach the site, without a slash at the end, if that is known.
    pub fn public_url(&self) -> Option<&str> {
        self.0.public_url.as_deref()
    }

    /// The longest JSON body or form, in bytes.
    pub fn body_limit(&self) -> usize {
        self.0.body_limit
    }

    /// What to answer where a copy of another service's data is not here: 404; while this process cannot hear
    /// the others 503, for then it may well exist.
    pub fn unheard_of(&self) -> kernel::Error {
        if self.revocations().is_hearing() {
            kernel::Error::not_found()
        } else {
            kernel::Error::unavailable("the bus is away, and with it what happened meanwhile")
        }
    }

    /// Tells open pages that a number has changed.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// Cancelled when the process begins to stop; what would stream for ever ends then.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }

    /// Begins to stop: ends what would stream for ever.
    pub fn shut_down(&self) {
        self.0.shutdown.cancel();
    }

    pub(crate) fn trusted_proxies(&self) -> &[Network] {
        &self.0.trusted_proxies
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Web {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Context::of(&parts.extensions)?.web().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Role;

    #[tokio::test]
    async fn a_forgotten_key_is_nobodys() {
        let (one, other) = (Web::new(Config::default()), Web::new(Config::default()));
        let token = one.sessions().issue(&crate::testing::session(&one, Role::User)).unwrap();
        assert!(one.sessions().verify(&token).is_some() && other.sessions().verify(&token).is_none());
    }

    #[tokio::test]
    async fn the_end_is_heard() {
        let (web, _) = crate::testing::web();
        let heard = web.clone();
        web.shut_down();
        heard.shutdown().cancelled().await;
    }
}
