mod house;
mod owners;

use askama::Template as _;
use axum::body::Body;
use axum::http::Request;
use contracts::Visibility;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant, ObjectId, SessionId, TicketId, UserId};
use tower::ServiceExt as _;
use web::{Config, FormView, Web};

use super::*;
use crate::admission::Barred;
use crate::model::{Poster, Video};
use crate::store::admissions::Offer;
use crate::store::sittings::Entry;
use crate::tests::House;
use house::FILM;

const HOSTILE: &str = "\"><script>alert('x')</script>";
const NOW: Instant = Instant::from_millis(1_800_000_000_000);

fn page(signed_in: bool) -> Page {
    let clock = Clock::manual(NOW);
    let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
    let session = Session { id, user, role: contracts::Role::User, expires_at: NOW };
    let web = Web::new(Config { clock, ..Config::default() });
    Page::new(&web, signed_in.then_some(&session), HOSTILE, "/videos")
}

fn video(has_poster: bool) -> Video {
    let clock = Clock::manual(NOW);
    let poster = Poster { object_id: ObjectId::new(&clock), content_type: "image/png".into() };
    Video {
        id: VideoId::new(&clock),
        version: 3,
        owner_id: UserId::new(&clock),
        title: HOSTILE.into(),
        path: HOSTILE.into(),
        visibility: Visibility::Ticket,
        size: 734_003_200,
        content_type: "video/mp4".into(),
        duration: Some(3_723_000),
        object_id: ObjectId::new(&clock),
        poster: has_poster.then_some(poster),
        created_at: NOW,
        change: 1,
    }
}

fn entry(video: &Video, position: i64) -> Entry {
    Entry {
        video_id: video.id,
        title: video.title.clone(),
        began_at: NOW,
        watched_at: NOW,
        position,
        played: position,
        duration: video.duration,
    }
}

/// No text of a page is markup, and nothing in it needs what the policy forbids.
fn is_clean(text: &str) {
    assert!(!text.contains("<script>"), "{text}");
    assert!(text.contains("&#60;script&#62;"), "{text}");
    assert!(!text.contains(" style=") && !text.contains(" onclick="), "{text}");
    let mut ids: Vec<_> = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every id is there once: {text}");
}

