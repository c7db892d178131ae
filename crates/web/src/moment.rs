//! A moment as pages show it.

use kernel::Instant;

/// A moment, for the script, which puts it into the reader's own time, and for who has none:
///
/// ```html
/// <time datetime="{{ at.iso }}" data-local>{{ at.text }}</time>
/// ```
#[derive(Debug, Clone)]
pub struct Moment {
    /// RFC 3339.
    pub iso: String,
    /// For people, in UTC, to the minute.
    pub text: String,
}

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self { iso: at.to_string(), text: moment.strftime("%a %-d %b %Y, %H:%M UTC").to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_for_the_script_and_for_people() {
        let moment = Moment::from(Instant::parse("2026-11-21T19:30:05Z").unwrap());
        assert_eq!(
            (moment.iso.as_str(), moment.text.as_str()),
            ("2026-11-21T19:30:05.000Z", "Sat 21 Nov 2026, 19:30 UTC")
        );
    }
}
