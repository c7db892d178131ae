mod lists;

use std::time::Duration;

use askama::Template as _;
use http_body_util::BodyExt as _;
use kernel::{Clock, FieldError, Instant, SessionId, TicketId, UserId};
use serde_json::Value;
use tower::ServiceExt as _;
use web::{Config, Page, Session};

use super::list::CountersPage;
use super::one::CounterPage;
use super::picture::Picture;
use super::*;
use crate::Settings;
use crate::history::{self, Point, Seen};
use crate::model::Counter;
use crate::search::{Part, Rest, Search};
use crate::testing::{House, Reply, add};

const HOSTILE: &str = "\"><script>alert('x')</script>";
const NOW: Instant = Instant::from_millis(1_800_000_000_000);

/// Keys that are somewhere treated as something else than a text.
const KEYS: [&str; 17] = [
    HOSTILE,
    ".",
    "..",
    "../house",
    "a/b",
    "//evil.example",
    "?key=b&q=c#d",
    "100%",
    "%2F%00",
    " ",
    " a  b ",
    "+",
    "line\nend\r\n\tand tab",
    "اختبار \u{202e}gpj",
    "👩\u{200d}🚀🎬",
    "\u{10ffff}",
    "a\\b;'--",
];

fn page(signed_in: bool) -> Page {
    let clock = Clock::manual(NOW);
    let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
    let session = Session { id, user, role: contracts::Role::Operator, expires_at: NOW };
    let web = Web::new(Config { clock, ..Config::default() });
    Page::new(&web, signed_in.then_some(&session), HOSTILE, "/counters")
}

fn failed(field: &'static str) -> FormView {
    let typed = [("key", HOSTILE), ("value", HOSTILE)].map(|(name, value)| (name.into(), value.into()));
    let error = Error::fields(vec![
        FieldError { message: HOSTILE.into(), field: Some(field.into()) },
        FieldError { message: HOSTILE.into(), field: None },
    ]);
    FormView::failed(typed.into(), &error)
}

fn list(search: &Search, keys: &[&str], rest: Rest, values: FormView) -> String {
    let counters = keys.iter().map(|key| Counter { key: (*key).into(), value: i64::MIN }).collect();
    CountersPage::new(page(true), search.clone(), Part { counters, rest }, values).render().unwrap()
}

fn looking_for(text: &str, after: Option<&str>) -> Search {
    Search { text: text.into(), after: after.map(str::to_owned) }
}

/// A counter's page, with what it was at so many ten seconds ago.
fn one(key: &str, value: i64, points: &[(i64, i64)], values: FormView) -> String {
    let at = |tens: i64| Instant::from_millis(NOW.as_millis() - tens * history::PERIOD);
    let points = points.iter().map(|(tens, value)| Point { at: at(*tens), value: *value }).collect();
    let seen = Seen { value, created: Instant::from_millis(0), points, missed: Vec::new() };
    let now = Picture::new(value, &history::bins(&seen, NOW));
    CounterPage::new(page(true), key, now, values).render().unwrap()
}

/// No text of a page is markup, and nothing in it needs what the policy forbids.
fn is_clean(text: &str) {
    assert!(!text.contains("<script>"), "{text}");
    assert!(text.contains("&#60;script&#62;"), "{text}");
    assert!(!text.contains(" style=") && !text.contains(" onclick="), "{text}");
}

#[test]
fn every_page_escapes_what_people_wrote() {
    let (found, after) = (looking_for(HOSTILE, None), looking_for(HOSTILE, Some(HOSTILE)));
    for text in [
        list(&found, &KEYS, Rest::More(HOSTILE.into()), FormView::default()),
        list(&found, &KEYS, Rest::Unseen(HOSTILE.into()), failed("key")),
        list(&found, &[], Rest::Nothing, FormView::default()),
        list(&found, &[], Rest::Unseen(HOSTILE.into()), FormView::default()),
        list(&after, &[], Rest::Nothing, failed("value")),
        CountersPage::again(page(true), failed("key")).render().unwrap(),
        one(HOSTILE, 5, &[(3, 4)], failed("value")),
    ] {
        is_clean(&text);
    }
}

