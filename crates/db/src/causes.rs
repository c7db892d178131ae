//! What the events of one transaction follow from, where it does the work of several traces: a group of a lane, or a
//! batch of events that are taken in together.

use std::collections::BTreeMap;

use kernel::Trace;

/// The causes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    /// By thing.
    of: BTreeMap<u128, Cause>,
    /// All of them together.
    whole: Option<Cause>,
}

/// One trace, by the last of its spans that was noted, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    One(Trace),
    Several,
}

impl Cause {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::One(one), Self::One(other)) if one.trace() == other.trace() => Self::One(other),
            _ => Self::Several,
        }
    }

    /// Nothing rather than what may be wrong.
    fn trace(self) -> Trace {
        match self {
            Self::One(trace) => trace,
            Self::Several => Trace::NONE,
        }
    }
}

impl Causes {
    /// Notes that what concerns `things` follows from `trace`.
    pub(crate) fn note(&mut self, things: impl IntoIterator<Item = u128>, trace: Trace) {
        let cause = Cause::One(trace);
        for thing in things {
            self.of.entry(thing).and_modify(|known| *known = known.and(cause)).or_insert(cause);
        }
        self.whole = Some(self.whole.map_or(cause, |whole| whole.and(cause)));
    }

    /// What an event about `things` follows from. None of the causes is named by one that nobody spoke of, unless
    /// all of them are one trace. `None` if there are no causes at all.
    pub(crate) fn of(&self, things: impl IntoIterator<Item = u128>) -> Option<Trace> {
        let whole = self.whole?;
        let named = things.into_iter().filter_map(|thing| self.of.get(&thing).copied()).reduce(Cause::and);
        Some(named.unwrap_or(whole).trace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u128, span: u64) -> Trace {
        Trace::new(number, span, 1)
    }

    #[test]
    fn an_event_follows_from_what_was_said_of_its_things_and_from_nothing_rather_than_from_another() {
        let (mut causes, a, b) = (Causes::default(), trace(1, 1), trace(2, 2));
        assert_eq!(causes.of([1]), None, "nothing was said: it is the work at hand");
        causes.note([1], a);
        assert_eq!((causes.of([1]), causes.of([9])), (Some(a), Some(a)));
        causes.note([2], b);
        assert_eq!((causes.of([1]), causes.of([2])), (Some(a), Some(b)));
        assert_eq!((causes.of([9]), causes.of([1, 2])), (Some(Trace::NONE), Some(Trace::NONE)));
        causes.note([3], Trace::NONE);
        assert_eq!(causes.of([3]), Some(Trace::NONE), "not that of others in the same transaction");
    }

    #[test]
    fn of_several_spans_of_one_trace_the_last_is_followed() {
        let (mut causes, a, b) = (Causes::default(), trace(1, 1), trace(2, 2));
        causes.note([1], a);
        causes.note([1, 2], trace(1, 5));
        assert_eq!((causes.of([1]), causes.of([9])), (Some(trace(1, 5)), Some(trace(1, 5))));
        causes.note([1], b);
        assert_eq!((causes.of([1]), causes.of([2])), (Some(Trace::NONE), Some(trace(1, 5))));
    }
}
