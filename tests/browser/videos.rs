//! The screening room in a real browser: a film plays, is sought in and gone on with; a ticket lets in, and a refund
//! leads out, also in the middle of it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Client, Process, eventually};

use super::driver::{Browser, Scripts};
use super::films;
use super::keyboard::Typist;
use super::wire::Wire;
use crate::BINARY;
use crate::journey::{hold, order_is, pay};

/// What a browser does not fetch beforehand: it would have to ask for what comes after it.
const GAP: usize = 96 * 1024 * 1024;
/// A player must not go on for longer than this without its ticket.
const SOON: Duration = Duration::from_secs(5);
/// As a film goes on where its viewer was, in seconds.
const NEAR: f64 = 2.0;

/// What can be seen of the film on the page that is open.
const STATE: &str = "
    const film = document.querySelector('video'), over = document.querySelector('.player__over');
    if (!film) return null;
    return {
        at: film.currentTime, paused: film.paused, rate: film.playbackRate, volume: film.volume, muted: film.muted,
        began: film.played.length ? film.played.start(0) : null, error: film.error && film.error.message,
        source: film.getAttribute('src'), said: document.querySelector('[data-voice]').textContent,
        captions: [...film.textTracks].filter((t) => t.mode === 'showing').map((t) => [t.language, t.cues ? t.cues.length : 0]),
        reason: over && !over.hidden ? over.querySelector('[data-bind=reason]').textContent : null,
    };";

/// A film in its player, and hands at the keyboard.
struct Player<'a>(&'a Browser);

