//! From sign-up to the door in a browser that runs no scripts.

use fantoccini::Locator;
use testkit::{Process, eventually};

use super::driver::{Browser, Scripts};
use crate::BINARY;

/// A page that says itself whether scripts run.
const SAYS: &str = "data:text/html,<p id=p>off</p><script>p.textContent='on'</script>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sign_up_to_the_door_without_scripts() {
    let Some(browser) = Browser::start(Scripts::Off).await else { return };
    browser.go(SAYS).await;
    assert_eq!(browser.find("p").await.text().await.unwrap(), "off", "scripts run");
    let process = Process::start(BINARY, &[]).await;
    let base = process.base();
    browser.sign_up(base, "seller@example.com").await;
    browser.go(&format!("{base}/tickets/new")).await;
    assert_eq!(browser.find("[data-zone]").await.text().await.unwrap(), "UTC", "our script runs");
    browser.fill("title", "Metropolis").await;
    browser.fill("price", "nineteen").await;
    browser.submit("/tickets/new").await;
    browser.shows("/tickets/new", "Price must be").await;
    browser.fill("price", "20").await;
    browser.fill("capacity", "2").await;
    browser.submit("/tickets/new").await;
    browser.shows("/tickets/0", "2 of 2 left").await;
    browser.submit("/signout").await;

    browser.shows("/", "Metropolis").await;
    browser.find(".ticket__link").await.click().await.unwrap();
    browser.shows("/tickets/0", "Sign in to buy").await;
    browser.find("main a[href^='/signup']").await.click().await.unwrap();
    browser.shows("/signup", "Sign up").await;
    browser.fill("email", "buyer@example.com").await;
    browser.fill("password", "a long password").await;
    browser.submit("/signup").await;
    browser.shows("/tickets/0", "How many").await;
    browser.find("[name=quantity]").await.select_by_label("2").await.unwrap();
    browser.submit("/orders").await;
    browser.shows("/orders/0", "Held until").await;
    assert!(!browser.find("[data-clock]").await.is_displayed().await.unwrap(), "a clock that stands still");
    browser.find("[name=token]").await.select_by_value("tok_chargeDeclined").await.unwrap();
    browser.submit("/payments").await;
    browser.shows("/orders/0", "Your card was declined").await;
    browser.submit("/payments").await;
    eventually("the page moves on to its admissions by itself", async || {
        (browser.tab.find_all(Locator::Css(".admission svg")).await.ok()?.len() == 2).then_some(())
    })
    .await;
    browser.find(".admission__code a").await.click().await.unwrap();
    let door = browser.shows("/admissions/", "Not used yet").await;

    // The camera fails, so the code is read out and typed.
    browser.sign_in(base, "seller@example.com").await;
    browser.go(&format!("{base}/sales")).await;
    browser.find("main a[href='/door']").await.click().await.unwrap();
    browser.shows("/door", "Code").await;
    browser.fill("code", "zelda").await;
    browser.submit("/door").await;
    browser.shows("/door", "No such code").await;
    let (head, tail) = door.strip_prefix("/admissions/").unwrap().split_at(8);
    browser.fill("code", &format!("{}-{tail}", head.to_uppercase())).await;
    browser.submit("/door").await;
    browser.shows(&door, "1 of 2").await;
    browser.submit(&format!("{door}/redeem")).await;
    browser.shows(&door, "Admitted").await;
    browser.tab.refresh().await.unwrap();
    browser.shows(&door, "Admitted").await;
    browser.go(&format!("{base}{door}")).await;
    browser.shows(&door, "Already used").await;
    browser.console_is_quiet(&["/tickets/new", "/door"]).await;
    browser.close().await;
}
