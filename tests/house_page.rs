//! The operators' pages of the house: its health, and its dead letters, also where they lie in other processes.

use accounts::NewUser;
use contracts::{Event, Role, SessionState};
use db::{Db, Limits, Recorded};
use kernel::{Clock, EventId, Instant, SessionId};
use serde_json::json;
use testkit::{Answer, App, Client, Installation, Process, Topology, eventually};

use crate::BINARY;

const SERVICES: [&str; 8] =
    ["accounts", "tickets", "orders", "expiration", "payments", "counters", "storage", "streaming"];

async fn page(who: &Client, path: &str) -> Answer {
    let request = who.request(reqwest::Method::GET, path).header("accept", "text/html");
    who.try_send(request).await.unwrap()
}

async fn submit(who: &Client, path: &str, form: &str) -> Answer {
    let request = who
        .request(reqwest::Method::POST, path)
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded");
    who.try_send(request.body(form.to_owned())).await.unwrap()
}

fn goes_to(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.headers.get("location").map_or("", |to| to.to_str().unwrap()))
}

/// Parks the news that the session of `user` was revoked, as if accounts had failed to take it.
pub async fn park_revocation(accounts: &Db, user: &Client) {
    let session = user.get("/api/account/sessions").await.expect(200).json[0].clone();
    let member = |name: &str| session[name].as_str().unwrap().to_owned();
    let state = SessionState {
        id: member("id").parse::<SessionId>().unwrap(),
        user_id: user.get("/api/sessions").await.expect(200).text_of("userId").parse().unwrap(),
        expires_at: Instant::parse(&member("expiresAt")).unwrap(),
    };
    let event = Event::SessionRevoked(state);
    let recorded = &Recorded {
        seq: 0,
        id: EventId::new(&Clock::system()),
        subject: event.subject().into(),
        aggregate: event.aggregate(),
        version: event.version(),
        payload: serde_json::to_string(&event).unwrap(),
        occurred_at: accounts.clock().now(),
        trace: kernel::Trace::NONE,
    };
    accounts.write(|tx| async move { tx.park(recorded, "the sky <fell>").await }).await.unwrap();
}

/// One process: who may look, and what a dead letter looks like from its parking to its delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_how_the_house_is_and_delivers_again() {
    let app = App::start().await;
    let (mut user, mut boss) = (app.client(), app.client());
    user.sign_up("ann@example.com").await;
    let house = &app.running.house;
    let new = NewUser {
        email: "boss@example.com".into(),
        username: None,
        password: "a long password".into(),
        role: Role::Operator,
    };
    house.accounts().unwrap().create_user(new).await.unwrap();
    boss.sign_in("boss@example.com").await;

    for path in ["/house", "/house/letters"] {
        let to = format!("/signin?next={}", path.replace('/', "%2F"));
        assert_eq!(goes_to(&page(&app.client(), path).await), (303, to.as_str()));
        assert!(page(&user, path).await.expect(401).text.contains("Not authorized"));
    }
    for path in ["/house/live", "/house/state"] {
        app.client().get(path).await.expect(401);
        user.get(path).await.expect(401);
    }
    assert_eq!(goes_to(&submit(&app.client(), "/house/letters", "").await), (303, "/signin"));
    submit(&user, "/house/letters", "").await.expect(401);
    let foreign =
        boss.request(reqwest::Method::POST, "/house/letters").header("sec-fetch-site", "cross-site");
    boss.try_send(foreign).await.unwrap().expect(403);

    let text = page(&boss, "/house").await.expect(200).text;
    assert!(text.contains("All is well") && text.contains("within the process"), "{text}");
    for service in SERVICES {
        assert!(text.contains(&format!("data-bind=\"{service}.letters\">0<")), "{service} in {text}");
    }
    assert!(page(&boss, "/house/letters").await.expect(200).text.contains("reached every service"));

    park_revocation(&house.databases()[0], &user).await;
    let text = eventually("a fresh look sees it", async || {
        let text = page(&boss, "/house").await.text;
        text.contains("Degraded").then_some(text)
    })
    .await;
    assert!(text.contains("events that accounts could not take"), "{text}");
    let state = boss.get("/house/state").await.expect(200).json;
    assert_eq!((&state["accounts.letters"], &state["orders.letters"]), (&json!(1), &json!(0)));
    assert_eq!(state["verdict"], "Degraded");
    let text = page(&boss, "/house/letters").await.expect(200).text;
    assert!(text.contains("session:revoked") && text.contains("the sky &#60;fell&#62;"), "{text}");

    user.get("/api/orders").await.expect(200);
    let delivered = submit(&boss, "/house/letters", "").await;
    assert_eq!(goes_to(&delivered), (303, "/house/letters?delivered=1&left=0"));
    user.get("/api/orders").await.expect(401);
    let text = page(&boss, "/house/letters?delivered=1&left=0").await.text;
    assert!(text.contains("1 delivered, 0 left.") && text.contains("reached every service"), "{text}");
    eventually("all is well again", async || {
        page(&boss, "/house").await.text.contains("All is well").then_some(())
    })
    .await;
}

