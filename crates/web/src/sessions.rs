//! Session tokens: JWTs that any process with the key verifies alone. Only HS256 under our key counts,
//! whatever a token's own header claims; the end is judged by the installation's clock.

use std::fmt::Display;
use std::time::Duration;

use axum::http::HeaderValue;
use contracts::Role;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::{Clock, Instant, SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::revocations::Revocations;
use crate::session::Session;
use crate::verified::Verified;

/// Issues and verifies session tokens, and writes their cookie.
pub struct Sessions {
    clock: Clock,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    revocations: Revocations,
    verified: Verified,
    secure: bool,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sid: SessionId,
    sub: UserId,
    role: Role,
    exp: i64,
    iat: i64,
}

impl Sessions {
    pub(crate) fn new(clock: Clock, key: &[u8], revocations: Revocations, secure: bool) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the machine for the time; `verify` asks our clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let (signing, verifying) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        Self { clock, signing, verifying, validation, revocations, verified: Verified::new(), secure }
    }

    /// A token for `session`.
    ///
    /// # Errors
    /// `Internal` if it cannot be signed.
    pub fn issue(&self, session: &Session) -> kernel::Result<String> {
        let claims = Claims {
            sid: session.id,
            sub: session.user,
            role: session.role,
            exp: session.expires_at.as_seconds(),
            iat: self.clock.now().as_seconds(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|e| kernel::Error::internal("a session token could not be signed").because(e))
    }

    /// The session of a token: signed by us, not yet expired, not revoked.
    pub fn verify(&self, token: &str) -> Option<Session> {
        let known = self.verified.session(token, || self.decode(token))?;
        let (session, now) = (&known.session, self.clock.now());
        let live = now < session.expires_at && !self.revocations.is_revoked(session.id);
        live.then(|| {
            known.use_at(now);
            session.clone()
        })
    }

    /// The sessions that this process was shown after `since`, with when it last was: those of the 10,000 that are seen
    /// most.
    pub fn used(&self, since: Instant) -> Vec<(SessionId, Instant)> {
        self.verified.used(since)
    }

    /// What a token says that we signed.
    fn decode(&self, token: &str) -> Option<Session> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation).ok()?.claims;
        let expires_at = Instant::from_millis(claims.exp.checked_mul(1000)?);
        Some(Session { id: claims.sid, user: claims.sub, role: claims.role, expires_at })
    }

    /// The value of `Set-Cookie` that signs a browser in.
    pub fn cookie(&self, token: &str, expires_at: Instant) -> HeaderValue {
        let seconds = self.clock.now().until(expires_at).as_secs();
        // Tokens are base64url; anything else could not be one and would sign nobody in.
        HeaderValue::try_from(self.cookie_text(token, seconds)).unwrap_or_else(|_| self.clear_cookie())
    }

    /// The value of `Set-Cookie` that signs a browser out.
    pub fn clear_cookie(&self) -> HeaderValue {
        HeaderValue::try_from(self.cookie_text("", 0))
            .unwrap_or_else(|_| HeaderValue::from_static("session=; Max-Age=0"))
    }

    /// The value of `Set-Cookie` that has a browser say `number` for a while, under another name than the session's, for
    /// ourselves alone.
    pub fn other_cookie(&self, name: &'static str, number: i64, lasts: Duration) -> HeaderValue {
        HeaderValue::try_from(self.text(name, number, lasts.as_secs()))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn cookie_text(&self, token: &str, seconds: u64) -> String {
        self.text(self.cookie_name(), token, seconds)
    }

    fn text(&self, name: &str, value: impl Display, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// What its cookie is called: over TLS, browsers hold a name that begins with `__Host-` to this one host.
    pub fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-session" } else { "session" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
    use serde_json::{Value, json};

    const KEY: &[u8] = b"a key for the tests, long enough";

    fn sessions(clock: &Clock, secure: bool) -> Sessions {
        Sessions::new(clock.clone(), KEY, Revocations::new(clock.clone()), secure)
    }

    fn session(clock: &Clock) -> Session {
        let expires_at = clock.now() + Duration::from_secs(100);
        Session { id: SessionId::new(clock), user: UserId::new(clock), role: Role::User, expires_at }
    }

    fn clock() -> Clock {
        Clock::manual(Instant::from_millis(1_800_000_000_000))
    }

    /// A token made by hand, with any header, payload and key.
    fn forge(header: &Value, claims: &Value, algorithm: Algorithm, key: &[u8]) -> String {
        let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let key = EncodingKey::from_secret(key);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    fn claims(of: &Session) -> Value {
        json!({"sid": of.id, "sub": of.user, "role": "user", "exp": of.expires_at.as_seconds(), "iat": 0})
    }

    #[test]
    fn reads_back_what_it_issued() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        assert_eq!(sessions.verify(&sessions.issue(&session).unwrap()), Some(session));
    }

    #[test]
    fn refuses_what_it_did_not_sign() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        let good = forge(&json!({"typ": "JWT", "alg": "HS256"}), &claims(&session), Algorithm::HS256, KEY);
        assert_eq!(sessions.verify(&good), Some(session.clone()), "the forger's tool works");

        let (head, signature) = good.rsplit_once('.').unwrap();
        let mut raised = claims(&session);
        raised["role"] = json!("operator");
        let raised =
            format!("{}.{}.{signature}", head.split('.').next().unwrap(), B64.encode(raised.to_string()));
        let none = json!({"typ": "JWT", "alg": "none"});
        let unsigned =
            format!("{}.{}.", B64.encode(none.to_string()), B64.encode(claims(&session).to_string()));
        let bad = [
            String::new(),
            "..".to_owned(),
            "not a token".to_owned(),
            format!("{head}."),
            format!("{head}.AAAA"),
            raised,
            unsigned.clone(),
            format!("{unsigned}{signature}"),
            forge(&none, &claims(&session), Algorithm::HS256, KEY),
            forge(&json!({"alg": "HS512"}), &claims(&session), Algorithm::HS512, KEY),
            forge(&json!({"alg": "HS512"}), &claims(&session), Algorithm::HS256, KEY),
            forge(&json!({"alg": "HS256"}), &claims(&session), Algorithm::HS256, b"another key"),
            forge(&json!({"alg": "HS256"}), &claims(&session), Algorithm::HS256, b""),
        ];
        for token in bad {
            assert_eq!(sessions.verify(&token), None, "{token}");
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        let good = sessions.issue(&session).unwrap();
        for at in 0..good.len() {
            // The next letter differs by one bit, at a segment's end by one that stands for nothing.
            for other in [good.as_bytes()[at] ^ 1, b'A', b'.', b'='] {
                let mut edited = good.clone().into_bytes();
                edited[at] = other;
                let edited = String::from_utf8(edited).unwrap();
                assert!(edited == good || sessions.verify(&edited).is_none(), "{edited}");
            }
            assert_eq!(sessions.verify(&good[..at]), None);
        }
        for longer in [format!("{good}="), format!("{good}A"), format!(" {good}"), format!("{good}.")] {
            assert_eq!(sessions.verify(&longer), None, "{longer}");
        }
    }

    #[test]
    fn refuses_incomplete_claims() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        let header = json!({"alg": "HS256"});
        for (member, value) in [
            ("sid", json!(null)),
            ("sid", json!("1")),
            ("sub", json!(7)),
            ("role", json!("king")),
            ("exp", json!(null)),
            ("exp", json!("never")),
            ("exp", json!(i64::MAX)),
            ("exp", json!(1e300)),
        ] {
            let mut claims = claims(&session);
            claims[member] = value.clone();
            let token = forge(&header, &claims, Algorithm::HS256, KEY);
            assert_eq!(sessions.verify(&token), None, "{member}: {value}");
        }
    }

    #[test]
    fn ends_by_our_clock() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        let token = sessions.issue(&session).unwrap();
        clock.advance(Duration::from_millis(99_999));
        assert!(sessions.verify(&token).is_some());
        clock.advance(Duration::from_millis(1));
        assert!(sessions.verify(&token).is_none());
    }

    #[test]
    fn ends_when_revoked() {
        let clock = clock();
        let (sessions, session) = (sessions(&clock, false), session(&clock));
        let token = sessions.issue(&session).unwrap();
        sessions.revocations.revoke(SessionId::new(&clock), session.expires_at);
        assert!(sessions.verify(&token).is_some());
        sessions.revocations.revoke(session.id, session.expires_at);
        assert!(sessions.verify(&token).is_none());
    }

    #[test]
    fn the_cookie_is_for_the_server_only() {
        let clock = clock();
        let expires_at = clock.now() + Duration::from_secs(60);
        let plain = sessions(&clock, false);
        assert_eq!(plain.cookie("t", expires_at), "session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        assert_eq!(plain.clear_cookie(), "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let secure = sessions(&clock, true);
        assert_eq!(
            secure.cookie("t", expires_at),
            "__Host-session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(secure.cookie("a\nb", expires_at), secure.clear_cookie());
    }
}
