//! What clients wrote and read, and what must not be in it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// What is forgiven in a comparison of two clocks of one machine that count in milliseconds.
const SLACK: Duration = Duration::from_millis(50);
/// The version of who is gone: later than all.
pub const GONE: i64 = i64::MAX;

/// What a user is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    Id(String),
    Email(String),
    Username(String),
}

/// A user as an answer showed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: String,
    pub version: i64,
    pub email: Option<String>,
    pub username: Option<String>,
}

/// What somebody did, and was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Wrote a version of a user, who is found by `took` from then on and by `gave` no more.
    Wrote { user: String, version: i64, took: Vec<Key>, gave: Vec<Key> },
    /// Looked somebody up.
    Read { key: Key, found: Option<Shown> },
}

/// An act of a client, who does one after the other. A write that was tried again begins with the first try.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub client: usize,
    pub begin: Instant,
    pub end: Instant,
    pub act: Act,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Older than the bound.
    Old,
    /// Older than what that client had written or read.
    Backwards,
    /// Somebody other than who was asked for.
    Stranger,
    /// One version that looks like this here and like that there.
    Torn,
}

/// From when to when a user was found by a key.
struct Held<'a> {
    user: &'a str,
    /// The version by which, and when that was acknowledged.
    taken: (i64, Instant),
    /// The version by which it ended, and when that write began.
    given: Option<(i64, Instant)>,
}

/// All that was written, as reads are judged by it.
#[derive(Default)]
struct Written<'a> {
    /// When each version of each user was acknowledged.
    versions: HashMap<&'a str, Vec<(i64, Instant)>>,
    held: HashMap<&'a Key, Vec<Held<'a>>>,
}

impl<'a> Written<'a> {
    fn of(history: &[&'a Done]) -> Self {
        let mut all = Self::default();
        for &done in history {
            let Act::Wrote { user, version, took, gave } = &done.act else { continue };
            all.versions.entry(user).or_default().push((*version, done.end));
            for key in gave {
                let held = all.held.get_mut(key).and_then(|held| held.last_mut()).expect("it was held");
                held.given = Some((*version, done.begin));
            }
            for key in took {
                let held = Held { user, taken: (*version, done.end), given: None };
                all.held.entry(key).or_default().push(held);
            }
        }
        all
    }

    /// Whether something newer than `version` was acknowledged before `limit`.
    fn has_newer(&self, user: &str, version: i64, limit: Instant) -> bool {
        let versions = self.versions.get(user).map(Vec::as_slice).unwrap_or_default();
        versions.iter().any(|(newer, end)| *newer > version && *end < limit)
    }
}

/// What is wrong with a history, and with which act.
pub fn faults(history: &[Done], bound: Duration) -> Vec<(Fault, &Done)> {
    let history = in_order(history);
    let written = Written::of(&history);
    let mut seen: HashMap<usize, BTreeMap<&str, i64>> = HashMap::new();
    let mut shown: HashMap<(&str, i64), &Shown> = HashMap::new();
    let mut faults = Vec::new();
    for done in history {
        let seen = seen.entry(done.client).or_default();
        let limit = done.begin.checked_sub(bound + SLACK).unwrap_or(done.begin);
        match &done.act {
            Act::Wrote { user, version, .. } => saw(seen, user, *version),
            Act::Read { key, found: Some(found) } => {
                let at = match key {
                    Key::Id(id) => *id == found.id,
                    Key::Email(email) => Some(email) == found.email.as_ref(),
                    Key::Username(username) => Some(username) == found.username.as_ref(),
                };
                let torn = *shown.entry((&found.id, found.version)).or_insert(found) != found;
                let back = seen.get(found.id.as_str()).is_some_and(|seen| *seen > found.version);
                let old = written.has_newer(&found.id, found.version, limit);
                let wrong = [
                    (!at, Fault::Stranger),
                    (torn, Fault::Torn),
                    (back, Fault::Backwards),
                    (old, Fault::Old),
                ];
                faults.extend(wrong.into_iter().filter(|(is, _)| *is).map(|(_, fault)| (fault, done)));
                saw(seen, &found.id, found.version);
            }
            Act::Read { key, found: None } => {
                for held in written.held.get(key).into_iter().flatten() {
                    let knew = seen.get(held.user).is_some_and(|seen| *seen >= held.taken.0);
                    let still = held.given.is_none_or(|(_, begin)| begin > done.end);
                    if still && held.taken.1 < limit {
                        faults.push((Fault::Old, done));
                    }
                    if still && knew {
                        faults.push((Fault::Backwards, done));
                    }
                    // Who knew that somebody had been there knows now that they are not any more.
                    if let Some((version, _)) = held.given.filter(|_| knew) {
                        saw(seen, held.user, version);
                    }
                }
            }
        }
    }
    faults
}

fn in_order(history: &[Done]) -> Vec<&Done> {
    let mut history: Vec<&Done> = history.iter().collect();
    history.sort_by_key(|done| done.begin);
    history
}

fn saw<'a>(seen: &mut BTreeMap<&'a str, i64>, user: &'a str, version: i64) {
    let known = seen.entry(user).or_insert(version);
    *known = version.max(*known);
}

