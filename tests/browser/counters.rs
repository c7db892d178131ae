//! The pages of counters: as they look, live, by keyboard alone, and without scripts.

use db::Db;
use fantoccini::Locator;
use kernel::Instant;
use serde_json::json;
use testkit::{App, Client, Process, eventually};

use super::driver::{Browser, Scripts};
use super::gallery::Gallery;
use super::keyboard::Typist;
use crate::BINARY;

/// Keys that are hard to show, and one that is not.
const KEYS: [&str; 8] = [
    "<script>alert('x')</script>",
    "..",
    "a/b?c=d&e#f",
    " ",
    "line\nend",
    "زيارات الصفحة \u{202e}gpj",
    "👩\u{200d}🚀🎬",
    "visits",
];

async fn add(who: &Client, key: &str, value: i64) {
    who.post("/api/increment", json!({"key": key, "value": value})).await.expect(200);
}

/// A counter that was busy for a while, as far as `known` says of each ten seconds.
async fn busy(counters: &Db, who: &Client, key: &str, known: impl Fn(i64) -> bool) {
    let now = counters.clock().now().as_millis();
    let full = now - now.rem_euclid(10_000);
    let (mut value, mut samples) = (0, Vec::new());
    for ago in (0..90).rev() {
        value += if (20..70).contains(&ago) { 300 + (ago * 7919) % 400 - (ago - 45) * 9 } else { 0 };
        if known(ago) {
            samples.push((Instant::from_millis(full - ago * 10_000), value));
        }
    }
    add(who, key, value + 120).await;
    let samples = &samples;
    let insert = "INSERT INTO samples (key, at, value, seen) VALUES ($1, $2, $3, $2) ON CONFLICT (key, at)
        DO UPDATE SET value = excluded.value, seen = excluded.seen";
    let written = counters.write(|tx| async move {
        for (at, value) in samples {
            tx.execute(insert, &[&key, at, value]).await?;
        }
        Ok(())
    });
    written.await.unwrap();
}

