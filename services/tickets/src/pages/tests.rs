mod films;
mod lists;

use askama::Template as _;
use axum::body::Body;
use axum::http::{Request, header};
use kernel::{Clock, FieldError, Instant, Money, SessionId, UserId};
use serde_json::json;
use web::{Config, Web};

use super::*;
use crate::model::Changes;
use crate::testing::{House, Reply, id_of};

const HOSTILE: &str = "\"><script>alert('x')</script>";
const NOW: Instant = Instant::from_millis(1_800_000_000_000);

impl House {
    async fn page(&self, path: &str, cookie: &str) -> Reply {
        let request = Request::get(path).header(header::ACCEPT, "text/html").header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn submit(&self, path: &str, cookie: &str, form: &str) -> Reply {
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookie);
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }
}

fn goes_to(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap()))
}

fn page(signed_in: bool) -> Page {
    let clock = Clock::manual(NOW);
    let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
    let session = Session { id, user, role: contracts::Role::User, expires_at: NOW };
    let web = Web::new(Config { clock, ..Config::default() });
    Page::new(&web, signed_in.then_some(&session), HOSTILE, "/")
}

fn ticket(title: &str) -> Ticket {
    let clock = Clock::manual(NOW);
    let at = |text| Some(Instant::parse(text));
    let changes = Changes {
        capacity: Some(1200),
        starts_at: at("2027-11-24T19:30:00Z"),
        opens_at: at("2027-11-24T18:00:00Z"),
        closes_at: at("2027-11-25T18:00:00Z"),
        ..Changes::default()
    };
    let draft = Draft { title: title.into(), price: Money::from_minor(123_456_789), changes };
    draft.create(TicketId::new(&clock), UserId::new(&clock))
}

fn shown(ticket: &Ticket, signed_in: bool, own: bool) -> String {
    shown_with(ticket, None, signed_in, own)
}

fn shown_with(ticket: &Ticket, video: Option<&Video>, signed_in: bool, own: bool) -> String {
    let page = page(signed_in);
    let ticket = Shown::new(&page, (ticket, video), own, 10, NOW);
    let hold = view::lasting(std::time::Duration::from_secs(90));
    TicketPage { page, ticket, hold, values: FormView::default() }.render().unwrap()
}

/// No text of a page is markup, and nothing in it needs what the policy forbids.
fn is_clean(text: &str) {
    assert!(!text.contains("<script>"), "{text}");
    assert!(text.contains("&#60;script&#62;"), "{text}");
    assert!(!text.contains(" style=") && !text.contains(" onclick="), "{text}");
}

#[test]
fn every_page_escapes_what_people_wrote() {
    let hostile = ticket(HOSTILE);
    let typed = [("title", HOSTILE), ("startsAt", HOSTILE)].map(|(name, value)| (name.into(), value.into()));
    let error = Error::fields(vec![
        FieldError { message: HOSTILE.into(), field: Some("title".into()) },
        FieldError { message: HOSTILE.into(), field: None },
    ]);
    let failed = FormView::failed(typed.into(), &error);
    let sell = |editing, values| {
        SellPage::new(page(true), editing, values, vec![films::video(HOSTILE)]).render().unwrap()
    };
    let many = vec![hostile.clone(); list::PER_PAGE + 1];
    for text in [
        lists::home(HOSTILE, "", many.clone(), 51),
        lists::home(HOSTILE, "", Vec::new(), 0),
        lists::mine(HOSTILE, many, 51),
        sell(None, failed.clone()),
        sell(Some(hostile.id), failed),
        sell(Some(hostile.id), view::filled(&hostile, &[])),
        shown(&hostile, false, false),
        shown(&hostile, true, false),
        shown(&hostile, true, true),
    ] {
        is_clean(&text);
    }
}

