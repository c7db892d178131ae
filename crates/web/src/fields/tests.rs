use super::*;
use kernel::{Clock, Kind, TicketId};
use serde_json::json;

fn from_json(value: Value) -> Fields {
    let Value::Object(members) = value else { panic!("not an object") };
    Fields::json(members)
}

fn errors(fields: Fields) -> Vec<(String, String)> {
    match fields.finish() {
        Ok(()) => Vec::new(),
        Err(e) => {
            assert_eq!(e.kind, Kind::Invalid);
            e.errors.into_iter().map(|e| (e.field.unwrap().into_owned(), e.message.into_owned())).collect()
        }
    }
}

/// Reads one field and answers its value or the sentence about it.
fn read<T>(mut fields: Fields, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<Option<T>, String> {
    let value = read(&mut fields);
    match errors(fields).pop() {
        Some((_, message)) => {
            assert!(value.is_none());
            Err(message)
        }
        None => Ok(value),
    }
}

#[test]
fn texts_from_json() {
    for (value, text) in [
        (json!({"t": "Tea"}), Some("Tea")),
        (json!({"t": "  Tea for two\u{a0} "}), Some("Tea for two")),
        (json!({"t": "äöü€𝄞"}), Some("äöü€𝄞")),
        (json!({"t": "123456"}), None),
        (json!({"t": ""}), None),
        (json!({"t": "   "}), None),
        (json!({"t": "a\u{0}b"}), None),
        (json!({"t": "a\nb"}), None),
        (json!({"t": "a\u{85}b"}), None),
        (json!({"t": 7}), None),
        (json!({"t": true}), None),
        (json!({"t": ["a"]}), None),
        (json!({"t": null}), None),
        (json!({}), None),
    ] {
        let max = if value["t"] == "  Tea for two\u{a0} " { 11 } else { 5 };
        let expected = text.map(|t| Some(t.to_owned())).ok_or("Bad".to_owned());
        assert_eq!(read(from_json(value.clone()), |f| f.text("t", "Bad", 1..=max)), expected, "{value}");
    }
}

#[test]
fn optional_texts_may_be_absent_but_not_wrong() {
    for (value, expected) in [
        (json!({}), Ok(None)),
        (json!({"t": null}), Ok(None)),
        (json!({"t": " a "}), Ok(Some("a".to_owned()))),
        (json!({"t": ""}), Err("Bad".to_owned())),
        (json!({"t": 1}), Err("Bad".to_owned())),
    ] {
        assert_eq!(
            read(from_json(value.clone()), |f| f.optional_text("t", "Bad", 1..=5)),
            expected,
            "{value}"
        );
    }
    for (body, expected) in [
        ("", Ok(None)),
        ("t=", Ok(None)),
        ("t=++", Ok(None)),
        ("t=+a+b+", Ok(Some("a b".to_owned()))),
        ("t=%C3%A4", Ok(Some("ä".to_owned()))),
        ("t=a&t=b", Ok(Some("b".to_owned()))),
        ("t=a%00", Err("Bad".to_owned())),
        ("t=abcdef", Err("Bad".to_owned())),
    ] {
        assert_eq!(
            read(Fields::form(body.as_bytes()), |f| f.optional_text("t", "Bad", 1..=5)),
            expected,
            "{body}"
        );
    }
}

#[test]
fn a_password_is_taken_as_it_is() {
    for (value, ok) in
        [("  x ", true), ("a\u{0}\tb", true), ("abc", false), ("ääää", true), ("123456789", false)]
    {
        let expected = if ok { Ok(Some(value.to_owned())) } else { Err("Bad".to_owned()) };
        assert_eq!(
            read(from_json(json!({"p": value})), |f| f.raw_text("p", "Bad", 4..=8)),
            expected,
            "{value:?}"
        );
    }
    let blank = read(Fields::form(b"p=++++"), |f| f.raw_text("p", "Bad", 4..=8));
    assert_eq!(blank, Ok(Some("    ".to_owned())));
    assert_eq!(
        read(from_json(json!({"p": 12_345})), |f| f.raw_text("p", "Bad", 4..=8)),
        Err("Bad".to_owned())
    );
}

#[test]
fn prices() {
    let cases = [
        ("20", Ok(2000)),
        ("19.99", Ok(1999)),
        ("0.01", Ok(1)),
        ("1000000", Ok(100_000_000)),
        ("1e2", Ok(10_000)),
        ("20.00", Ok(2000)),
        (r#""19.99""#, Ok(1999)),
        ("1000000.01", Err(TOO_DEAR)),
        ("1000001", Err(TOO_DEAR)),
        ("1e30", Err(TOO_DEAR)),
        ("1e300", Err(TOO_DEAR)),
        ("99999999999999999999999", Err(TOO_DEAR)),
        ("19.999", Err(TOO_FINE)),
        ("0.001", Err(TOO_FINE)),
        ("0.30000000000000004", Err(TOO_FINE)),
        (r#""19.999""#, Err(TOO_FINE)),
        ("0", Err(TOO_CHEAP)),
        ("0.00", Err(TOO_CHEAP)),
        ("-0.0", Err(TOO_CHEAP)),
        ("-1", Err(TOO_CHEAP)),
        ("-1e300", Err(TOO_CHEAP)),
        (r#""""#, Err(TOO_CHEAP)),
        (r#""NaN""#, Err(TOO_CHEAP)),
        (r#""Infinity""#, Err(TOO_CHEAP)),
        (r#""inf""#, Err(TOO_CHEAP)),
        (r#""1e3""#, Err(TOO_CHEAP)),
        (r#""-5""#, Err(TOO_CHEAP)),
        (r#"".""#, Err(TOO_CHEAP)),
        (r#""1.2.3""#, Err(TOO_CHEAP)),
        ("true", Err(TOO_CHEAP)),
        ("[20]", Err(TOO_CHEAP)),
        ("{}", Err(TOO_CHEAP)),
        ("null", Err(TOO_CHEAP)),
    ];
    for (text, expected) in cases {
        let value: Value = serde_json::from_str(text).unwrap();
        let price = read(from_json(json!({"price": value})), |f| f.price("price"));
        assert_eq!(price, expected.map(|m| Some(Money::from_minor(m))).map_err(str::to_owned), "{text}");
    }
    assert_eq!(read(from_json(json!({})), |f| f.price("price")), Err(TOO_CHEAP.to_owned()));
    for (body, expected) in [
        ("price=+20+", Ok(2000)),
        ("price=19.99", Ok(1999)),
        ("price=19.999", Err(TOO_FINE)),
        ("price=1000001", Err(TOO_DEAR)),
        ("price=", Err(TOO_CHEAP)),
        ("price=1e3", Err(TOO_CHEAP)),
        ("price=20,5", Err(TOO_CHEAP)),
        ("price=abc", Err(TOO_CHEAP)),
    ] {
        let price = read(Fields::form(body.as_bytes()), |f| f.price("price"));
        assert_eq!(price, expected.map(|m| Some(Money::from_minor(m))).map_err(str::to_owned), "{body}");
    }
    assert!(TOO_DEAR.ends_with(&MAX_PRICE.to_string()));
}

#[test]
fn integers() {
    for (text, expected) in [
        ("1", Some(1)),
        ("10", Some(10)),
        ("0", None),
        ("11", None),
        ("-1", None),
        ("1.0", None),
        ("1e0", None),
        (r#""1""#, None),
        ("true", None),
        ("9223372036854775808", None),
        ("null", None),
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let fields = || from_json(json!({"n": value}));
        let bad = Err("Bad".to_owned());
        let required = read(fields(), |f| f.integer("n", "Bad", 1..=10));
        assert_eq!(required, expected.map_or(bad.clone(), |n| Ok(Some(n))), "{text}");
        let optional = read(fields(), |f| f.optional_integer("n", "Bad", 1..=10));
        assert_eq!(optional, if text == "null" { Ok(None) } else { required }, "{text}");
    }
    for (body, expected) in [
        ("n=7", Ok(Some(7))),
        ("n=+7+", Ok(Some(7))),
        ("n=%2B7", Err(())),
        ("n=7.0", Err(())),
        ("n=x", Err(())),
        ("n=", Ok(None)),
    ] {
        let read = read(Fields::form(body.as_bytes()), |f| f.optional_integer("n", "Bad", -10..=10));
        assert_eq!(read.map_err(drop), expected, "{body}");
    }
    assert_eq!(read(Fields::form(b"n=-7"), |f| f.integer("n", "Bad", -10..=10)), Ok(Some(-7)));
    let least = read(from_json(json!({"n": i64::MIN})), |f| f.integer("n", "Bad", i64::MIN..=i64::MAX));
    assert_eq!(least, Ok(Some(i64::MIN)));
}

#[test]
fn ids_instants_and_choices() {
    let id = TicketId::new(&Clock::system());
    for (value, expected) in [
        (json!({"id": id}), Some(id)),
        (json!({"id": id.to_string().to_uppercase()}), None),
        (json!({"id": "1"}), None),
        (json!({"id": 1}), None),
        (json!({}), None),
    ] {
        let wanted = expected.map_or(Err("Bad".to_owned()), |id| Ok(Some(id)));
        assert_eq!(read(from_json(value.clone()), |f| f.id("id", "Bad")), wanted, "{value}");
    }
    assert_eq!(read::<TicketId>(from_json(json!({})), |f| f.optional_id("id", "Bad")), Ok(None));
    assert_eq!(
        read::<TicketId>(from_json(json!({"id": "x"})), |f| f.optional_id("id", "Bad")),
        Err("Bad".to_owned())
    );

    let at = Instant::parse("2026-11-21T19:30:00Z").unwrap();
    for (value, expected) in [
        (json!({"at": "2026-11-21T20:30:00+01:00"}), Ok(Some(at))),
        (json!({"at": null}), Ok(None)),
        (json!({"at": "tomorrow"}), Err("Bad".to_owned())),
        (json!({"at": 1_700_000_000}), Err("Bad".to_owned())),
    ] {
        assert_eq!(read(from_json(value.clone()), |f| f.optional_instant("at", "Bad")), expected, "{value}");
    }
    assert_eq!(
        read(Fields::form(b"at=2026-11-21T19%3A30"), |f| f.optional_instant("at", "Bad")),
        Ok(Some(at))
    );

    let parse = contracts::Role::parse;
    let role = |value| read(from_json(value), |f| f.optional_choice("role", "Bad", parse));
    assert_eq!(role(json!({"role": "operator"})), Ok(Some(contracts::Role::Operator)));
    assert_eq!(role(json!({"role": "king"})), Err("Bad".to_owned()));
    assert_eq!(role(json!({})), Ok(None));
}

#[test]
fn collects_one_error_per_field_in_order() {
    let mut fields = from_json(json!({"price": -1, "capacity": "many"}));
    fields.text("title", "Title is required", 1..=200);
    fields.price("price");
    fields.optional_integer("capacity", "Capacity must be a whole number", 1..=10);
    fields.require(false, "price", "A second one about the same field");
    fields.require(true, "opensAt", "Fine");
    fields.require(false, "closesAt", "Closes before it opens");
    let found = errors(fields);
    let found: Vec<_> = found.iter().map(|(field, message)| (field.as_str(), message.as_str())).collect();
    let expected = [
        ("title", "Title is required"),
        ("price", TOO_CHEAP),
        ("capacity", "Capacity must be a whole number"),
        ("closesAt", "Closes before it opens"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn has_tells_absent_from_there() {
    let fields = from_json(json!({"a": "", "b": null, "c": 0}));
    assert_eq!(["a", "b", "c", "d"].map(|f| fields.has(f)), [true, false, true, false]);
    let fields = Fields::form(b"a=&b=+&c=0");
    assert_eq!(["a", "b", "c", "d"].map(|f| fields.has(f)), [false, false, true, false]);
}

#[test]
fn a_password_is_never_shown_again() {
    let typed = Fields::form(b"email=a%40b&password=x&newPassword=y&Password=z").typed();
    assert_eq!(typed, HashMap::from([("email".to_owned(), "a@b".to_owned())]));
    assert!(from_json(json!({"email": "a@b"})).typed().is_empty());
}
