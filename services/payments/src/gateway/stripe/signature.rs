//! Whether a webhook comes from Stripe: `Stripe-Signature: t=…,v1=…`, an HMAC-SHA256 of `t.body`. While
//! a secret is being rolled over there are several `v1`; other schemes are passed over.

use axum::http::HeaderMap;
use data_encoding::HEXLOWER;
use kernel::{Error, Instant, Result};
use ring::hmac;

/// How far the time of a signature may be from ours, in seconds.
const TOLERANCE: u64 = 300;

#[derive(Clone)]
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// # Errors
    /// `Invalid` if the signature is absent, wrong or stale.
    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8], now: Instant) -> Result<()> {
        let bad = || Error::invalid("The signature is not valid");
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).ok_or_else(bad)?;
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time).ok_or_else(bad)?;
        let at: i64 = time.parse().map_err(|_| bad())?;
        let message = [time.as_bytes(), b".", body].concat();
        // In constant time.
        let fits = |tag: Vec<u8>| hmac::verify(&self.0, &message, &tag).is_ok();
        if !parts()
            .filter(|(name, _)| *name == "v1")
            .filter_map(|(_, tag)| HEXLOWER.decode(tag.as_bytes()).ok())
            .any(fits)
        {
            return Err(bad());
        }
        if now.as_seconds().abs_diff(at) > TOLERANCE {
            return Err(Error::invalid("The signature is too old"));
        }
        Ok(())
    }
}