impl Player<'_> {
    async fn state(&self) -> Option<Value> {
        let state = self.0.tab.execute(STATE, vec![]).await.ok()?;
        (!state.is_null()).then_some(state)
    }

    async fn at(&self) -> f64 {
        self.state().await.expect("a film")["at"].as_f64().unwrap()
    }

    async fn press(&self, key: char) {
        Typist(self.0).press(&[key]).await;
    }

    /// Waits until it is `so`.
    async fn is(&self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let seen = tokio::time::timeout(testkit::DEADLINE, async {
            loop {
                last = self.state().await;
                if let Some(state) = last.as_ref().filter(|state| so(state)) {
                    return state.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        seen.unwrap_or_else(|_| panic!("never happened: {what}; {last:?}"))
    }

    /// Waits until it has played on for a while.
    async fn plays_on(&self) -> f64 {
        let from = self.at().await;
        let on = |state: &Value| state["paused"] == false && state["at"].as_f64() > Some(from + 0.5);
        self.is(&format!("it plays on from {from}"), on).await["at"].as_f64().unwrap()
    }

    /// Plays it on a page that was just opened; answers where it began.
    async fn begins(&self) -> f64 {
        self.press(' ').await;
        self.is("it begins", |state| state["began"].is_f64() || state["began"].is_i64()).await["began"]
            .as_f64()
            .unwrap()
    }
}

/// Somebody of the demo, which is set up a moment after the server listens.
async fn of_the_demo(process: &Process, name: &str) -> Client {
    let mut person = process.client();
    let email = format!("{name}@marquee.example");
    let body = json!({"email": email, "password": "marquee-demo"});
    eventually("the demo has people", async || {
        (person.post("/api/users/signin", body.clone()).await.status == 200).then_some(())
    })
    .await;
    person.sign_in_with(&email, "marquee-demo").await;
    person
}

/// The film behind a ticket, once the buyer holds one.
async fn matinee(buyer: &Client) -> String {
    eventually("the buyer is admitted to the matinée", async || {
        let all = buyer.get("/api/videos").await.expect(200).json;
        let film = all.as_array()?.iter().find(|video| video["visibility"] == "ticket")?;
        let id = film["id"].as_str()?.to_owned();
        let head = buyer.request(Method::HEAD, &format!("/video?id={id}"));
        (buyer.try_send(head).await.ok()?.status == 200).then_some(id)
    })
    .await
}

async fn upload(owner: &Client, film: Vec<u8>, settings: Value) -> String {
    let request = owner.request(Method::POST, "/api/videos").header("file-name", "long.mp4").body(film);
    let id = owner.try_send(request).await.unwrap().expect(201).text_of("id");
    let request = owner.request(Method::PATCH, &format!("/api/videos/{id}")).json(&settings);
    owner.try_send(request).await.unwrap().expect(200);
    id
}

async fn bytes_of(who: &Client, id: &str) -> u16 {
    let request = who.request(Method::GET, &format!("/video?id={id}")).header("range", "bytes=0-99");
    request.send().await.unwrap().status().as_u16()
}

/// Where the ranges begin that were asked for.
fn asked(wire: &Wire) -> Vec<usize> {
    let begin = |range: &String| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok();
    wire.said("GET /video?", "range").iter().filter_map(begin).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_plays_and_is_sought_in() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let wire = Wire::to(process.base()).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    let film = films::long(GAP);
    let far = film.len() / 2;
    let id = upload(&owner, film, json!({"title": "A long film", "visibility": "public"})).await;
    browser.go(&format!("{}/videos/{id}", wire.base())).await;
    let player = Player(&browser);
    player.is("it waits", |state| state["paused"] == true && state["at"] == 0.0).await;
    assert!(asked(&wire).is_empty(), "nothing is fetched of what nobody plays: {:?}", asked(&wire));

    player.press(' ').await;
    player.plays_on().await;
    let ranges = asked(&wire);
    assert!(ranges.iter().all(|&first| first < far), "the end is not fetched beforehand: {ranges:?}");
    // Eight tenths.
    player.press('8').await;
    player.is("it is where it was led", |state| state["at"].as_f64() >= Some(12.7)).await;
    let on = player.plays_on().await;
    assert!(on < 16.0, "{on}");
    let ranges = asked(&wire);
    assert!(ranges.iter().any(|&first| first > far), "its end was asked for alone: {ranges:?}");

    player.press('k').await;
    player.is("it pauses", |state| state["paused"] == true).await;
    player.press('2').await;
    let at = player.is("it is back", |state| state["at"].as_f64() < Some(3.3)).await["at"].as_f64().unwrap();
    player.press(fantoccini::key::Key::Right.into()).await;
    player.is("five seconds on", |state| (state["at"].as_f64().unwrap() - at - 5.0).abs() < 0.1).await;
    player.press('j').await;
    player.is("to its begin", |state| state["at"] == 0.0 && state["said"] == "0:00").await;
    player.press('>').await;
    player.is("faster", |state| state["rate"] == 1.25 && state["said"] == "Speed 1.25×").await;
    let shown = browser.find("[data-speed]").await.prop("value").await.unwrap();
    assert_eq!(shown.as_deref(), Some("1.25"));
    player.press('<').await;
    player.press('<').await;
    player.is("slower", |state| state["rate"] == 0.75).await;
    player.press('m').await;
    player.is("silent", |state| state["muted"] == true && state["said"] == "Muted").await;
    player.press(fantoccini::key::Key::Down.into()).await;
    player.is("softer", |state| state["volume"] == 0.9).await;
    player.press('c').await;
    player.is("it has no captions", |state| state["said"] == "There are no captions").await;
    player.press(' ').await;
    player.plays_on().await;
    browser.console_is_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_goes_on_where_its_viewer_was_until_the_ticket_is_refunded() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &["--demo"]).await;
    let (seller, buyer) = (of_the_demo(&process, "seller").await, of_the_demo(&process, "buyer").await);
    let film = matinee(&buyer).await;
    let wire = Wire::to(process.base()).await;
    let page = format!("{}/videos/{film}", wire.base());
    browser.become_person(&buyer, wire.base()).await;
    browser.go(&page).await;
    let player = Player(&browser);
    player.is("it waits", |state| state["paused"] == true).await;
    assert!(asked(&wire).is_empty());
    let history = buyer.get("/api/history").await.expect(200).json;
    assert_eq!(history, json!([]), "who only looks has not watched");

    assert!(player.begins().await < 0.1);
    player.plays_on().await;
    player.press('c').await;
    player.is("captions", |state| state["captions"][0][0] == "en" && state["captions"][0][1] != 0).await;
    player.is("captions are told", |state| state["said"] == "Captions: English").await;
    player.press('4').await;
    let left = player.plays_on().await;
    assert!(left > 18.0, "{left}");

    // In the middle of it.
    browser.tab.refresh().await.unwrap();
    browser.shows("/videos/", "where you were").await;
    let began = player.begins().await;
    assert!((began - left).abs() < NEAR, "left at {left}, it went on at {began}");
    player.plays_on().await;
    player.press('k').await;
    let left = player.is("it pauses", |state| state["paused"] == true).await["at"].as_f64().unwrap();
    let told = eventually("its place is noted", async || {
        let history = buyer.get("/api/history").await.expect(200).json;
        assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
        let position = history[0]["position"].as_f64().unwrap();
        ((position - left).abs() < 1.0).then_some(position)
    })
    .await;
    browser.go(&format!("{}/history", wire.base())).await;
    browser.shows("/history", &format!("0:{told:02.0} of 0:45")).await;
    browser.find(&format!("a.button[href='/videos/{film}']")).await.click().await.unwrap();
    browser.shows("/videos/0", "where you were").await;
    let began = player.begins().await;
    assert!((began - left).abs() < NEAR, "left at {left}, it went on at {began}");
    browser.find("[data-again]").await.click().await.unwrap();
    player.is("from its start", |state| state["at"].as_f64() < Some(2.0)).await;
    player.plays_on().await;
    browser.console_is_quiet(&[]).await;

    let orders = buyer.get("/api/orders").await.expect(200).json;
    let is_it = |order: &&Value| order["ticket"]["title"] == "Matinée in the screening room";
    let order = orders.as_array().unwrap().iter().find(is_it).expect("its order")["id"].clone();
    let payments = buyer.get("/api/payments").await.expect(200).json;
    let payment = payments.as_array().unwrap().iter().find(|payment| payment["orderId"] == order).unwrap();
    let refund = format!("/api/payments/{}/refund", payment["id"].as_str().unwrap());
    seller.post(&refund, json!({})).await.expect(200);
    let refunded = Instant::now();
    let stopped = player.is("it stops", |state| state["source"].is_null()).await;
    assert!(refunded.elapsed() < SOON, "it stopped after {:?}", refunded.elapsed());
    assert_eq!((&stopped["paused"], &stopped["error"]), (&json!(true), &Value::Null));
    player.is("it says why", |state| state["reason"] == "Your ticket does not admit to this any more").await;
    assert_eq!(bytes_of(&buyer, &film).await, 401);
    player.press(' ').await;
    browser.tab.refresh().await.unwrap();
    browser.shows("/videos/0", "You have no ticket for this").await;
    browser.console_is_quiet(&["/video"]).await;
    process.verify().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_ticket_it_says_what_admits_and_opens_when_one_is_bought() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &["--demo"]).await;
    let film = matinee(&of_the_demo(&process, "buyer").await).await;
    let page = format!("{}/videos/{film}", process.base());
    browser.go(&page).await;
    browser.shows("/videos/0", "It takes a ticket to watch this").await;
    let mut guest = process.client();
    guest.sign_up("guest@example.com").await;
    browser.become_person(&guest, process.base()).await;
    browser.go(&page).await;
    browser.shows("/videos/0", "You have no ticket for this").await;
    assert!(Player(&browser).state().await.is_none(), "no player");
    assert_eq!(bytes_of(&guest, &film).await, 401);
    browser.find("[aria-labelledby=offers] a").await.click().await.unwrap();
    let ticket = browser.shows("/tickets/0", "Matinée: an absolute film").await;
    let still =
        "const still = document.querySelector('.poster__still'); return still.complete && still.naturalWidth";
    eventually("the film's picture hangs at its ticket", async || {
        (browser.tab.execute(still, vec![]).await.unwrap().as_i64()? > 0).then_some(())
    })
    .await;
    browser.go(&page).await;
    browser.shows("/videos/0", "You have no ticket for this").await;
    let ticket = ticket.strip_prefix("/tickets/").unwrap();
    let order = hold(&guest, ticket, 1).await["id"].as_str().unwrap().to_owned();
    pay(&guest, &order).await;
    order_is(&guest, &order, "complete").await;
    let player = Player(&browser);
    player.is("the page opens by itself", |state| state["paused"] == true).await;
    assert!(player.begins().await < 0.1);
    player.plays_on().await;
    browser.console_is_quiet(&[]).await;
    browser.close().await;
}
