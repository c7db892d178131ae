//! What an owner does: uploads, changes, deletes.

use std::time::Duration;

use contracts::{Event, TicketState};
use serde_json::json;

use super::house::{FILM, PICTURE};
use crate::Settings;
use crate::tests::House;

#[tokio::test]
async fn a_form_uploads_a_film_in_one_go() {
    let house = House::new().await;
    let cookie = house.owner.cookie.as_str();
    assert_eq!(house.page("/videos/new", "").await.goes_to(), (303, "/signin?next=%2Fvideos%2Fnew"));
    house.page("/videos/new", cookie).await.shows(&[
        "enctype=\"multipart/form-data\"",
        "/assets/upload.",
        "at most 20 GiB",
        "half sent waits here",
    ]);
    let id = house.film("Metropolis", "public").await;
    house.page(&format!("/videos/{id}"), "").await.shows(&["Metropolis"]);
    let unsaid = house.submit_file("/videos/new", cookie, &[], ("A_Trip.mp4", FILM)).await;
    let page = house.page(unsaid.goes_to().1, cookie).await;
    page.shows(&["A Trip", "Yours alone"]);
    assert_eq!(house.submit_file("/videos/new", "", &[], ("a.mp4", FILM)).await.goes_to(), (303, "/signin"));
}

#[tokio::test]
async fn a_film_that_cannot_be_had_says_why_beside_the_field() {
    let house = House::with(Settings { limit: 1000, quota: 1200, ..Settings::default() }).await;
    let cookie = house.owner.cookie.as_str();
    let texts = [("title", "Tea"), ("visibility", "ticket")];
    let long = [FILM, &[0; 1000]].concat();
    for (status, file, told) in [
        (400, ("", &b""[..]), "Choose a file"),
        (413, ("a.mp4", &long), "A video must be at most 1000 bytes"),
        (415, ("a.mp4", b"text"), "This is no video"),
    ] {
        let reply = house.submit_file("/videos/new", cookie, &texts, file).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(
            reply.text().contains(told) && reply.text().contains("id=\"f-file-error\""),
            "{}",
            reply.text()
        );
        assert!(
            reply.text().contains("value=\"Tea\"") && reply.text().contains("\"ticket\" selected"),
            "{}",
            reply.text()
        );
    }
    let reply = house.submit_file("/videos/new", cookie, &[("visibility", "all")], ("a.mp4", FILM)).await;
    assert!(reply.status == 400 && reply.text().contains("f-visibility-error"), "{}", reply.text());
    let film = [FILM, &[0; 700]].concat();
    assert_eq!(house.submit_file("/videos/new", cookie, &[], ("a.mp4", &film)).await.status, 303);
    let full = house.submit_file("/videos/new", cookie, &[], ("b.mp4", &film)).await;
    assert_eq!(full.status, 507, "{}", full.text());
    assert!(full.text().contains("more than the 1.1 KiB"), "{}", full.text());
    let page = house.page("/videos/mine", cookie).await;
    let text = page.text();
    assert_eq!(text.matches("class=\"row\"").count(), 1, "nothing is left of what was refused: {text}");
    assert_eq!(house.submit("/videos/new", cookie, "title=x").await.status, 415);
}

#[tokio::test]
async fn uploads_under_way_are_listed_and_can_be_ended() {
    let house = House::new().await;
    let begin = axum::http::Request::post("/api/uploads")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "4000")
        .header("upload-metadata", "filename ZmlsbS5tcDQ=")
        .header("cookie", &house.owner.cookie);
    let begun = house.send(begin.body(axum::body::Body::empty()).unwrap()).await;
    let location = begun.goes_to().1.to_owned();
    let id = location.strip_prefix("/api/uploads/").unwrap();
    let page = house.page("/videos/new", &house.owner.cookie).await;
    page.shows(&[
        "film.mp4",
        "0 bytes of 3.9 KiB",
        "data-length=\"4000\"",
        &format!("data-location=\"{location}\""),
    ]);
    house.page("/videos/mine", &house.owner.cookie).await.shows(&["An upload is under way"]);
    assert!(!house.page("/videos/new", &house.other.cookie).await.text().contains("film.mp4"));

    let cancel = format!("/videos/uploads/{id}/cancel");
    assert_eq!(house.submit(&cancel, &house.other.cookie, "").await.goes_to(), (303, "/videos/new"));
    house.page("/videos/new", &house.owner.cookie).await.shows(&["film.mp4"]);
    assert_eq!(house.submit(&cancel, &house.owner.cookie, "").await.goes_to(), (303, "/videos/new"));
    assert!(!house.page("/videos/new", &house.owner.cookie).await.text().contains("film.mp4"));
}

