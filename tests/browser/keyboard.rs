//! From sign-up to the door without a mouse. Each press of Tab must lead onwards, to something that shows that
//! it has the focus.

use std::time::Instant;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::json;
use testkit::{DEADLINE, Process, eventually};

use super::driver::{Browser, Scripts};
use super::qr;
use crate::BINARY;

/// What has the focus: whether it is the one looked for, and what is wrong with how it got it.
const FOCUS: &str = "
    const at = document.activeElement, before = window.focusBefore;
    window.focusBefore = at;
    if (!at || at === document.body) return { wrong: '' };
    const rings = [getComputedStyle(at), getComputedStyle(at, '::after')];
    const box = at.getBoundingClientRect();
    let wrong = '';
    if (!rings.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)) wrong = 'it has no ring';
    if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) wrong = 'it is out of sight';
    if (before && before.isConnected && before !== document.body && before !== at
        && !(before.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING)) wrong = 'it is out of order';
    return { found: at.matches(arguments[0]), wrong, what: at.outerHTML.slice(0, 120) };";

/// Hands on a keyboard, eyes on the screen.
pub(super) struct Typist<'a>(pub(super) &'a Browser);

impl Typist<'_> {
    pub(super) async fn press(&self, keys: &[char]) {
        let held = keys
            .iter()
            .fold(KeyActions::new("keyboard".into()), |all, &value| all.then(KeyAction::Down { value }));
        let all = keys.iter().rev().fold(held, |all, &value| all.then(KeyAction::Up { value }));
        self.0.tab.perform_actions(all).await.unwrap();
    }

    pub(super) async fn types(&self, text: &str) {
        let all = text.chars().fold(KeyActions::new("keyboard".into()), |all, value| {
            all.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.0.tab.perform_actions(all).await.unwrap();
    }

    /// Presses Tab until what `css` names has the focus.
    pub(super) async fn tab_to(&self, css: &str) {
        for _ in 0..60 {
            self.press(&[Key::Tab.into()]).await;
            let focus = self.0.tab.execute(FOCUS, vec![json!(css)]).await.unwrap();
            assert_eq!(focus["wrong"], "", "{focus}");
            if focus["found"] == true {
                return;
            }
        }
        panic!("Tab does not lead to {css}");
    }

    /// Waits until what `css` names has been given the focus.
    pub(super) async fn is_led_to(&self, css: &str) {
        let started = Instant::now();
        loop {
            let focus = self.0.tab.execute(FOCUS, vec![json!(css)]).await.unwrap();
            if focus["found"] == true {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{focus} has the focus, and not {css}");
        }
    }

    pub(super) async fn enter(&self) {
        self.press(&[Key::Enter.into()]).await;
    }

    pub(super) async fn follow(&self, css: &str) {
        self.tab_to(css).await;
        self.enter().await;
    }

    pub(super) async fn fill(&self, name: &str, text: &str) {
        self.tab_to(&format!("[name={name}]")).await;
        self.press(&[Key::Control.into(), 'a']).await;
        self.types(text).await;
    }

    pub(super) async fn sign_up(&self, email: &str) {
        self.follow("a[href^='/signup']").await;
        self.0.shows("/signup", "Sign up").await;
        self.fill("email", email).await;
        self.fill("password", "a long password").await;
        self.enter().await;
        self.0.leaves("/signup").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sign_up_to_the_door_by_keyboard_alone() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let process = Process::start(BINARY, &[]).await;
    let (base, typist) = (process.base(), Typist(&browser));
    browser.go(base).await;
    typist.follow(".skip").await;
    typist.is_led_to("main").await;
    typist.tab_to("main a[href='/tickets/new']").await;
    browser.go(base).await;
    typist.sign_up("seller@example.com").await;

    typist.follow(".nav a[href='/tickets/new']").await;
    browser.shows("/tickets/new", "Title").await;
    typist.fill("title", "Metropolis").await;
    typist.fill("price", "nineteen").await;
    typist.enter().await;
    browser.shows("/tickets/new", "Price must be").await;
    typist.is_led_to("[name=price][aria-invalid]").await;
    typist.press(&[Key::Control.into(), 'a']).await;
    typist.types("20").await;
    typist.fill("capacity", "2").await;
    typist.tab_to("form[action='/tickets/new'] button").await;
    typist.press(&[' ']).await;
    browser.shows("/tickets/0", "Metropolis").await;
    typist.follow("form[action='/signout'] button").await;
    browser.leaves("/tickets/new").await;

    eventually("signed out", async || browser.tab.get_named_cookie("session").await.err().map(drop)).await;
    browser.shows("/", "Metropolis").await;
    typist.follow("main .ticket__link").await;
    browser.shows("/tickets/0", "Sign in to buy").await;
    typist.sign_up("buyer@example.com").await;
    browser.shows("/tickets/0", "How many").await;
    typist.tab_to("[name=quantity]").await;
    typist.press(&[Key::Down.into()]).await;
    typist.follow("form[action='/orders'] button").await;
    browser.shows("/orders/0", "Pay $40").await;
    typist.tab_to("[name=token]").await;
    for _ in 0..3 {
        typist.press(&[Key::Down.into()]).await;
    }
    typist.follow("form[action='/payments'] button").await;
    browser.shows("/orders/0", "Your card was declined").await;
    typist.is_led_to(".alert").await;
    typist.tab_to("[name=token]").await;
    for _ in 0..3 {
        typist.press(&[Key::Up.into()]).await;
    }
    typist.follow("form[action='/payments'] button").await;
    browser.shows("/orders/0", "2 of 2").await;
    let address = qr::read(&browser, &browser.find(".admission__qr").await).await;
    typist.follow("form[action='/signout'] button").await;
    eventually("signed out", async || browser.tab.get_named_cookie("session").await.err().map(drop)).await;

    browser.go(&address).await;
    browser.shows("/signin", "Sign in").await;
    typist.fill("email", "seller@example.com").await;
    typist.fill("password", "another password").await;
    typist.enter().await;
    browser.shows("/signin", "Invalid credentials").await;
    typist.is_led_to(".alert").await;
    typist.fill("password", "a long password").await;
    typist.enter().await;
    let door = browser.shows("/admissions/", "Admit one").await;
    typist.follow("form[action$='/redeem'] button").await;
    browser.shows(&door, "Admitted").await;
    typist.follow("a[href='/door']").await;
    browser.shows("/door", "Code").await;
    typist.fill("code", door.strip_prefix("/admissions/").unwrap()).await;
    typist.enter().await;
    browser.shows(&door, "Already used").await;
    browser.console_is_quiet(&["/tickets/new", "/signin"]).await;
    browser.close().await;
}
