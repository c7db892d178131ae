//! `marquee verify`: recomputes the invariants from the rows, beside a running server. What looks broken
//! is looked at again until a deadline, since copies may lag by milliseconds; what stays is a fault.

mod videos;

use std::collections::HashMap;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use contracts::{OrderStatus, PaymentState, PaymentStatus};
use counters::verify::Sold;
use db::{Db, Limits, Location};
use kernel::{Error, OrderId, Result, TicketId};
use objects::Store;
use orders::verify::Checked;
use payments::Gateway;
use tickets::Ticket;

use crate::progress::telling;
use crate::{Settings, gateway};

/// Rows of one look.
const PAGE: i64 = 1_000;
/// How long a copy may stay behind.
const DEADLINE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// Sentences printed for one invariant.
const SHOWN: usize = 20;

/// What was looked at, and a sentence for each fault.
type Finding = Result<(i64, Vec<String>)>;

struct Books {
    accounts: Db,
    tickets: Db,
    orders: Db,
    expiration: Db,
    payments: Db,
    counters: Db,
    storage: Db,
    streaming: Db,
    /// Where the objects of storage lie.
    store: Store,
    gateway: Gateway,
}

/// Prints one line per invariant; the exit code says whether all hold.
pub(crate) async fn verify(settings: &Settings) -> Result<ExitCode> {
    settings.check()?;
    let mut settings = settings.clone();
    // It looks through everything.
    settings.databases.limits = Limits::patient();
    let books = Books::open(&settings).await?;
    let mut whole = true;
    check(&mut whole, "I1", "capacity adds up and is never exceeded", || {
        orders::verify::capacity(&books.orders)
    })
    .await?;
    check(&mut whole, "I2", "money belongs to a complete order or goes back", || books.money()).await?;
    check(&mut whole, "I2", "a complete order is paid, and admits all its units", || books.admitted())
        .await?;
    check(&mut whole, "I2", "the gateway's ledger agrees", || {
        payments::verify::money(&books.payments, &books.gateway)
    })
    .await?;
    check(&mut whole, "I3", "every order's history is a path, without gaps", || books.histories()).await?;
    check(&mut whole, "I4", "orders' copies of tickets are equal", || books.ticket_copies()).await?;
    check(&mut whole, "I4", "payments' copies of orders are equal", || books.order_copies()).await?;
    check(&mut whole, "I4", "every open hold has an end", || books.ends()).await?;
    check(&mut whole, "I4", "what counters says was sold is what orders says", || books.sales()).await?;
    check(&mut whole, "I4", "tickets' copies of videos are equal", || books.video_copies()).await?;
    check(&mut whole, "I4", "streaming knows which tickets admit", || books.admitting_tickets()).await?;
    check(&mut whole, "I4", "streaming knows whose orders admit", || books.admitting_orders()).await?;
    check(&mut whole, "I4", "no event is parked or stuck", || books.delivery()).await?;
    check(&mut whole, "I7", "every object has its row, and every row its object", || books.objects()).await?;
    check(&mut whole, "I7", "what videos need is there", || books.needed()).await?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks whether an invariant holds and prints its line; `whole` is false from the first that does not.
async fn check<F, Fut>(whole: &mut bool, name: &str, means: &str, look: F) -> Result<()>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Finding>,
{
    let _telling = telling(format!("checking {name}: {means}"));
    *whole &= report(name, means, until_settled(look).await?);
    Ok(())
}

fn report(name: &str, means: &str, (seen, faults): (i64, Vec<String>)) -> bool {
    let verdict = if faults.is_empty() { "ok" } else { "BROKEN" };
    let mut lines = format!("{name} {verdict}: {means} ({seen} looked at, {} broken)\n", faults.len());
    for fault in faults.iter().take(SHOWN) {
        lines.push_str(&format!("   {fault}\n"));
    }
    // Whoever reads may have heard enough; the exit code says the rest.
    let _ = std::io::stdout().write_all(lines.as_bytes());
    faults.is_empty()
}

/// Looks again while something seems broken. Under load each look finds something on its way, and each
/// time something else; a fault is what every look found, until the deadline.
async fn until_settled<F, Fut>(look: F) -> Finding
where
    F: Fn() -> Fut,
    Fut: Future<Output = Finding>,
{
    let started = tokio::time::Instant::now();
    let (mut seen, mut faults) = look().await?;
    while !faults.is_empty() && started.elapsed() < DEADLINE {
        tokio::time::sleep(LOOK).await;
        let (now_seen, now) = look().await?;
        seen = now_seen;
        let now: std::collections::HashSet<String> = now.into_iter().collect();
        faults.retain(|fault| now.contains(fault));
    }
    Ok((seen, faults))
}

impl Books {
    async fn open(settings: &Settings) -> Result<Self> {
        let open = |name: &'static str| {
            let location = settings.location(name);
            if let Location::File(path) = &location
                && !path.exists()
            {
                return Err(Error::invalid(format!(
                    "there is nothing to verify: {} is missing",
                    path.display()
                )));
            }
            Db::open(&location, name, settings.clock.clone())
        };
        Ok(Self {
            accounts: open("accounts")?,
            tickets: open("tickets")?,
            orders: open("orders")?,
            expiration: open("expiration")?,
            payments: open("payments")?,
            counters: open("counters")?,
            storage: open("storage")?,
            streaming: open("streaming")?,
            store: Store::open(&settings.objects, settings.objects_folder())?,
            gateway: gateway::open(settings, false).await?,
        })
    }

    async fn money(&self) -> Finding {
        let (mut seen, mut faults, mut after) = (0, Vec::new(), None);
        loop {
            let page = payments::verify::payments_after(&self.payments, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            after = Some(last.id);
            seen += page.len() as i64;
            for payment in page {
                faults.extend(self.misplaced(&payment).await?);
            }
        }
    }

    async fn misplaced(&self, payment: &PaymentState) -> Result<Option<String>> {
        if payment.status != PaymentStatus::Captured || payment.refund_requested {
            return Ok(None);
        }
        let standing = orders::verify::standing(&self.orders, payment.order_id).await?;
        let placed =
            matches!(standing, Some((OrderStatus::Complete, Some(paid_by))) if paid_by == payment.id);
        Ok((!placed).then(|| {
            format!("payment {} is captured, but order {} is {standing:?}", payment.id, payment.order_id)
        }))
    }

    async fn admitted(&self) -> Finding {
        let (mut seen, mut faults, mut after) = (0, Vec::new(), None);
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            after = Some(last.id);
            for order in page.iter().filter(|order| order.status == OrderStatus::Complete) {
                seen += 1;
                if order.admissions != order.quantity {
                    faults.push(format!(
                        "order {} of {} admits {}",
                        order.id, order.quantity, order.admissions
                    ));
                }
                let payment = match order.payment_id {
                    Some(id) => payments::verify::payment(&self.payments, id).await?,
                    None => None,
                };
                if !payment
                    .as_ref()
                    .is_some_and(|p| p.status == PaymentStatus::Captured && p.amount == order.amount)
                {
                    faults.push(format!(
                        "order {} v{} is complete, paid by {payment:?}",
                        order.id, order.version
                    ));
                }
            }
        }
    }

    async fn delivery(&self) -> Finding {
        let mut faults = Vec::new();
        let databases = [
            &self.accounts,
            &self.tickets,
            &self.orders,
            &self.expiration,
            &self.payments,
            &self.counters,
            &self.storage,
            &self.streaming,
        ];
        for db in databases {
            let parked = db.count_dead_letters().await?;
            if parked > 0 {
                faults.push(format!("{}: events are parked; see `marquee events list`", db.name()));
            }
            if let (1.., Some(since)) = db.outbox_lag().await? {
                faults.push(format!("{}: an event recorded at {since} waits to be delivered", db.name()));
            }
        }
        Ok((databases.len() as i64, faults))
    }

    async fn histories(&self) -> Finding {
        let (mut seen, mut faults, mut after) = (0, Vec::new(), None);
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            after = Some(last.id);
            seen += page.len() as i64;
            faults.extend(page.iter().filter_map(orders::verify::Checked::fault));
        }
    }

    async fn ticket_copies(&self) -> Finding {
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<TicketId> = None;
        loop {
            let page = tickets::verify::tickets_after(&self.tickets, after, PAGE).await?;
            let copies = orders::verify::ticket_copies_after(&self.orders, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            after = Some(last.id);
            seen += page.len() as i64;
            for ticket in &page {
                match copies.iter().find(|copy| copy.id == ticket.id) {
                    None => faults.push(format!("ticket {} has no copy in orders", ticket.id)),
                    Some(copy) => faults.extend(differs(ticket, copy)),
                }
            }
        }
    }

    async fn order_copies(&self) -> Finding {
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<OrderId> = None;
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let copies = payments::verify::order_copies_after(&self.payments, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            after = Some(last.id);
            seen += page.len() as i64;
            let mut copies = copies.into_iter().peekable();
            for order in &page {
                while copies.next_if(|copy| copy.id < order.id).is_some() {}
                let same = copies.peek().is_some_and(|copy| {
                    (copy.id, copy.version, copy.status, copy.amount)
                        == (order.id, order.version, order.status, order.amount)
                });
                if !same {
                    faults.push(format!(
                        "order {} v{} {}: payments has {:?}",
                        order.id,
                        order.version,
                        order.status,
                        copies.peek()
                    ));
                }
            }
        }
    }

    /// What was counted as sold or refunded, order by order and summed up. An order that was completed before the first
    /// sale was counted may be missing there: the house may have been without counters.
    async fn sales(&self) -> Finding {
        let (mut seen, mut faults) = counters::verify::sums(&self.counters).await?;
        let began = counters::verify::began(&self.counters).await?;
        let mut after: Option<OrderId> = None;
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let until = page.last().map(|last| last.id);
            // There are no more of them than orders; one more would be a fault already.
            let sold = counters::verify::sold_between(&self.counters, after, until, PAGE + 1).await?;
            let mut sold: HashMap<OrderId, Sold> =
                sold.into_iter().map(|sold| (sold.order_id, sold)).collect();
            for order in &page {
                let counted = sold.remove(&order.id);
                let is_new = began.zip(order.completed_at).is_some_and(|(began, at)| at > began);
                seen += i64::from(counted.is_none() && is_new);
                faults.extend(miscounted(order, counted.as_ref(), is_new));
            }
            let strange = sold.into_keys().map(|order| format!("order {order} was counted, orders has none"));
            faults.extend(strange);
            if until.is_none() {
                return Ok((seen, faults));
            }
            after = until;
        }
    }

    async fn ends(&self) -> Finding {
        let (mut seen, mut faults) = (0, Vec::new());
        let mut after: Option<OrderId> = None;
        loop {
            let page = orders::verify::orders_after(&self.orders, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((seen, faults)) };
            let from = after.replace(last.id);
            let ends = expiration::verify::holds_after(&self.expiration, from, PAGE).await?;
            for order in page.iter().filter(|order| order.status == OrderStatus::Created) {
                seen += 1;
                if ends.binary_search_by_key(&order.id, |(id, _)| *id).is_err() {
                    faults.push(format!("the hold of order {} has no end", order.id));
                }
            }
        }
    }
}

