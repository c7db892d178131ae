//! Every page in every state that looks different, on a phone and a desk, by day and by night: axe-core finds
//! nothing, nothing sticks out, the console is quiet. What pages link to and nobody named here is looked at too.

use std::time::Duration;

use contracts::Role;
use kernel::{Clock, Instant};
use marquee::Service;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, Client};

use super::counters;
use super::driver::{Browser, Scripts};
use super::gallery::Gallery;
use super::mailed;
use super::screens;
use crate::house_page::park_revocation;
use crate::journey::{hold, left, order_is, pay};

const PASSWORD: &str = "a long password";

/// A house with a past, whose clock stands still.
struct House {
    app: App,
    clock: Clock,
    seller: Client,
    buyer: Client,
    fresh: Client,
    operator: Client,
}

impl House {
    async fn start() -> Self {
        let clock = Clock::manual(Instant::parse("2026-11-21T12:00:00Z").unwrap());
        let app = App::with(|settings| settings.clock = clock.clone()).await;
        let mut people = [app.client(), app.client(), app.client(), app.client()];
        for (person, name) in people.iter_mut().zip(["seller", "buyer", "fresh"]) {
            person.sign_up(&format!("{name}@example.com")).await;
        }
        let operator = accounts::NewUser {
            email: "operator@example.com".into(),
            username: None,
            password: PASSWORD.into(),
            role: Role::Operator,
        };
        app.running.house.accounts().unwrap().create_user(operator).await.unwrap();
        people[3].sign_in("operator@example.com").await;
        let [seller, buyer, fresh, operator] = people;
        Self { app, clock, seller, buyer, fresh, operator }
    }

    async fn list(&self, title: &str, price: &str, capacity: i64, times: Value) -> String {
        let mut body = json!({"title": title, "price": price, "capacity": capacity});
        body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        self.seller.post("/api/tickets", body).await.expect(201).text_of("id")
    }

    async fn hold(&self, ticket: &str, quantity: i64) -> String {
        hold(&self.buyer, ticket, quantity).await["id"].as_str().unwrap().to_string()
    }

    /// Holds, pays, and waits for the admissions; answers the order and their codes.
    async fn buy(&self, ticket: &str, quantity: i64) -> (String, Vec<String>) {
        let order = self.hold(ticket, quantity).await;
        pay(&self.buyer, &order).await;
        order_is(&self.buyer, &order, "complete").await;
        let shown = self.buyer.get(&format!("/api/orders/{order}")).await.expect(200);
        let codes = shown.json["admissions"].as_array().unwrap().iter();
        (order, codes.map(|a| a["code"].as_str().unwrap().to_string()).collect())
    }
}

/// A page without a language, too wide, with a small button and a script that fails is not fit.
const DAMAGE: &str = "
    document.documentElement.removeAttribute('lang');
    document.querySelector('main').style.width = '500px';
    document.querySelector('main .button').style.cssText = 'min-height: 0; height: 20px';
    setTimeout(() => { throw new Error('on purpose'); });";

async fn control(gallery: &mut Gallery<'_>) {
    let found = gallery.damaged(DAMAGE).await;
    let mut wanted = vec!["pixels wide", "too small to press", "on purpose"];
    wanted.extend(gallery.has_axe().then_some("html-has-lang"));
    for wanted in wanted {
        assert!(found.contains(wanted), "{wanted} is not found: {found}");
    }
}

/// Pages that a form leads to.
async fn forms(gallery: &mut Gallery<'_>, house: &House, ticket: &str) {
    let browser = gallery.browser;
    gallery.become_person(&house.app.client()).await;
    gallery.visit("sign-up", "/signup").await;
    browser.fill("email", "seller@example.com").await;
    browser.fill("password", PASSWORD).await;
    browser.submit("/signup").await;
    browser.shows("/signup", "Email in use").await;
    gallery.examine("sign-up-again", &["/signup"]).await;
    gallery.visit("sign-in", "/signin?next=/orders").await;
    browser.fill("email", "seller@example.com").await;
    browser.fill("password", "another password").await;
    browser.submit("/signin").await;
    browser.shows("/signin", "Invalid credentials").await;
    gallery.examine("sign-in-again", &["/signin"]).await;

    gallery.become_person(&house.seller).await;
    gallery.visit("sell", "/tickets/new").await;
    browser.fill("title", "Metropolis").await;
    browser.fill("price", "nineteen").await;
    browser.submit("/tickets/new").await;
    browser.shows("/tickets/new", "Price must be").await;
    gallery.examine("sell-again", &["/tickets/new"]).await;
    gallery.visit("edit", &format!("/tickets/{ticket}/edit")).await;
    browser.go(&format!("{}/tickets/{ticket}", house.seller.base())).await;
    browser.find(".confirm summary").await.click().await.unwrap();
    gallery.examine("ticket-own-withdraw", &[]).await;

    gallery.become_person(&house.fresh).await;
    browser.go(&format!("{}/tickets/{ticket}", house.seller.base())).await;
    let more = "document.querySelector('[name=quantity] option').value = 11";
    browser.tab.execute(more, vec![]).await.unwrap();
    browser.submit("/orders").await;
    browser.shows("/orders", "Nothing was held").await;
    gallery.examine("refused", &["/orders"]).await;
}

