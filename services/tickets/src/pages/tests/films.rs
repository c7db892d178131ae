//! What a ticket's page and its form show of the video that it admits to.

use contracts::{Event, VideoState, Visibility};
use kernel::VideoId;

use super::*;
use crate::testing::House;

pub fn video(title: &str) -> Video {
    Video {
        id: VideoId::new(&Clock::manual(NOW)),
        version: 0,
        owner_id: UserId::new(&Clock::manual(NOW)),
        title: title.into(),
        visibility: Visibility::Ticket,
        duration: Some(5_520_000),
        has_poster: true,
        gone: false,
    }
}

#[test]
fn a_ticket_says_what_it_admits_to() {
    let video = video(HOSTILE);
    let ticket = Ticket { video_id: Some(video.id), ..ticket("Metropolis") };
    let (page, poster) =
        (format!("href=\"/videos/{}\"", video.id), format!("src=\"/api/videos/{}/poster\"", video.id));
    let shown = |video: Option<&Video>, own| {
        let text = shown_with(&ticket, video, true, own);
        is_clean(&text);
        text
    };
    for own in [false, true] {
        let text = shown(Some(&video), own);
        assert!(text.contains(&page) && text.contains(&poster) && text.contains("1 h 32 min"), "{text}");
        assert!(text.contains("from <time datetime=\"2027-11-24T18:00:00.000Z\""), "{text}");
        assert!(text.contains("until <time datetime=\"2027-11-25T18:00:00.000Z\""), "{text}");
        assert!(!text.contains("with a ticket or without"), "{text}");

        let bare = Video { duration: None, has_poster: false, ..video.clone() };
        let text = shown(Some(&bare), own);
        assert!(text.contains(&page) && !text.contains("<img") && !text.contains("Length"), "{text}");
        let public = Video { visibility: Visibility::Public, ..video.clone() };
        let text = shown(Some(&public), own);
        assert!(text.contains(&page) && text.contains("with a ticket or without"), "{text}");
        let gone = Video { gone: true, ..video.clone() };
        let text = shown(Some(&gone), own);
        assert!(text.contains("A video that is gone") && !text.contains(&page), "{text}");
        assert!(!text.contains("Watch it") && !text.contains("<img"), "{text}");
        let text = shown(None, own);
        assert!(text.contains(&format!("{page}>A video</a>")) && !text.contains("<img"), "{text}");
    }
    let private = Video { visibility: Visibility::Private, title: "Secret".into(), ..video.clone() };
    let text = shown(Some(&private), true);
    assert!(text.contains("Secret") && text.contains(&poster) && text.contains("It is private"), "{text}");
    let text = shown(Some(&private), false);
    assert!(text.contains("A video that is not shown yet") && text.contains("Watch it"), "{text}");
    assert!(!text.contains("Secret") && !text.contains("/videos/"), "nobody is told of it: {text}");

    let always = Ticket { opens_at: None, closes_at: None, ..ticket.clone() };
    assert!(!shown_with(&always, Some(&video), false, false).contains("Watch it"));
    let without = Ticket { video_id: None, ..ticket.clone() };
    let text = shown_with(&without, None, false, false);
    assert!(!text.contains("Admits to") && !text.contains("Watch it"), "{text}");
}

#[tokio::test]
async fn a_seller_chooses_a_video_and_when_it_opens() {
    let house = House::new().await;
    let text = house.page("/tickets/new", &house.seller).await.text;
    assert!(text.contains("href=\"/videos/new\">upload one</a>") && !text.contains("videoId"), "{text}");
    assert!(text.contains("Sale ends"), "{text}");

    let film = house.video("Nosferatu");
    let id = house.published(&film).await;
    let text = house.page("/tickets/new", &house.seller).await.text;
    for part in
        ["Admits to a video", "name=\"opensAt\"", "Holders may watch until then", "<option value=\"\">"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains(&format!("<option value=\"{id}\">Nosferatu</option>")), "{text}");
    assert!(!text.contains("/videos/new") && !text.contains("Sale ends"), "{text}");
    assert!(!house.page("/tickets/new", &house.buyer).await.text.contains("Nosferatu"));

    let form = |video: &str, opens: &str| {
        format!(
            "title=M&price=14&capacity=5&videoId={video}&opensAt={opens}&closesAt=2027-11-25T18%3A00&startsAt="
        )
    };
    let strange = VideoId::new(&house.clock).to_string();
    let reply = house.submit("/tickets/new", &house.seller, &form(&strange, "")).await;
    assert!(reply.status == 400 && reply.text.contains("id=\"f-videoId-error\""), "{}", reply.text);
    let chosen = format!("<option value=\"{id}\" selected>Nosferatu</option>");
    let reply = house.submit("/tickets/new", &house.seller, &form(&id, "tomorrow")).await;
    assert!(reply.status == 400 && reply.text.contains(&chosen), "{}", reply.text);
    let reply = house.submit("/tickets/new", &house.seller, &form(&id, "2027-11-24T18%3A00")).await;
    let (status, path) = goes_to(&reply);
    assert_eq!(status, 303, "{}", reply.text);
    let json = house.get(&format!("/api{path}"), "").await.json();
    assert_eq!((&json["videoId"], &json["opensAt"]), (&json!(id), &json!("2027-11-24T18:00:00.000Z")));
    for who in [house.seller.as_str(), &house.buyer, ""] {
        let text = house.page(path, who).await.text;
        assert!(text.contains("Nosferatu</a>") && text.contains("1 h 30 min"), "{text}");
    }

    let edit = format!("{path}/edit");
    house.hears_all(&house.tickets, &[Event::VideoDeleted(VideoState { version: 1, ..film })]).await;
    let text = house.page(&edit, &house.seller).await.text;
    let gone = chosen.replace("Nosferatu", "Nosferatu (gone)");
    assert!(text.contains(&gone) && text.contains("value=\"2027-11-24T18:00\""), "{text}");
    let reply = house.submit(&edit, &house.seller, &form(&id, "2027-11-24T18%3A00")).await;
    assert_eq!(goes_to(&reply), (303, path), "what it has stays: {}", reply.text);
    assert!(house.page(path, "").await.text.contains("A video that is gone"));
    assert_eq!(goes_to(&house.submit(&edit, &house.seller, &form("", "")).await), (303, path));
    let json = house.get(&format!("/api{path}"), "").await.json();
    assert_eq!((json.get("videoId"), json.get("opensAt")), (None, None), "None was chosen");
}

#[tokio::test]
async fn the_form_that_a_film_leads_to_names_it_already() {
    let house = House::new().await;
    let film = house.published(&house.video("Nosferatu")).await;
    let chosen = format!("value=\"{film}\" selected");
    let text = house.get(&format!("/tickets/new?videoId={film}"), &house.seller).await.text;
    assert!(text.contains(&chosen) && text.contains("value=\"Nosferatu\""), "{text}");
    for (path, who) in [
        (format!("/tickets/new?videoId={film}"), &house.buyer),
        ("/tickets/new?videoId=7".to_owned(), &house.seller),
        ("/tickets/new".to_owned(), &house.seller),
    ] {
        let reply = house.get(&path, who).await;
        assert!(reply.status == 200 && !reply.text.contains("selected"), "{path}: {}", reply.text);
    }
}