/// By how much the reads of a history were behind what had been acknowledged when they began: the most.
pub fn furthest_behind(history: &[Done]) -> Duration {
    let written = Written::of(&in_order(history));
    let behind = history.iter().filter_map(|done| {
        let Act::Read { found: Some(found), .. } = &done.act else { return None };
        let newer = written.versions.get(found.id.as_str())?.iter().filter(|(v, _)| *v > found.version);
        Some(done.begin.saturating_duration_since(newer.map(|(_, end)| *end).min()?))
    });
    behind.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(2);

    struct Story {
        begin: Instant,
        all: Vec<Done>,
    }

    impl Story {
        fn new() -> Self {
            Self { begin: Instant::now(), all: Vec::new() }
        }

        /// Each act takes 10 ms, from a moment in milliseconds.
        fn add(mut self, client: usize, at: u64, act: Act) -> Self {
            let begin = self.begin + Duration::from_millis(at);
            self.all.push(Done { client, begin, end: begin + Duration::from_millis(10), act });
            self
        }

        /// Ann takes a name at each version, and gives up the one before.
        fn wrote(self, client: usize, at: u64, version: i64) -> Self {
            let mut took = vec![name(version)];
            took.extend((version == 0).then(|| Key::Id("ann".into())));
            let gave = (version > 0).then(|| name(version - 1)).into_iter().collect();
            self.add(client, at, Act::Wrote { user: "ann".into(), version, took, gave })
        }

        fn gone(self, client: usize, at: u64, last: i64) -> Self {
            let gave = vec![Key::Id("ann".into()), name(last)];
            self.add(client, at, Act::Wrote { user: "ann".into(), version: GONE, took: Vec::new(), gave })
        }

        fn read(self, client: usize, at: u64, key: Key, version: Option<i64>) -> Self {
            let found = version.map(|version| {
                let Key::Username(username) = name(version) else { unreachable!() };
                Shown { id: "ann".into(), version, email: None, username: Some(username) }
            });
            self.add(client, at, Act::Read { key, found })
        }

        fn by_id(self, client: usize, at: u64, version: Option<i64>) -> Self {
            self.read(client, at, Key::Id("ann".into()), version)
        }

        fn faults(&self) -> Vec<Fault> {
            faults(&self.all, BOUND).into_iter().map(|(fault, _)| fault).collect()
        }
    }

    fn name(version: i64) -> Key {
        Key::Username(format!("ann-{version}"))
    }

    #[test]
    fn what_is_late_within_the_bound_and_what_is_new_is_fine() {
        let story = Story::new().wrote(1, 0, 0).wrote(1, 100, 1);
        let story = story.by_id(2, 1_000, Some(0)).by_id(2, 1_100, Some(1)).by_id(3, 1_200, Some(0));
        let story = story.read(3, 1_300, name(0), None).read(4, 1_300, name(0), Some(0));
        let story = story.read(1, 1_400, name(0), None).read(1, 1_410, name(1), Some(1)).gone(1, 1_500, 1);
        let story = story.by_id(2, 1_600, Some(1)).by_id(2, 1_700, None).by_id(4, 1_800, Some(1));
        assert_eq!(story.faults(), []);
        assert_eq!(furthest_behind(&story.all), Duration::from_millis(1_190));
    }

    #[test]
    fn what_is_older_than_the_bound_is_found() {
        let story = Story::new().wrote(1, 0, 0).wrote(1, 100, 1);
        assert_eq!(story.by_id(2, 2_200, Some(0)).faults(), [Fault::Old]);
        let story = Story::new().wrote(1, 0, 0).gone(1, 100, 0);
        assert_eq!(story.by_id(2, 2_200, Some(0)).faults(), [Fault::Old]);
        assert_eq!(Story::new().wrote(1, 0, 0).by_id(2, 2_200, None).faults(), [Fault::Old]);
        assert_eq!(Story::new().wrote(1, 0, 0).read(2, 2_200, name(0), None).faults(), [Fault::Old]);
    }

    #[test]
    fn going_back_is_found() {
        let story = || Story::new().wrote(1, 0, 0).wrote(1, 100, 1);
        // One's own write, what one has read, and the same by another key.
        assert_eq!(story().by_id(1, 200, Some(0)).faults(), [Fault::Backwards]);
        let read = || story().by_id(2, 200, Some(1));
        assert_eq!(read().by_id(2, 300, Some(0)).faults(), [Fault::Backwards]);
        assert_eq!(read().read(2, 300, name(0), Some(0)).faults(), [Fault::Backwards]);
        assert_eq!(read().read(2, 300, name(1), None).faults(), [Fault::Backwards]);
        assert_eq!(read().by_id(2, 300, None).faults(), [Fault::Backwards]);
        assert_eq!(read().by_id(3, 300, Some(0)).faults(), []);
        // Who saw that somebody is gone does not see them again.
        let gone = || read().gone(1, 300, 1).by_id(2, 400, None);
        assert_eq!(gone().by_id(2, 500, Some(1)).faults(), [Fault::Backwards]);
        assert_eq!(gone().by_id(3, 500, Some(1)).faults(), []);
        let given = story().by_id(2, 50, Some(0)).read(2, 200, name(0), None);
        assert_eq!(given.read(2, 300, name(0), Some(0)).faults(), [Fault::Backwards]);
    }

    #[test]
    fn strangers_and_torn_versions_are_found() {
        let story = || Story::new().wrote(1, 0, 0).wrote(1, 100, 1);
        assert_eq!(story().read(2, 200, name(0), Some(1)).faults(), [Fault::Stranger]);
        let torn = Shown { id: "ann".into(), version: 1, email: None, username: Some("other".into()) };
        let torn = Act::Read { key: Key::Id("ann".into()), found: Some(torn) };
        assert_eq!(story().by_id(2, 200, Some(1)).add(3, 300, torn).faults(), [Fault::Torn]);
    }
}
