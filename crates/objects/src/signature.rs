//! What tells storage that a request is streaming's: a signature over what is asked, which ends soon. Both have the
//! installation's key.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use data_encoding::HEXLOWER;
use kernel::{Clock, Error, Instant, Result};
use ring::hmac;
use std::time::Duration;

/// How long a signature counts; a request that has begun by then may take longer.
const LIFE: Duration = Duration::from_secs(60);
const SCHEME: &str = "Marquee-Storage ";

/// Signs and checks requests.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
    clock: Clock,
}

impl Signer {
    /// By the installation's key, of which one is made for this alone.
    pub fn new(key: &[u8], clock: Clock) -> Self {
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"marquee: requests to storage");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()), clock }
    }

    /// The `Authorization` of a request for `uri`, which is its path and query.
    pub(crate) fn sign(&self, method: &Method, uri: &str) -> HeaderValue {
        let until = (self.clock.now() + LIFE).as_millis();
        let signature = hmac::sign(&self.key, text(method, uri, until).as_bytes());
        let value = format!("{SCHEME}{until}.{}", HEXLOWER.encode(signature.as_ref()));
        // Digits and letters.
        HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(SCHEME))
    }

    /// Whether a request is signed, and still counts.
    ///
    /// # Errors
    /// 401 if not.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<()> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let parts = given.and_then(|text| text.strip_prefix(SCHEME)).and_then(|text| text.split_once('.'));
        let (until, signature) = parts.ok_or_else(Error::unauthorized)?;
        let until: i64 = until.parse().map_err(|_| Error::unauthorized())?;
        let now = self.clock.now();
        let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
        let good = HEXLOWER.decode(signature.as_bytes()).is_ok_and(|signature| {
            hmac::verify(&self.key, text(method, asked, until).as_bytes(), &signature).is_ok()
        });
        // One that ends later than any that we make was made with another clock.
        let counts = now <= Instant::from_millis(until) && Instant::from_millis(until) <= now + LIFE * 2;
        if good && counts { Ok(()) } else { Err(Error::unauthorized()) }
    }
}

fn text(method: &Method, uri: &str, until: i64) -> String {
    format!("{method}\n{uri}\n{until}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(signer: &Signer, method: &Method, uri: &str) -> HeaderMap {
        [(header::AUTHORIZATION, signer.sign(method, uri))].into_iter().collect()
    }

    #[test]
    fn a_signature_counts_for_one_request_and_for_a_minute() {
        let clock = Clock::manual(Instant::from_millis(1_700_000_000_000));
        let signer = Signer::new(b"the key of this house", clock.clone());
        let uri = Uri::from_static("/storage/objects/7?type=video/mp4");
        let headers = signed(&signer, &Method::GET, "/storage/objects/7?type=video/mp4");
        assert!(signer.check(&Method::GET, &uri, &headers).is_ok());
        for (method, uri) in
            [(Method::DELETE, "/storage/objects/7?type=video/mp4"), (Method::GET, "/storage/objects/8")]
        {
            assert!(signer.check(&method, &Uri::try_from(uri).unwrap(), &headers).is_err(), "{method} {uri}");
        }
        let other = Signer::new(b"the key of another", clock.clone());
        assert!(other.check(&Method::GET, &uri, &headers).is_err());
        for wrong in
            ["", "Bearer x", "Marquee-Storage ", "Marquee-Storage 1.", "Marquee-Storage 99999999999999.ab"]
        {
            let headers = [(header::AUTHORIZATION, HeaderValue::from_static(wrong))].into_iter().collect();
            assert!(signer.check(&Method::GET, &uri, &headers).is_err(), "{wrong}");
        }
        clock.advance(LIFE);
        assert!(signer.check(&Method::GET, &uri, &headers).is_ok());
        clock.advance(Duration::from_millis(1));
        assert!(signer.check(&Method::GET, &uri, &headers).is_err(), "it has ended");
    }
}
