//! Holds in numbers.

use kernel::Result;
use metrics::{Unit, describe_gauge, gauge};

use crate::{Expiration, store};

/// Says what the series mean. The recorder has to be installed before.
pub(crate) fn describe() {
    describe_gauge!("holds_active", "Holds that will end; more than 10,000 are not counted.");
    describe_gauge!(
        "holds_overdue_seconds",
        Unit::Seconds,
        "For how long the end that should have been announced first has been due."
    );
}

impl Expiration {
    /// Brings the metrics up to date: how many holds there are, and whether their ends are announced in time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn observe(&self) -> Result<()> {
        let (active, next) = store::active(&self.db).await?;
        let overdue = next.map_or(0.0, |at| at.until(self.db.clock().now()).as_secs_f64());
        gauge!("holds_active").set(active as f64);
        gauge!("holds_overdue_seconds").set(overdue);
        Ok(())
    }
}
