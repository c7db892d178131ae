//! What `marquee verify` checks of videos: that objects and rows agree, and the copies between streaming, tickets and
//! orders.

use std::collections::{HashMap, HashSet};

use kernel::{OrderId, Result, TicketId, VideoId};
use orders::verify::Checked;
use streaming::verify::{OrderCopy, TicketCopy};
use tickets::{Ticket, Video};

use super::{Books, Finding, PAGE};

impl Books {
    /// Whether every object lies where its row says, and has one.
    pub(super) async fn objects(&self) -> Finding {
        let (count, faults) = storage::verify::objects(&self.storage, &self.store).await?;
        Ok((i64::try_from(count).unwrap_or(i64::MAX), faults))
    }

    /// Whether storage has what videos need: their bytes, posters and captions.
    pub(super) async fn needed(&self) -> Finding {
        let (mut seen, mut faults, mut after) = (0, Vec::new(), None);
        loop {
            let (needed, last) = streaming::verify::needed(&self.streaming, after, PAGE).await?;
            let Some(last) = last else { return Ok((seen, faults)) };
            after = Some(last);
            seen += needed.len() as i64;
            let ids: Vec<_> = needed.iter().map(|(_, object)| *object).collect();
            let known: HashSet<_> = storage::verify::known(&self.storage, &ids).await?.into_iter().collect();
            let missing = needed.iter().filter(|(_, object)| !known.contains(object));
            faults.extend(missing.map(|(video, object)| format!("video {video} needs object {object}")));
        }
    }

    /// Whether tickets knows each video as it is.
    pub(super) async fn video_copies(&self) -> Finding {
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<VideoId> = None;
        loop {
            let page = streaming::verify::videos_after(&self.streaming, after, PAGE).await?;
            let until = page.last().map(|video| video.id);
            let mut copies = self.video_copies_until(after, until).await?;
            seen += page.len() as i64;
            for video in &page {
                let copy = copies.remove(&video.id);
                let same = copy.as_ref().is_some_and(|copy| {
                    (copy.version, copy.owner_id, &copy.title, copy.visibility, copy.duration)
                        == (video.version, video.owner_id, &video.title, video.visibility, video.duration)
                        && copy.has_poster == video.poster.is_some()
                });
                if !same {
                    faults.push(format!("video {} v{}: tickets has {copy:?}", video.id, video.version));
                }
            }
            let stale = copies.into_keys();
            faults.extend(stale.map(|video| format!("video {video} is gone, but tickets has it")));
            let Some(last) = until else { return Ok((seen, faults)) };
            after = Some(last);
        }
    }

    /// What tickets has after `after`, up to `until`. Those that are deleted stay there as gone, and may be many.
    async fn video_copies_until(
        &self,
        mut after: Option<VideoId>,
        until: Option<VideoId>,
    ) -> Result<HashMap<VideoId, Video>> {
        let mut all = HashMap::new();
        loop {
            let page = tickets::verify::video_copies_after(&self.tickets, after, PAGE).await?;
            let Some(last) = page.last().map(|copy| copy.id) else { return Ok(all) };
            let within = |copy: &Video| !copy.gone && until.is_none_or(|until| copy.id <= until);
            all.extend(page.into_iter().filter(within).map(|copy| (copy.id, copy)));
            if until.is_some_and(|until| last >= until) {
                return Ok(all);
            }
            after = Some(last);
        }
    }

    /// Whether streaming knows each ticket that admits to a video, and whatever else it knows as it is.
    pub(super) async fn admitting_tickets(&self) -> Finding {
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<TicketId> = None;
        loop {
            let page = tickets::verify::tickets_after(&self.tickets, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            let copies = streaming::verify::ticket_copies_after(&self.streaming, after, PAGE).await?;
            after = Some(last.id);
            seen += page.len() as i64;
            let copies: HashMap<_, _> = copies.into_iter().map(|copy| (copy.id, copy)).collect();
            faults.extend(page.iter().filter_map(|ticket| misadmits(ticket, copies.get(&ticket.id))));
        }
    }

    /// Whether streaming knows each order for a ticket that admits to a video, and whatever else it knows as it is.
    pub(super) async fn admitting_orders(&self) -> Finding {
        let admitting = self.tickets_with_videos().await?;
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<OrderId> = None;
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            let copies = streaming::verify::order_copies_after(&self.streaming, after, PAGE).await?;
            after = Some(last.id);
            seen += page.len() as i64;
            let copies: HashMap<_, _> = copies.into_iter().map(|copy| (copy.id, copy)).collect();
            for order in &page {
                let is_needed = admitting.contains(&order.ticket_id);
                faults.extend(misheld(order, copies.get(&order.id), is_needed));
            }
        }
    }

