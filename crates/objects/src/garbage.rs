//! What holds wherever garbage is collected.

use kernel::{Error, ObjectId, Result};

/// Where more than this, and more than half of all, seems to be garbage, something else is wrong.
const MANY: usize = 20;

/// Whether so much `garbage` among `all` objects is too much to be believed: they are most of them, or whoever has to know
/// what is needed `has_rows` of nothing at all. Then it is rather the database that is new, or another one.
pub fn is_suspicious(garbage: usize, all: usize, has_rows: bool) -> bool {
    let is_most = garbage > MANY && garbage * 2 > all;
    is_most || (garbage > 0 && !has_rows)
}

/// What could not be let go: that keeps nothing else.
#[derive(Debug, Default)]
pub struct Failures {
    first: Option<Error>,
    count: usize,
}

impl Failures {
    /// Whether `id` was let go; logs it, and remembers it, if not.
    pub fn gone(&mut self, id: ObjectId, done: Result<()>) -> bool {
        let Err(error) = done else { return true };
        tracing::warn!(object = %id, error = ?error, "what nobody needs could not be let go");
        self.first.get_or_insert(error);
        self.count += 1;
        false
    }

    /// How many could not be let go.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What was `found`, once all is done.
    ///
    /// # Errors
    /// The first failure, if there was one.
    pub fn report<T>(self, found: T) -> Result<T> {
        self.first.map_or(Ok(found), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_of_garbage_is_not_believed() {
        for (garbage, all, has_rows, suspicious) in [
            (0, 0, false, false),
            (0, 100, true, false),
            (1, 1, true, false),
            (1, 1, false, true),
            (20, 20, true, false),
            (21, 42, true, false),
            (21, 41, true, true),
        ] {
            assert_eq!(is_suspicious(garbage, all, has_rows), suspicious, "{garbage} of {all}, {has_rows}");
        }
    }
}