/// One's own account, signed in on several devices, and its forms when they are not right.
async fn account(gallery: &mut Gallery<'_>, house: &House) {
    let accounts = house.app.running.house.accounts().unwrap();
    accounts.create_token("buyer@example.com", None).await.unwrap();
    for system in
        ["iPhone; CPU iPhone OS 18_6 like Mac OS X) Safari/604.1", "X11; Linux x86_64) Firefox/140.0"]
    {
        let nobody = house.app.client();
        let request = nobody.request(Method::POST, "/api/users/signin");
        let request = request.header("user-agent", format!("Mozilla/5.0 ({system}"));
        let body = json!({"email": "buyer@example.com", "password": PASSWORD});
        nobody.try_send(request.json(&body)).await.unwrap().expect(200);
    }
    let browser = gallery.browser;
    gallery.become_person(&house.buyer).await;
    gallery.visit("account-older", "/account?limit=2").await;
    gallery.visit("account", "/account").await;
    browser.find(".confirm summary").await.click().await.unwrap();
    gallery.examine("account-everywhere", &[]).await;
    browser.fill("email", "elsewhere@example.com").await;
    browser.submit("/account/profile").await;
    browser.shows("/account/profile", "Current password is wrong").await;
    gallery.examine("account-profile-again", &["/account/profile"]).await;
    browser.fill("username", "The Orchestrion").await;
    browser.fill("currentPassword", PASSWORD).await;
    browser.fill("email", "buyer@example.com").await;
    browser.submit("/account/profile").await;
    browser.shows("/account", "Saved.").await;
    gallery.examine("account-saved", &[]).await;
    browser.fill("oldPassword", "another password").await;
    browser.fill("newPassword", "yet another password").await;
    browser.submit("/account/password").await;
    browser.shows("/account/password", "Current password is wrong").await;
    gallery.examine("account-password-again", &["/account/password"]).await;
}

/// An order in each stage, and what the door sees of it.
async fn orders(gallery: &mut Gallery<'_>, house: &House, ticket: &str, long: &str, expired: &str) {
    let held = house.hold(ticket, 2).await;
    let cancelled = house.hold(ticket, 1).await;
    house.buyer.delete(&format!("/api/orders/{cancelled}")).await.expect(204);
    let (one, codes) = house.buy(ticket, 1).await;
    let (ten, _) = house.buy(long, 10).await;
    let (refunded, refunded_codes) = house.buy(ticket, 3).await;
    let shown = house.buyer.get(&format!("/api/orders/{refunded}")).await.expect(200);
    let payment = house.buyer.get("/api/payments?order=desc").await.expect(200);
    let payment =
        payment.json.as_array().unwrap().iter().find(|p| p["orderId"] == shown.json["id"]).unwrap().clone();
    let refund = format!("/api/payments/{}/refund", payment["id"].as_str().unwrap());
    house.seller.post(&refund, json!({})).await.expect(200);
    order_is(&house.buyer, &refunded, "cancelled").await;

    gallery.become_person(&house.buyer).await;
    gallery.visit("order-held", &format!("/orders/{held}")).await;
    for problem in ["declined", "processing", "unavailable"] {
        gallery.visit(&format!("order-{problem}"), &format!("/orders/{held}?problem={problem}")).await;
    }
    gallery.visit("order-issuing", &format!("/orders/{held}?paid=1")).await;
    gallery.visit("order-one", &format!("/orders/{one}")).await;
    gallery.visit("order-ten", &format!("/orders/{ten}")).await;
    gallery.visit("order-expired", &format!("/orders/{expired}")).await;
    gallery.visit("order-cancelled", &format!("/orders/{cancelled}")).await;
    gallery.visit("order-refunded", &format!("/orders/{refunded}")).await;
    gallery.visit("orders", "/orders").await;
    let door = format!("/admissions/{}", codes[0]);
    gallery.visit("admission-buyer", &door).await;
    gallery.visit("admission-refunded", &format!("/admissions/{}", refunded_codes[0])).await;
    gallery.become_person(&house.seller).await;
    gallery.visit("admission-valid", &door).await;
    gallery.browser.submit(&format!("{door}/redeem")).await;
    gallery.browser.shows(&door, "Admitted").await;
    gallery.examine("admission-admitted", &[]).await;
    gallery.visit("admission-used", &door).await;
    gallery.visit("door", "/door").await;
    gallery.browser.fill("code", "zelda").await;
    gallery.browser.submit("/door").await;
    gallery.browser.shows("/door", "No such code").await;
    gallery.examine("door-unknown", &["/door"]).await;
    gallery.visit("sales", "/sales").await;
    gallery.visit("sales-day", "/sales?period=24h").await;
    gallery.visit("sales-year", "/sales?period=12m").await;
    gallery.become_person(&house.buyer).await;
    gallery.visit("order-used", &format!("/orders/{one}")).await;
}

