//! The head of a request: cookies, bearer tokens, where it comes from, what it wants. It is sent through the whole
//! stack, and who is signed in, and who is refused as a forger, is compared with a second reading of the headers.
//!
//! The input is `METHOD path`, then `name: value` on a line each, an empty line, and the body. A byte 1 stands for
//! the good token.

#![no_main]

use std::cell::RefCell;
use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use axum::routing::any;
use fuzz::{SESSION, TOKEN, send};
use libfuzzer_sys::{Corpus, fuzz_target};
use web::{ClientAddr, Json, MaybeSession, PageSession, Post, Session};

/// What breaks out of an attribute if it is not escaped.
const BREAKOUT: &str = "\"onfuzz=";

thread_local! {
    static APP: RefCell<Option<Router>> = const { RefCell::new(None) };
}

fn routes() -> Router {
    let who = |MaybeSession(session): MaybeSession, client: ClientAddr| async move {
        let user = session.map_or("nobody".to_owned(), |session| session.user.to_string());
        format!("{user} {client}")
    };
    Router::new()
        .route("/who", any(who))
        .route("/mine", any(|session: Session| async move { session.user.to_string() }))
        .route("/page", any(|PageSession(session): PageSession| async move { session.user.to_string() }))
        .route("/post", any(|_: Post| async {}))
        .route("/json", any(|Json(fields): Json| async move { fields.finish().map_err(web::Failure) }))
}

fuzz_target!(|data: &[u8]| -> Corpus { run(data).map_or(Corpus::Reject, |()| Corpus::Keep) });

fn run(data: &[u8]) -> Option<()> {
    let (head, body) = cut(data, b"\n\n").unwrap_or((data, b""));
    let mut lines = head.split(|b| *b == b'\n');
    let (method, path) = cut(lines.next()?, b" ")?;
    let method = Method::from_bytes(method).ok()?;
    let uri = Uri::try_from(path).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = cut(line, b": ")?;
        let value = String::from_utf8_lossy(value).replace('\u{1}', &TOKEN);
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    let mut request = Request::builder().method(&method).uri(&uri).body(Body::from(body.to_vec())).ok()?;
    *request.headers_mut() = headers.clone();
    let response = APP.with(|app| send(app, routes, request));

    let status = response.status().as_u16();
    let answered = response.headers();
    assert!(status < 500, "{status}");
    assert!(answered.get(header::SET_COOKIE).is_none());
    let id = answered.get("x-request-id").expect("a request id").as_bytes();
    assert!(
        (1..=64).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
    );
    assert_eq!(answered.get_all("x-request-id").iter().count(), 1);

    let text = match answered.get(header::CONTENT_ENCODING) {
        Some(_) => None,
        None => Some(std::str::from_utf8(response.body()).expect("text")),
    };
    assert!(text.is_none_or(|text| !text.contains(BREAKOUT) && !text.contains(&*TOKEN)));
    if forged(&method, &headers) {
        assert_eq!(status, 403);
        return Some(());
    }
    let signed_in = token(&headers).is_some_and(|token| token == *TOKEN);
    match (uri.path(), status) {
        (_, 403) => assert!(!method.is_safe() && headers.contains_key(header::ORIGIN)),
        ("/who", _) => {
            assert_eq!(status, 200);
            let (user, client) = text?.split_once(' ')?;
            assert_eq!(user, if signed_in { SESSION.user.to_string() } else { "nobody".to_owned() });
            client.parse::<IpAddr>().expect("an address");
        }
        ("/mine", _) => assert_eq!(status, if signed_in { 200 } else { 401 }),
        ("/page", 303) => {
            let to = answered[header::LOCATION].to_str().expect("text");
            let next = to.strip_prefix("/signin?").map(|query| form_urlencoded::parse(query.as_bytes()));
            let next = next.and_then(|mut pairs| pairs.next()).map(|(_, next)| next.into_owned());
            let here = uri.path_and_query().filter(|_| matches!(method, Method::GET | Method::HEAD));
            assert!(!signed_in && next.as_deref() == here.map(|here| here.as_str()), "{to}");
        }
        ("/page", _) => assert!(status == 200 && signed_in),
        ("/post" | "/json", _) => assert!([200, 400, 413, 415].contains(&status), "{status}"),
        _ => assert_eq!(status, 404),
    }
    Some(())
}

/// Whether the browser's own word is that another site sent it.
fn forged(method: &Method, headers: &HeaderMap) -> bool {
    let fetched = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        && bearer(headers).is_none()
        && fetched.is_some_and(|from| from != b"same-origin" && from != b"none")
}

fn token(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = bearer(headers) {
        return Some(token);
    }
    let all: Vec<String> = headers.get_all(header::COOKIE).iter().filter_map(visible).collect();
    let pairs: Vec<&str> = all.iter().flat_map(|line| line.split(';')).map(str::trim).collect();
    pairs.iter().find_map(|pair| pair.strip_prefix("session=")).map(str::to_owned)
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = visible(headers.get(header::AUTHORIZATION)?)?;
    let is_bearer = value.get(..6).is_some_and(|scheme| scheme.to_lowercase() == "bearer");
    let rest = value.get(6..).unwrap_or_default();
    (is_bearer && (rest.is_empty() || rest.starts_with(' '))).then(|| rest.trim().to_owned())
}

fn visible(value: &HeaderValue) -> Option<String> {
    let bytes = value.as_bytes();
    bytes.iter().all(|b| matches!(b, b'\t' | 32..=126)).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn cut<'a>(data: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = data.windows(by.len()).position(|window| window == by)?;
    Some((&data[..at], &data[at + by.len()..]))
}