#[test]
fn every_page_escapes_what_people_wrote() {
    let error = Error::fields(vec![
        kernel::FieldError { message: HOSTILE.into(), field: Some("title".into()) },
        kernel::FieldError { message: HOSTILE.into(), field: Some("file".into()) },
        kernel::FieldError { message: HOSTILE.into(), field: None },
    ]);
    let failed = || FormView::failed([("title".to_owned(), HOSTILE.to_owned())].into(), &error);
    for poster in [false, true] {
        let video = video(poster);
        let id = video.id;
        let track = || player::Track { lang: "pt-br".into(), name: HOSTILE.into() };
        let film = |viewer| player::Film::new(&video, viewer, false);
        let offer = || Offer {
            id: TicketId::new(&Clock::manual(NOW)),
            title: HOSTILE.into(),
            opens_at: Some(NOW),
            closes_at: Some(NOW),
        };
        let barred = |why| player::BarredPage::new(page(false), film(None), why, vec![offer()]);
        let going = catalogue::Going::new(&video, &entry(&video, 20_000)).unwrap();
        let screen =
            catalogue::Screen { picture: view::Picture::of(&video), label: view::label(&video, None, false) };
        let waiting = |refused: Option<&str>| upload::Row {
            id,
            name: HOSTILE.into(),
            length: 10,
            told: "4 bytes of 10 bytes".into(),
            percent: 40,
            kept: NOW.into(),
            refused: refused.map(str::to_owned),
        };
        for text in [
            catalogue::CataloguePage {
                page: page(true),
                going_on: vec![going],
                screens: vec![screen],
                further: true,
                next: Some(HOSTILE.into()),
            }
            .render(),
            player::PlayerPage {
                page: page(true),
                script: "/player.js",
                film: film(Some(video.owner_id)),
                tracks: vec![track()],
                resumed: Some("0:20".into()),
                fragment: "#t=20".into(),
            }
            .render(),
            barred(Barred::Stranger).render(),
            barred(Barred::Early(NOW)).render(),
            player::LinkPage {
                page: page(false),
                id,
                title: HOSTILE.into(),
                address: HOSTILE.into(),
                ends: NOW.into(),
            }
            .render(),
            upload::UploadPage {
                page: page(true),
                script: "/upload.js",
                values: failed(),
                choices: edit::CHOICES,
                limit: "20 GiB".into(),
                rows: vec![waiting(None), waiting(Some(HOSTILE))],
            }
            .render(),
            edit::EditPage {
                page: page(true),
                film: film(Some(video.owner_id)),
                values: failed(),
                choices: edit::CHOICES,
                picture: failed(),
                captions: FormView::default(),
                tracks: vec![track()],
                kept: Some(HOSTILE.into()),
            }
            .render(),
            mine::MinePage {
                page: page(true),
                rows: vec![mine::Row::new(&video)],
                quota: mine::Quota::new(5 << 30, 10 << 30),
                under_way: 2,
                refused: 1,
                further: true,
                next: Some(HOSTILE.into()),
            }
            .render(),
            history::HistoryPage {
                page: page(true),
                rows: vec![
                    history::Row::new(&entry(&video, 20_000), Some(view::Picture::of(&video))),
                    history::Row::new(&entry(&video, 3_723_000), None),
                ],
                further: true,
                next: Some(HOSTILE.into()),
            }
            .render(),
        ] {
            is_clean(&text.unwrap());
        }
    }
}

#[tokio::test]
async fn the_catalogue_says_who_may_watch_what() {
    let house = House::new().await;
    house.page("/videos", "").await.shows(&["Nothing to watch yet", "aria-current=\"page\">Videos"]);
    let public = house.film("Metropolis", "public").await;
    let gated = house.film("Nosferatu", "ticket").await;
    house.film("Faust", "private").await;
    let nobody = house.page("/videos", "").await;
    nobody.shows(&["Metropolis", "Open to all", "Ticket needed"]);
    assert!(!nobody.text().contains("Faust") && !nobody.text().contains("tabs__list"), "{}", nobody.text());
    assert!(nobody.text().find("Nosferatu") < nobody.text().find("Metropolis"), "the newest first");
    let own = house.page("/videos", &house.owner.cookie).await;
    own.shows(&["Faust", "Yours alone", "Yours, with a ticket", "Yours, open to all", "/videos/mine"]);
    let other = house.page("/videos", &house.other.cookie).await;
    other.shows(&["Ticket needed"]);
    assert!(!other.text().contains("Continue watching"), "{}", other.text());

    let order = house.bought(&house.on_sale(gated, "Row 1", [None, None]).await).await;
    house.page("/videos", &house.other.cookie).await.shows(&["You have a ticket"]);
    house.refunded(&order).await;
    house.page("/videos", &house.other.cookie).await.shows(&["Ticket needed"]);
    house.bought(&house.on_sale(gated, "Row 2", [None, Some(1)]).await).await;
    house.clock.advance(std::time::Duration::from_secs(1));
    house.page("/videos", &house.other.cookie).await.shows(&["Ticket needed"]);

    house.watched(public, 65).await;
    house.page("/videos", &house.other.cookie).await.shows(&["Continue watching", "1:05"]);
}

#[tokio::test]
async fn the_catalogue_is_read_in_parts() {
    let house = House::new().await;
    for n in 0..=PER_PAGE {
        house.film(&format!("Reel {n:02}."), "public").await;
    }
    let first = house.page("/videos", "").await;
    first.shows(&["Reel 24.", "Reel 01.", "rel=\"next\""]);
    assert!(!first.text().contains("Reel 00."), "{}", first.text());
    let next = first.text().split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = house.page(next, "").await;
    second.shows(&["Reel 00.", "Back to the newest"]);
    assert!(
        !second.text().contains("Reel 01.") && !second.text().contains("rel=\"next\""),
        "{}",
        second.text()
    );
    assert_eq!(house.page("/videos?after=x", "").await.status, 404);
}

