//! Work in the background.

use std::time::Duration;

use ::events::Job;
use kernel::Result;

use crate::{Tickets, store};

/// How often titles are looked for that nobody folded. At the start they are those of an older Marquee; later they
/// are what a copy of that version writes beside this one.
const PERIOD: Duration = Duration::from_secs(60);
/// How many are folded at once.
const BATCH: usize = 500;

/// Folds titles, so that they are found.
pub(crate) fn fold(tickets: &Tickets) -> Job {
    let tickets = tickets.clone();
    Job::periodic("tickets: fold titles", PERIOD, move || {
        let tickets = tickets.clone();
        async move { tickets.fold_titles().await }
    })
}

impl Tickets {
    pub(crate) async fn fold_titles(&self) -> Result<()> {
        while store::fold_titles(&self.0.db, BATCH as i64).await? == BATCH {}
        Ok(())
    }
}
