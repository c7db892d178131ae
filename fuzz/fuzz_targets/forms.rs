//! Bodies, as forms and as JSON, read into what services take: tickets, sign-ups, changes. What is accepted keeps
//! its promises, and comes out the same when it is written down and read again.

#![no_main]

use accounts::model::{Email, Username};
use accounts::{AccountChange, Credentials, SignUp, UserChange};
use kernel::{Error, Instant, Kind, MAX_PRICE, OrderId, TicketId};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tickets::Draft;
use web::{Fields, FormView};

fuzz_target!(|data: &[u8]| {
    let Some((&way, body)) = data.split_first() else { return };
    let fields = if way % 2 == 0 {
        Fields::form(body)
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Fields::json(members),
            _ => return,
        }
    };
    let typed = fields.typed();
    assert!(typed.keys().all(|name| !name.to_lowercase().contains("password")));
    draft(&fields);
    people(&fields);
    wishes(fields);
});

fn draft(fields: &Fields) {
    let Some(draft) = accepted(fields, Draft::read(fields.clone())) else { return };
    assert_eq!(draft.title, draft.title.trim());
    assert!((1..=200).contains(&draft.title.chars().count()) && !draft.title.contains(char::is_control));
    assert!((1..=MAX_PRICE * 100).contains(&draft.price.minor()));
    assert!(
        draft.changes.capacity.is_none_or(|capacity| (1..=tickets::model::MAX_CAPACITY).contains(&capacity))
    );
    if let (Some(Some(opens)), Some(Some(closes))) = (draft.changes.opens_at, draft.changes.closes_at) {
        assert!(opens < closes);
    }
    let mut written = Map::new();
    written.insert("title".to_owned(), json!(draft.title));
    written.insert("price".to_owned(), json!(draft.price));
    for (name, at) in [
        ("startsAt", draft.changes.starts_at),
        ("opensAt", draft.changes.opens_at),
        ("closesAt", draft.changes.closes_at),
    ] {
        let at: Option<Option<Instant>> = at;
        if let Some(at) = at {
            written.insert(name.to_owned(), json!(at));
        }
    }
    if let Some(capacity) = draft.changes.capacity {
        written.insert("capacity".to_owned(), json!(capacity));
    }
    if let Some(video) = draft.changes.video_id {
        written.insert("videoId".to_owned(), json!(video));
    }
    assert_eq!(Draft::read(Fields::json(written)).expect("what was accepted"), draft);
}

fn people(fields: &Fields) {
    if let Some(sign_up) = accepted(fields, SignUp::read(fields.clone())) {
        email(&sign_up.email);
        sign_up.username.iter().for_each(username);
    }
    if let Some(found) = accepted(fields, Credentials::read(fields.clone())) {
        assert!((1..=254).contains(&found.email.chars().count()) && !found.password.is_empty());
    }
    if let Some(change) = accepted(fields, AccountChange::read(fields.clone())) {
        change.email.iter().for_each(email);
        change.username.iter().for_each(username);
    }
    if let Some(change) = accepted(fields, UserChange::read(fields.clone())) {
        change.email.iter().for_each(email);
        change.username.iter().for_each(username);
    }
}

/// An address is one by its own rules again, and what is unique about it does not change by being looked up.
fn email(email: &Email) {
    let text = email.as_str();
    assert!(text.chars().count() <= 254 && text.matches('@').count() == 1);
    assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control()));
    assert_eq!(Email::parse(text).as_ref(), Some(email));
    if let Some(same) = Email::parse(&email.key()) {
        assert_eq!(same.key(), email.key(), "{text}");
    }
}

fn username(name: &Username) {
    let text = name.as_str();
    assert!(
        (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control) && text == text.trim()
    );
    assert_eq!(Username::parse(text).as_ref(), Some(name));
    if let Some(same) = Username::parse(&name.key()) {
        assert_eq!(same.key(), name.key(), "{text}");
    }
}

/// As orders and payments read them.
fn wishes(mut fields: Fields) {
    let again = fields.clone();
    let ticket: Option<TicketId> = fields.id("ticketId", "TicketId must be provided");
    let order: Option<OrderId> = fields.id("orderId", "OrderId must be provided");
    let quantity = fields.optional_integer("quantity", "Quantity is out of range", 1..=10);
    let token = fields.text("token", "Token must be provided", 1..=255);
    if accepted(&again, fields.finish()).is_some() {
        assert!(ticket.is_some() && order.is_some());
        assert!(quantity.is_none_or(|n| (1..=10).contains(&n)));
        assert!(token.is_some_and(|token| (1..=255).contains(&token.chars().count())));
    }
}

/// What was read, or a refusal that says what is wrong with which field and repeats nothing that was sent.
fn accepted<T>(fields: &Fields, read: kernel::Result<T>) -> Option<T> {
    let error: Error = match read {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    assert_eq!(error.kind, Kind::Invalid);
    assert!(!error.errors.is_empty());
    assert!(
        error.errors.iter().all(|e| e.field.is_some() && matches!(e.message, std::borrow::Cow::Borrowed(_)))
    );
    let again = FormView::failed(fields.typed(), &error);
    assert!(again.value("password").is_empty());
    None
}
