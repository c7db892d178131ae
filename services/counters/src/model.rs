//! What may be counted, and what adding it up means: pure.

use kernel::{Error, Result};
use web::Fields;

/// Keys that begin so belong to the system: what other services count.
pub const RESERVED: &str = "marquee:";

/// So many characters a key has at most.
pub(crate) const LONGEST_KEY: usize = 256;

const KEY: &str = "Key must be 1 to 256 characters";
const NUL: &str = "Key must not contain a NUL character";
const RESERVED_KEY: &str = "Keys that begin with marquee: belong to the system";
const VALUE: &str = "Value must be a whole number of 64 bits";

/// A wish to add `value` to the counter `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// 1 to 256 characters, not of the system's own.
    pub key: String,
    /// May be 0 or negative.
    pub value: i64,
}

impl Increment {
    /// From `{"key": "…", "value": 3}` (contract, Counters).
    ///
    /// # Errors
    /// `Invalid` with a sentence for each member that is wrong.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let key = fields.raw_text("key", KEY, 1..=LONGEST_KEY);
        if let Some(key) = &key {
            // No database keeps it in a text.
            fields.require(!key.contains('\0'), "key", NUL);
            fields.require(!key.starts_with(RESERVED), "key", RESERVED_KEY);
        }
        let value = fields.whole("value", VALUE);
        fields.finish()?;
        match (key, value) {
            (Some(key), Some(value)) => Ok(Self { key, value }),
            _ => Err(Error::internal("an increment without a key or value passed")),
        }
    }
}

impl Increment {
    /// From a form that adds to the counter `key`, which is there already: its `value` alone.
    ///
    /// # Errors
    /// `Invalid` with a sentence if the value is wrong, or if the counter is the system's own.
    pub(crate) fn of(key: String, mut fields: Fields) -> Result<Self> {
        if key.starts_with(RESERVED) {
            return Err(Error::invalid(RESERVED_KEY).at("key"));
        }
        let value = fields.whole("value", VALUE);
        fields.finish()?;
        value.map(|value| Self { key, value }).ok_or_else(|| Error::internal("no value passed"))
    }
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Its key.
    pub key: String,
    /// The sum of its increments.
    pub value: i64,
}

/// Far from both ends of 64 bits: what begins between minus and plus this, and goes less far than this, does not
/// overflow on the way. Twice this would: it is one more than the largest number.
pub(crate) const SAFE: i64 = 1 << 62;

/// Whether these may be added up in one step to a counter within [`SAFE`], whatever their order.
pub(crate) fn is_safe(values: impl Iterator<Item = i64>) -> bool {
    values.map(|value| u128::from(value.unsigned_abs())).sum::<u128>() < SAFE as u128
}

/// Adds `values` to `base` one after the other; each is given the sum with itself, or refused if that overflows.
/// The last one is what the counter is then.
pub(crate) fn add_up(base: i64, values: impl Iterator<Item = i64>) -> (Vec<Result<i64>>, i64) {
    let mut sum = base;
    let each = values.map(|value| match sum.checked_add(value) {
        Some(next) => {
            sum = next;
            Ok(next)
        }
        None => Err(Error::conflict("The counter would overflow").at("value")),
    });
    let each = each.collect();
    (each, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(body: Value) -> Result<Increment> {
        let Value::Object(members) = body else { panic!("not an object") };
        Increment::read(Fields::json(members))
    }

    #[test]
    fn reads_what_the_contract_allows() {
        for (value, read_as) in [
            (json!(3), 3),
            (json!(0), 0),
            (json!(-7), -7),
            (json!("12"), 12),
            (json!("-12"), -12),
            (json!(i64::MAX), i64::MAX),
            (json!(i64::MIN), i64::MIN),
        ] {
            assert_eq!(read(json!({"key": "k", "value": value})).unwrap().value, read_as);
        }
        let huge: Value = serde_json::from_str("9223372036854775808").unwrap();
        let others = [
            json!(1.0),
            json!(1.5),
            json!("1.0"),
            json!("0x10"),
            json!("ten"),
            json!(""),
            json!("+1"),
            json!(" 1"),
        ];
        for value in others.into_iter().chain([
            json!(true),
            json!(null),
            json!([1]),
            huge,
            json!("9223372036854775808"),
        ]) {
            let error = read(json!({"key": "k", "value": value})).unwrap_err();
            assert_eq!(error.errors[0].field.as_deref(), Some("value"), "{value}");
        }
        for key in ["a", " ", "ü", "a/b?c&d", "\n", &"é".repeat(256), "Marquee:x", "marquee"] {
            assert_eq!(read(json!({"key": key, "value": 1})).unwrap().key, key);
        }
        for key in ["", &"a".repeat(257), "marquee:", "marquee:x", "a\0b"] {
            let error = read(json!({"key": key, "value": 1})).unwrap_err();
            assert_eq!(error.errors[0].field.as_deref(), Some("key"), "{key:?}");
        }
        assert_eq!(read(json!({"key": "a\0b", "value": 1})).unwrap_err().errors[0].message, NUL);
        assert_eq!(read(json!({})).unwrap_err().errors.len(), 2, "one answer names everything that is wrong");
    }

    #[test]
    fn from_the_edge_of_what_is_safe_the_largest_safe_step_overflows_nowhere() {
        for (base, step) in [(SAFE, SAFE - 1), (-SAFE, 1 - SAFE), (SAFE, SAFE), (-SAFE, -SAFE)] {
            let whole = base.checked_add(step);
            assert!(whole.is_some() || !is_safe([step].into_iter()), "{base} and {step}");
        }
        assert!(is_safe([SAFE - 1].into_iter()) && !is_safe([SAFE - 1, -1].into_iter()));
    }

    proptest! {
        #[test]
        fn each_gets_its_own_sum_or_is_refused_alone(base: i64, values in prop::collection::vec(any::<i64>(), 0..20)) {
            let (each, last) = add_up(base, values.iter().copied());
            let mut sum = i128::from(base);
            for (value, answer) in values.iter().zip(&each) {
                let next = sum + i128::from(*value);
                match answer {
                    Ok(given) => {
                        prop_assert_eq!(i128::from(*given), next);
                        sum = next;
                    }
                    Err(_) => prop_assert!(i64::try_from(next).is_err()),
                }
            }
            prop_assert_eq!(i128::from(last), sum);
        }

        #[test]
        fn what_is_safe_overflows_nowhere(base in -SAFE..=SAFE, values in prop::collection::vec(any::<i64>(), 0..4)) {
            if is_safe(values.iter().copied()) {
                prop_assert!(add_up(base, values.into_iter()).0.iter().all(Result::is_ok));
            }
        }
    }
}
