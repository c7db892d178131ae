//! What somebody looks for on the front page: words, an order, and how far they have read.

use kernel::{Error, Instant, Result, TicketId};
use serde::Deserialize;

use crate::fold;
use crate::model::Ticket;

/// The longest text that is looked for, in characters.
pub const LONGEST: usize = 100;
/// Into so many patterns the words are put.
pub const PATTERNS: usize = 6;

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// What was listed last comes first.
    Newest,
    /// What begins next comes first; what has begun or has no date comes last, the newest of it first.
    Soonest,
    /// By price, rising.
    Cheapest,
    /// By price, falling.
    Dearest,
}

impl Sort {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Soonest, Self::Cheapest, Self::Dearest];

    /// Its word in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Soonest => "soonest",
            Self::Cheapest => "cheapest",
            Self::Dearest => "dearest",
        }
    }
}

/// How far a list has been read: the last ticket that was shown, by what it is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After a ticket in [`Sort::Newest`].
    Listed(TicketId),
    /// After a ticket of this price in minor units, in [`Sort::Cheapest`] or [`Sort::Dearest`].
    Price(i64, TicketId),
    /// In [`Sort::Soonest`], after a ticket that begins then. `as_of` is when the first part was read: what has
    /// begun since is still in its place.
    Upcoming { as_of: Instant, starts: Instant, id: TicketId },
    /// In [`Sort::Soonest`], after a ticket that has begun or has no date.
    Later { as_of: Instant, id: TicketId },
}

impl Place {
    /// Reads what [`Place::write`] wrote for a list that is sorted by `sort`.
    ///
    /// # Errors
    /// 404 for anything else, as for any id that is none.
    fn read(text: &str, sort: Sort) -> Result<Self> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| Error::not_found());
        let moment = |text: &str| number(text).map(Instant::from_millis);
        let id = |text: &str| text.parse::<TicketId>().map_err(|_| Error::not_found());
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        match (sort, &*parts) {
            (Sort::Newest, [last]) => Ok(Self::Listed(id(last)?)),
            (Sort::Cheapest | Sort::Dearest, [price, last]) => Ok(Self::Price(number(price)?, id(last)?)),
            (Sort::Soonest, [as_of, "", last]) => Ok(Self::Later { as_of: moment(as_of)?, id: id(last)? }),
            (Sort::Soonest, [as_of, starts, last]) => {
                Ok(Self::Upcoming { as_of: moment(as_of)?, starts: moment(starts)?, id: id(last)? })
            }
            _ => Err(Error::not_found()),
        }
    }

    /// The place after `last` in a list whose part before it began at `before`, and that is read `now`.
    pub fn after(last: &Ticket, sort: Sort, before: Option<Self>, now: Instant) -> Self {
        let id = last.id;
        match sort {
            Sort::Newest => Self::Listed(id),
            Sort::Cheapest | Sort::Dearest => Self::Price(last.price.minor(), id),
            Sort::Soonest => {
                let as_of = Self::as_of(before, now);
                match last.starts_at.filter(|starts| *starts > as_of) {
                    Some(starts) => Self::Upcoming { as_of, starts, id },
                    None => Self::Later { as_of, id },
                }
            }
        }
    }

    /// When a list that has been read up to `place` was begun.
    pub fn as_of(place: Option<Self>, now: Instant) -> Instant {
        match place {
            Some(Self::Upcoming { as_of, .. } | Self::Later { as_of, .. }) => as_of,
            _ => now,
        }
    }

    /// As an address carries it.
    pub fn write(self) -> String {
        match self {
            Self::Listed(id) => id.to_string(),
            Self::Price(minor, id) => format!("{minor}.{id}"),
            Self::Upcoming { as_of, starts, id } => {
                format!("{}.{}.{id}", as_of.as_millis(), starts.as_millis())
            }
            Self::Later { as_of, id } => format!("{}..{id}", as_of.as_millis()),
        }
    }
}

/// The query of an address as it came.
#[derive(Debug, Default, Deserialize)]
pub struct Query {
    q: Option<String>,
    sort: Option<String>,
    after: Option<String>,
}

impl Query {
    /// The same for a list that has one order, whatever order is asked for.
    #[must_use]
    pub fn in_no_order(self) -> Self {
        Self { sort: None, ..self }
    }
}

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// As it was typed, trimmed.
    pub text: String,
    /// What a title's key must be like, each of them; `%` is like anything.
    pub patterns: [String; PATTERNS],
    /// In which order.
    pub sort: Sort,
    /// After what, if the beginning has been read.
    pub place: Option<Place>,
}

