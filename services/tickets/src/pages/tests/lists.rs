//! The lists: as they are rendered, searched, read in parts and kept up to date.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use web::Searches;

use super::super::rows::{HomePage, List, MinePage};
use super::*;
use crate::search::{Query, Search};

fn looked_for(q: &str, sort: &str, after: &str) -> Search {
    let json = json!({"q": q, "sort": sort, "after": (!after.is_empty()).then_some(after)});
    Search::read(serde_json::from_value::<Query>(json).unwrap()).unwrap()
}

/// The front page with what was found, and how many that are in all.
pub fn home(q: &str, after: &str, found: Vec<Ticket>, counted: i64) -> String {
    let page = page(false);
    let list = List::new(&page, "/", looked_for(q, "", after), found, counted, NOW);
    HomePage { page, list, hold: "15 minutes".into() }.render().unwrap()
}

/// A seller's own list.
pub fn mine(q: &str, found: Vec<Ticket>, counted: i64) -> String {
    let page = page(true);
    let list = List::new(&page, "/tickets/mine", looked_for(q, "", ""), found, counted, NOW);
    MinePage { page, list }.render().unwrap()
}

fn is_quiet(text: &str) -> bool {
    text.contains("<div class=\"found\" role=\"status\"></div>")
}

#[test]
fn an_empty_list_says_why() {
    let id = TicketId::new(&Clock::manual(NOW));
    let nothing = home("", "", Vec::new(), 0);
    assert!(
        nothing.contains("Nothing on sale right now") && !nothing.contains("role=\"search\""),
        "{nothing}"
    );
    assert!(is_quiet(&nothing), "{nothing}");
    let no_match = home("R&D", "", Vec::new(), 0);
    assert!(
        no_match.contains("Nothing matches “R&#38;D”") && no_match.contains("role=\"search\""),
        "{no_match}"
    );
    assert!(no_match.contains("href=\"/\">Show all tickets</a>") && no_match.contains("value=\"R&#38;D\""));
    let further = home("R&D", &id.to_string(), Vec::new(), 0);
    assert!(further.contains("That was all") && further.contains("href=\"/?q=R%26D\""), "{further}");
    for text in [nothing, no_match, further] {
        assert!(!text.contains("class=\"tickets\"") && !text.contains("data-live"), "{text}");
    }
    assert!(mine("", Vec::new(), 0).contains("Nothing listed yet"));
    let no_match = mine("x", Vec::new(), 0);
    assert!(no_match.contains("Nothing matches “x”") && no_match.contains("href=\"/tickets/mine\">Show all"));
}

#[test]
fn a_list_says_how_many_it_found_and_leads_on() {
    let one = ticket("Metropolis");
    let many = vec![one.clone(); list::PER_PAGE + 1];
    let text = home("", "", many.clone(), 0);
    assert!(is_quiet(&text) && text.contains("held for you for 15 minutes"), "{text}");
    assert_eq!(text.matches("<article").count(), list::PER_PAGE);
    assert!(text.contains(&format!("rel=\"next\" href=\"/?after={}\"", one.id)), "{text}");
    assert!(!text.contains("Back to the first"), "{text}");
    for (counted, words) in [
        (1, "1 ticket with “metro” in the title"),
        (51, "51 tickets with"),
        (1000, "1,000 tickets with"),
        (1001, "More than 1,000 tickets with"),
    ] {
        let text = home("metro", "", many.clone(), counted);
        assert!(text.contains(words), "{words}: {text}");
        assert!(text.contains(&format!("href=\"/?q=metro&#38;after={}\"", one.id)), "{text}");
    }
    let last = home("", &one.id.to_string(), vec![one.clone()], 0);
    assert!(!last.contains("rel=\"next\"") && last.contains("href=\"/\">Back to the first"), "{last}");
    assert!(mine("", many, 0).contains(&format!("href=\"/tickets/mine?after={}\"", one.id)));
}

