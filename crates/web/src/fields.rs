//! One reader for JSON bodies and HTML forms, which collects one error per field, so that a client
//! learns of all its mistakes at once and an API and its pages have the same rules.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use kernel::{Error, FieldError, Id, Instant, MAX_PRICE, Money};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The members of a JSON object, or the fields of a form.
///
/// Each reading answers `None` where there is nothing usable and notes why; after [`Fields::finish`]
/// has succeeded, what is required is there.
#[derive(Debug, Clone)]
pub struct Fields {
    source: Source,
    errors: Vec<FieldError>,
}

#[derive(Debug, Clone)]
enum Source {
    Json(Map<String, Value>),
    /// All values are text, and an empty field was left out.
    Form(HashMap<String, String>),
}

/// One input, present.
enum Input<'a> {
    Json(&'a Value),
    Form(&'a str),
}

impl<'a> Input<'a> {
    /// The text, if it is one.
    fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Json(value) => value.as_str(),
            Self::Form(text) => Some(text),
        }
    }

    /// The whole number: in JSON `1`, never `1.0` or `"1"`; in a form its decimal digits.
    fn integer(&self) -> Option<i64> {
        match *self {
            Self::Json(value) => value.as_i64(),
            Self::Form(text) => decimal(text.trim()),
        }
    }
}

/// `-?[0-9]+` that fits.
fn decimal(text: &str) -> Option<i64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

impl Fields {
    /// From the members of a JSON object.
    pub fn json(members: Map<String, Value>) -> Self {
        Self { source: Source::Json(members), errors: Vec::new() }
    }

    /// From an `application/x-www-form-urlencoded` body. A field that comes twice has its last value.
    pub fn form(body: &[u8]) -> Self {
        let fields = form_urlencoded::parse(body).into_owned().collect();
        Self { source: Source::Form(fields), errors: Vec::new() }
    }