#[tokio::test]
async fn an_owner_changes_a_video_and_nobody_else() {
    let house = House::new().await;
    let cookie = house.owner.cookie.as_str();
    let id = house.film("Metropolis", "public").await;
    let path = format!("/videos/{id}");
    let edit = format!("{path}/edit");
    house.page(&edit, cookie).await.shows(&["value=\"Metropolis\"", "\"public\" selected"]);
    assert_eq!(
        house.submit(&edit, cookie, "title=M&visibility=ticket").await.goes_to(),
        (303, path.as_str())
    );
    house.page(&edit, cookie).await.shows(&["value=\"M\"", "\"ticket\" selected", "/tickets/new?videoId="]);
    let wrong = house.submit(&edit, cookie, "title=&visibility=all").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    for field in ["f-title-error", "f-visibility-error"] {
        assert!(wrong.text().contains(field), "{}", wrong.text());
    }
    for (sub, form) in [
        ("edit", "title=X&visibility=public"),
        ("delete", ""),
        ("poster/drop", ""),
        ("captions/drop", "lang=en"),
    ] {
        let path = format!("{path}/{sub}");
        assert_eq!(house.submit(&path, &house.other.cookie, form).await.status, 401, "{path}");
        assert_eq!(house.submit(&path, "", form).await.goes_to(), (303, "/signin"), "{path}");
    }
    assert_eq!(house.page(&edit, &house.other.cookie).await.status, 401);
    let private = format!("/videos/{}/edit", house.film("Faust", "private").await);
    assert_eq!(house.page(&private, &house.other.cookie).await.status, 404);
}

#[tokio::test]
async fn a_video_to_which_tickets_were_sold_stays() {
    let house = House::new().await;
    let cookie = house.owner.cookie.as_str();
    let id = house.film("Metropolis", "ticket").await;
    let ticket = house.on_sale(id, "Row 1", [None, None]).await;
    let order = house.bought(&ticket).await;
    let path = format!("/videos/{id}");
    let hidden = house.submit(&format!("{path}/edit"), cookie, "title=M&visibility=private").await;
    assert!(hidden.status == 409 && hidden.text().contains("f-visibility-error"), "{}", hidden.text());
    let kept = house.submit(&format!("{path}/delete"), cookie, "").await;
    assert!(
        kept.status == 409 && kept.text().contains("It cannot be deleted. Tickets were sold for it."),
        "{}",
        kept.text()
    );
    house.refunded(&order).await;
    let delete = async || house.submit(&format!("{path}/delete"), cookie, "").await;
    assert!(delete().await.text().contains("Tickets for it are on sale: withdraw them first."));
    let withdrawn = TicketState { version: ticket.version + 1, withdrawn: true, ..ticket };
    house.hear(&Event::TicketUpdated(withdrawn)).await;
    assert_eq!(delete().await.goes_to(), (303, "/videos/mine"));
    assert_eq!(house.page(&path, cookie).await.status, 404);
}

#[tokio::test]
async fn a_picture_is_hung_up_and_taken_down() {
    let house = House::new().await;
    let cookie = house.owner.cookie.as_str();
    let id = house.film("Metropolis", "public").await;
    let poster = format!("/videos/{id}/poster");
    for (status, file, told) in [
        (400, ("", &b""[..]), "Choose a picture"),
        (415, ("a.png", b"text"), "A poster must be a JPEG, PNG or WebP picture"),
        (413, ("a.png", &vec![0; 5 * 1024 * 1024 + 1]), "A picture must be at most 5 MiB"),
    ] {
        let reply = house.submit_file(&poster, cookie, &[], file).await;
        assert_eq!(reply.status, status, "{told}");
        assert!(reply.text().contains(told) && reply.text().contains("f-poster-error"), "{}", reply.text());
    }
    assert_eq!(house.submit_file(&poster, &house.other.cookie, &[], ("a.png", PICTURE)).await.status, 401);
    let hung = house.submit_file(&poster, cookie, &[], ("a.png", PICTURE)).await;
    assert_eq!(hung.goes_to(), (303, format!("/videos/{id}/edit#picture").as_str()));
    let src = format!("/api/videos/{id}/poster?v=1");
    house.page(&format!("/videos/{id}"), "").await.shows(&[&format!("poster=\"{src}\"")]);
    house.page("/videos", "").await.shows(&[&format!("src=\"{src}\"")]);
    assert_eq!(house.page(&src, "").await.status, 200);
    assert_eq!(house.submit(&format!("{poster}/drop"), cookie, "").await.status, 303);
    house.page("/videos", "").await.shows(&["picture--blank"]);
}

