//! Where a piece of work stands in a trace, as text: the `traceparent` of W3C Trace Context, level 1
//! (<https://www.w3.org/TR/trace-context-1/#traceparent-header>).

use std::fmt;

/// One span of one trace, by which what follows from it is tied to it; or nothing, which is the default.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    /// Zero where there is none.
    trace: u128,
    span: u64,
    flags: u8,
}

/// `00-<trace>-<span>-<flags>`, in hexadecimal.
const LENGTH: usize = 55;

impl Trace {
    /// No trace.
    pub const NONE: Self = Self { trace: 0, span: 0, flags: 0 };

    /// The span `span` of the trace `trace`, both as they are numbered there; none if one of them is zero, which
    /// the standard forbids.
    pub fn new(trace: u128, span: u64, flags: u8) -> Self {
        if trace == 0 || span == 0 { Self::NONE } else { Self { trace, span, flags } }
    }

    /// Reads a `traceparent`. Whatever is malformed is none: the standard has a receiver begin anew then. A version
    /// after the first may go on after what is known.
    pub fn parse(text: &str) -> Self {
        let Some((known, rest)) = text.split_at_checked(LENGTH) else { return Self::NONE };
        let mut parts = known.split('-');
        let mut part = |length: usize| {
            let is_hex = |part: &&str| {
                part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            };
            parts.next().filter(is_hex)
        };
        let (Some(version), Some(trace), Some(span), Some(flags)) = (part(2), part(32), part(16), part(2))
        else {
            return Self::NONE;
        };
        let goes_on = rest.is_empty() || version != "00" && rest.starts_with('-');
        if version == "ff" || !goes_on {
            return Self::NONE;
        }
        let trace = u128::from_str_radix(trace, 16).unwrap_or(0);
        let span = u64::from_str_radix(span, 16).unwrap_or(0);
        Self::new(trace, span, u8::from_str_radix(flags, 16).unwrap_or(0))
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.trace == 0
    }

    /// The trace's number.
    pub fn trace(self) -> u128 {
        self.trace
    }

    /// The span's number within it.
    pub fn span(self) -> u64 {
        self.span
    }

    /// The standard's flags: the lowest bit says that the trace is being recorded.
    pub fn flags(self) -> u8 {
        self.flags
    }

    /// The trace's number as logs and collectors show it.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span's number as logs and collectors show it.
    pub fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

/// The `traceparent`; empty if there is none.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return Ok(());
        }
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { f.write_str("none") } else { write!(f, "{self}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's own example.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_back() {
        let trace = Trace::parse(EXAMPLE);
        assert_eq!(trace.to_string(), EXAMPLE);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((trace.span_id().as_str(), trace.flags()), ("00f067aa0ba902b7", 1));
        assert_eq!(Trace::NONE.to_string(), "");
        let later = EXAMPLE.replacen("00", "01", 1) + "-what.the-future-will-be-like";
        assert_eq!(Trace::parse(&later), trace);
    }

    #[test]
    fn what_is_malformed_is_none() {
        let zeros = |text: &str| text.replace(|c: char| c != '-', "0");
        for bad in [
            "",
            "00",
            &EXAMPLE[..54],
            &format!("{EXAMPLE}0"),
            &format!("{EXAMPLE}-more"),
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replacen("00", "ff", 1),
            &EXAMPLE.replacen("00", "0x", 1),
            &EXAMPLE.replace("4bf9", "+bf9"),
            &EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros("4bf92f3577b34da6a3ce929d0e0e4736")),
            &EXAMPLE.replace("00f067aa0ba902b7", "0000000000000000"),
            &EXAMPLE.replace('-', "_"),
            &"é".repeat(60),
        ] {
            assert!(Trace::parse(bad).is_none(), "{bad}");
        }
    }
}