#[tokio::test]
async fn who_is_admitted_has_a_player() {
    let house = House::new().await;
    let id = house.film("Metropolis", "public").await;
    let path = format!("/videos/{id}");
    let nobody = house.page(&path, "").await;
    nobody.shows(&[
        &format!("src=\"/video?id={id}\""),
        "data-state=\"admitted\"",
        "/assets/player.",
        "<h1 class=\"screening__title\">Metropolis</h1>",
    ]);
    for absent in ["data-history", "Your video", "poster=", "<track"] {
        assert!(!nobody.text().contains(absent), "{absent}: {}", nobody.text());
    }
    let own = house.page(&path, &house.owner.cookie).await;
    own.shows(&["Your video", &format!("{path}/edit"), &format!("data-history=\"/api/history/{id}\"")]);
    assert!(!own.text().contains("Sell tickets"), "{}", own.text());

    house.watched(id, 65).await;
    let other = house.page(&path, &house.other.cookie).await;
    other.shows(&[
        &format!("src=\"/video?id={id}#t=65\""),
        "It goes on at <span data-resumed-at>1:05",
        "?from=start",
    ]);
    let start = house.page(&format!("{path}?from=start"), &house.other.cookie).await;
    assert!(
        !start.text().contains("#t=") && start.text().contains("data-resumed hidden"),
        "{}",
        start.text()
    );
    assert_eq!(house.page(&format!("/videos/{}", VideoId::new(&house.clock)), "").await.status, 404);
}

