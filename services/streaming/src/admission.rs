//! Who may watch. Public videos are for anybody and one's own are always; for the others it takes a complete order for a
//! ticket of the video's owner, while its window is open. It is asked of rows each time, so a refund counts at once.

use contracts::Visibility;
use kernel::{Error, Instant, Kind, OrderId, Result, UserId};

use crate::Streaming;
use crate::model::Video;
use crate::store::admissions::{self, Admitting};

/// Why somebody may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Anybody may.
    Public,
    /// It is their own.
    Owner,
    /// This order admits them.
    Order(OrderId),
}

impl Admission {
    /// The order, if it took one.
    pub(crate) fn order(self) -> Option<OrderId> {
        match self {
            Self::Order(order) => Some(order),
            Self::Public | Self::Owner => None,
        }
    }
}

impl Streaming {
    /// Admits `viewer` to a video, or says why not.
    ///
    /// # Errors
    /// 404 for a private video of somebody else's; 401 without a ticket, and outside of its window.
    pub(crate) async fn admit(&self, video: &Video, viewer: Option<UserId>) -> Result<Admission> {
        if video.visibility == Visibility::Public {
            return Ok(Admission::Public);
        }
        if viewer == Some(video.owner_id) {
            return Ok(Admission::Owner);
        }
        if video.visibility == Visibility::Private {
            return Err(Error::not_found());
        }
        let viewer = viewer.ok_or_else(Error::unauthorized)?;
        let orders = admissions::admitting(&self.0.db, viewer, video.id, video.owner_id).await?;
        by_order(&orders, self.0.web.clock().now()).map(Admission::Order)
    }
}

/// Why somebody may not watch a video of which they may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// Nobody knows who they are.
    Stranger,
    /// They have no ticket.
    Ticketless,
    /// It begins then.
    Early(Instant),
    /// What they had a ticket for is over.
    Late,
}

impl Streaming {
    /// Why `viewer` was not admitted.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn barred(&self, video: &Video, viewer: Option<UserId>) -> Result<Barred> {
        let Some(viewer) = viewer else { return Ok(Barred::Stranger) };
        let orders = admissions::admitting(&self.0.db, viewer, video.id, video.owner_id).await?;
        Ok(why(&orders, self.0.web.clock().now()))
    }
}

fn why(orders: &[Admitting], now: Instant) -> Barred {
    match orders.iter().filter_map(|o| o.opens_at).filter(|at| *at > now).min() {
        Some(opens_at) => Barred::Early(opens_at),
        None if orders.is_empty() => Barred::Ticketless,
        None => Barred::Late,
    }
}

/// The first of the orders whose window is open.
fn by_order(orders: &[Admitting], now: Instant) -> Result<OrderId> {
    let is_open =
        |o: &&Admitting| o.opens_at.is_none_or(|at| at <= now) && o.closes_at.is_none_or(|at| now < at);
    if let Some(open) = orders.iter().find(is_open) {
        return Ok(open.order);
    }
    let refused = |told: String| Err(Error::new(Kind::Unauthorized, told));
    match why(orders, now) {
        Barred::Early(opens_at) => refused(format!("Your ticket admits from {opens_at}")),
        Barred::Late => refused("What your ticket admitted to is over".to_owned()),
        Barred::Stranger | Barred::Ticketless => Err(Error::unauthorized()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    #[test]
    fn a_window_opens_and_closes() {
        let clock = Clock::system();
        let at = Instant::from_millis;
        let order = |opens: Option<i64>, closes: Option<i64>| Admitting {
            order: OrderId::new(&clock),
            opens_at: opens.map(at),
            closes_at: closes.map(at),
        };
        let window = [order(Some(10), Some(20))];
        assert_eq!(by_order(&window, at(10)).unwrap(), window[0].order);
        assert_eq!(by_order(&window, at(19)).unwrap(), window[0].order);
        let told = |orders: &[Admitting], now| by_order(orders, at(now)).unwrap_err().to_string();
        assert!(told(&window, 9).contains("admits from"));
        assert!(told(&window, 20).contains("is over"));
        assert_eq!(told(&[], 20), "Not authorized");
        let two = [order(None, Some(5)), order(Some(30), None)];
        assert!(told(&two, 20).contains("admits from"));
        assert_eq!(by_order(&two, at(30)).unwrap(), two[1].order);
        assert_eq!(
            by_order(&[order(None, None)], at(0)).unwrap_or_else(|e| panic!("{e}")).to_string().len(),
            36
        );
    }
}
