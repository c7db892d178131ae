//! Sending a film from the page: seen to come, stopped, and gone on with after a reload.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::{Client, Process, eventually};

use super::driver::{Browser, Scripts};
use super::films;
use super::wire::Wire;
use crate::BINARY;

/// So much more than the leader, so that it takes its time.
const GAP: usize = 48 * 1024 * 1024;
/// How fast it is sent, in bytes a second.
const SLOW: u64 = 6 * 1024 * 1024;

/// Chooses a file on the page that is open, and sends it.
pub(super) async fn send(browser: &Browser, file: &Path) {
    browser.find("#f-file").await.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.submit("/videos/new").await;
}

/// Presses a button of the first upload, once it is there.
pub(super) async fn press(browser: &Browser, act: &str) {
    eventually(&format!("{act} can be pressed"), async || {
        let button = format!("[data-uploads] [data-act={act}]:not([hidden])");
        let button = browser.tab.find(fantoccini::Locator::Css(&button)).await.ok()?;
        button.click().await.ok()
    })
    .await;
}

/// The only upload under way.
async fn under_way(owner: &Client) -> Option<Value> {
    let all = owner.get("/api/uploads").await.expect(200).json;
    assert!(all.as_array().unwrap().len() <= 1, "one file is one upload: {all}");
    all.get(0).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_after_a_pause_and_a_reload() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let wire = Wire::to(process.base()).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    let film = films::long(GAP);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a long film.mp4");
    std::fs::write(&file, &film).unwrap();

    browser.become_person(&owner, wire.base()).await;
    browser.go(&format!("{}/videos/new", wire.base())).await;
    browser.fill("title", "A long film").await;
    wire.take(SLOW);
    send(&browser, &file).await;
    let sent = "const bar = document.querySelector('[data-part=bar]'); return bar ? bar.value : 0";
    let shown = eventually("some of it is shown to be sent", async || {
        browser.tab.execute(sent, vec![]).await.ok()?.as_f64().filter(|&bytes| bytes > 1e6)
    })
    .await;
    browser.shows("/videos/new", "/s, ").await;
    let page = browser.find("main").await.text().await.unwrap();
    assert!(!page.contains("Nothing is half-sent"), "{page}");
    eventually("more of it is shown", async || {
        (browser.tab.execute(sent, vec![]).await.ok()?.as_f64()? > shown).then_some(())
    })
    .await;
    press(&browser, "pause").await;
    browser.shows("/videos/new", "Paused. What was sent is kept.").await;
    let half = eventually("some of it is kept", async || {
        under_way(&owner).await?["offset"].as_u64().filter(|&offset| offset > 0)
    })
    .await;
    assert!(half < film.len() as u64, "the rest is still to come");
    assert_eq!(wire.said("PATCH /api/uploads/", "upload-offset"), ["0"]);

    browser.tab.refresh().await.unwrap();
    browser.shows("/videos/new", "Choose the file again to go on").await;
    wire.take(u64::MAX);
    send(&browser, &file).await;
    let page = browser.shows("/videos/0", "A long film").await;
    let offsets = wire.said("PATCH /api/uploads/", "upload-offset");
    let offsets: Vec<u64> = offsets.iter().map(|offset| offset.parse().unwrap()).collect();
    assert!(offsets.len() > 1 && offsets[1..].iter().all(|&offset| offset >= half), "{offsets:?}, {half}");
    assert!(under_way(&owner).await.is_none());

    let id = page.strip_prefix("/videos/").unwrap();
    let video = owner.get(&format!("/api/videos/{id}")).await.expect(200).json;
    assert_eq!((&video["size"], &video["visibility"]), (&film.len().into(), &"private".into()), "{video}");
    let whole = owner.request(Method::GET, &format!("/video?id={id}")).send().await.unwrap();
    assert_eq!(Sha256::digest(whole.bytes().await.unwrap()), Sha256::digest(&film));
    let poster = browser.find("video").await.attr("poster").await.unwrap().expect("a poster");
    let poster = owner.request(Method::GET, &poster).send().await.unwrap();
    assert_eq!(poster.headers()["content-type"], "image/jpeg");
    assert!(poster.bytes().await.unwrap().len() > 4000, "the browser drew a picture of it");
    browser.console_is_quiet(&[]).await;
    process.verify().await;
    browser.close().await;
}

/// Holds the answer to whoever begins an upload, until `go` is called.
const HOLD: &str = "const fetched = window.fetch;
    window.fetch = async (address, said) => {
        const answer = await fetched(address, said);
        if (address === '/api/uploads' && said.method === 'POST') await new Promise((go) => { window.go = go; });
        return answer;
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_while_it_is_begun_is_not_sent() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let wire = Wire::to(process.base()).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    let folder = tempfile::tempdir().unwrap();
    let (film, page) = (folder.path().join("a film.mp4"), folder.path().join("a page.mp4"));
    std::fs::write(&film, films::long(1024)).unwrap();
    std::fs::write(&page, "<html>").unwrap();
    browser.become_person(&owner, wire.base()).await;
    browser.go(&format!("{}/videos/new", wire.base())).await;
    browser.tab.execute(HOLD, vec![]).await.unwrap();
    let is_held = "return Boolean(window.go)";
    let begun = async |file: &Path| {
        send(&browser, file).await;
        eventually("it is begun", async || {
            browser.tab.execute(is_held, vec![]).await.ok()?.as_bool()?.then_some(())
        })
        .await;
        assert!(under_way(&owner).await.is_some());
    };
    let let_go = "window.go(); window.go = null";

    begun(&film).await;
    press(&browser, "cancel").await;
    browser.tab.execute(let_go, vec![]).await.unwrap();
    eventually("nothing is left of it", async || under_way(&owner).await.is_none().then_some(())).await;

    begun(&film).await;
    press(&browser, "pause").await;
    browser.tab.execute(let_go, vec![]).await.unwrap();
    browser.shows("/videos/new", "Paused. What was sent is kept.").await;
    assert_eq!(wire.said("PATCH /api/uploads/", "upload-offset"), [] as [&str; 0]);
    press(&browser, "cancel").await;
    eventually("nothing is left of that", async || under_way(&owner).await.is_none().then_some(())).await;
    assert_eq!(wire.said("PATCH /api/uploads/", "upload-offset"), [] as [&str; 0]);

    // What was refused is dismissed there as well.
    begun(&page).await;
    browser.tab.execute(let_go, vec![]).await.unwrap();
    browser.shows("/videos/new", "This is no video that can be played here").await;
    assert!(under_way(&owner).await.is_some());
    press(&browser, "dismiss").await;
    eventually("nobody is told of it any more", async || under_way(&owner).await.is_none().then_some(()))
        .await;
    process.verify().await;
    browser.close().await;
}