    async fn tickets_with_videos(&self) -> Result<HashSet<TicketId>> {
        let (mut all, mut after) = (HashSet::new(), None);
        loop {
            let page = tickets::verify::tickets_after(&self.tickets, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id);
            all.extend(page.iter().filter(|ticket| ticket.video_id.is_some()).map(|ticket| ticket.id));
        }
    }
}

/// Where streaming knows a ticket otherwise than it is. It need not know one that never admitted to a video: that may be
/// from before there were any.
fn misadmits(ticket: &Ticket, copy: Option<&TicketCopy>) -> Option<String> {
    let Some(copy) = copy else {
        let told = || format!("ticket {} admits to a video, and streaming does not know it", ticket.id);
        return ticket.video_id.is_some().then(told);
    };
    let same = (copy.version, copy.seller_id, &copy.title, copy.video_id, copy.withdrawn)
        == (ticket.version, ticket.user_id, &ticket.title, ticket.video_id, ticket.withdrawn)
        && (copy.opens_at, copy.closes_at) == (ticket.opens_at, ticket.closes_at);
    (!same).then(|| format!("ticket {} v{}: streaming has {copy:?}", ticket.id, ticket.version))
}

/// The same of an order; `is_needed` if its ticket admits to a video.
fn misheld(order: &Checked, copy: Option<&OrderCopy>, is_needed: bool) -> Option<String> {
    let same = match copy {
        Some(copy) => {
            (copy.version, copy.ticket_id, copy.status) == (order.version, order.ticket_id, order.status)
        }
        None => !is_needed,
    };
    (!same).then(|| format!("order {} v{} {}: streaming has {copy:?}", order.id, order.version, order.status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::OrderStatus;
    use kernel::{Clock, Money, UserId};

    #[test]
    fn a_copy_that_admits_otherwise_is_a_fault_and_one_that_is_not_needed_may_be_absent() {
        let clock = Clock::system();
        let (ticket_id, user_id) = (TicketId::new(&clock), UserId::new(&clock));
        let video_id = Some(VideoId::new(&clock));
        let ticket = Ticket {
            id: ticket_id,
            version: 2,
            user_id,
            title: "Metropolis".into(),
            price: Money::from_minor(2000),
            capacity: 5,
            withdrawn: false,
            starts_at: None,
            video_id,
            opens_at: None,
            closes_at: None,
            taken: 0,
            order_id: None,
        };
        let copy = TicketCopy {
            id: ticket_id,
            version: 2,
            seller_id: user_id,
            title: "Metropolis".into(),
            video_id,
            withdrawn: false,
            opens_at: None,
            closes_at: None,
        };
        assert_eq!(misadmits(&ticket, Some(&copy)), None);
        assert!(misadmits(&ticket, None).is_some());
        assert_eq!(misadmits(&Ticket { video_id: None, ..ticket.clone() }, None), None);
        for wrong in [
            TicketCopy { version: 1, ..copy.clone() },
            TicketCopy { video_id: None, ..copy.clone() },
            TicketCopy { seller_id: UserId::new(&clock), ..copy.clone() },
            TicketCopy { closes_at: Some(clock.now()), ..copy },
        ] {
            assert!(misadmits(&ticket, Some(&wrong)).is_some(), "{wrong:?}");
        }
        let order = Checked {
            id: OrderId::new(&clock),
            version: 2,
            status: OrderStatus::Complete,
            reason: None,
            amount: Money::from_minor(2000),
            payment_id: None,
            history: String::new(),
            quantity: 1,
            ticket_id,
            completed_at: None,
            admissions: 1,
        };
        let held = OrderCopy { id: order.id, version: 2, user_id, ticket_id, status: OrderStatus::Complete };
        assert_eq!(misheld(&order, Some(&held), true), None);
        assert_eq!(misheld(&order, None, false), None);
        assert!(misheld(&order, None, true).is_some());
        assert!(misheld(&order, Some(&OrderCopy { version: 1, ..held }), false).is_some());
    }
}