/// What an open page is told, without a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_of_the_house_is_told_what_changes() {
    let process = Process::start(BINARY, &[]).await;
    let boss = operator_of(&process, process.client()).await;
    let mut live = boss.request(reqwest::Method::GET, "/house/live").send().await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let (mut heard, mut told) = (String::new(), 0);
    while told < 2 {
        let piece = tokio::time::timeout(testkit::DEADLINE, live.chunk()).await.expect("in time");
        // A piece may end within a character.
        heard.push_str(&String::from_utf8_lossy(&piece.unwrap().expect("it goes on")));
        // The moment of the look is news each time.
        told = heard.matches("\"verdict\":\"All is well\"").count();
    }
    assert!(heard.contains("\"orders.waiting\":0"), "{heard}");
}

/// A process per service: any of them answers for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_process_shows_the_whole_house_and_delivers_what_others_have_parked() {
    let Some(mut house) = Installation::start(BINARY, Topology::Apart, &[]).await else { return };
    let mut user = house.client();
    user.sign_up("ann@example.com").await;
    let boss = operator_of(&house.processes[0], house.client()).await;
    for process in &house.processes {
        let boss = boss.at(process.base().to_owned());
        let text = eventually("every process hears all the others", async || {
            let text = page(&boss, "/house").await.expect(200).text;
            (text.contains("All is well") && text.contains(&format!("{} processes", SERVICES.len())))
                .then_some(text)
        })
        .await;
        assert!(text.contains("over NATS") && text.contains("PostgreSQL"), "{text}");
        assert!(!text.contains("postgres://") && !text.contains("nats://"), "no address is shown");
        for service in SERVICES {
            assert!(text.contains(&format!("data-bind=\"{service}.letters\">0<")), "{service} in {text}");
        }
    }

    let url = house.database_url().unwrap();
    let accounts = Db::open_postgres(url, "accounts", Clock::system(), Limits::default()).unwrap();
    park_revocation(&accounts, &user).await;
    // From the process of payments, which has nothing to do with it.
    let far = boss.at(house.processes[4].base().to_owned());
    let text = page(&far, "/house/letters").await.expect(200).text;
    assert!(text.contains("session:revoked"), "{text}");
    let delivered = submit(&far, "/house/letters", "").await;
    assert_eq!(goes_to(&delivered), (303, "/house/letters?delivered=1&left=0"));
    assert_eq!(accounts.count_dead_letters().await.unwrap(), 0);

    // One that is gone is missed, and what it knows is said to be unknown.
    house.processes[2].kill().await;
    eventually("orders is missed", async || {
        let text = page(&far, "/house").await.expect(200).text;
        text.contains("No process runs orders.").then_some(())
    })
    .await;
    let text = page(&far, "/house/letters").await.expect(200).text;
    assert!(text.contains("letters of orders are not known"), "{text}");
    let delivered = submit(&far, "/house/letters", "").await;
    assert_eq!(goes_to(&delivered), (303, "/house/letters?delivered=0&left=0&silent=orders"));
}

async fn operator_of(process: &Process, client: Client) -> Client {
    let create = ["user", "create", "--email", "boss@example.com", "--operator"];
    let output = process.command(&create, "a long password\n").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut boss = client;
    boss.sign_in("boss@example.com").await;
    boss
}
