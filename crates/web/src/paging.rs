//! Pages of a list: in order of creation, so many at once, after the last one seen. Ids carry the time,
//! so "after this id" stays right while others are added.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kernel::Error;
use serde::Serialize;

use crate::answer::Answer;
use crate::failure::Failure;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// At most so many: 1 to 200.
    pub limit: i64,
    /// Those after this one, in the list's order.
    pub after: Option<String>,
    /// Newest first.
    pub descending: bool,
}

pub(crate) const DEFAULT: i64 = 50;
pub(crate) const MOST: i64 = 200;

impl Paging {
    fn read(query: &str) -> kernel::Result<Self> {
        let (mut limit, mut after, mut order) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let (slot, name) = match &*name {
                "limit" => (&mut limit, "limit"),
                "after" => (&mut after, "after"),
                "order" => (&mut order, "order"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Error::invalid("A parameter must not be repeated").at(name));
            }
        }
        Ok(Self {
            limit: limit.map_or(Ok(DEFAULT), |text| limit_of(&text))?,
            after: after.map(std::borrow::Cow::into_owned),
            descending: match order.as_deref() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err(Error::invalid("Order must be asc or desc").at("order")),
            },
        })
    }
}

/// A whole number above zero. More than [`MOST`] is read as that, however many digits it has.
fn limit_of(text: &str) -> kernel::Result<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<i64>() {
        _ if !digits || text.bytes().all(|b| b == b'0') => {
            Err(Error::invalid("Limit must be a whole number greater than 0").at("limit"))
        }
        Ok(limit) => Ok(limit.min(MOST)),
        Err(_) => Ok(MOST),
    }
}

/// A part of a list that is in the order of its ids.
#[derive(Debug, Clone, Copy)]
pub struct Span<I> {
    /// Those after this one, in the list's order.
    pub after: Option<I>,
    /// At most so many.
    pub limit: i64,
    /// Newest first.
    pub descending: bool,
}

impl<I: std::fmt::Display> Span<I> {
    /// The id that the part comes after, or a text that lies before every id in the list's order.
    pub fn start(&self) -> String {
        let before_all = if self.descending { "g" } else { "" };
        self.after.as_ref().map_or_else(|| before_all.to_owned(), I::to_string)
    }
}

impl Paging {
    /// Whether this is what most people ask for: the first part, as long as parts are if nobody says how long.
    pub fn is_beginning(&self) -> bool {
        self.limit == DEFAULT && self.after.is_none()
    }

    /// The part of a list of things whose ids are `I`.
    ///
    /// # Errors
    /// 404 if `after` is not such an id.
    pub fn span<I: std::str::FromStr>(&self) -> kernel::Result<Span<I>> {
        let after =
            self.after.as_deref().map(str::parse).transpose().map_err(|_| kernel::Error::not_found())?;
        Ok(Span { after, limit: self.limit, descending: self.descending })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        Self::read(uri.query().unwrap_or_default()).map_err(Failure)
    }
}

/// A JSON array of `items`, with a link to the rest if there may be more: if it is as long as it may be.
/// `last_id` is what the next request has to come after; all other parameters stay as they are.
pub fn list<T: Serialize>(uri: &Uri, paging: &Paging, items: &[T], last_id: Option<String>) -> Response {
    let mut response = Answer::json(StatusCode::OK, &items).into_response();
    let full = i64::try_from(items.len()).is_ok_and(|n| n >= paging.limit);
    if let Some(last) = last_id.filter(|_| full) {
        response.headers_mut().extend(next(uri, &last));
    }
    response
}

/// The header that links to what comes after the thing with `last_id`, for a list that may go on there.
pub fn next(uri: &Uri, last_id: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::try_from(next_link(uri, last_id)).ok().map(|link| (header::LINK, link))
}

fn next_link(uri: &Uri, last: &str) -> String {
    let others = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| name != "after");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("after", last)
        .finish();
    format!("<{}?{query}>; rel=\"next\"", uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_contract_allows() {
        let page = |limit, after: Option<&str>, descending| {
            Some(Paging { limit, after: after.map(str::to_owned), descending })
        };
        for (query, expected) in [
            ("", page(50, None, false)),
            ("limit=1", page(1, None, false)),
            ("limit=200", page(200, None, false)),
            ("limit=201", page(200, None, false)),
            ("limit=99999999999999999999999999", page(200, None, false)),
            ("limit=007", page(7, None, false)),
            ("limit=0", None),
            ("limit=000", None),
            ("limit=-1", None),
            ("limit=%2B1", None),
            ("limit=1.5", None),
            ("limit=ten", None),
            ("limit=", None),
            ("limit", None),
            ("limit=1&limit=1", None),
            ("order=asc", page(50, None, false)),
            ("order=desc", page(50, None, true)),
            ("order=DESC", None),
            ("order=", None),
            ("order=asc&order=asc", None),
            ("after=x", page(50, Some("x"), false)),
            ("after=a%20b", page(50, Some("a b"), false)),
            ("after=", page(50, Some(""), false)),
            ("after=x&after=y", None),
            ("mine=true&mine=true&limit=5", page(5, None, false)),
        ] {
            let read = Paging::read(query);
            if let Err(e) = &read {
                assert_eq!(e.kind, kernel::Kind::Invalid);
                assert!(e.errors[0].field.is_some());
            }
            assert_eq!(read.ok(), expected, "{query}");
        }
    }

    #[test]
    fn a_full_page_links_to_the_next() {
        let uri: Uri = "/api/tickets?mine=true&limit=2&after=old&q=a%26b%3E".parse().unwrap();
        let paging = Paging { limit: 2, after: None, descending: false };
        let link = |items: &[i32], last: Option<&str>| {
            let response = list(&uri, &paging, items, last.map(str::to_owned));
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            response.headers().get(header::LINK).map(|l| l.to_str().unwrap().to_owned())
        };
        let next = r#"</api/tickets?mine=true&limit=2&q=a%26b%3E&after=n+%3E>; rel="next""#;
        assert_eq!(link(&[1, 2], Some("n >")).as_deref(), Some(next));
        assert_eq!(link(&[1], Some("n")), None);
        assert_eq!(link(&[], None), None);
    }
}
