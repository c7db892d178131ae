//! The pages in a real browser: headless Chromium, driven by chromedriver. Screenshots go to
//! `tests/artefacts/`, to be looked at.

mod counters;
mod driver;
mod films;
mod gallery;
mod keyboard;
mod mailed;
mod pages;
mod qr;
mod screens;
mod uploads;
mod videos;
mod wire;
mod without_scripts;

use fantoccini::Locator;
use serde_json::json;
use testkit::{Process, eventually};

use crate::BINARY;
use driver::{Browser, Scripts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sign_up_to_admission_in_chromium_through_a_kill() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let mut process = Process::start(BINARY, &[]).await;
    let base = process.base().to_string();
    browser.sign_up(&base, "seller@example.com").await;
    browser.go(&format!("{base}/tickets/new")).await;
    browser.fill("title", "Metropolis").await;
    browser.fill("price", "nineteen").await;
    browser.fill("capacity", "40").await;
    browser.submit("/tickets/new").await;
    browser.shows("/tickets/new", "Price must be").await;
    let kept = browser.find("[name=title]").await.prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some("Metropolis"), "what was typed is kept");
    browser.fill("price", "19.99").await;
    browser.submit("/tickets/new").await;
    let ticket = browser.shows("/tickets/0", "Metropolis").await;
    browser.console_is_quiet(&["/tickets/new"]).await;
    // A live page would say that it lost its server.
    browser.go("about:blank").await;

    process.kill().await;
    process.resume().await;
    let base = process.base().to_string();
    browser.sign_up(&base, "buyer@example.com").await;
    browser.go(&base).await;
    browser.shows("/", "Metropolis").await;
    browser.go(&format!("{base}{ticket}")).await;
    browser.find("[name=quantity]").await.select_by_label("2").await.unwrap();
    browser.submit("/orders").await;
    let order = browser.shows("/orders/0", "39.98").await;
    browser.find("[name=token]").await.select_by_value("tok_chargeDeclined").await.unwrap();
    browser.submit("/payments").await;
    browser.shows("/orders/0", "Your card was declined").await;
    browser.console_is_quiet(&[]).await;
    browser.go("about:blank").await;

    process.kill().await;
    process.resume().await;
    let base = process.base().to_string();
    browser.sign_in(&base, "buyer@example.com").await;
    browser.go(&format!("{base}{order}")).await;
    browser.submit("/payments").await;
    let codes = two_codes(&browser).await;
    assert!(codes.iter().all(|code| code.starts_with(&format!("{base}/admissions/"))), "{codes:?}");
    assert_ne!(codes[0], codes[1], "each admits one");

    browser.sign_in(&base, "seller@example.com").await;
    browser.go(&format!("{base}/sales")).await;
    browser.shows("/sales", "39.98").await;
    let door = codes[0].strip_prefix(&base).unwrap();
    browser.go(&codes[0]).await;
    browser.submit(&format!("{door}/redeem")).await;
    browser.shows(door, "Admitted").await;
    let session = browser.tab.get_named_cookie("session").await.unwrap();
    let again = process.client().with_session(session.value());
    again.post(&format!("/api{door}/redeem"), json!({})).await.expect(409);
    browser.console_is_quiet(&[]).await;
    process.verify().await;
    browser.close().await;
}

/// The addresses that the two QR codes of an order's page hold, as a phone reads them off the screen.
async fn two_codes(browser: &Browser) -> Vec<String> {
    let pictures = eventually("two admissions", async || {
        browser.tab.find_all(Locator::Css(".admission__qr")).await.ok().filter(|found| found.len() == 2)
    })
    .await;
    let mut codes = Vec::new();
    for picture in pictures {
        codes.push(qr::read(browser, &picture).await);
    }
    codes
}