impl Search {
    /// Reads the query of an address.
    ///
    /// # Errors
    /// 400 if the text is too long or the order unknown; 404 for a place that is none.
    pub fn read(query: Query) -> Result<Self> {
        let text: String = query.q.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        let text = text.trim().to_owned();
        if text.chars().count() > LONGEST {
            return Err(Error::invalid(format!("Search for at most {LONGEST} characters")).at("q"));
        }
        let sort = match query.sort.as_deref() {
            None | Some("") => Sort::Newest,
            Some(word) => Sort::ALL.into_iter().find(|sort| sort.as_str() == word).ok_or_else(|| {
                Error::invalid("Sort must be newest, soonest, cheapest or dearest").at("sort")
            })?,
        };
        let place = query.after.as_deref().map(|after| Place::read(after, sort)).transpose()?;
        Ok(Self { patterns: patterns(&fold::words(&text)), text, sort, place })
    }

    /// Whether anything is looked for. Punctuation alone is nothing.
    pub fn is_for_words(&self) -> bool {
        self.patterns[0] != "%"
    }

    /// Whether this is a list from its begin, with nothing in the field for words.
    pub fn is_beginning(&self) -> bool {
        self.text.is_empty() && self.place.is_none()
    }

    /// The address of the part of this list at `path` that comes after `place`.
    pub fn address(&self, path: &str, place: Option<Place>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if self.sort != Sort::Newest {
            query.append_pair("sort", self.sort.as_str());
        }
        if let Some(place) = place {
            query.append_pair("after", &place.write());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// One pattern for each word. Where there are more words, the last pattern has all that are left, one after the
/// other, as in a title that was pasted whole.
fn patterns(words: &[String]) -> [String; PATTERNS] {
    std::array::from_fn(|n| match words.get(n..) {
        None | Some([]) => "%".to_owned(),
        Some(rest) if n + 1 == PATTERNS => format!("%{}%", rest.join("%")),
        Some([word, ..]) => format!("%{word}%"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    fn query(q: &str, sort: &str, after: Option<&str>) -> Result<Search> {
        Search::read(Query { q: Some(q.into()), sort: Some(sort.into()), after: after.map(str::to_owned) })
    }

    #[test]
    fn words_become_patterns() {
        let patterns = |q: &str| query(q, "", None).unwrap().patterns.map(|p| p.replace('%', "."));
        assert_eq!(patterns(""), [".", ".", ".", ".", ".", "."]);
        assert_eq!(patterns(" 50% _LIVE_ "), [".50.", ".live.", ".", ".", ".", "."]);
        assert_eq!(patterns("a1 b c d e f g h"), [".a1.", ".b.", ".c.", ".d.", ".e.", ".f.g.h."]);
        assert!(!query("%_", "", None).unwrap().is_for_words());
        assert_eq!(query(" a\0\nb ", "", None).unwrap().text, "ab");
        assert!(query(&"é".repeat(LONGEST), "", None).is_ok());
        assert_eq!(
            query(&"é".repeat(LONGEST + 1), "", None).unwrap_err().errors[0].field.as_deref(),
            Some("q")
        );
        assert_eq!(query("", "best", None).unwrap_err().errors[0].field.as_deref(), Some("sort"));
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_by_its_own_order_only() {
        let (id, at) = (TicketId::new(&Clock::system()), Instant::from_millis);
        let places = [
            (Sort::Newest, Place::Listed(id)),
            (Sort::Cheapest, Place::Price(1999, id)),
            (Sort::Soonest, Place::Upcoming { as_of: at(5), starts: at(9), id }),
            (Sort::Soonest, Place::Later { as_of: at(5), id }),
        ];
        for (sort, place) in places {
            let text = place.write();
            for other in Sort::ALL {
                let read = query("", other.as_str(), Some(&text));
                let same = other == sort || (other == Sort::Dearest && sort == Sort::Cheapest);
                assert_eq!(
                    read.ok().and_then(|search| search.place),
                    same.then_some(place),
                    "{text} {other:?}"
                );
            }
        }
        for garbage in ["", ".", "x", "1.x", "1.2.3", &format!("9999999999999999999.{id}"), "1.2.3.4.5", "\0"]
        {
            for sort in Sort::ALL {
                let error = query("", sort.as_str(), Some(garbage)).unwrap_err();
                assert_eq!(error.kind, kernel::Kind::NotFound, "{garbage}");
            }
        }
    }

    #[test]
    fn an_address_keeps_what_is_looked_for() {
        let id = TicketId::new(&Clock::system());
        let search = query("R&D ü", "cheapest", None).unwrap();
        let address = search.address("/", Some(Place::Price(5, id)));
        assert_eq!(address, format!("/?q=R%26D+%C3%BC&sort=cheapest&after=5.{id}"));
        assert_eq!(query("", "", None).unwrap().address("/tickets/mine", None), "/tickets/mine");
    }
}