#[test]
fn a_counters_page_says_its_value_and_draws_what_it_did() {
    let text =
        one("visits", 1_234_567, &[(50, 1_234_000), (49, 1_234_500), (1, 1_234_500)], FormView::default());
    for part in [
        "<span data-bind=\"value\">1,234,567</span>",
        "data-live=\"/counters/live?key=visits\" data-poll=\"/counters/now?key=visits\" data-state=\"known\"",
        "<span data-bind=\"label\">Added</span> <strong data-bind=\"total\">567</strong>",
        "567 in all; the most in ten seconds is 500, at 07:51:40 UTC.",
        "data-unless=\"known\" hidden>",
        "action=\"/counters/one?key=visits\"",
        "<tr><th scope=\"row\" data-bind=\"when0\">08:00</th><td class=\"slim__number\" data-bind=\"added0\">67</td></tr>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = one("visits", 9, &[(50, 4)], FormView::default());
    assert!(
        text.contains("data-state=\"unknown\"")
            && text.contains("<span data-bind=\"label\">Added, of what is known</span>")
            && text.contains("data-unless=\"known\">For the shaded"),
        "{text}"
    );
}

#[test]
fn a_counter_of_the_house_says_what_it_counts_and_has_no_form() {
    let id = TicketId::new(&Clock::manual(NOW));
    let text = one(&format!("marquee:sold:{id}"), 3, &[], FormView::default());
    assert!(
        text.contains("Sold of one ticket: <a href=\"/tickets/")
            && !text.contains("method=\"post\" action=\"/counters"),
        "{text}"
    );
    let text = list(&Search::default(), &[&format!("marquee:sold:{id}")], Rest::Nothing, FormView::default());
    assert!(
        text.contains(&format!("Sold of one ticket: <a href=\"/tickets/{id}\">see the ticket</a>")),
        "{text}"
    );
    let (key, link) = (format!("marquee:plays:{id}"), format!("<a href=\"/videos/{id}\">see the video</a>"));
    for text in [
        one(&key, 3, &[], FormView::default()),
        list(&Search::default(), &[&key], Rest::Nothing, FormView::default()),
    ] {
        assert!(text.contains(&format!("Times that one video was watched: {link}")), "{text}");
    }
    let text = list(&Search::default(), &["marquee:sold"], Rest::Nothing, FormView::default());
    assert!(
        text.contains("Tickets sold, all together") && text.contains("-9,223,372,036,854,775,808"),
        "{text}"
    );
}

#[tokio::test]
async fn every_key_has_a_page_that_its_link_leads_to() {
    let house = House::new().await;
    let long = "é".repeat(256);
    for key in KEYS.into_iter().chain([long.as_str()]) {
        let typed = form_urlencoded::Serializer::new(String::new())
            .append_pair("key", key)
            .append_pair("value", "7")
            .finish();
        let reply = house.submit("/counters", &typed).await;
        assert_eq!(reply.goes_to(), (303, address(key).as_str()), "{key:?}");
        let shown = house.page(&address(key)).await;
        assert!(
            shown.status == 200 && shown.text.contains("<span data-bind=\"value\">7</span>"),
            "{key:?} {}",
            shown.text
        );
        let action = shown.text.split("method=\"post\" action=\"").nth(2).unwrap().split('"').next().unwrap();
        let added = house.submit(&action.replace("&#38;", "&"), "value=-3").await;
        assert_eq!(added.goes_to(), (303, address(key).as_str()), "{key:?}");
        assert_eq!(house.counters.read(key).await.unwrap().value, 4, "{key:?}");
    }
    let list = house.page("/counters").await.text;
    let mut links = 0;
    for link in list.split("<a class=\"key key--short\" href=\"").skip(1) {
        let href = link.split('"').next().unwrap().replace("&#38;", "&");
        let reply = house.page(&href).await;
        assert!(reply.status == 200 && reply.text.contains("<span data-bind=\"value\">4</span>"), "{href}");
        links += 1;
    }
    assert_eq!(links, KEYS.len() + 1);
}

#[tokio::test]
async fn a_form_comes_back_with_what_was_typed() {
    let house = House::new().await;
    let reply = house.submit("/counters", "key=&value=ten%20%3Cb%3E").await;
    assert_eq!(reply.status, 400);
    for part in ["id=\"f-key-error\"", "id=\"f-value-error\"", "value=\"ten &#60;b&#62;\"", "All counters"] {
        assert!(reply.text.contains(part), "{part}: {}", reply.text);
    }
    let reply = house.submit("/counters", "key=marquee%3Asold&value=1").await;
    assert!(reply.status == 400 && reply.text.contains("belong to the system"), "{}", reply.text);
    house.add(&[("k", i64::MAX)]).await;
    for path in ["/counters/one?key=k", "/counters"] {
        let reply = house.submit(path, "key=k&value=1").await;
        assert_eq!(reply.status, 409, "{path}");
        assert!(reply.text.contains("The counter would overflow"), "{}", reply.text);
        assert!(!reply.text.contains("<table class=\"table"), "{}", reply.text);
    }
    let reply = house.submit("/counters/one?key=k", "value=%20-5%20").await;
    assert_eq!((reply.goes_to().0, house.counters.read("k").await.unwrap().value), (303, i64::MAX - 5));
    let reply = house.submit("/counters/one?key=k", "value=1.5").await;
    assert!(reply.status == 400 && reply.text.contains("value=\"1.5\""), "{}", reply.text);
    assert_eq!(house.submit("/counters/one?key=new", "value=1").await.status, 404, "nothing begins there");
    add(&house.counters, &[("marquee:sold", 1)]).await;
    assert_eq!(house.submit("/counters/one?key=marquee%3Asold", "value=1").await.status, 400);
}

#[tokio::test]
async fn what_is_no_counter_is_not_found() {
    let house = House::new().await;
    house.add(&[("k", 1)]).await;
    for query in ["", "?key=", "?key=K", "?key=%00", "?key=%FF", "?key=k&key=k", "?q=k"] {
        for path in ["one", "now", "live"] {
            assert_eq!(house.page(&format!("/counters/{path}{query}")).await.status, 404, "{path}{query}");
        }
    }
    assert_eq!(house.page("/counters?after=%00").await.status, 404);
    assert_eq!(house.page(&format!("/counters?q={}", "a".repeat(257))).await.status, 400);
}

#[tokio::test]
async fn a_counter_that_nobody_counted_can_be_begun_from_its_page() {
    let house = House::new().await;
    for key in KEYS {
        let page = house.page(&address(key)).await;
        assert!(page.status == 404 && page.text.contains("Nothing was added to it yet"), "{key:?}");
        assert!(page.text.contains("action=\"/counters\"") && page.text.contains("href=\"/counters\""));
    }
    is_clean(&house.page(&address(HOSTILE)).await.text);
    for key in [String::new(), "a".repeat(257)] {
        let page = house.page(&address(&key)).await;
        assert!(page.status == 404 && !page.text.contains("Nothing was added to it yet"), "{key}");
    }
    let own = house.page("/counters/one?key=marquee%3Asold").await;
    assert!(own.status == 404 && own.text.contains("Tickets sold, all together"), "{}", own.text);
    assert!(!own.text.contains("action=\"/counters\""), "it begins by itself");
}

#[tokio::test]
async fn who_may_not_count_is_sent_to_sign_in_unless_anybody_may() {
    let house = House::new().await;
    house.add(&[("a b", 1)]).await;
    let (list, one) = ("/counters?q=a", "/counters/one?key=a+b");
    assert_eq!(house.page_of(list, "").await.goes_to(), (303, "/signin?next=%2Fcounters%3Fq%3Da"));
    assert_eq!(house.page_of(one, "").await.goes_to(), (303, "/signin?next=%2Fcounters%2Fone%3Fkey%3Da%2Bb"));
    for path in ["/counters/now?key=a+b", "/counters/live?key=a+b"] {
        assert_eq!(house.page_of(path, "").await.status, 401);
    }
    let house = House::with(Settings { open: true }).await;
    house.add(&[("a b", 1)]).await;
    for path in [list, one, "/counters/now?key=a+b"] {
        assert_eq!(house.page_of(path, "").await.status, 200);
    }
    let reply = house.submit("/counters", "key=c&value=1").await;
    assert_eq!(reply.goes_to(), (303, "/counters/one?key=c"));
}

/// The stream of a counter's page, as it is read event by event.
struct Stream(axum::body::Body);

impl Stream {
    async fn open(house: &House, path: &str) -> Self {
        let request =
            axum::http::Request::get(path).header("cookie", &house.cookie).body(axum::body::Body::empty());
        Self(house.app.clone().oneshot(request.unwrap()).await.unwrap().into_body())
    }

    /// The next state; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        let frame = tokio::time::timeout(Duration::from_secs(10), self.0.frame()).await.unwrap()?;
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        Some(serde_json::from_str(data.unwrap_or("null")).unwrap())
    }
}

#[tokio::test]
async fn an_open_page_is_told_what_changes_when_it_is_time_to_look() {
    let house = House::new().await;
    house.add(&[("k", 5)]).await;
    house.passes(40).await;
    let mut stream = Stream::open(&house, "/counters/live?key=k").await;
    let first = stream.next().await.unwrap();
    assert_eq!((&first["value"], &first["total"], &first["running"]), (&"5".into(), &"5".into(), &"".into()));
    for value in [6, 7] {
        house.add(&[("k", 1)]).await;
        house.web.changes().hear(LIVE);
        let next = stream.next().await.unwrap();
        assert_eq!((&next["value"], &next["total"]), (&value.to_string().into(), &value.to_string().into()));
        assert!(next["running"].as_str().unwrap().starts_with("M900 1000V"), "{next}");
    }
    let now: Reply = house.page("/counters/now?key=k").await;
    assert_eq!(serde_json::from_str::<Value>(&now.text).unwrap()["value"], "7");
    // The session ends, and with it the line.
    house.clock.advance(Duration::from_secs(3600));
    house.web.changes().hear(LIVE);
    assert_eq!(stream.next().await, None);
}
