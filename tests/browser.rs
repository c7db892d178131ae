//! The same path in a real browser: headless Chromium, driven by chromedriver. Screenshots go to
//! `tests/artefacts/`, to be looked at.

use std::path::Path;
use std::process::Stdio;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use testkit::{Process, eventually};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::BINARY;

/// A browser and its driver.
struct Browser {
    tab: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

/// `None`, said out loud, where there is no browser; the full run does not allow that.
async fn browser() -> Option<Browser> {
    let mut driver = Command::new("chromedriver");
    driver.args(["--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut driver) = driver.spawn() else {
        assert!(std::env::var_os("MARQUEE_FULL_RUN").is_none(), "the full run needs chromedriver");
        eprintln!("SKIPPED: there is no chromedriver on the PATH; the pages were not tried in a browser");
        return None;
    };
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next_line().await.unwrap().expect("chromedriver says where it listens");
        if let Some((_, port)) = line.split_once("on port ") {
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            if port != "0" && !port.is_empty() {
                break port;
            }
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let profile = tempfile::tempdir().unwrap();
    let arguments = json!([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1280,1000",
        "--force-prefers-reduced-motion",
        format!("--user-data-dir={}", profile.path().display()),
    ]);
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), json!({"args": arguments}));
    capabilities.insert("goog:loggingPrefs".into(), json!({"browser": "ALL"}));
    let tab = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .expect("a browser");
    Some(Browser { tab, _driver: driver, _profile: profile })
}

impl Browser {
    async fn go(&self, url: &str) {
        self.tab.goto(url).await.unwrap();
    }

    async fn fill(&self, name: &str, text: &str) {
        let field = self.tab.find(Locator::Css(&format!("main [name={name}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses the button of the form that posts to `action`.
    async fn submit(&self, action: &str) {
        let button = format!("form[action='{action}'] button");
        let button = self.tab.find(Locator::Css(&button)).await.unwrap();
        let into_view = "arguments[0].scrollIntoView({block: 'center'})";
        self.tab.execute(into_view, vec![serde_json::to_value(&button).unwrap()]).await.unwrap();
        button.click().await.unwrap();
    }

    /// Waits until the page at a path that begins with `path` shows `text`; answers its path.
    async fn shows(&self, path: &str, text: &str) -> String {
        eventually(&format!("{path} shows {text}"), async || {
            let here = self.tab.current_url().await.ok()?.path().to_string();
            let body = self.tab.find(Locator::Css("main")).await.ok()?.text().await.ok()?;
            (here.starts_with(path) && body.to_lowercase().contains(&text.to_lowercase())).then_some(here)
        })
        .await
    }

    async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/artefacts");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.tab.screenshot().await.unwrap()).unwrap();
    }

    async fn sign_up(&self, base: &str, email: &str) {
        self.go(&format!("{base}/signup")).await;
        self.fill("email", email).await;
        self.fill("password", "a long password").await;
        self.submit("/signup").await;
        self.shows("/", "").await;
    }

    async fn sign_in(&self, base: &str, email: &str) {
        self.tab.delete_all_cookies().await.unwrap();
        self.go(&format!("{base}/signin")).await;
        self.fill("email", email).await;
        self.fill("password", "a long password").await;
        self.submit("/signin").await;
        eventually("signed in", async || {
            (!self.tab.current_url().await.ok()?.path().starts_with("/signin")).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sign_up_to_admission_in_chromium_through_a_kill() {
    let Some(browser) = browser().await else { return };
    let mut process = Process::start(BINARY, &[]).await;
    let base = process.base().to_string();
    browser.go(&base).await;
    browser.picture("1-empty").await;

    browser.sign_up(&base, "seller@example.com").await;
    browser.go(&format!("{base}/tickets/new")).await;
    browser.fill("title", "Metropolis").await;
    browser.fill("price", "nineteen").await;
    browser.fill("capacity", "40").await;
    browser.submit("/tickets/new").await;
    browser.shows("/tickets/new", "Price must be").await;
    let kept = browser.tab.find(Locator::Css("[name=title]")).await.unwrap().prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some("Metropolis"), "what was typed is kept");
    browser.picture("2-form-error").await;
    browser.fill("price", "19.99").await;
    browser.submit("/tickets/new").await;
    let ticket = browser.shows("/tickets/0", "Metropolis").await;
    browser.picture("3-own-ticket").await;

    process.kill().await;
    process.resume().await;
    let base = process.base().to_string();
    browser.tab.delete_all_cookies().await.unwrap();
    browser.sign_up(&base, "buyer@example.com").await;
    browser.go(&base).await;
    browser.shows("/", "Metropolis").await;
    browser.picture("4-list").await;
    browser.go(&format!("{base}{ticket}")).await;
    let two = browser.tab.find(Locator::Css("[name=quantity]")).await.unwrap();
    two.select_by_label("2").await.unwrap();
    browser.picture("5-ticket").await;
    browser.submit("/orders").await;
    let order = browser.shows("/orders/0", "39.98").await;
    browser.picture("6-hold").await;
    let card = browser.tab.find(Locator::Css("[name=token]")).await.unwrap();
    card.select_by_value("tok_chargeDeclined").await.unwrap();
    browser.submit("/payments").await;
    browser.shows("/orders/0", "declined").await;
    browser.picture("7-declined").await;

    process.kill().await;
    process.resume().await;
    let base = process.base().to_string();
    browser.sign_in(&base, "buyer@example.com").await;
    browser.go(&format!("{base}{order}")).await;
    browser.submit("/payments").await;
    eventually("two admissions", async || {
        (browser.tab.find_all(Locator::Css(".admission svg")).await.ok()?.len() == 2).then_some(())
    })
    .await;
    browser.picture("8-admission").await;
    for path in ["/orders", "/sales"] {
        browser.go(&format!("{base}{path}")).await;
    }
    let code = first_code(&base, &browser, &order).await;

    browser.sign_in(&base, "seller@example.com").await;
    browser.go(&format!("{base}/sales")).await;
    browser.shows("/sales", "39.98").await;
    browser.picture("9-sales").await;
    let door = format!("/admissions/{code}");
    browser.go(&format!("{base}{door}")).await;
    browser.picture("10-door").await;
    browser.submit(&format!("{door}/redeem")).await;
    browser.shows(&door, "Metropolis").await;
    browser.picture("11-admitted").await;
    let again = process.client().with_session(&cookie(&browser).await);
    again.post(&format!("/api{door}/redeem"), json!({})).await.expect(409);
    no_console_errors(&browser).await;
    process.verify().await;
    browser.tab.clone().close().await.unwrap();
}

async fn cookie(browser: &Browser) -> String {
    browser.tab.get_named_cookie("session").await.unwrap().value().to_string()
}

/// The code of the order's first admission, asked for with the browser's own session.
async fn first_code(base: &str, browser: &Browser, order: &str) -> String {
    let client = testkit::Client::new(base.to_string()).with_session(&cookie(browser).await);
    let order = client.get(&format!("/api{order}")).await.expect(200);
    order.json["admissions"][0]["code"].as_str().unwrap().to_string()
}

/// A 4xx answer to a form is logged by Chromium as a failed resource; scripts and policy may log nothing.
async fn no_console_errors(browser: &Browser) {
    let script = "return window.performance.getEntriesByType('resource').filter(e => e.responseStatus >= 400).map(e => e.name)";
    let failed: Value = browser.tab.execute(script, vec![]).await.unwrap();
    assert_eq!(failed, json!([]));
}