#[tokio::test]
async fn captions_are_added_by_language() {
    let house = House::new().await;
    let cookie = house.owner.cookie.as_str();
    let id = house.film("Metropolis", "public").await;
    let captions = format!("/videos/{id}/captions");
    let vtt: &[u8] = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";
    for (status, lang, bytes, field) in [
        (400, "", vtt, "f-lang-error"),
        (400, "en_US", vtt, "f-lang-error"),
        (415, "en", &b"SRT"[..], "f-vtt-error"),
    ] {
        let reply = house.submit_file(&captions, cookie, &[("lang", lang)], ("a.vtt", bytes)).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(field), "{}", reply.text());
    }
    let added = house.submit_file(&captions, cookie, &[("lang", "pt-BR")], ("a.vtt", vtt)).await;
    assert_eq!(added.goes_to(), (303, format!("/videos/{id}/edit#captions").as_str()));
    let page = house.page(&format!("/videos/{id}"), "").await;
    page.shows(&[&format!("src=\"/api{captions}/pt-br\""), "srclang=\"pt-br\" label=\"Português (BR)\""]);
    assert!(house.page(&format!("/api{captions}/pt-br"), "").await.text().contains("Hello"));
    for _ in 0..2 {
        assert_eq!(house.submit(&format!("{captions}/drop"), cookie, "lang=pt-br").await.status, 303);
    }
    assert!(!house.page(&format!("/videos/{id}"), "").await.text().contains("<track"));
}

#[tokio::test]
async fn ones_own_videos_are_listed_with_the_room_in_use() {
    let house = House::with(Settings { quota: 1000, ..Settings::default() }).await;
    assert_eq!(house.page("/videos/mine", "").await.goes_to(), (303, "/signin?next=%2Fvideos%2Fmine"));
    house
        .page("/videos/mine", &house.owner.cookie)
        .await
        .shows(&["Nothing uploaded yet", "0 bytes of 1000 bytes"]);
    let id = house.film("Metropolis", "ticket").await;
    house.page("/videos/mine", &house.owner.cookie).await.shows(&[
        "Metropolis",
        "32 bytes of 1000 bytes",
        "value=\"3\" max=\"100\"",
        &format!("/tickets/new?videoId={id}"),
    ]);
    house.page("/videos/mine", &house.other.cookie).await.shows(&["Nothing uploaded yet"]);
}

#[tokio::test]
async fn what_a_player_says_counts_for_more_than_what_was_delivered() {
    use crate::store::sittings::{self, Seat};
    use kernel::PlayId;

    let house = House::new().await;
    let id = house.film("Metropolis", "public").await;
    let seat = Seat { viewer: house.other.id.to_string(), video: id, user: Some(house.other.id) };
    let seat = &seat;
    let delivered = async |millis: i64| {
        house
            .db
            .write(|tx| async move { sittings::go_on(&tx, seat, millis, 1, 900_000).await })
            .await
            .unwrap();
        sittings::position(&house.db, seat).await.unwrap().unwrap()
    };
    let sit = async || {
        sittings::sit(&house.db, seat, PlayId::new(&house.clock), None, Duration::from_secs(1)).await.unwrap()
    };
    assert!(sit().await);
    assert_eq!(delivered(50_000).await, 50_000, "a player that says nothing");
    let path = format!("/api/history/{id}");
    house.call("PUT", &path, Some(&house.other), json!({"position": 20})).await;
    assert_eq!(delivered(80_000).await, 20_000);
    house.clock.advance(std::time::Duration::from_secs(2));
    assert!(sit().await, "another sitting");
    assert_eq!(delivered(90_000).await, 90_000);
}
