//! Prices, as JSON numbers, JSON strings and form fields. What is accepted is exactly what was written, whoever
//! reads it; the oracle reads decimals digit by digit and knows no floats.

#![no_main]

use kernel::{MAX_PRICE, Money};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use web::Fields;

fuzz_target!(|text: &str| {
    if let Ok(value @ Value::Number(_)) = serde_json::from_str::<Value>(text) {
        number(text.trim_matches([' ', '\t', '\n', '\r']), value);
    }
    let read = price(Fields::json(Map::from_iter([("price".to_owned(), Value::from(text))])));
    assert_eq!(read, plain(text), "as a string");
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("price", text).finish();
    assert_eq!(price(Fields::form(body.as_bytes())), plain(text.trim()), "in a form");
});

/// A JSON number. A double has 15 decimal digits for sure: within them the answer must be the oracle's, beyond them
/// it must be the nearest amount or none.
fn number(text: &str, value: Value) {
    let read = price(Fields::json(Map::from_iter([("price".to_owned(), value)])));
    let Some((digits, exponent)) = scientific(text) else { return assert_eq!(read, None, "{text}") };
    let exact = minor(&digits, exponent).filter(|_| !text.starts_with('-'));
    if digits.len() <= 15 {
        assert_eq!(read, exact.filter(|m| (1..=MAX_PRICE * 100).contains(m)), "{text}");
    } else if let Some(read) = read {
        let meant: f64 = text.parse().expect("a number");
        assert!((meant * 100.0 - read as f64).abs() < 1e-6, "{text} was read as {read}");
    }
}

/// The price that the fields have, in minor units, after a way there and back.
fn price(mut fields: Fields) -> Option<i64> {
    let price = fields.price("price");
    assert_eq!(price.is_some(), fields.finish().is_ok());
    let price = price?;
    assert!((1..=MAX_PRICE * 100).contains(&price.minor()), "{price:?}");
    assert_eq!(price.to_string().parse(), Ok(price));
    let json = serde_json::to_string(&price).expect("it is written");
    assert!(json.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 2), "{json}");
    assert_eq!(serde_json::from_str::<Money>(&json).expect("it is read"), price);
    Some(price.minor())
}

/// `12`, `12.3` or `12.34`, above zero and at most a million.
fn plain(text: &str) -> Option<i64> {
    let (major, decimals) = text.split_once('.').map_or((text, None), |(m, d)| (m, Some(d)));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(major) || !decimals.is_none_or(|d| digits(d) && d.len() <= 2) {
        return None;
    }
    let all = format!("{major}{:0<2}", decimals.unwrap_or_default());
    let all = all.trim_start_matches('0');
    let minor: i64 = if all.len() > 12 { return None } else { all.parse().ok()? };
    (1..=MAX_PRICE * 100).contains(&minor).then_some(minor)
}

/// The significant digits of a JSON number, and the power of ten that they are counted in; none for zero.
fn scientific(text: &str) -> Option<(String, i128)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // An exponent that does not fit is as good as any other that is far too large.
    let far = if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 };
    let exponent = exponent.parse::<i128>().unwrap_or(far).clamp(-1_000_000, 1_000_000);
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{decimals}");
    let digits = all.trim_end_matches('0');
    let exponent = exponent - decimals.len() as i128 + (all.len() - digits.len()) as i128;
    let digits = digits.trim_start_matches('0');
    (!digits.is_empty()).then(|| (digits.to_owned(), exponent))
}

/// The number in minor units, if it is a whole number of them and not far too large.
fn minor(digits: &str, exponent: i128) -> Option<i64> {
    let zeros = usize::try_from(exponent + 2).ok()?;
    if digits.len() + zeros > 17 {
        return None;
    }
    format!("{digits}{}", "0".repeat(zeros)).parse().ok()
}
