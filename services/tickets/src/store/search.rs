//! The statements that look for tickets. Each order has one of its own, so that it is read along an index from
//! where the last part ended; what is asked of a ticket is the same in all of them.

use db::{Db, Param};
use kernel::{Error, Instant, Result, UserId};

use crate::model::Ticket;
use crate::search::{Place, Search, Sort};

use super::ON_SALE_LATEST;

/// How many matches are counted at most, and one more.
pub const COUNTED: i64 = 1000;

/// `$1` to `$6` are the patterns and `$7` the limit; what is an order's own begins at `$8`.
macro_rules! like {
    () => {
        "title_key LIKE $1 AND title_key LIKE $2 AND title_key LIKE $3 AND title_key LIKE $4 AND title_key LIKE $5
            AND title_key LIKE $6"
    };
}
macro_rules! on_sale {
    () => {
        " AND NOT withdrawn AND taken < capacity AND (closes_at IS NULL OR closes_at > $8)"
    };
}
macro_rules! columns {
    () => {
        "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at, closes_at,
            taken, order_id FROM tickets WHERE "
    };
}

const LATEST: &str = concat!(columns!(), like!(), on_sale!(), " AND id < $9 ORDER BY id DESC LIMIT $7");
const UPCOMING: &str = concat!(
    columns!(),
    like!(),
    on_sale!(),
    " AND (starts_at, id) > ($9, $10) ORDER BY starts_at, id LIMIT $7"
);
const LATER: &str = concat!(
    columns!(),
    like!(),
    on_sale!(),
    " AND (starts_at IS NULL OR starts_at <= $9) AND id < $10 ORDER BY id DESC LIMIT $7"
);
const CHEAPEST: &str =
    concat!(columns!(), like!(), on_sale!(), " AND (price, id) > ($9, $10) ORDER BY price, id LIMIT $7");
const DEAREST: &str = concat!(
    columns!(),
    like!(),
    on_sale!(),
    " AND (price, id) < ($9, $10) ORDER BY price DESC, id DESC LIMIT $7"
);
const MINE: &str = concat!(columns!(), like!(), " AND user_id = $8 AND id < $9 ORDER BY id DESC LIMIT $7");
const COUNT: &str = concat!(
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tickets WHERE ",
    like!(),
    on_sale!(),
    " LIMIT $7) AS found"
);
const COUNT_MINE: &str = concat!(
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tickets WHERE ",
    like!(),
    " AND user_id = $8 LIMIT $7) AS found"
);

/// Sorts after every id, as in [`web::Span::start`].
const AFTER_ALL: &str = "g";

/// Tickets that can be bought at `now`, after the place that was read up to; at most `limit`.
pub async fn on_sale(db: &Db, search: &Search, limit: i64, now: Instant) -> Result<Vec<Ticket>> {
    let find = async |sql, limit: i64, place: &[&dyn Param]| {
        let mut params = patterns(search);
        params.extend([&limit as &dyn Param, &now]);
        params.extend(place);
        db.all::<Ticket>(sql, &params).await
    };
    match (search.sort, search.place) {
        (Sort::Newest, place) => {
            let before = if let Some(Place::Listed(id)) = place { id.to_string() } else { AFTER_ALL.into() };
            if search.is_for_words() {
                find(LATEST, limit, &[&before]).await
            } else {
                // The front page as most people see it.
                db.all(ON_SALE_LATEST, &[&before, &limit, &now]).await
            }
        }
        (Sort::Cheapest, Some(Place::Price(minor, id))) => find(CHEAPEST, limit, &[&minor, &id]).await,
        (Sort::Cheapest, _) => find(CHEAPEST, limit, &[&0i64, &""]).await,
        (Sort::Dearest, Some(Place::Price(minor, id))) => find(DEAREST, limit, &[&minor, &id]).await,
        (Sort::Dearest, _) => find(DEAREST, limit, &[&i64::MAX, &""]).await,
        (Sort::Soonest, Some(Place::Later { as_of, id })) => find(LATER, limit, &[&as_of, &id]).await,
        (Sort::Soonest, place) => {
            let as_of = Place::as_of(place, now);
            let mut found = match place {
                Some(Place::Upcoming { starts, id, .. }) => find(UPCOMING, limit, &[&starts, &id]).await?,
                _ => find(UPCOMING, limit, &[&as_of, &AFTER_ALL]).await?,
            };
            let left = limit - found.len() as i64;
            if left > 0 {
                found.extend(find(LATER, left, &[&as_of, &AFTER_ALL]).await?);
            }
            Ok(found)
        }
    }
}

/// How many tickets that can be bought at `now` are like that, up to one more than [`COUNTED`].
pub async fn count_on_sale(db: &Db, search: &Search, now: Instant) -> Result<i64> {
    let mut params = patterns(search);
    let most = COUNTED + 1;
    params.extend([&most as &dyn Param, &now]);
    count(db.all(COUNT, &params).await?)
}

/// A seller's own tickets, the newest first, after the place that was read up to; at most `limit`.
pub async fn of_user(db: &Db, user: UserId, search: &Search, limit: i64) -> Result<Vec<Ticket>> {
    let before =
        if let Some(Place::Listed(id)) = search.place { id.to_string() } else { AFTER_ALL.to_owned() };
    let mut params = patterns(search);
    params.extend([&limit as &dyn Param, &user, &before]);
    db.all(MINE, &params).await
}

/// How many of a seller's own tickets are like that, up to one more than [`COUNTED`].
pub async fn count_of_user(db: &Db, user: UserId, search: &Search) -> Result<i64> {
    let mut params = patterns(search);
    let most = COUNTED + 1;
    params.extend([&most as &dyn Param, &user]);
    count(db.all(COUNT_MINE, &params).await?)
}

/// The one row of a count, which is read as a list is: it may look at many rows, and nobody else should wait for that.
fn count(rows: Vec<(i64,)>) -> Result<i64> {
    rows.first().map(|(n,)| *n).ok_or_else(|| Error::internal("a count has no row"))
}

fn patterns(search: &Search) -> Vec<&dyn Param> {
    search.patterns.iter().map(|pattern| pattern as &dyn Param).collect()
}
