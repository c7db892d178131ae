//! Which counters changed lately, in memory: noted by whoever changes or looks at one, and every ten seconds taken
//! down by [`crate::samples`].
//!
//! A change is noted inside its transaction, together with what the counter was before it. So a sample may be taken
//! between the note and the commit, and see the counter as it was; therefore each key is due once more at the next
//! step, and no transaction lasts that long. The note of a transaction that is undone does no harm: what it says the
//! counter was, it was.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Instant;

/// So many counters are noted between two steps. When what else changes did so is in no picture.
pub(crate) const MOST: usize = 2_048;
/// So many more, if somebody looks at them.
const LOOKED_AT: usize = 256;
/// Of so many that were not noted the keys are kept, so that what they are by then is known soon.
const WAITING: usize = 16_384;

/// What a counter was before the first change of a step, and when it was that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) value: i64,
    pub(crate) seen: Instant,
}

/// The notes.
#[derive(Default)]
pub(crate) struct Noted(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    /// Since the last step.
    fresh: HashMap<String, Before>,
    /// Sampled at the last step, and due once more.
    again: HashSet<String>,
    /// Changed without a note, and not sampled since.
    waiting: HashSet<String>,
    /// Changes since the last step for which there was no room.
    missed: u64,
}

/// What a step has to take down.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// What counters were before they changed.
    pub(crate) before: BTreeMap<String, Before>,
    /// All that are to be sampled; those of `before` and `late` are among them.
    pub(crate) keys: BTreeSet<String>,
    /// Those that changed without a note, as many of them as one step takes.
    pub(crate) late: Vec<String>,
    /// Changes that are not noted.
    pub(crate) missed: u64,
}

impl Noted {
    /// Notes what counters are before they are changed. One lock for all of them, and nothing is allocated for a
    /// counter that is noted already.
    pub(crate) fn note<'a>(&self, now: Instant, before: impl IntoIterator<Item = (&'a str, i64)>) {
        let mut notes = self.notes();
        for (key, value) in before {
            if notes.fresh.contains_key(key) {
                continue;
            }
            if notes.fresh.len() >= MOST {
                notes.missed += 1;
                if notes.waiting.len() < WAITING && !notes.waiting.contains(key) {
                    notes.waiting.insert(key.to_owned());
                }
            } else {
                notes.fresh.insert(key.to_owned(), Before { value, seen: now });
            }
        }
    }

    /// Notes a counter that somebody looks at, and what it is: what happens to it while it is looked at is sampled,
    /// however many others change, and whoever changes it.
    pub(crate) fn look(&self, now: Instant, key: &str, value: i64) {
        let mut notes = self.notes();
        if notes.fresh.len() < MOST + LOOKED_AT && !notes.fresh.contains_key(key) {
            notes.fresh.insert(key.to_owned(), Before { value, seen: now });
        }
    }

    /// What a counter was before the first change since the last step, if this process knows of one.
    pub(crate) fn before(&self, key: &str) -> Option<Before> {
        self.notes().fresh.get(key).copied()
    }

    /// What is to be taken down now. It stays due until it is settled.
    pub(crate) fn due(&self) -> Due {
        let notes = self.notes();
        let before: BTreeMap<String, Before> =
            notes.fresh.iter().map(|(key, before)| (key.clone(), *before)).collect();
        let late: Vec<String> = notes.waiting.iter().take(MOST).cloned().collect();
        let keys = before.keys().chain(&notes.again).chain(&late).cloned().collect();
        Due { before, keys, late, missed: notes.missed }
    }

    /// What was due is taken down.
    pub(crate) fn settle(&self, due: Due) {
        let mut notes = self.notes();
        notes.fresh.retain(|key, _| !due.before.contains_key(key));
        notes.waiting.retain(|key| !due.keys.contains(key));
        notes.again = due.before.into_keys().chain(due.late).collect();
        notes.missed -= due.missed;
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    fn keys(due: &Due) -> Vec<&str> {
        due.keys.iter().map(String::as_str).collect()
    }

    #[test]
    fn each_is_due_at_two_steps_with_what_it_was_first() {
        let noted = Noted::default();
        noted.note(at(1), [("b", 10), ("a", -1)]);
        noted.note(at(2), [("b", 11)]);
        let due = noted.due();
        assert_eq!(keys(&due), ["a", "b"]);
        assert_eq!(due.before["b"], Before { value: 10, seen: at(1) });
        noted.note(at(3), [("b", 12), ("c", 0)]);
        noted.settle(due);
        let due = noted.due();
        assert_eq!((keys(&due), due.before.len()), (vec!["a", "b", "c"], 1), "b was noted during the step");
        noted.settle(due);
        let due = noted.due();
        assert_eq!((keys(&due), due.before.len()), (vec!["c"], 0));
        noted.settle(due);
        assert!(noted.due().keys.is_empty());
    }

    #[test]
    fn what_could_not_be_taken_down_stays_due() {
        let noted = Noted::default();
        noted.note(at(1), [("a", 1)]);
        drop(noted.due());
        noted.note(at(2), [("a", 2)]);
        assert_eq!(noted.due().before["a"], Before { value: 1, seen: at(1) });
    }

    #[test]
    fn there_is_room_for_so_many_and_for_those_that_are_looked_at() {
        let noted = Noted::default();
        let all: Vec<String> = (0..MOST + 5).map(|n| format!("{n:05}")).collect();
        noted.note(at(1), all.iter().map(|key| (key.as_str(), 0)));
        noted.note(at(1), [("00000", 1), ("02050", 1)]);
        noted.look(at(2), "02050", 7);
        noted.note(at(3), [("02050", 7)]);
        let due = noted.due();
        assert_eq!((due.keys.len(), due.late.len(), due.missed), (MOST + 5, 5, 6));
        for n in 0..LOOKED_AT * 2 {
            noted.look(at(4), &format!("looked at {n}"), 0);
        }
        noted.note(at(5), [("x", 0)]);
        assert_eq!(noted.due().keys.len(), MOST + LOOKED_AT + 5, "02050 is looked at, and x waits");
        noted.settle(due);
        let due = noted.due();
        assert_eq!((due.late.as_slice(), due.missed), (["x".to_owned()].as_slice(), 1));
        assert!(due.keys.contains("02051"), "once more");
    }

    #[test]
    fn those_without_a_note_are_taken_by_and_by_and_no_more_of_them_are_kept_than_that() {
        let noted = Noted::default();
        let all: Vec<String> = (0..MOST + WAITING + 9).map(|n| format!("{n:05}")).collect();
        noted.note(at(1), all.iter().map(|key| (key.as_str(), 0)));
        assert_eq!(noted.due().missed, WAITING as u64 + 9);
        let mut taken = BTreeSet::new();
        for _ in 0..WAITING / MOST {
            let due = noted.due();
            assert_eq!(due.late.len(), MOST);
            taken.extend(due.late.iter().cloned());
            noted.settle(due);
        }
        assert_eq!((taken.len(), noted.due().late.len()), (WAITING, 0));
    }
}
