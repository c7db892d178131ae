//! Work in the background.

use std::time::Duration;

use ::events::Job;
use kernel::Result;

use crate::{Orders, store};

/// How often orders are looked for that were completed and do not say when. At the start they are those of an older
/// Marquee; later they are what a copy of that version completes beside this one.
const PERIOD: Duration = Duration::from_secs(60);
/// How many are dated at once.
const BATCH: usize = 500;

/// Dates completed orders, so that sales over time are whole.
pub(crate) fn date(orders: &Orders) -> Job {
    let orders = orders.clone();
    Job::periodic("orders: date sales", PERIOD, move || {
        let orders = orders.clone();
        async move { orders.date_sales().await }
    })
}

impl Orders {
    pub(crate) async fn date_sales(&self) -> Result<()> {
        while store::date(&self.0.db, BATCH as i64).await? == BATCH {}
        Ok(())
    }
}