    fn get(&self, field: &str) -> Option<Input<'_>> {
        match &self.source {
            Source::Json(members) => members.get(field).filter(|v| !v.is_null()).map(Input::Json),
            Source::Form(fields) => {
                fields.get(field).filter(|t| !t.trim().is_empty()).map(|t| Input::Form(t))
            }
        }
    }

    /// Whether a field is there and not null (in a form: not blank).
    pub fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// A required text of so many characters, without the white space around it.
    pub fn text(
        &mut self,
        field: &'static str,
        message: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        self.required(field, message, |input| trimmed(input.text()?, &length))
    }

    /// A text as [`Fields::text`] reads it, if there is one.
    pub fn optional_text(
        &mut self,
        field: &'static str,
        message: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        self.optional(field, message, |input| trimmed(input.text()?, &length))
    }

    /// A required text of so many characters exactly as it was sent: for passwords.
    pub fn raw_text(
        &mut self,
        field: &'static str,
        message: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        // White space is not nothing here, so `get`, which skips a blank form field, is not asked.
        let text = match &self.source {
            Source::Json(members) => members.get(field).and_then(Value::as_str),
            Source::Form(fields) => fields.get(field).map(String::as_str),
        };
        let text = text.filter(|text| length.contains(&text.chars().count())).map(str::to_owned);
        self.noted(field, message, text)
    }

    /// A required whole number of 64 bits: in JSON `1`, or its decimal digits as text, `"1"`; never `1.0`. In a form
    /// its decimal digits.
    pub fn whole(&mut self, field: &'static str, message: &'static str) -> Option<i64> {
        self.required(field, message, |input| input.integer().or_else(|| decimal(input.text()?)))
    }

    /// A required price: more than 0, at most [`MAX_PRICE`], with at most two decimals.
    pub fn price(&mut self, field: &'static str) -> Option<Money> {
        let Some(input) = self.get(field) else { return self.noted(field, TOO_CHEAP, None) };
        match price(&input) {
            Ok(price) => Some(price),
            Err(message) => self.noted(field, message, None),
        }
    }

    /// A required whole number.
    pub fn integer(
        &mut self,
        field: &'static str,
        message: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        self.required(field, message, |input| input.integer().filter(|n| range.contains(n)))
    }

    /// A whole number, if there is one.
    pub fn optional_integer(
        &mut self,
        field: &'static str,
        message: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        self.optional(field, message, |input| input.integer().filter(|n| range.contains(n)))
    }

    /// A required id.
    pub fn id<K>(&mut self, field: &'static str, message: &'static str) -> Option<Id<K>> {
        self.required(field, message, |input| input.text()?.trim().parse().ok())
    }

    /// An id, if there is one.
    pub fn optional_id<K>(&mut self, field: &'static str, message: &'static str) -> Option<Id<K>> {
        self.optional(field, message, |input| input.text()?.trim().parse().ok())
    }

    /// An instant, if there is one: RFC 3339, or what `<input type="datetime-local">` sends, as UTC.
    pub fn optional_instant(&mut self, field: &'static str, message: &'static str) -> Option<Instant> {
        self.optional(field, message, |input| Instant::parse(input.text()?.trim()))
    }

    /// One of several words, if there is one: `fields.optional_choice("role", "…", Role::parse)`.
    pub fn optional_choice<T>(
        &mut self,
        field: &'static str,
        message: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.optional(field, message, |input| parse(input.text()?))
    }

    /// A rule that involves more than one field; `field` is the one to point at.
    pub fn require(&mut self, ok: bool, field: &'static str, message: &'static str) {
        self.noted(field, message, ok.then_some(()));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Invalid` with every field's error, if there is any.
    pub fn finish(self) -> kernel::Result<()> {
        if self.errors.is_empty() { Ok(()) } else { Err(Error::fields(self.errors)) }
    }

    /// What was typed into a form, to show it again; never a password.
    pub fn typed(&self) -> HashMap<String, String> {
        match &self.source {
            Source::Json(_) => HashMap::new(),
            Source::Form(fields) => {
                let shown = |name: &str| !name.to_ascii_lowercase().contains("password");
                fields.iter().filter(|(name, _)| shown(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
            }
        }
    }

    fn required<T>(
        &mut self,
        field: &'static str,
        message: &'static str,
        read: impl FnOnce(Input<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(field).and_then(read);
        self.noted(field, message, value)
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        message: &'static str,
        read: impl FnOnce(Input<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.get(field)?);
        self.noted(field, message, value)
    }

    /// Notes the first error of a field if there is no value.
    fn noted<T>(&mut self, field: &'static str, message: &'static str, value: Option<T>) -> Option<T> {
        let known = |e: &FieldError| e.field.as_deref() == Some(field);
        if value.is_none() && !self.errors.iter().any(known) {
            self.errors
                .push(FieldError { message: Cow::Borrowed(message), field: Some(Cow::Borrowed(field)) });
        }
        value
    }
}

fn trimmed(text: &str, length: &RangeInclusive<usize>) -> Option<String> {
    let text = text.trim();
    let fits = length.contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

const TOO_CHEAP: &str = "Price must be greater than 0";
const TOO_DEAR: &str = "Price must be at most 1000000";
const TOO_FINE: &str = "Price must have at most two decimals";

fn price(input: &Input<'_>) -> Result<Money, &'static str> {
    let read = match input {
        Input::Json(value) => Money::deserialize(*value).ok(),
        Input::Form(text) => text.trim().parse().ok(),
    };
    match read {
        Some(price) if price.minor() <= 0 => Err(TOO_CHEAP),
        Some(price) if price > Money::from_minor(MAX_PRICE * 100) => Err(TOO_DEAR),
        Some(price) => Ok(price),
        None => Err(match roughly(input) {
            Some(n) if n > MAX_PRICE as f64 => TOO_DEAR,
            Some(n) if n > 0.0 => TOO_FINE,
            _ => TOO_CHEAP,
        }),
    }
}

/// What a number that is no amount was meant to be, to say what is wrong with it.
fn roughly(input: &Input<'_>) -> Option<f64> {
    match input {
        Input::Json(Value::Number(number)) => number.as_f64(),
        Input::Json(_) | Input::Form(_) => {
            let text = input.text()?.trim();
            text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse().ok())?
        }
    }
}

#[cfg(test)]
mod tests;