#[tokio::test]
async fn who_is_not_admitted_is_told_why_and_what_admits() {
    let house = House::new().await;
    let id = house.film("Nosferatu", "ticket").await;
    let path = format!("/videos/{id}");
    let cookie = house.other.cookie.as_str();
    house.page(&path, "").await.shows(&[
        "It takes a ticket to watch this",
        &format!("/signin?next={path}"),
        "None is on sale",
        "data-reload-on-status",
    ]);
    let ticket = house.on_sale(id, "Row 1", [Some(60_000), Some(120_000)]).await;
    let barred = house.page(&path, cookie).await;
    barred.shows(&["You have no ticket", &format!("href=\"/tickets/{}\"", ticket.id), "Admits from"]);
    assert!(!barred.text().contains("<video") && !barred.text().contains("player.js"), "{}", barred.text());

    let order = house.bought(&ticket).await;
    house.page(&path, cookie).await.shows(&["It has not begun yet", "Your ticket admits from"]);
    house.clock.advance(std::time::Duration::from_secs(61));
    let admitted = house.page(&path, cookie).await;
    admitted.shows(&["<video", "You have a ticket"]);
    house.clock.advance(std::time::Duration::from_secs(60));
    house.page(&path, cookie).await.shows(&["What your ticket admitted to is over"]);
    house.refunded(&order).await;
    house.page(&path, cookie).await.shows(&["You have no ticket"]);

    let hidden = format!("/videos/{}", house.film("Faust", "private").await);
    for path in [hidden.clone(), format!("{hidden}/now"), format!("{hidden}/live")] {
        assert_eq!(house.page(&path, cookie).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_open_player_hears_that_its_ticket_is_gone() {
    let house = House::new().await;
    let id = house.film("Nosferatu", "ticket").await;
    let order = house.bought(&house.on_sale(id, "Row 1", [None, None]).await).await;
    let request = Request::get(format!("/videos/{id}/live")).header("cookie", &house.other.cookie);
    let mut stream =
        house.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(10), stream.frame());
        let bytes = frame.await.unwrap().unwrap().unwrap().into_data().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert!(next().await.contains(r#""status":"admitted""#));
    house.refunded(&order).await;
    let told = next().await;
    assert!(told.contains(r#""status":"refused""#) && told.contains("does not admit"), "{told}");
    let now = house.page(&format!("/videos/{id}/now"), &house.other.cookie).await;
    assert!(now.text().contains(r#""status":"refused""#), "{}", now.text());
    let stranger = house.page(&format!("/videos/{id}/now"), "").await;
    assert!(stranger.text().contains("takes a ticket"), "{}", stranger.text());
}

#[tokio::test]
async fn a_link_is_made_for_who_may_watch() {
    let house = House::new().await;
    let id = house.film("Nosferatu", "ticket").await;
    let path = format!("/videos/{id}/link");
    assert_eq!(house.submit(&path, "", "expiresIn=3600").await.status, 401);
    assert_eq!(house.submit(&path, &house.other.cookie, "expiresIn=3600").await.status, 401);
    assert_eq!(house.submit(&path, &house.owner.cookie, "expiresIn=0").await.status, 400);
    let reply = house.submit(&path, &house.owner.cookie, "expiresIn=3600").await;
    reply.shows(&["http://localhost/video?id=", "It ends"]);
    let text = reply.text().split("<p class=\"address\" id=\"address\">http://localhost").nth(1).unwrap();
    let address = text.split('<').next().unwrap().replace("&#38;", "&");
    let film = house.page(&address, "").await;
    assert_eq!((film.status, film.text().len()), (200, FILM.len()), "whoever has it watches");
}

#[tokio::test]
async fn history_is_ones_own_and_can_be_forgotten() {
    let house = House::new().await;
    let (id, secret) = (house.film("Metropolis", "public").await, house.film("Faust", "public").await);
    assert_eq!(house.page("/history", "").await.goes_to(), (303, "/signin?next=%2Fhistory"));
    house.page("/history", &house.other.cookie).await.shows(&["Nothing watched yet"]);
    house.watched(id, 65).await;
    house.watched(secret, 5).await;
    let shown = house.page("/history", &house.other.cookie).await;
    assert!(shown.text().find("Faust") < shown.text().find("Metropolis"), "the latest first");
    house
        .submit(&format!("/videos/{secret}/edit"), &house.owner.cookie, "title=Faust&visibility=private")
        .await;
    let shown = house.page("/history", &house.other.cookie).await;
    shown.shows(&["Metropolis", "1:05", "Continue"]);
    assert!(!shown.text().contains("Faust"), "it is private now: {}", shown.text());
    house.page("/history", &house.owner.cookie).await.shows(&["Nothing watched yet"]);
    for _ in 0..2 {
        let removed = house.submit(&format!("/history/{id}/remove"), &house.other.cookie, "").await;
        assert_eq!(removed.goes_to(), (303, "/history"));
    }
    assert!(!house.page("/history", &house.other.cookie).await.text().contains("Metropolis"));
    for garbage in ["x", "1", "1.x", "x.01a1fca4-b8e7-7056-8f19-2e9d7c4a60b1"] {
        let reply = house.page(&format!("/history?after={garbage}"), &house.other.cookie).await;
        assert_eq!(reply.status, 404, "{garbage}");
    }
}

#[tokio::test]
async fn a_long_history_is_read_in_parts() {
    let house = House::new().await;
    for n in 0..=PER_PAGE {
        let id = house.film(&format!("Reel {n:02}."), "public").await;
        house.watched(id, 20).await;
    }
    let first = house.page("/history", &house.other.cookie).await;
    first.shows(&["Reel 24.", "Reel 01."]);
    assert!(!first.text().contains("Reel 00."), "{}", first.text());
    let next = first.text().split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = house.page(next, &house.other.cookie).await;
    second.shows(&["Reel 00.", "Back to the latest"]);
    assert!(!second.text().contains("Reel 01."), "{}", second.text());
}
