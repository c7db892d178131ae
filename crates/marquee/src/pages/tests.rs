//! Each template with sample data, hostile text among it.

use askama::Template as _;
use contracts::Role;
use kernel::{Clock, SessionId, UserId};
use web::{Config, Page, Session, Web};

use super::health::{HousePage, state_of};
use super::letters::{Arrival, LettersPage, arrival};
use crate::Service;
use crate::health::Health;
use crate::health::tests::{NOW, process};
use crate::letters::{Letter, Letters};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn page(path: &str) -> Page {
    let clock = Clock::manual(NOW);
    let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
    let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
    let session = Session { id, user, role: Role::Operator, expires_at: NOW };
    Page::new(&web, Some(&session), HOSTILE, path)
}

/// Nothing of the hostile text runs, and nothing that the policy forbids is there.
fn assert_harmless(text: &str) {
    assert!(!text.contains("<script>") && text.contains("&#60;script&#62;"), "{text}");
    assert!(!text.contains("style=") && !text.contains("onclick"), "{text}");
}

#[test]
fn the_health_of_a_house_that_is_well_and_of_one_that_is_not() {
    let mut own = process("a", &Service::ALL);
    (own.place, own.version) = (HOSTILE.into(), HOSTILE.into());
    let well = HousePage::new(page("/house"), &Health::of(vec![own.clone()], true, NOW)).render().unwrap();
    assert_harmless(&well);
    for text in ["All is well", "answers in 0.4 ms", "Embedded file", "One process", "test gateway"] {
        assert!(well.contains(text), "{text} in {well}");
    }
    assert!(!well.contains("See the dead letters"), "{well}");
    for service in Service::ALL {
        assert!(well.contains(&format!("data-bind=\"{service}.letters\">0<")), "{service} in {well}");
    }
    own.services[0].letters = Some(3);
    (own.services[1].waiting, own.services[1].letters) = (Some(10_001), None);
    own.services.truncate(2);
    let other = process("b", &[Service::Tickets]);
    let health = Health::of(vec![own, other], true, NOW);
    assert_eq!(state_of(&health)["orders.letters"], "–", "an open page does not keep what it knew");
    let ill = HousePage::new(page("/house"), &health).render().unwrap();
    for text in [
        "Degraded",
        "No process runs payments.",
        "See the dead letters",
        "2 processes",
        "data-bind=\"orders.letters\">–<",
        "data-bind=\"tickets.waiting\">more than 10,000<",
    ] {
        assert!(ill.contains(text), "{text} in {ill}");
    }
}

#[test]
fn dead_letters_and_none() {
    let letter = Letter {
        consumer: "orders".into(),
        subject: HOSTILE.into(),
        aggregate: HOSTILE.into(),
        version: 3,
        parked_at: NOW,
        reason: HOSTILE.into(),
    };
    let some = Letters { some: vec![letter], total: 201, silent: vec!["payments".into()] };
    let came = arrival(3, 1, &format!("orders,{HOSTILE}"), "");
    let text = LettersPage::new(page("/house/letters"), some, Some(&came)).render().unwrap();
    assert_harmless(&text);
    for shown in [
        "3 delivered, 1 left.",
        "Nothing was heard of orders in time",
        "And 200 more",
        "of payments are not known",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    let left =
        LettersPage::new(page("/house/letters"), Letters::default(), Some(&arrival(0, 1, "", ""))).render();
    assert!(left.unwrap().contains("refused again"));
    let busy = Some(&arrival(0, 0, "payments", &format!("orders,{HOSTILE}"))).and_then(Arrival::told);
    assert!(busy.is_some_and(|told| {
        told.advice.is_some_and(|advice| advice.starts_with("A delivery to orders is already under way:"))
    }));
    let none = LettersPage::new(page("/house/letters"), Letters::default(), None).render().unwrap();
    assert!(
        none.contains("reached every service") && !none.contains("<form method=\"post\" action=\"/house")
    );
}
