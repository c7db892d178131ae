//! What every HTML page has in common. A service's template extends `layout.html`, which finds all that
//! it shows in the template's field `page`.

use std::fmt::Display;

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::Money;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::assets;
use crate::failure::Failure;
use crate::problem::Problem;
use crate::session::Session;
use crate::web::Web;

/// What the layout of a page shows.
#[derive(Debug, Clone)]
pub struct Page {
    /// The page's own title.
    pub title: String,
    /// Whether to offer signing out, or signing in.
    pub signed_in: bool,
    /// Whether to offer what only operators do.
    pub operator: bool,
    /// Where the page is, to mark it in the navigation and to come back after signing in.
    pub path: String,
    /// The style sheet's address.
    pub css: &'static str,
    /// The script's address.
    pub js: &'static str,
    /// ISO 4217, in lower case.
    pub currency: String,
}

impl Page {
    /// The layout's data for one answer.
    pub fn new(
        web: &Web,
        session: Option<&Session>,
        title: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            signed_in: session.is_some(),
            operator: session.is_some_and(Session::is_operator),
            path: path.into(),
            css: assets::css(),
            js: assets::js(),
            currency: web.currency().to_owned(),
        }
    }

    /// An amount with its currency: `$1,019.99` in US dollars, otherwise `1,019.99 EUR`.
    pub fn price(&self, money: Money) -> String {
        let amount = grouped(money);
        if self.currency == "usd" {
            format!("${amount}")
        } else {
            format!("{amount} {}", self.currency.to_uppercase())
        }
    }
}

/// A count or an amount with commas between its thousands, as the script writes it too: `1,000,000`.
pub fn grouped(number: impl Display) -> String {
    let amount = number.to_string();
    let (whole, rest) = amount.find('.').map_or((&*amount, ""), |point| amount.split_at(point));
    let mut text = String::with_capacity(amount.len() * 4 / 3 + 1);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && digit.is_ascii_digit() && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// A page, 200. Pages show what is true now and for one person, so nobody keeps them.
pub fn html<T: Template>(template: &T) -> Response {
    html_with(StatusCode::OK, template)
}

/// A page with another status: a form that has to be filled in again, say.
pub fn html_with<T: Template>(status: StatusCode, template: &T) -> Response {
    match rendered(template) {
        Ok(text) => (status, html_text(text)).into_response(),
        Err(e) => Failure(e).into_response(),
    }
}

/// The text of a page.
///
/// # Errors
/// `Internal` if it could not be rendered.
pub fn rendered<T: Template>(template: &T) -> kernel::Result<String> {
    template.render().map_err(|e| kernel::Error::internal("a page could not be rendered").because(e))
}

/// A page whose text is [`rendered`], 200.
pub fn html_text(text: impl Into<Body>) -> Response {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let headers =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, text.into()).into_response()
}

/// The page of a problem.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    page: Page,
    status: u16,
    title: &'a str,
    messages: Vec<String>,
    request_id: String,
}

/// A problem as a page, for whoever asked for a page.
pub(crate) fn error_page(problem: &Problem, page: Page, request_id: &str) -> Option<String> {
    let template = ErrorPage {
        page,
        status: problem.status().as_u16(),
        title: problem.title(),
        messages: problem.messages().map(str::to_owned).collect(),
        request_id: request_id.to_owned(),
    };
    // The JSON of the problem is still there to answer with.
    template
        .render()
        .inspect_err(|e| tracing::error!(error = %e, "the error page could not be rendered"))
        .ok()
}

