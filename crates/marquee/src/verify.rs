//! `marquee verify`: recomputes the invariants from the rows, beside a running server. What looks broken
//! is looked at again until a deadline, since copies may lag by milliseconds; what stays is a fault.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use contracts::{OrderStatus, PaymentState, PaymentStatus};
use db::Db;
use kernel::{Error, OrderId, Result, TicketId};
use payments::{Gateway, TestGateway};
use tickets::Ticket;

use crate::{Settings, data_dir};

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
    tickets: Db,
    orders: Db,
    expiration: Db,
    payments: Db,
    gateway: Gateway,
}

/// Prints one line per invariant; the exit code says whether all hold.
pub(crate) async fn verify(settings: &Settings) -> Result<ExitCode> {
    let books = Books::open(settings).await?;
    let mut whole = true;
    whole &= report(
        "I1",
        "capacity adds up and is never exceeded",
        until_settled(|| orders::verify::capacity(&books.orders)).await?,
    );
    whole &= report(
        "I2",
        "money belongs to a complete order or goes back",
        until_settled(|| books.money()).await?,
    );
    whole &= report(
        "I2",
        "the gateway's ledger agrees",
        until_settled(|| payments::verify::money(&books.payments, &books.gateway)).await?,
    );
    whole &= report(
        "I3",
        "every order's history is a path, without gaps",
        until_settled(|| books.histories()).await?,
    );
    whole &=
        report("I4", "orders' copies of tickets are equal", until_settled(|| books.ticket_copies()).await?);
    whole &=
        report("I4", "payments' copies of orders are equal", until_settled(|| books.order_copies()).await?);
    whole &= report("I4", "every open hold has an end", until_settled(|| books.ends()).await?);
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(name: &str, means: &str, (seen, faults): (i64, Vec<String>)) -> bool {
    let verdict = if faults.is_empty() { "ok" } else { "BROKEN" };
    println!("{name} {verdict}: {means} ({seen} looked at, {} broken)", faults.len());
    for fault in faults.iter().take(SHOWN) {
        println!("   {fault}");
    }
    faults.is_empty()
}

/// Looks again while something seems broken and changes.
async fn until_settled<F, Fut>(look: F) -> Finding
where
    F: Fn() -> Fut,
    Fut: Future<Output = Finding>,
{
    let started = tokio::time::Instant::now();
    loop {
        let finding = look().await?;
        if finding.1.is_empty() || started.elapsed() > DEADLINE {
            return Ok(finding);
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Books {
    async fn open(settings: &Settings) -> Result<Self> {
        let open = |name: &'static str| {
            let path = data_dir::database(&settings.data, name);
            if !path.exists() {
                return Err(Error::invalid(format!(
                    "there is nothing to verify: {} is missing",
                    path.display()
                )));
            }
            Db::open_sqlite(&path, name, settings.clock.clone())
        };
        let ledger = data_dir::database(&settings.data, "gateway");
        Ok(Self {
            tickets: open("tickets")?,
            orders: open("orders")?,
            expiration: open("expiration")?,
            payments: open("payments")?,
            gateway: Gateway::Test(TestGateway::open(&ledger, settings.clock.clone()).await?),
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
            == (copy.version, copy.seller_id, &copy.title, copy.price, copy.withdrawn, copy.capacity);
    if !same {
        return Some(format!("ticket {} v{} differs from its copy {copy:?}", ticket.id, ticket.version));
    }
    (ticket.taken != copy.taken)
        .then(|| format!("ticket {} shows {} taken, orders has {}", ticket.id, ticket.taken, copy.taken))
}
