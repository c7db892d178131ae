//! What comes in a URL: pages of lists, where to go after signing in, ids and instants.

#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use fuzz::send;
use kernel::{Instant, TicketId};
use libfuzzer_sys::fuzz_target;
use url::Url;
use web::{Paging, safe_next, see_other};

static HERE: LazyLock<Url> = LazyLock::new(|| Url::parse("https://shop.example/signin").expect("a URL"));
const LAST: &str = "01890000-0000-7000-8000-000000000003";

thread_local! {
    static APP: RefCell<Option<Router>> = const { RefCell::new(None) };
}

/// A list that is always as long as it may be. In a header it says how it read its part.
fn routes() -> Router {
    let list = |OriginalUri(uri): OriginalUri, paging: Paging| async move {
        let span = paging.span::<TicketId>()?;
        assert!((1..=200).contains(&span.limit));
        let items = vec![0; span.limit.unsigned_abs() as usize];
        let told = [("x-order", span.descending.to_string()), ("x-start", span.start())];
        web::Result::Ok((told, web::list(&uri, &paging, &items, Some(LAST.to_owned()))))
    };
    Router::new().route("/list", get(list))
}

fuzz_target!(|text: &str| {
    list(text);
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        next(&name);
        next(&value);
    }
    next(text);
    instant(text);
    if let Ok(id) = text.parse::<TicketId>() {
        assert_eq!(id.to_string(), text);
    }
});

/// A page of a list, and the one that it leads to.
fn list(query: &str) {
    let uri = format!("/list?{}", escaped(query));
    let (status, first) = page(&uri);
    let Some((next, order, limit, _)) = first else {
        return assert!(matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND), "{status}");
    };
    let others = |uri: &str| -> Vec<(String, String)> {
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| name != "after").collect()
    };
    assert_eq!(others(&next), others(&uri));
    let (_, second) = page(&next);
    let (_, again, as_long, start) = second.expect("the next page");
    assert_eq!((again, as_long, start.as_str()), (order, limit, LAST));
}

/// Status; the next page's address, order, length, and what it comes after.
fn page(uri: &str) -> (StatusCode, Option<(String, String, usize, String)>) {
    let request = Request::get(uri).body(Body::empty()).expect("a request");
    let response = APP.with(|app| send(app, routes, request));
    let told = |name: &str| response.headers().get(name).map(|v| v.to_str().expect("text").to_owned());
    let link = told(header::LINK.as_str());
    let found = (response.status() == StatusCode::OK).then(|| {
        let link = link.expect("a full page leads on");
        let next = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).expect("a link");
        assert!(!next.contains(['<', '>', '"', ' ']), "{next}");
        let items: Vec<u8> = serde_json::from_slice(response.body()).expect("a list");
        (next.to_owned(), told("x-order").expect("an order"), items.len(), told("x-start").expect("a start"))
    });
    (response.status(), found)
}

/// What a URL may not have as it is, escaped.
fn escaped(text: &str) -> String {
    let escape = |b: u8| match b {
        b'"' | b'#' | b'<' | b'>' | 0..=32 | 127.. => format!("%{b:02X}"),
        _ => char::from(b).to_string(),
    };
    text.bytes().map(escape).collect()
}

/// As a browser understands it, it never leads away.
fn next(text: &str) {
    let next = safe_next(Some(text));
    assert!(next == text || next == "/");
    let response = see_other(next);
    let location = response.headers()[header::LOCATION].to_str().expect("text");
    for to in [next, location] {
        let there = HERE.join(to).expect("a path of ours");
        assert_eq!(there.origin(), HERE.origin(), "{to:?}");
    }
    // Wherever else somebody is sent, it is a header.
    assert!(see_other(text).headers().contains_key(header::LOCATION));
}

/// What is read as an instant is written so that it is read as the same one.
fn instant(text: &str) {
    if let Some(at) = Instant::parse(text) {
        assert_eq!(Instant::parse(&at.to_string()), Some(at), "{text} is {at}");
        assert_eq!(serde_json::from_value::<Instant>(serde_json::json!(at)).expect("it is read"), at);
    }
}
