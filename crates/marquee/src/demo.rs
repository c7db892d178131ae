//! `--demo`: an empty installation gets a seller with shows and films, and a buyer with tickets.

mod films;

use std::time::Duration;

use accounts::NewUser;
use contracts::Role;
use kernel::{Error, Instant, Kind, Money, Result, TicketId, UserId};
use orders::Reserve;
use tickets::Draft;
use tickets::model::Changes;

use crate::House;
use crate::progress::telling;

/// The demo seller's address.
pub(crate) const SELLER: &str = "seller@marquee.example";
/// The demo buyer's address.
pub(crate) const BUYER: &str = "buyer@marquee.example";
/// The password of both; it is printed at the start, and guards nothing but the demo.
pub(crate) const PASSWORD: &str = "marquee-demo";

/// A show, and what the demo buyer has of it.
struct Show {
    title: &'static str,
    cents: i64,
    capacity: i64,
    /// From today, in days.
    days: u64,
    hour: u64,
    bought: i64,
}

const fn show(title: &'static str, cents: i64, capacity: i64, (days, hour): (u64, u64), bought: i64) -> Show {
    Show { title, cents, capacity, days, hour, bought }
}

const SHOWS: [Show; 7] = [
    show("Metropolis — with live organ", 2400, 120, (3, 20), 2),
    show("Nosferatu at midnight", 1350, 60, (5, 23), 3),
    show("The Cabinet of Dr. Caligari", 1100, 45, (8, 19), 0),
    show("Sunrise: A Song of Two Humans", 1250, 80, (10, 18), 0),
    show("Steamboat Bill, Jr. (family matinee)", 650, 150, (12, 14), 4),
    show("Patron's box, opening night", 14_900, 1, (3, 20), 0),
    show("A Trip to the Moon & other early wonders", 900, 40, (15, 17), 0),
];

/// How long a service may take to hear of what another did.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(2);

/// Fills an installation where nothing was ever listed; leaves any other as it is. The house must be running.
pub(crate) async fn fill(house: &House) -> Result<()> {
    if !house.tickets()?.is_empty().await? {
        return Ok(());
    }
    let _telling = telling("setting up the demo");
    let Some(seller) = user(house, SELLER, "Rialto").await? else { return Ok(()) };
    let buyer = user(house, BUYER, "Ada").await?;
    let midnight = house.web.clock().now().as_seconds().div_euclid(86_400) * 86_400;
    for Show { title, cents, capacity, days, hour, bought } in SHOWS {
        let at = Instant::from_millis(midnight * 1000) + Duration::from_secs(days * 86_400 + hour * 3600);
        let changes = Changes { capacity: Some(capacity), starts_at: Some(Some(at)), ..Changes::default() };
        let draft = Draft { title: title.into(), price: Money::from_minor(cents), changes };
        let ticket = house.tickets()?.list(seller, draft, None).await?;
        if let Some(buyer) = buyer.filter(|_| bought > 0) {
            buy(house, buyer, ticket.id, bought).await?;
        }
    }
    if house.streaming().is_ok() {
        films::show(house, seller, buyer).await?;
    }
    tracing::info!("the demo is set up");
    Ok(())
}

/// Holds some units and pays for them, where that moves no money.
async fn buy(house: &House, user: UserId, ticket: TicketId, quantity: i64) -> Result<()> {
    if house.payments()?.gateway().as_test().is_none() {
        return Ok(());
    }
    let orders = house.orders()?;
    let wish = || Reserve { user, ticket, quantity, key: None };
    let order = heard_of(async || orders.reserve(wish()).await).await?;
    let payments = house.payments()?;
    heard_of(async || payments.pay(user, order.id, "tok_visa", None).await).await.map(drop)
}

/// Acts as soon as the service has heard of what it acts on.
async fn heard_of<T>(act: impl AsyncFn() -> Result<T>) -> Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match act().await {
            Err(Error { kind: Kind::NotFound | Kind::Unavailable, .. })
                if tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(LOOK).await;
            }
            done => return done,
        }
    }
}

/// A user of the demo, made now; `None` if the address is taken, and then this is somebody's own installation.
async fn user(house: &House, email: &str, name: &str) -> Result<Option<UserId>> {
    let user = NewUser {
        email: email.into(),
        username: Some(name.into()),
        password: PASSWORD.into(),
        role: Role::User,
    };
    match house.accounts()?.create_user(user).await {
        Ok(user) => Ok(Some(user.id)),
        Err(error) if matches!(error.kind, Kind::Conflict | Kind::Invalid) => Ok(None),
        Err(error) => Err(error),
    }
}
