//! Amounts in integer minor units. A float never holds money; one appears only in the JSON itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The highest price the contract allows, in major units.
pub const MAX_PRICE: i64 = 1_000_000;

/// An amount of the installation's currency in minor units (cents). In JSON it is a decimal number
/// of major units (`20`, `19.99`); a string of the same form is read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseMoneyError;

impl fmt::Display for ParseMoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount is a decimal number with at most two decimals")
    }
}
impl std::error::Error for ParseMoneyError {}

impl Money {
    /// From minor units.
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The amount for `quantity` units; `None` where it would not fit.
    pub fn times(self, quantity: i64) -> Option<Self> {
        self.0.checked_mul(quantity).map(Self)
    }
}

impl FromStr for Money {
    type Err = ParseMoneyError;

    /// Reads `20`, `19.9` or `19.99`; no sign, exponent, space or third decimal.
    fn from_str(text: &str) -> Result<Self, ParseMoneyError> {
        let (major, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(major) || !digits(decimals) || decimals.len() > 2 {
            return Err(ParseMoneyError);
        }
        let major: i64 = major.parse().map_err(|_| ParseMoneyError)?;
        let minor: i64 = format!("{decimals:0<2}").parse().map_err(|_| ParseMoneyError)?;
        major.checked_mul(100).and_then(|m| m.checked_add(minor)).map(Self).ok_or(ParseMoneyError)
    }
}

impl fmt::Display for Money {
    /// Always two decimals: `19.90`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            return s.serialize_i64(self.0 / 100);
        }
        // Exact: the shortest text of the nearest double of a two-decimal number below 2^46 is that number.
        #[allow(clippy::cast_precision_loss)]
        s.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Money;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&ParseMoneyError, f)
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Money, E> {
                v.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Money, E> {
                v.to_string().parse().map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Money, E> {
                // The shortest decimal that reads back as this double: what the sender wrote.
                v.to_string().parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_decimals_exactly() {
        for (json, minor) in
            [("20", 2000), ("19.99", 1999), ("0.1", 10), ("\"7.5\"", 750), ("1e2", 10_000), ("0.29", 29)]
        {
            assert_eq!(serde_json::from_str::<Money>(json).unwrap(), Money(minor), "{json}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_amount() {
        for json in [
            "19.999",
            "-1",
            "\"1e3\"",
            "\"\"",
            "\" 1\"",
            "true",
            "null",
            "1e300",
            "\"NaN\"",
            "0.30000000000000004",
        ] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn json_round_trips(minor in 0..=MAX_PRICE * 100 * 10) {
            let json = serde_json::to_string(&Money(minor)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), Money(minor));
        }

        #[test]
        fn what_is_read_is_what_was_written(major in 0..=MAX_PRICE * 10, decimals in "[0-9]{0,4}", power in 0..4_u32) {
            let text = if decimals.is_empty() { major.to_string() } else { format!("{major}.{decimals}") };
            let minor = major * 100 + format!("{decimals:0<2}")[..2].parse::<i64>().unwrap();
            let exact = (decimals.len() <= 2).then_some(Money(minor));
            prop_assert_eq!(text.parse().ok(), exact);
            // To a number, zeros at its end are nothing.
            let number = decimals.get(2..).unwrap_or_default().bytes().all(|b| b == b'0').then_some(Money(minor));
            prop_assert_eq!(serde_json::from_str(&text).ok(), number);
            let tens = 10_i64.pow(power);
            let raised = serde_json::from_str(&format!("{text}e{power}")).ok();
            prop_assert!(number.is_none_or(|money: Money| raised == money.times(tens)));
        }
    }
}