#[test]
fn a_row_says_what_is_left_in_each_state() {
    let ticket = ticket("Metropolis");
    let one = Ticket { taken: 1199, ..ticket.clone() };
    let sold_out = Ticket { taken: 1200, ..ticket.clone() };
    let over = Ticket { closes_at: Some(NOW), ..ticket.clone() };
    let withdrawn = ticket.withdrawn().unwrap();
    for (ticket, state, left, badge) in [
        (&ticket, "on-sale", "1,200 left", None),
        (&one, "on-sale", "Last one", None),
        (&sold_out, "sold-out", "None left", Some("Sold out")),
        (&over, "over", "Closed", Some("Over")),
        (&withdrawn, "withdrawn", "Off sale", Some("Withdrawn")),
    ] {
        let text = mine("", vec![ticket.clone()], 1);
        let item = format!("data-item=\"{}\" data-state=\"{state}\"", ticket.id);
        assert!(text.contains(&item) && text.contains(&format!(">{left}</p>")), "{text}");
        assert_eq!(text.contains("data-unless=\"on-sale\" hidden"), badge.is_none(), "{text}");
        assert!(badge.is_none_or(|badge| text.contains(&format!(">{badge}</span>"))), "{text}");
        assert!(text.contains("ticket__price--long"), "{text}");
    }
    let undated = Ticket { starts_at: None, title: "x".repeat(200), ..ticket };
    let text = mine("", vec![undated], 1);
    assert!(text.contains("No set date") && text.contains("ticket__title--long"), "{text}");
}

