//! What holds wherever garbage is collected.

use kernel::{Error, ObjectId, Result};

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
