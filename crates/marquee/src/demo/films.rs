//! The demo's films, made for it (`crates/marquee/demo/make`): one for anybody, and one behind a ticket.

use std::time::Duration;

use contracts::Visibility;
use kernel::{Error, Kind, Money, Result, UserId};
use streaming::Film;
use tickets::Draft;
use tickets::model::Changes;

use super::{buy, heard_of};
use crate::House;

const LEADER: Film = Film {
    name: "leader.mp4",
    title: "Countdown: a film leader",
    visibility: Visibility::Public,
    bytes: include_bytes!("../../demo/leader.mp4"),
    poster: include_bytes!("../../demo/leader.jpg"),
    captions: None,
};

const MATINEE: Film = Film {
    name: "matinee.mp4",
    title: "Matinée: an absolute film",
    visibility: Visibility::Ticket,
    bytes: include_bytes!("../../demo/matinee.mp4"),
    poster: include_bytes!("../../demo/matinee.jpg"),
    captions: Some(("en", include_bytes!("../../demo/matinee.en.vtt"))),
};

/// What a ticket to the film costs, in minor units.
const PRICE: i64 = 350;
const SEATS: i64 = 500;
/// For how long the screening room shows it.
const SHOWN_FOR: Duration = Duration::from_secs(365 * 86_400);

/// Publishes the films, and sells tickets for one of them, of which the demo's buyer has one.
pub(super) async fn show(house: &House, seller: UserId, buyer: Option<UserId>) -> Result<()> {
    let streaming = house.streaming()?;
    streaming.publish(seller, LEADER).await?;
    let film = streaming.publish(seller, MATINEE).await?;
    let closes_at = house.web.clock().now() + SHOWN_FOR;
    let ticket = heard_of(async || {
        let changes = Changes {
            capacity: Some(SEATS),
            video_id: Some(Some(film.id)),
            closes_at: Some(Some(closes_at)),
            ..Changes::default()
        };
        let title = "Matinée in the screening room".into();
        let draft = Draft { title, price: Money::from_minor(PRICE), changes };
        let listed = house.tickets()?.list(seller, draft, None).await;
        // Where tickets has not heard of the film, it takes it for nobody's.
        listed.map_err(
            |e| if e.kind == Kind::Invalid { Error::unavailable("unheard of").because(e) } else { e },
        )
    })
    .await?;
    match buyer {
        Some(buyer) => buy(house, buyer, ticket.id, 1).await,
        None => Ok(()),
    }
}
