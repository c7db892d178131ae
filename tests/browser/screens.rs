//! The pages of the screening room, in each state that looks different.

use std::time::Duration;

use kernel::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, Client, eventually};

use super::films::{self, CAPTIONS, LEADER, POSTER};
use super::gallery::Gallery;
use super::uploads;
use super::wire::Wire;
use crate::journey::{hold, order_is, pay};

/// So slowly a film is sent that there is time to look, in bytes a second.
const SLOW: u64 = 400 * 1024;

async fn send(owner: &Client, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Value {
    let request = owner.request(method, path).header("file-name", "leader.mp4").body(body);
    let answer = owner.try_send(request).await.unwrap();
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json
}

async fn film(owner: &Client, title: &str, visibility: &str) -> String {
    let id = send(owner, Method::POST, "/api/videos", LEADER).await["id"].as_str().unwrap().to_owned();
    let settings = json!({"title": title, "visibility": visibility});
    let request = owner.request(Method::PATCH, &format!("/api/videos/{id}")).json(&settings);
    owner.try_send(request).await.unwrap().expect(200);
    id
}

/// Lists a ticket that admits to a film, of which tickets may not have heard yet.
async fn list(seller: &Client, title: &str, film: &str, times: Value) -> String {
    let mut body = json!({"title": title, "price": "3.50", "capacity": 80, "videoId": film});
    body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    eventually("tickets knows the film", async || {
        let answer = seller.post("/api/tickets", body.clone()).await;
        (answer.status != 400).then(|| answer.expect(201).text_of("id"))
    })
    .await
}

/// Buys a ticket, and waits until it admits, or would if it were time; answers the order.
async fn buy(buyer: &Client, ticket: &str, film: &str) -> String {
    let order = hold(buyer, ticket, 1).await["id"].as_str().unwrap().to_owned();
    pay(buyer, &order).await;
    order_is(buyer, &order, "complete").await;
    eventually("the film has heard of it", async || {
        let head = buyer.request(Method::GET, &format!("/video?id={film}")).header("range", "bytes=0-0");
        let answer = buyer.try_send(head).await.ok()?;
        (answer.status == 206 || answer.message().contains("Your ticket")).then_some(())
    })
    .await;
    order
}

/// The pages on an installation without videos, and on one with some.
pub(super) async fn visits(gallery: &mut Gallery<'_>, empty: &App, clock: &Clock, people: [&Client; 3]) {
    let [seller, buyer, fresh] = people;
    let mut first = empty.client();
    first.sign_up("first-in-the-room@example.com").await;
    gallery.become_person(&first).await;
    for (name, path) in [
        ("videos", "/videos"),
        ("my-videos", "/videos/mine"),
        ("upload", "/videos/new"),
        ("history", "/history"),
    ] {
        gallery.visit(&format!("{name}-empty"), path).await;
    }

    let open = film(seller, "Countdown: a film leader", "public").await;
    send(seller, Method::PUT, &format!("/api/videos/{open}/poster"), POSTER).await;
    send(seller, Method::PUT, &format!("/api/videos/{open}/captions/en"), CAPTIONS).await;
    let gated = film(seller, "Matinée: an absolute film", "ticket").await;
    send(seller, Method::PUT, &format!("/api/videos/{gated}/captions/de"), CAPTIONS).await;
    let early = film(seller, "A Trip to the Moon", "ticket").await;
    let late = film(seller, "Sunrise", "ticket").await;
    let long = "The Cabinet of Dr. Caligari, restored, with its tints, ".repeat(3);
    film(seller, long.trim(), "public").await;
    film(seller, "Donaudampfschifffahrtsgesellschaftskapitän".repeat(2).as_str(), "private").await;
    let now = clock.now();
    let ticket = list(seller, "Matinée in the screening room", &gated, json!({})).await;
    let opens =
        json!({"opensAt": now + Duration::from_secs(86_400), "closesAt": now + Duration::from_secs(172_800)});
    let before = list(seller, "To the Moon, first night", &early, opens).await;
    let closes = json!({"closesAt": now + Duration::from_secs(60)});
    let over = list(seller, "Sunrise, once", &late, closes).await;
    let (order, _) = (buy(buyer, &ticket, &gated).await, buy(buyer, &before, &early).await);
    let over_order = buy(buyer, &over, &late).await;
    clock.advance(Duration::from_secs(120));

    gallery.become_person(&Client::new(seller.base().to_owned())).await;
    gallery.visit("videos-nobody", "/videos").await;
    gallery.visit("video-nobody", &format!("/videos/{open}")).await;
    gallery.visit("video-stranger", &format!("/videos/{gated}")).await;
    gallery.become_person(fresh).await;
    gallery.visit("video-ticketless", &format!("/videos/{gated}")).await;
    gallery.visit("ticket-film", &format!("/tickets/{ticket}")).await;
    gallery.visit("ticket-film-early", &format!("/tickets/{before}")).await;

    watched(buyer, &open).await;
    gallery.become_person(buyer).await;
    gallery.visit("videos", "/videos").await;
    gallery.visit("video", &format!("/videos/{open}")).await;
    playing(gallery).await;
    gallery.visit("video-early", &format!("/videos/{early}")).await;
    gallery.visit("video-late", &format!("/videos/{late}")).await;
    gallery.visit("order-film", &format!("/orders/{order}")).await;
    gallery.visit("order-film-over", &format!("/orders/{over_order}")).await;
    gallery.visit("history", "/history").await;
    gallery.browser.go(&format!("{}/videos/{gated}", buyer.base())).await;
    gallery.browser.submit(&format!("/videos/{gated}/link")).await;
    gallery.browser.shows("/videos/", "A link for a player").await;
    gallery.examine("video-link", &[]).await;

    owner(gallery, seller, [&open, &gated]).await;
    sending(gallery, seller).await;
    gallery.become_person(seller).await;
    gallery.visit("my-videos", "/videos/mine").await;

    // Last, for it takes the ticket away.
    gallery.become_person(buyer).await;
    gallery.browser.go(&format!("{}/videos/{gated}", buyer.base())).await;
    refund(seller, buyer, &order).await;
    gallery.browser.shows("/videos/", "Your ticket does not admit to this any more").await;
    gallery.examine("video-stopped", &[]).await;
}

/// Watches a film for a while.
async fn watched(buyer: &Client, film: &str) {
    buyer.request(Method::GET, &format!("/video?id={film}")).send().await.unwrap().bytes().await.unwrap();
    eventually("it is in the history", async || {
        let told = buyer.put(&format!("/api/history/{film}"), json!({"position": 12})).await;
        (told.status == 204).then_some(())
    })
    .await;
}

/// Looks at the film of the page that is open in the middle of it.
async fn playing(gallery: &mut Gallery<'_>) {
    let play = "const film = document.querySelector('video'), done = arguments[0];
        film.muted = true;
        film.textTracks[0].mode = 'showing';
        film.onseeked = () => { film.pause(); done(true); };
        film.play().then(() => { film.currentTime = 2; }, done);";
    let played = gallery.browser.tab.execute_async(play, vec![]).await.unwrap();
    assert_eq!(played, true);
    gallery.browser.find(".keys summary").await.click().await.unwrap();
    gallery.examine("video-playing", &[]).await;
}

/// What an owner sees of their own videos, and their forms when they are not right.
async fn owner(gallery: &mut Gallery<'_>, seller: &Client, [open, gated]: [&str; 2]) {
    let browser = gallery.browser;
    gallery.become_person(seller).await;
    gallery.visit("videos-owner", "/videos").await;
    gallery.visit("video-own", &format!("/videos/{gated}")).await;
    gallery.visit("sell-film", &format!("/tickets/new?videoId={gated}")).await;
    let edit = format!("/videos/{open}/edit");
    gallery.visit("video-edit", &edit).await;
    browser.fill("title", " ").await;
    browser.submit(&edit).await;
    browser.shows(&edit, "Title must be").await;
    gallery.examine("video-edit-again", &[&edit]).await;
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "no film, no picture, no captions").unwrap();
    for (field, form, told) in
        [("f-vtt", "captions", "WebVTT"), ("f-poster", "poster", "JPEG, PNG or WebP picture")]
    {
        browser.go(&format!("{}{edit}", seller.base())).await;
        if field == "f-vtt" {
            browser.fill("lang", "en").await;
        }
        browser.find(&format!("#{field}")).await.send_keys(text.to_str().unwrap()).await.unwrap();
        let action = format!("/videos/{open}/{form}");
        browser.submit(&action).await;
        browser.shows(&action, told).await;
        gallery.examine(&format!("video-edit-{form}"), &[&action]).await;
    }
    let delete = format!("/videos/{gated}/delete");
    browser.go(&format!("{}/videos/{gated}/edit", seller.base())).await;
    browser.find(".confirm summary").await.click().await.unwrap();
    gallery.examine("video-edit-delete", &[]).await;
    browser.submit(&delete).await;
    browser.shows(&delete, "It cannot be deleted").await;
    gallery.examine("video-edit-kept", &[&delete]).await;
}