/// The pages in each state, on an installation without counters and on one with many.
pub(super) async fn visits(gallery: &mut Gallery<'_>, empty: &App, full: &App, people: [&Client; 2]) {
    let [person, operator] = people;
    let mut first = empty.client();
    first.sign_up("first@example.com").await;
    gallery.become_person(&first).await;
    gallery.visit("counters-empty", "/counters").await;

    let databases = full.running.house.databases();
    let counters = databases.iter().find(|db| db.name() == "counters").unwrap();
    let all = KEYS.iter().zip(1..).map(|(key, n)| (key.to_string(), n * 1_000_003));
    let long = ["Donaudampfschifffahrt".repeat(12), "several words in one key, ".repeat(9), "é".repeat(256)];
    for (key, value) in all.chain(long.iter().map(|key| (key.clone(), -7))) {
        add(person, &key, value).await;
    }
    add(person, "the least", i64::MIN).await;
    for n in 0..50 {
        add(person, &format!("z{n:02}"), n).await;
    }
    busy(counters, person, "busy", |_| true).await;
    busy(counters, person, "busy in part", |ago| !(30..55).contains(&ago)).await;
    eventually("the sales are counted", async || {
        let sold = person.get("/api/counters/marquee:sold").await;
        (sold.json["value"].as_i64()? > 0).then_some(())
    })
    .await;

    gallery.become_person(operator).await;
    gallery.visit("counters-operator", "/counters").await;
    gallery.become_person(person).await;
    gallery.visit("counters", "/counters").await;
    gallery.visit("counters-more", "/counters?after=visits").await;
    gallery.visit("counters-found", "/counters?q=MARQUEE%3Asold").await;
    gallery.visit("counters-not-found", "/counters?q=zelda").await;
    gallery.visit("counters-further", "/counters?after=zz").await;
    for (name, query) in [
        ("busy", "busy"),
        ("in-part", "busy+in+part"),
        ("quiet", "%3Cscript%3Ealert(%27x%27)%3C%2Fscript%3E"),
        ("blank", "+"),
        ("least", "the+least"),
        ("of-the-house", "marquee%3Asold"),
    ] {
        gallery.visit(&format!("counter-{name}"), &format!("/counters/one?key={query}")).await;
    }
    let query = long.map(|key| key.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
    gallery.visit("counter-long", &format!("/counters/one?key={}", query[0])).await;
    gallery.visit("counter-words", &format!("/counters/one?key={}", query[1])).await;
    gallery.browser.find(".chart__figures summary").await.click().await.unwrap();
    gallery.examine("counter-figures", &[]).await;
    gallery.browser.fill("value", "ten").await;
    gallery.browser.find("form[action^='/counters/one'] button").await.click().await.unwrap();
    gallery.browser.shows("/counters/one", "Value must be").await;
    gallery.examine("counter-again", &["/counters/one"]).await;
    gallery.browser.go(&format!("{}/counters", person.base())).await;
    gallery.browser.fill("key", "marquee:sold").await;
    gallery.browser.find("#add button").await.click().await.unwrap();
    gallery.browser.shows("/counters", "belong to the system").await;
    gallery.examine("counters-again", &["/counters"]).await;
}

/// What is drawn on the page that is open.
async fn drawn(browser: &Browser, what: &str) -> String {
    let path = browser.find(&format!("[data-draw={what}]")).await;
    path.attr("d").await.unwrap().unwrap_or_default()
}

async fn is_shown(browser: &Browser, value: &str) {
    browser.shows("/counters/one", value).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_counter_moves_when_somebody_counts() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &["--open-counters"]).await;
    let (base, person) = (process.base(), process.client());
    add(&person, "a/b", 1_000).await;
    browser.go(&format!("{base}/counters/one?key=a%2Fb")).await;
    is_shown(&browser, "1,000").await;
    let begun = drawn(&browser, "running").await;
    add(&person, "a/b", 234).await;
    is_shown(&browser, "1,234").await;
    // It is drawn at once, and stays when its ten seconds are over.
    let (line, ground) = (drawn(&browser, "line").await, "M0 1000H900");
    assert!(begun != drawn(&browser, "running").await || line != ground, "{begun} {line}");
    eventually("the line rises", async || {
        let line = drawn(&browser, "line").await;
        (line != ground).then_some(())
    })
    .await;
    let figures = browser.find("[data-bind=total]").await.text().await.unwrap();
    assert_eq!(figures, "1,234");
    browser.console_is_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_by_keyboard_alone() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let (base, typist) = (process.base(), Typist(&browser));
    browser.sign_up(base, "ann@example.com").await;
    browser.go(base).await;
    typist.follow(".foot a[href='/counters']").await;
    browser.shows("/counters", "Nothing is counted yet").await;
    typist.fill("key", "visits").await;
    typist.fill("value", "ten").await;
    typist.enter().await;
    browser.shows("/counters", "Value must be").await;
    typist.is_led_to("[name=value][aria-invalid]").await;
    typist.press(&[fantoccini::key::Key::Control.into(), 'a']).await;
    typist.types("10").await;
    typist.tab_to("#add button").await;
    typist.press(&[' ']).await;
    is_shown(&browser, "10").await;
    typist.follow(".chart__figures summary").await;
    browser.shows("/counters/one", "Minute (UTC)").await;
    typist.fill("value", "-3").await;
    typist.enter().await;
    eventually("it is 7", async || {
        let value = browser.find("[data-bind=value]").await.text().await.ok()?;
        (value == "7").then_some(())
    })
    .await;
    typist.follow("main a[href='/counters']").await;
    browser.shows("/counters", "Search by key").await;
    typist.fill("q", "VISIT").await;
    typist.enter().await;
    browser.shows("/counters", "Show all").await;
    typist.follow("main a.key").await;
    is_shown(&browser, "7").await;
    browser.console_is_quiet(&["/counters"]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_without_scripts() {
    let Some(browser) = Browser::start(Scripts::Off).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let base = process.base();
    browser.go(&format!("{base}/counters")).await;
    browser.shows("/signin", "Sign in").await;
    browser.find("main a[href^='/signup']").await.click().await.unwrap();
    browser.shows("/signup", "Sign up").await;
    browser.fill("email", "ann@example.com").await;
    browser.fill("password", "a long password").await;
    browser.submit("/signup").await;
    browser.shows("/counters", "Nothing is counted yet").await;
    browser.fill("key", "a/b <c>").await;
    browser.fill("value", "ten").await;
    browser.find("#add button").await.click().await.unwrap();
    browser.shows("/counters", "Value must be").await;
    let kept = browser.find("[name=key]").await.prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some("a/b <c>"), "what was typed is kept");
    assert!(browser.find("[name=value]").await.is_displayed().await.unwrap());
    assert!(
        browser.tab.find(Locator::Css("table, [role=search]")).await.is_err(),
        "nothing is above what is wrong"
    );
    browser.fill("value", "12345").await;
    browser.find("#add button").await.click().await.unwrap();
    is_shown(&browser, "12,345").await;
    browser.fill("value", "-345").await;
    browser.find("form[action^='/counters/one'] button").await.click().await.unwrap();
    is_shown(&browser, "12,000").await;
    assert!(!drawn(&browser, "ground").await.is_empty());
    browser.find("main a[href='/counters']").await.click().await.unwrap();
    browser.shows("/counters", "12,000").await;
    browser.fill("q", "B <C").await;
    browser.find("form[role=search] button").await.click().await.unwrap();
    browser.shows("/counters", "Show all").await;
    browser.find("main a.key").await.click().await.unwrap();
    is_shown(&browser, "12,000").await;
    browser.console_is_quiet(&["/counters"]).await;
    browser.close().await;
}