fn differs(ticket: &Ticket, copy: &orders::verify::TicketCopy) -> Option<String> {
    let same =
        (ticket.version, ticket.user_id, &ticket.title, ticket.price, ticket.withdrawn, ticket.capacity)
            == (copy.version, copy.seller_id, &copy.title, copy.price, copy.withdrawn, copy.capacity)
            && (ticket.video_id, ticket.opens_at, ticket.closes_at)
                == (copy.video_id, copy.opens_at, copy.closes_at);
    if !same {
        return Some(format!("ticket {} v{} differs from its copy {copy:?}", ticket.id, ticket.version));
    }
    (ticket.taken != copy.taken)
        .then(|| format!("ticket {} shows {} taken, orders has {}", ticket.id, ticket.taken, copy.taken))
}

/// What is wrong with how an order was counted, if it was; `is_new` says that it was to be, once it was complete.
fn miscounted(order: &Checked, counted: Option<&Sold>, is_new: bool) -> Option<String> {
    let is_right = match (counted, order.status) {
        (None, _) => !is_new,
        (Some(sold), OrderStatus::Complete | OrderStatus::Cancelled) => {
            (sold.ticket_id, sold.quantity, sold.refunded)
                == (order.ticket_id, order.quantity, order.status == OrderStatus::Cancelled)
        }
        (Some(_), _) => false,
    };
    let Checked { id, version, status, quantity, .. } = order;
    (!is_right).then(|| format!("order {id} v{version} {status} of {quantity}: counters has {counted:?}"))
}