#[test]
fn a_ticket_is_offered_to_whom_it_can_be() {
    let ticket = ticket("Metropolis");
    let id = ticket.id;
    let text = shown(&ticket, true, false);
    assert!(
        text.contains("action=\"/orders\"") && text.contains(&format!("name=\"ticketId\" value=\"{id}\"")),
        "{text}"
    );
    assert_eq!(text.matches("<option>").count(), 10);
    assert!(text.contains("Hold for 90 seconds"), "{text}");
    assert!(text.contains("data-reload-on-status") && text.contains("data-state=\"on-sale\""), "{text}");
    assert!(text.contains("$1,234,567.89") && text.contains(">1,200</strong>"), "{text}");
    assert!(
        text.contains(
            "<time datetime=\"2027-11-24T19:30:00.000Z\" data-local>Wed 24 Nov 2027, 19:30 UTC</time>"
        ),
        "{text}"
    );

    let text = shown(&ticket, false, false);
    assert!(
        text.contains(&format!("href=\"/signin?next=/tickets/{id}\""))
            && !text.contains("action=\"/orders\""),
        "{text}"
    );

    let text = shown(&ticket, true, true);
    assert!(
        text.contains(&format!("/tickets/{id}/edit")) && text.contains(&format!("/tickets/{id}/withdraw")),
        "{text}"
    );
    assert!(!text.contains("data-reload-on-status") && !text.contains("action=\"/orders\""), "{text}");

    let few = Ticket { taken: 1197, ..ticket.clone() };
    assert_eq!(shown(&few, true, false).matches("<option>").count(), 3);
    let sold_out = Ticket { taken: 1200, ..ticket.clone() };
    let over = Ticket { closes_at: Some(NOW), ..ticket.clone() };
    let withdrawn = ticket.withdrawn().unwrap();
    for (gone, word) in [(sold_out, "sold-out"), (over, "over"), (withdrawn, "withdrawn")] {
        let text = shown(&gone, true, false);
        assert!(
            text.contains(&format!("data-state=\"{word}\"")) && !text.contains("action=\"/orders\""),
            "{text}"
        );
    }
}

#[test]
fn the_price_is_typed_in_the_currency_of_the_house() {
    let text = SellPage::new(page(true), None, FormView::default(), Vec::new()).render().unwrap();
    assert!(text.contains("aria-hidden=\"true\">$</span>"), "{text}");
    let page = Page { currency: "eur".to_owned(), ..page(true) };
    let text = SellPage::new(page, None, FormView::default(), Vec::new()).render().unwrap();
    assert!(text.contains("aria-hidden=\"true\">EUR</span>"), "{text}");
}

#[tokio::test]
async fn a_seller_lists_edits_and_withdraws() {
    let house = House::new().await;
    assert_eq!(house.page("/tickets/new", &house.seller).await.status, 200);
    let form = "title=Metropolis&price=14.00&capacity=5&startsAt=2027-11-24T19%3A30&closesAt=";
    let reply = house.submit("/tickets/new", &house.seller, form).await;
    let (status, path) = goes_to(&reply);
    assert_eq!(status, 303);
    assert!(house.page(path, "").await.text.contains("Metropolis"));
    let edit = format!("{path}/edit");
    let text = house.page(&edit, &house.seller).await.text;
    for filled in ["value=\"Metropolis\"", "value=\"14.00\"", "value=\"5\"", "value=\"2027-11-24T19:30\""] {
        assert!(text.contains(filled), "{filled}: {text}");
    }

    let reply = house.submit(&edit, &house.seller, "title=Nosferatu&price=15&capacity=6&startsAt=").await;
    assert_eq!(goes_to(&reply), (303, path));
    let json = house.get(&format!("/api{path}"), "").await.json();
    assert_eq!((&json["title"], &json["capacity"]), (&json!("Nosferatu"), &json!(6)));
    assert!(json.get("startsAt").is_none(), "a date that was emptied is none");

    assert_eq!(goes_to(&house.submit(&format!("{path}/withdraw"), &house.seller, "").await), (303, path));
    assert!(house.page(path, &house.seller).await.text.contains("You took this ticket off sale"));
    assert_eq!(goes_to(&house.page(&edit, &house.seller).await), (303, path), "nothing could be saved");
    assert_eq!(house.page(&edit, &house.buyer).await.status, 401);
    let mine = house.page("/tickets/mine", &house.seller).await.text;
    assert!(
        mine.contains("Nosferatu") && mine.contains("Withdrawn") && mine.contains("data-state=\"withdrawn\""),
        "{mine}"
    );
    assert!(house.page("/tickets/mine", &house.buyer).await.text.contains("Nothing listed yet"));
}

