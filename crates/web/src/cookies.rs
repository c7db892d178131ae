//! Where a session token travels: `Authorization: Bearer`, or a cookie. The header wins, and once it is
//! there the cookie counts for nothing; the CSRF check relies on that.

use axum::http::{HeaderMap, header};

/// The token that the request presents, if any.
pub(crate) fn token<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    match bearer(headers) {
        Some(token) => Some(token),
        None => cookies(headers).find(|(name, _)| *name == cookie).map(|(_, value)| value),
    }
}

/// The bearer token; empty if the header says `Bearer` and nothing else.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All cookies of all `Cookie` headers, name and value: HTTP/2 may send one header for each.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair =
            |(n, v): &(&'static str, &'static str)| (HeaderName::from_static(n), HeaderValue::from_static(v));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn the_bearer_wins_even_if_it_is_empty() {
        for (pairs, token) in [
            (&[][..], None),
            (&[("cookie", "session=a")], Some("a")),
            (&[("cookie", "x=1; session=a; y=2")], Some("a")),
            (&[("cookie", "x=1"), ("cookie", "session=a")], Some("a")),
            (&[("cookie", "xsession=a")], None),
            (&[("cookie", "session")], None),
            (&[("cookie", "session=a"), ("authorization", "Bearer b")], Some("b")),
            (&[("cookie", "session=a"), ("authorization", "bearer b")], Some("b")),
            (&[("cookie", "session=a"), ("authorization", "Bearer")], Some("")),
            (&[("cookie", "session=a"), ("authorization", "Basic b")], Some("a")),
        ] {
            assert_eq!(super::token(&headers(pairs), "session"), token, "{pairs:?}");
        }
    }
}
