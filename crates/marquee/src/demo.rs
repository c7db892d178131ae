//! `--demo`: an empty installation gets a seller, shows and tickets.

use accounts::NewUser;
use contracts::Role;
use kernel::{Instant, Kind, Money, Result, UserId};
use std::time::Duration;
use tickets::Draft;
use tickets::model::Changes;

use crate::House;

/// The demo seller's address.
pub(crate) const EMAIL: &str = "seller@marquee.example";
/// The demo seller's password; it is printed at the start, and guards nothing but the demo.
pub(crate) const PASSWORD: &str = "marquee-demo";

/// Title, price in cents, capacity, days from today, hour of the day.
const SHOWS: [(&str, i64, i64, u64, u64); 7] = [
    ("Metropolis — with live organ", 2400, 120, 3, 20),
    ("Nosferatu at midnight", 1350, 60, 5, 23),
    ("The Cabinet of Dr. Caligari", 1100, 45, 8, 19),
    ("Sunrise: A Song of Two Humans", 1250, 80, 10, 18),
    ("Steamboat Bill, Jr. (family matinee)", 650, 150, 12, 14),
    ("Patron's box, opening night", 14_900, 1, 3, 20),
    ("A Trip to the Moon & other early wonders", 900, 40, 15, 17),
];

/// Fills an installation where nothing was ever listed; leaves any other as it is.
pub(crate) async fn fill(house: &House) -> Result<()> {
    if !house.tickets()?.is_empty().await? {
        return Ok(());
    }
    let Some(seller) = seller(house).await? else { return Ok(()) };
    let midnight = house.web.clock().now().as_seconds().div_euclid(86_400) * 86_400;
    for (title, cents, capacity, days, hour) in SHOWS {
        let at = Instant::from_millis(midnight * 1000) + Duration::from_secs(days * 86_400 + hour * 3600);
        let changes = Changes { capacity: Some(capacity), starts_at: Some(Some(at)), ..Changes::default() };
        let draft = Draft { title: title.into(), price: Money::from_minor(cents), changes };
        house.tickets()?.list(seller, draft, None).await?;
    }
    tracing::info!(shows = SHOWS.len(), "the demo is set up");
    Ok(())
}

/// The demo seller, made now; `None` if the address is taken, and then this is somebody's own installation.
async fn seller(house: &House) -> Result<Option<UserId>> {
    let user = NewUser {
        email: EMAIL.into(),
        username: Some("Rialto".into()),
        password: PASSWORD.into(),
        role: Role::User,
    };
    match house.accounts()?.create_user(user).await {
        Ok(user) => Ok(Some(user.id)),
        Err(error) if matches!(error.kind, Kind::Conflict | Kind::Invalid) => Ok(None),
        Err(error) => Err(error),
    }
}
