//! Chromium and its driver.

use std::path::PathBuf;
use std::process::Stdio;
use std::str::FromStr;

use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use testkit::eventually;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::BINARY;

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    On,
    Off,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub width: u32,
    pub dark: bool,
}

/// A phone and a desk, by day and by night.
pub(super) const LOOKS: [Look; 4] = [
    Look { width: 375, dark: false },
    Look { width: 375, dark: true },
    Look { width: 1280, dark: true },
    Look { width: 1280, dark: false },
];

impl Look {
    pub(super) fn name(self) -> String {
        format!("{}-{}", self.width, if self.dark { "dark" } else { "light" })
    }
}

/// A browser and its driver.
pub(super) struct Browser {
    pub tab: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

/// A command that is chromedriver's own.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A tool that `tests/run` puts into the target directory; `None`, said out loud, without it. The full run
/// does not allow that.
pub(super) fn tool(path: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(BINARY).ancestors().nth(2).map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).or(beside).unwrap_or_default();
    let tool = target.join("tools").join(path);
    if tool.exists() {
        return Some(tool);
    }
    assert!(std::env::var_os("MARQUEE_FULL_RUN").is_none(), "the full run needs {}", tool.display());
    eprintln!("SKIPPED: there is no {}; tests/run gets it", tool.display());
    None
}

impl Browser {
    /// `None`, said out loud, where there is no browser; the full run does not allow that.
    pub(super) async fn start(scripts: Scripts) -> Option<Self> {
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
            "--hide-scrollbars",
            "--window-size=1280,1000",
            "--force-prefers-reduced-motion",
            format!("--user-data-dir={}", profile.path().display()),
        ]);
        let allowed = if scripts == Scripts::On { 1 } else { 2 };
        let preferences = json!({"profile.managed_default_content_settings.javascript": allowed});
        let options = json!({"args": arguments, "prefs": preferences});
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".into(), options);
        capabilities.insert("goog:loggingPrefs".into(), json!({"browser": "ALL"}));
        let tab = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        Some(Self { tab, _driver: driver, _profile: profile })
    }

    pub(super) async fn close(self) {
        self.tab.close().await.unwrap();
    }

    pub(super) async fn go(&self, url: &str) {
        self.tab.goto(url).await.unwrap();
    }

    pub(super) async fn path(&self) -> String {
        self.tab.current_url().await.unwrap().path().to_string()
    }

    pub(super) async fn find(&self, css: &str) -> Element {
        self.tab.find(Locator::Css(css)).await.unwrap_or_else(|e| panic!("no {css}: {e}"))
    }

    pub(super) async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("main [name={name}]:not([type=hidden])")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses the button of the form that posts to `action`.
    pub(super) async fn submit(&self, action: &str) {
        self.find(&format!("form[action='{action}'] button")).await.click().await.unwrap();
    }

    /// Waits until the page at a path that begins with `path` shows `text`; answers its path.
    pub(super) async fn shows(&self, path: &str, text: &str) -> String {
        eventually(&format!("{path} shows {text}"), async || {
            let here = self.tab.current_url().await.ok()?.path().to_string();
            let body = self.tab.find(Locator::Css("main")).await.ok()?.text().await.ok()?;
            (here.starts_with(path) && body.to_lowercase().contains(&text.to_lowercase())).then_some(here)
        })
        .await
    }

    /// Waits until the page is another one than at `path`.
    pub(super) async fn leaves(&self, path: &str) {
        eventually(&format!("{path} is left"), async || {
            (self.tab.current_url().await.ok()?.path() != path).then_some(())
        })
        .await;
    }

    /// Is nobody from now on.
    pub(super) async fn forget(&self) {
        self.protocol("Network.clearBrowserCookies", json!({})).await;
    }

    /// Is whoever `client` is from now on, at `base`.
    pub(super) async fn become_person(&self, client: &testkit::Client, base: &str) {
        self.forget().await;
        if let Some(token) = client.session() {
            let cookie = json!({"name": "session", "value": token, "url": base, "httpOnly": true});
            self.protocol("Network.setCookie", cookie).await;
        }
    }

    pub(super) async fn sign_up(&self, base: &str, email: &str) {
        self.forget().await;
        self.go(&format!("{base}/signup")).await;
        self.fill("email", email).await;
        self.fill("password", "a long password").await;
        self.submit("/signup").await;
        self.leaves("/signup").await;
    }

    pub(super) async fn sign_in(&self, base: &str, email: &str) {
        self.forget().await;
        self.go(&format!("{base}/signin")).await;
        self.fill("email", email).await;
        self.fill("password", "a long password").await;
        self.submit("/signin").await;
        self.leaves("/signin").await;
    }

    /// Asks Chromium by its own protocol.
    pub(super) async fn protocol(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.tab.issue_cmd(Own { path: "goog/cdp/execute", body }).await.unwrap()
    }

    /// Looks at the page in another way, without loading it again.
    pub(super) async fn look(&self, look: Look) {
        let (phone, scheme) = (look.width < 600, if look.dark { "dark" } else { "light" });
        let height = if phone { 812 } else { 900 };
        let metrics = json!({"width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.protocol("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.protocol("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Fails on anything that the browser logged since the last time. That is all that went wrong in a script,
    /// against the policy, or on the network, where only the answers at `refused` may be 4xx: a form that has
    /// to be filled in again is one.
    pub(super) async fn console_is_quiet(&self, refused: &[&str]) {
        let told = self.console(refused).await;
        assert!(told.is_empty(), "the console says {told:#?}");
    }

    pub(super) async fn console(&self, refused: &[&str]) -> Vec<String> {
        let body = json!({"type": "browser"});
        let log = self.tab.issue_cmd(Own { path: "se/log", body }).await.unwrap();
        let is_known = |entry: &Value| {
            let told = entry["message"].as_str().unwrap_or_default();
            let url = told.split_whitespace().next().and_then(|url| url.parse::<Url>().ok());
            entry["source"] == "network"
                && told.contains("the server responded with a status of 4")
                && url.is_some_and(|url| refused.contains(&url.path()))
        };
        let entries = log.as_array().expect("a log");
        entries.iter().filter(|entry| !is_known(entry)).map(Value::to_string).collect()
    }
}