/// 303: look there instead, with a GET.
pub fn see_other(path: &str) -> Response {
    // A header carries visible ASCII only; the rest is escaped as in any URL.
    const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');
    let location = utf8_percent_encode(path, ESCAPED).to_string();
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Where to go after signing in: only ever to a path of ours, else to the front page. A link to our
/// sign-in page must not lead to somebody else's site.
pub fn safe_next(next: Option<&str>) -> &str {
    // To a browser `//host` and `/\host` are other sites, and it drops tabs and line ends before it looks.
    let is_local = |path: &str| {
        path.starts_with('/') && !path.starts_with("//") && !path.chars().any(|c| c == '\\' || c.is_control())
    };
    next.filter(|path| is_local(path)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_of, session, web};
    use contracts::Role;

    #[test]
    fn only_a_local_path_is_next() {
        for (next, safe) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders?a=1#b", "/orders?a=1#b"),
            ("/a//b", "/a//b"),
            ("/a:b@c", "/a:b@c"),
            ("/%2F%2Fevil.example", "/%2F%2Fevil.example"),
            ("/ä", "/ä"),
            ("", "/"),
            ("orders", "/"),
            ("//evil.example", "/"),
            ("///evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/a\\b", "/"),
            ("/\t/evil.example", "/"),
            ("/\n/evil.example", "/"),
            ("/a\r\nSet-Cookie: session=x", "/"),
            (" //evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(safe_next(Some(next)), safe, "{next:?}");
        }
        assert_eq!(safe_next(None), "/");
    }

    #[test]
    fn a_redirect_is_always_a_header() {
        for (path, location) in [("/a?b=c", "/a?b=c"), ("/ä b", "/%C3%A4%20b"), ("/a\r\nb", "/a%0D%0Ab")] {
            let response = see_other(path);
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            assert_eq!(response.headers()[header::LOCATION], location);
        }
    }

    #[test]
    fn knows_who_looks_and_what_it_costs() {
        let (web, _) = web();
        let nobody = Page::new(&web, None, "Tickets", "/");
        assert!(!nobody.signed_in && !nobody.operator);
        let operator = Page::new(&web, Some(&session(&web, Role::Operator)), "Tickets", "/");
        assert!(operator.signed_in && operator.operator);
        let price = Money::from_minor(1999);
        assert_eq!(operator.price(price), "$19.99");
        assert_eq!(Page { currency: "eur".to_owned(), ..operator }.price(price), "19.99 EUR");
    }

    #[test]
    fn large_amounts_are_grouped() {
        for (minor, text) in [
            (0, "0.00"),
            (99_999, "999.99"),
            (100_000, "1,000.00"),
            (12_345_678, "123,456.78"),
            (100_000_000, "1,000,000.00"),
        ] {
            assert_eq!(grouped(Money::from_minor(minor)), text);
        }
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (-100, "-100"), (-1000, "-1,000")] {
            assert_eq!(grouped(count), text);
        }
    }

    #[tokio::test]
    async fn pages_are_escaped_and_not_kept() {
        #[derive(Template)]
        #[template(source = "<p>{{ text }}</p>", ext = "html")]
        struct Sample<'a> {
            text: &'a str,
        }
        let response = html_with(StatusCode::BAD_REQUEST, &Sample { text: "<script>" });
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(body_of(response).await, "<p>&#60;script&#62;</p>");
    }

    #[test]
    fn the_error_page_says_what_the_problem_says() {
        let (web, _) = web();
        let problem = Problem::new(StatusCode::NOT_FOUND, "No such <ticket>");
        let text = error_page(&problem, Page::new(&web, None, problem.title(), "/x"), "request-7").unwrap();
        assert!(text.contains("No such &#60;ticket&#62;") && text.contains("request-7"), "{text}");
    }

    #[test]
    fn the_error_page_says_once_what_to_do() {
        let (web, _) = web();
        let page = |status: StatusCode, session: Option<&Session>| {
            let problem = Problem::bare(status);
            error_page(&problem, Page::new(&web, session, problem.title(), "/x"), "request-7").unwrap()
        };
        let missing = page(StatusCode::NOT_FOUND, None);
        assert_eq!(missing.matches("Not Found").count(), 2, "in the title and in the heading: {missing}");
        let session = session(&web, Role::User);
        for (session, word, link) in
            [(None, "Sign in first", "href=\"/signin\""), (Some(&session), "Not yours", "href=\"/\"")]
        {
            let text = page(StatusCode::UNAUTHORIZED, session);
            assert!(
                text.contains(word) && text.contains(link) && !text.contains("Unauthorized</h1>"),
                "{text}"
            );
        }
    }
}