/// What only operators see, with something that is wrong and somebody whose role is about to change.
async fn operator(gallery: &mut Gallery<'_>, house: &House) {
    park_revocation(&house.app.running.house.databases()[0], &house.fresh).await;
    gallery.become_person(&house.operator).await;
    gallery.visit("home-operator", "/").await;
    gallery.visit("house-degraded", "/house").await;
    gallery.visit("house-letters", "/house/letters").await;
    gallery.visit("house-users-none", "/house/users?q=zelda").await;
    gallery.visit("house-users", "/house/users").await;
    gallery.browser.find(".confirm summary").await.click().await.unwrap();
    gallery.examine("house-users-role", &[]).await;
    let session = house.fresh.get("/api/sessions").await.expect(200);
    gallery.visit("house-user", &format!("/house/users/{}?done=signed-out", session.text_of("userId"))).await;
    let open = "document.querySelectorAll('.confirm').forEach(one => { one.open = true; })";
    gallery.browser.tab.execute(open, vec![]).await.unwrap();
    gallery.examine("house-user-delete", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_fit_for_everybody() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let empty = App::start().await;
    let house = House::start().await;
    let many = house
        .list("Metropolis — with live organ", "24", 120, json!({"startsAt": "2026-11-24T20:00:00Z"}))
        .await;
    let times = json!({"startsAt": "2026-12-24T20:00:00Z", "opensAt": "2026-12-24T19:30:00Z", "closesAt": "2026-12-26T00:00:00Z"});
    let long_title = "The Cabinet of Dr. Caligari, in the restored version with its tints and the long lost last reel, followed by a talk about painted shadows, with an interval in which tea is served to all who can stay, gladly";
    let long = house.list(&long_title[..200], "1000000", 1_000_000, times).await;
    house.list(&"Donaudampfschifffahrt".repeat(9), "6.50", 40, json!({})).await;
    house.list("Patron’s box", "149", 1, json!({})).await;
    let sold_out = house.list("Nosferatu at midnight", "13.50", 1, json!({})).await;
    let over = house.list("Sunrise", "9", 5, json!({"closesAt": "2026-11-21T12:10:00Z"})).await;
    let withdrawn = house.list("Faust", "9", 5, json!({})).await;
    house.seller.delete(&format!("/api/tickets/{withdrawn}")).await.expect(204);
    let expired = house.hold(&many, 1).await;
    house.clock.advance(Duration::from_secs(1500));
    order_is(&house.buyer, &expired, "cancelled").await;
    house.hold(&sold_out, 1).await;
    left(&house.buyer, &sold_out, 0).await;

    let mut gallery = Gallery::new(&browser, &house.app.client());
    gallery.become_person(&empty.client()).await;
    gallery.visit("home-empty", "/").await;
    control(&mut gallery).await;
    gallery.become_person(&house.app.client()).await;
    gallery.visit("home", "/").await;
    gallery.visit("home-found", "/?q=met&sort=soonest").await;
    gallery.visit("home-not-found", "/?q=citizen+kane&sort=cheapest").await;
    gallery.visit("ticket-nobody", &format!("/tickets/{many}")).await;
    gallery.visit_refused("not-found", "/nothing").await;
    forms(&mut gallery, &house, &many).await;
    account(&mut gallery, &house).await;
    mailed::pages(&mut gallery, &house.app).await;
    orders(&mut gallery, &house, &many, &long, &expired).await;

    gallery.become_person(&house.fresh).await;
    gallery.visit("orders-empty", "/orders").await;
    gallery.visit("sales-empty", "/sales").await;
    gallery.visit("mine-empty", "/tickets/mine").await;
    gallery.visit_refused("not-yours", &format!("/tickets/{many}/edit")).await;
    gallery.visit("ticket", &format!("/tickets/{many}")).await;
    gallery.visit("ticket-long", &format!("/tickets/{long}")).await;
    gallery.visit("ticket-sold-out", &format!("/tickets/{sold_out}")).await;
    gallery.visit("ticket-over", &format!("/tickets/{over}")).await;
    gallery.visit("ticket-withdrawn", &format!("/tickets/{withdrawn}")).await;
    gallery.become_person(&house.seller).await;
    gallery.visit("mine", "/tickets/mine").await;
    gallery.visit("ticket-own", &format!("/tickets/{many}")).await;
    operator(&mut gallery, &house).await;
    counters::visits(&mut gallery, &empty, &house.app, [&house.fresh, &house.operator]).await;
    screens::visits(&mut gallery, &empty, &house.clock, [&house.seller, &house.buyer, &house.fresh]).await;

    gallery.follow_links().await;
    let templates = Service::ALL.into_iter().flat_map(|service| service.paths()).collect::<Vec<_>>();
    let people = [house.app.client(), house.buyer, house.seller, house.operator];
    gallery.nothing_is_missing(&templates, &people).await;
    gallery.finish();
    browser.close().await;
}