/// Titles on a page, in their order.
fn titles(text: &str) -> Vec<String> {
    let links = text.split("class=\"ticket__link\"").skip(1);
    links.map(|rest| rest.split(['>', '<']).nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_front_page_shows_the_newest_first_in_parts() {
    let house = House::new().await;
    assert!(house.page("/", "").await.text.contains("Nothing on sale right now"));
    let mut ids = Vec::new();
    for i in 0..=list::PER_PAGE {
        ids.push(id_of(&house.listed(json!({"title": format!("T{i}"), "price": 1})).await));
        house.clock.advance(Duration::from_millis(2));
    }
    let text = house.page("/", "").await.text;
    assert_eq!(titles(&text).len(), list::PER_PAGE);
    assert!(text.find(ids[50].as_str()) < text.find(ids[49].as_str()) && !text.contains(ids[0].as_str()));
    let next = format!("/?after={}", ids[1]);
    assert!(text.contains(&format!("href=\"{next}\"")), "{text}");
    assert_eq!(titles(&house.page(&next, "").await.text), ["T0"]);
    for sort in ["newest", "soonest", "cheapest", "dearest"] {
        let text = house.page(&format!("/?q=t&sort={sort}"), "").await.text;
        assert!(text.contains("51 tickets with “t”"), "{text}");
        let next = text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let rest = house.page(&next.replace("&#38;", "&"), "").await.text;
        assert_eq!(titles(&rest).len(), 1, "{next}");
        // They were counted for the first part.
        assert!(rest.contains("More tickets with “t”") && rest.contains("value=\"t\""), "{rest}");
    }
    let text = house.page("/tickets/mine?q=T1", &house.seller).await.text;
    assert!(text.contains("11 tickets with “T1”"), "{text}");
    let text = house.page("/tickets/mine?q=t", &house.seller).await.text;
    assert!(text.contains("51 tickets with “t”"), "{text}");
}

#[tokio::test]
async fn a_seller_reads_on_whatever_order_is_asked_for() {
    let house = House::new().await;
    for i in 0..=list::PER_PAGE {
        house.listed(json!({"title": format!("T{i}"), "price": 100 - i})).await;
        house.clock.advance(Duration::from_millis(2));
    }
    for sort in ["cheapest", "soonest", "newest", "best"] {
        let text = house.page(&format!("/tickets/mine?sort={sort}"), &house.seller).await.text;
        assert_eq!(titles(&text)[0], "T50", "{sort}");
        let next = text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        for next in [next.to_owned(), format!("{next}&sort={sort}")] {
            let rest = house.page(&next, &house.seller).await;
            assert_eq!((rest.status, titles(&rest.text)), (200, vec!["T0".to_owned()]), "{next}");
        }
    }
}

#[tokio::test]
async fn searches_for_words_wait_for_their_turn() {
    let house = House::new().await;
    house.listed(json!({"title": "Metropolis", "price": 1})).await;
    let search = looked_for("metropolis", "", "");
    let endless =
        (0..Searches::AT_ONCE).map(|_| house.tickets.found::<(), _>(&search, std::future::pending()));
    let busy = futures_util::future::join_all(endless);
    let meanwhile = async {
        for (path, cookie) in [("/?q=metro", ""), ("/tickets/mine?q=metro", &*house.seller)] {
            let reply = house.page(path, cookie).await;
            assert_eq!(
                (reply.status, &reply.headers[header::RETRY_AFTER]),
                (503, &"1".parse().unwrap()),
                "{path}"
            );
        }
        for path in ["/", "/?q=%25&sort=cheapest"] {
            assert_eq!(titles(&house.page(path, "").await.text), ["Metropolis"], "{path}");
        }
    };
    tokio::select! {
        biased;
        _ = busy => panic!("they never end"),
        () = meanwhile => {}
    }
}

#[tokio::test]
async fn a_search_is_refused_only_for_what_no_form_sends() {
    let house = House::new().await;
    let id = TicketId::new(&house.clock);
    house.listed(json!({"title": "ÄRGER im Haus", "price": 1})).await;
    for q in ["arger", "%C3%A4rger+HAUS", "%25", "_", "", "%00", "%FF%FE", "%5C", "'"] {
        let reply = house.page(&format!("/?q={q}&sort="), "").await;
        assert_eq!(reply.status, 200, "{q}");
        // Bytes that are no text become signs that are in no title.
        assert_eq!(titles(&reply.text).len(), usize::from(q != "%FF%FE"), "{q}");
    }
    assert!(titles(&house.page("/?q=arger+metropolis", "").await.text).is_empty());
    for (query, status) in [
        (format!("q={}", "x".repeat(100)), 200),
        (format!("q={}", "x".repeat(101)), 400),
        ("sort=best".into(), 400),
        ("q=a&q=b".into(), 400),
        ("after=x".into(), 404),
        (format!("sort=cheapest&after={id}"), 404),
        (format!("after=1.{id}"), 404),
        (format!("sort=soonest&after=1..{id}"), 200),
        (format!("after={id}&limit=x&order=up"), 200),
    ] {
        assert_eq!(house.page(&format!("/?{query}"), "").await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_list_hears_what_is_left_of_each_that_changed() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for capacity in [1, 5] {
        ids.push(id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": capacity})).await));
    }
    let query = format!("ids={},{},{}", ids[1], ids[0], TicketId::new(&house.clock));
    let request = Request::get(format!("/tickets/live?{query}")).body(Body::empty()).unwrap();
    let mut stream = house.app.clone().oneshot(request).await.unwrap().into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(Duration::from_secs(10), stream.frame()).await;
        let bytes = frame.unwrap().unwrap().unwrap().into_data().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&data).unwrap()
    };
    let on_sale = |left: &str| json!({"status": "on-sale", "word": "On sale", "left": left});
    let first = json!({ids[0].as_str(): on_sale("Last one"), ids[1].as_str(): on_sale("5 left")});
    assert_eq!(next().await, first);
    assert_eq!(house.get(&format!("/tickets/now?{query}"), "").await.json(), first);
    house.held(&ids[0], 1).await;
    let sold_out = json!({"status": "sold-out", "word": "Sold out", "left": "None left"});
    assert_eq!(next().await, json!({ids[0].as_str(): sold_out}), "nothing of the other one");
    house.held(&ids[1], 3).await;
    assert_eq!(next().await, json!({ids[1].as_str(): on_sale("2 left")}));

    let many = |n| (0..n).map(|_| TicketId::new(&house.clock).to_string()).collect::<Vec<_>>().join(",");
    for (query, status) in [
        (String::new(), 400),
        ("ids=".into(), 404),
        ("ids=x".into(), 404),
        (format!("ids={}", many(1)), 404),
        (format!("ids={},{}", ids[0], many(50)), 400),
    ] {
        assert_eq!(house.get(&format!("/tickets/now?{query}"), "").await.status, status, "{query}");
    }
    assert_eq!(house.get(&format!("/tickets/now?ids={},{}", ids[0], many(49)), "").await.status, 200);
    assert_eq!(house.get("/tickets/live?ids=x", "").await.status, 404);
    assert_eq!(house.get(&format!("/tickets/live?ids={}", many(1)), "").await.status, 404);
}