#[tokio::test]
async fn an_edit_says_when_the_sale_ends_and_leaves_the_rest_alone() {
    let house = House::new().await;
    let times = ["2027-11-24T18:00:07.890Z", "2027-11-25T18:00:00.000Z", "2027-11-23T12:00:00.000Z"];
    let [opens, closes, earlier] = times;
    let body = json!({"title": "M", "price": 20, "opensAt": opens, "closesAt": closes});
    let id = id_of(&house.listed(body).await);
    let (path, edit) = (format!("/tickets/{id}"), format!("/tickets/{id}/edit"));
    let text = house.page(&edit, &house.seller).await.text;
    let hidden = format!("<input type=\"hidden\" name=\"opensAt\" value=\"{opens}\">");
    assert!(text.contains("Sale ends") && text.contains("After that nobody can buy it."), "{text}");
    assert!(text.contains(&hidden) && text.contains("value=\"2027-11-25T18:00\""), "{text}");
    let form = |closes: &str| format!("title=M&price=20&capacity=1&opensAt={opens}&closesAt={closes}");
    let reply = house.submit(&edit, &house.seller, &form(earlier)).await;
    assert!(reply.status == 400 && reply.text.contains(&hidden), "{}", reply.text);
    assert!(reply.text.contains("id=\"f-closesAt-error\""), "{}", reply.text);
    let text = house.page(&path, "").await.text;
    assert!(text.contains("<dt>On sale until</dt>") && !text.contains("Online"), "{text}");

    assert_eq!(house.submit(&edit, &house.seller, &form("")).await.status, 303);
    let json = house.ticket(&id).await;
    assert_eq!((&json["opensAt"], json.get("closesAt")), (&json!(opens), None));
    assert!(!house.page(&path, "").await.text.contains("On sale until"));
    assert!(!house.page("/tickets/new", &house.seller).await.text.contains("opensAt"));
}

#[tokio::test]
async fn a_form_comes_back_with_what_was_typed() {
    let house = House::new().await;
    let reply = house.submit("/tickets/new", &house.seller, "title=&price=cheap&capacity=7").await;
    assert_eq!(reply.status, 400);
    assert!(reply.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    for shown in ["id=\"f-title-error\"", "id=\"f-price-error\"", "value=\"cheap\"", "value=\"7\""] {
        assert!(reply.text.contains(shown), "{shown}: {}", reply.text);
    }
    let id = id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": 5})).await);
    house.held(&id, 3).await;
    let reply =
        house.submit(&format!("/tickets/{id}/edit"), &house.seller, "title=M&price=20&capacity=2").await;
    assert_eq!(reply.status, 409);
    assert!(
        reply.text.contains("id=\"f-capacity-error\"") && reply.text.contains("value=\"2\""),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn only_the_seller_gets_to_the_forms() {
    let house = House::new().await;
    let id = id_of(&house.listed(json!({"title": "M", "price": 20})).await);
    let (edit, withdraw) = (format!("/tickets/{id}/edit"), format!("/tickets/{id}/withdraw"));
    let reply = house.page(&edit, "").await;
    assert_eq!(goes_to(&reply), (303, format!("/signin?next=%2Ftickets%2F{id}%2Fedit").as_str()));
    for path in ["/tickets/new", &edit, &withdraw] {
        assert_eq!(goes_to(&house.submit(path, "", "title=&price=").await), (303, "/signin"), "{path}");
    }
    assert_eq!(house.page(&edit, &house.buyer).await.status, 401);
    assert_eq!(house.submit(&edit, &house.buyer, "title=&price=").await.status, 401);
    assert_eq!(house.submit(&withdraw, &house.buyer, "").await.status, 401);
    let unknown = format!("/tickets/{}", TicketId::new(&house.clock));
    for path in [
        &unknown,
        &format!("{unknown}/edit"),
        &format!("{unknown}/now"),
        &format!("{unknown}/live"),
        "/tickets/x",
    ] {
        assert_eq!(house.page(path, &house.seller).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_left_is_told_as_it_changes() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    let house = House::new().await;
    let id = id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": 2})).await);
    let request = Request::get(format!("/tickets/{id}/live")).body(Body::empty()).unwrap();
    let mut stream = house.app.clone().oneshot(request).await.unwrap().into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(10), stream.frame());
        let bytes = frame.await.unwrap().unwrap().unwrap().into_data().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let first = next().await;
    assert!(first.contains(r#"data: {"status":"on-sale","available":2,"capacity":2}"#), "{first}");
    house.held(&id, 2).await;
    let second = next().await;
    assert!(second.contains(r#"{"status":"sold-out","available":0,"capacity":2}"#), "{second}");
    let now = house.get(&format!("/tickets/{id}/now"), "").await;
    assert_eq!(now.json(), json!({"status": "sold-out", "available": 0, "capacity": 2}));
}
