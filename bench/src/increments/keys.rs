//! The counters that are added to: the same names for Marquee and its peers, all of one length.

use crate::load::{Ask, Body};

/// As many counters as there may be: with more, names would be longer and sets would meet.
pub const MOST_KEYS: usize = 80_000;

/// Before a number that counts within its set; sets of different sizes have no key in common.
const FIRST: usize = 1_000_000_000;
const APART: usize = 100_000;

/// As many counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys(pub usize);

impl Keys {
    /// The first and the last one, as numbers.
    pub fn span(self) -> (usize, usize) {
        let first = FIRST + self.0 * APART;
        (first, first + self.0 - 1)
    }

    /// All of them.
    pub fn names(self) -> Vec<String> {
        let (first, last) = self.span();
        (first..=last).map(|number| number.to_string()).collect()
    }

    /// One increment a request.
    pub fn increment(self) -> Ask {
        let body = Some(Body::json("{\"key\":\"", "\",\"value\":1}"));
        Ask {
            method: "POST",
            path: "/api/increment",
            body,
            values: self.names(),
            status: 200,
            expected: None,
        }
    }

    /// The same to webdis: a command as a body.
    pub fn incrby(self) -> Ask {
        let body = Some(Body { media: "text/plain", before: "INCRBY/", after: "/1" });
        Ask { method: "POST", path: "/", body, values: self.names(), status: 200, expected: None }
    }

    /// `size` increments a request: so many different bodies that each counter is in one of them.
    pub fn batches(self, form: Form, size: usize) -> Ask {
        let names = self.names();
        let bodies = names.len().div_ceil(size);
        let body = |number: usize| {
            let keys = (0..size).map(|place| &names[(number * size + place) % names.len()]);
            let increments: Vec<String> =
                keys.map(|key| format!("{{\"key\":\"{key}\",\"value\":1}}")).collect();
            increments.join(form.between())
        };
        Ask {
            method: "POST",
            path: "/api/increments",
            body: Some(form.around()),
            values: (0..bodies).map(body).collect(),
            status: 200,
            expected: None,
        }
    }
}

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON array.
    Array,
    /// A JSON object a line.
    Lines,
}

impl Form {
    fn between(self) -> &'static str {
        match self {
            Self::Array => ",",
            Self::Lines => "\n",
        }
    }

    fn around(self) -> Body {
        match self {
            Self::Array => Body::json("[", "]"),
            Self::Lines => Body { media: "application/x-ndjson", before: "", after: "\n" },
        }
    }
}

/// A POST that does nothing and answers 200: the end of a session that there is none of.
pub fn nothing() -> Ask {
    let body = Some(Body::json("", ""));
    Ask { method: "POST", path: "/api/users/signout", body, values: Vec::new(), status: 200, expected: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_one_length_and_in_one_set_only() {
        let sets = [1, 2, 10, 9_999, 10_000, MOST_KEYS].map(|count| Keys(count).names());
        let mut all: Vec<&String> = sets.iter().flatten().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert!(all.len() == count && all.iter().all(|key| key.len() == 10));
    }

    #[test]
    fn batches_reach_every_key() {
        let ask = Keys(25).batches(Form::Array, 10);
        assert_eq!(ask.values.len(), 3);
        assert!(ask.values.iter().all(|body| body.len() == ask.values[0].len()));
        let sent = ask.values.concat();
        assert!(Keys(25).names().iter().all(|key| sent.contains(key.as_str())));
        let array: serde_json::Value = serde_json::from_str(&format!("[{}]", ask.values[2])).unwrap();
        assert_eq!(array.as_array().unwrap().len(), 10);
        assert_eq!(
            Keys(1).batches(Form::Lines, 3).values,
            [[r#"{"key":"1000100000","value":1}"#; 3].join("\n")]
        );
    }
}
