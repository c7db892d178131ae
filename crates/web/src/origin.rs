//! Where people reach the site, for addresses that leave it: in a QR code, in a link for a player.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::context::Context;
use crate::failure::Failure;

/// Where people reach us, without a slash at the end: as configured, or else as this request did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let web = Context::of(&parts.extensions)?.web();
        if let Some(url) = web.public_url() {
            return Ok(Self(url.to_owned()));
        }
        // Cookies bear this prefix where the site is reached by TLS.
        let tls = web.sessions().clear_cookie().as_bytes().starts_with(b"__Host-");
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(|a| a.as_str())).unwrap_or("localhost");
        Ok(Self(format!("http{}://{host}", if tls { "s" } else { "" })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, served, status_and_body};
    use crate::web::{Config, Web};
    use axum::{Router, routing};

    #[tokio::test]
    async fn it_is_as_configured_or_as_asked() {
        let told = async |config: Config, host: &str| {
            let show = |Origin(origin): Origin| async move { origin };
            let app = served(Router::new().route("/o", routing::get(show)), &Web::new(config));
            let mut request = get("/o", &[]);
            request.headers_mut().insert("host", host.parse().unwrap());
            status_and_body(app, request).await.1
        };
        assert_eq!(told(Config::default(), "a.example:3333").await, "http://a.example:3333");
        let tls = Config { secure_cookies: true, ..Config::default() };
        assert_eq!(told(tls, "a.example").await, "https://a.example");
        let known = Config { public_url: Some("https://b.example/".into()), ..Config::default() };
        assert_eq!(told(known, "a.example").await, "https://b.example");
    }
}
