//! Refuses requests that another site made a browser send. As in Go 1.25's `CrossOriginProtection` the
//! browser's own word is taken, so forms need no tokens. A request with a bearer token is exempt: no
//! browser adds one by itself, and beside one the cookie counts for nothing.

use axum::http::{HeaderMap, Method, Uri, header};

use crate::cookies;

/// Whether the request may act. `site` is where people reach us, when that is configured: behind a proxy
/// that rewrites `Host`, it is what an honest `Origin` says.
pub(crate) fn is_allowed(method: &Method, uri: &Uri, headers: &HeaderMap, site: Option<&str>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if cookies::bearer(headers).is_some() {
        return true;
    }
    let origin = headers.get(header::ORIGIN);
    if site.is_some() && origin.and_then(|o| o.to_str().ok()) == site.map(origin_of) {
        return true;
    }
    if let Some(from) = headers.get("sec-fetch-site") {
        return from == "same-origin" || from == "none";
    }
    // No browser of today leaves both headers out of a cross-site POST, so this is no browser's, or ours.
    let Some(origin) = origin else { return true };
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or_else(|| uri.authority().map(|a| a.as_str()));
    match (origin.to_str().ok().and_then(|o| o.split_once("://")), host) {
        (Some((_, from)), Some(host)) => from.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The origin of a URL: what stands before its path.
fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    url[authority..].find('/').map_or(url, |path| &url[..authority + path])
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn only_a_cross_site_browser_is_refused() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], bool);
        let cases: &[Case] = &[
            // safe methods always
            ("GET", &[("sec-fetch-site", "cross-site")], true),
            ("HEAD", &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], true),
            ("OPTIONS", &[("origin", "https://evil.example")], true),
            // what the browser says
            ("POST", &[("sec-fetch-site", "same-origin")], true),
            ("POST", &[("sec-fetch-site", "none")], true),
            ("POST", &[("sec-fetch-site", "same-site")], false),
            ("POST", &[("sec-fetch-site", "cross-site")], false),
            ("POST", &[("sec-fetch-site", "")], false),
            ("PUT", &[("sec-fetch-site", "cross-site")], false),
            ("PATCH", &[("sec-fetch-site", "cross-site")], false),
            ("DELETE", &[("sec-fetch-site", "cross-site")], false),
            ("PURGE", &[("sec-fetch-site", "cross-site")], false),
            // it outweighs the origin, both ways
            ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example")], false),
            ("POST", &[("sec-fetch-site", "same-origin"), ("origin", "https://other.example")], true),
            // an old browser, or none
            ("POST", &[], true),
            ("POST", &[("origin", "https://shop.example")], true),
            ("POST", &[("origin", "http://SHOP.example")], true),
            ("POST", &[("origin", "https://shop.example:444")], false),
            ("POST", &[("origin", "https://evil.example")], false),
            ("POST", &[("origin", "https://shop.example.evil.example")], false),
            ("POST", &[("origin", "null")], false),
            ("POST", &[("origin", "")], false),
            // the configured address
            ("POST", &[("origin", "https://public.example")], true),
            ("POST", &[("origin", "https://public.example"), ("sec-fetch-site", "same-site")], true),
            ("POST", &[("origin", "http://public.example")], false),
            // tokens
            ("POST", &[("sec-fetch-site", "cross-site"), ("authorization", "Bearer t")], true),
            ("POST", &[("sec-fetch-site", "cross-site"), ("authorization", "Basic t")], false),
            ("POST", &[("sec-fetch-site", "cross-site"), ("cookie", "session=t")], false),
        ];
        for (method, headers, allowed) in cases {
            let mut all = HeaderMap::new();
            all.insert(header::HOST, HeaderValue::from_static("shop.example"));
            for (name, value) in *headers {
                all.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let method: Method = method.parse().unwrap();
            let site = Some("https://public.example");
            assert_eq!(
                is_allowed(&method, &Uri::from_static("/"), &all, site),
                *allowed,
                "{method} {headers:?}"
            );
        }
    }

    #[test]
    fn a_site_may_be_below_a_path() {
        for (url, origin) in [
            ("https://public.example", "https://public.example"),
            ("https://public.example:8443/shop/x", "https://public.example:8443"),
            ("public.example/x", "public.example"),
            ("", ""),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn over_http_2_the_host_is_the_authority() {
        let headers =
            [(header::ORIGIN, HeaderValue::from_static("https://shop.example"))].into_iter().collect();
        for (uri, allowed) in
            [("https://shop.example/x", true), ("https://evil.example/x", false), ("/x", false)]
        {
            assert_eq!(is_allowed(&Method::POST, &Uri::from_static(uri), &headers, None), allowed, "{uri}");
        }
    }
}