/// An upload on its way, paused, left, and refused.
async fn sending(gallery: &mut Gallery<'_>, seller: &Client) {
    let browser = gallery.browser;
    let folder = tempfile::tempdir().unwrap();
    let (file, text) = (folder.path().join("a long film.mp4"), folder.path().join("no film at all.mp4"));
    std::fs::write(&file, films::long(64 * 1024 * 1024)).unwrap();
    std::fs::write(&text, "no film ".repeat(4000)).unwrap();
    let wire = Wire::to(seller.base()).await;
    gallery.become_person(&seller.at(wire.base().to_owned())).await;
    browser.go(&format!("{}/videos/new", wire.base())).await;
    wire.take(SLOW);
    uploads::send(browser, &file).await;
    browser.shows("/videos/new", "/s, ").await;
    gallery.examine("upload-sending", &[]).await;
    uploads::press(browser, "pause").await;
    browser.shows("/videos/new", "Paused").await;
    gallery.examine("upload-paused", &[]).await;
    wire.take(u64::MAX);
    gallery.visit("my-videos-sending", "/videos/mine").await;
    gallery.visit("upload-left", "/videos/new").await;
    uploads::send(browser, &text).await;
    browser.shows("/videos/new", "no video that can be played").await;
    let asked = "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)
        .filter((path) => path.startsWith('/api/uploads'));";
    let asked = browser.tab.execute(asked, vec![]).await.unwrap();
    let asked: Vec<&str> = asked.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    gallery.examine("upload-refused", &asked).await;
    browser.find("[data-uploads] form button:not([data-again])").await.click().await.unwrap();
    eventually("nothing is under way", async || {
        let all = seller.get("/api/uploads").await.expect(200).json;
        all.as_array()?.iter().all(|upload| upload["refused"].is_string()).then_some(())
    })
    .await;
}

async fn refund(seller: &Client, buyer: &Client, order: &str) {
    let payments = buyer.get("/api/payments?order=desc").await.expect(200).json;
    let payment = payments.as_array().unwrap().iter().find(|payment| payment["orderId"] == order);
    let payment = payment.expect("its payment")["id"].as_str().unwrap();
    seller.post(&format!("/api/payments/{payment}/refund"), json!({})).await.expect(200);
}
