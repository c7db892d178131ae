//! On real rows: one read for a crowd, and nothing that a seller did is hidden for longer than is promised.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::future::join_all;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use web::{Config, Web};

use super::*;
use crate::Settings;
use crate::testing::{House, id_of};

/// How often the database was read for the crowd.
fn reads(told: &PrometheusHandle) -> u64 {
    let told = told.render();
    let line = told.lines().find_map(|line| line.strip_prefix("cache_loads_total{cache=\"on_sale\"} "));
    line.unwrap().parse().unwrap()
}

/// How often an entry may have ended since.
fn lives(begun: Instant) -> u64 {
    (begun.elapsed().as_secs_f64() / (BOUND.as_secs_f64() * 0.8)) as u64
}

fn metropolis() -> Value {
    json!({"title": "Metropolis", "price": 20, "capacity": 5})
}

const PLACES: [&str; 3] = ["/api/tickets", "/api/tickets?order=desc", "/"];

#[tokio::test]
async fn a_crowd_is_one_read() {
    const CROWD: usize = 500;
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let house = House::new().await;
    house.listed(metropolis()).await;
    let told = recorder.handle();
    let begun = Instant::now();
    for path in PLACES {
        let replies = join_all((0..CROWD).map(|_| house.get(path, ""))).await;
        assert!(
            replies.iter().all(|reply| reply.status == 200 && reply.text.contains("Metropolis")),
            "{path}"
        );
    }
    // And one more for each life that ended meanwhile: none does, unless the machine is slow.
    let (made, most) = (reads(&told), PLACES.len() as u64 * (1 + lives(begun)));
    assert!(made <= most, "{made} reads, and {most} would do");
    // Not of the crowd: who is signed in, who looks for something, who reads on.
    house.get("/api/tickets", &house.buyer).await;
    house.get("/", &house.buyer).await;
    for path in ["/?q=metro", "/?q=.", "/api/tickets?limit=1", "/api/tickets?limit=51"] {
        assert!(house.get(path, "").await.text.contains("Metropolis"), "{path}");
    }
    assert_eq!(reads(&told), made);
}

/// Each act of a seller, and a hold, which is none.
#[tokio::test]
async fn what_sellers_do_here_is_seen_here_at_once_and_holds_do_not_count() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let house = House::new().await;
    let shows = async |title: &str| {
        let mut shown = Vec::new();
        for path in PLACES {
            for who in ["", &house.seller] {
                shown.push(house.get(path, who).await.text.contains(title));
            }
        }
        assert!(shown.iter().all(|one| *one == shown[0]), "{title}: {shown:?}");
        shown[0]
    };
    for _ in 0..20 {
        assert!(!shows("Metropolis").await);
        let id = id_of(&house.listed(metropolis()).await);
        assert!(shows("Metropolis").await && !shows("Nosferatu").await);
        let path = format!("/api/tickets/{id}");
        let edited =
            house.call("PUT", &path, &house.seller, json!({"title": "Nosferatu", "price": 20})).await;
        assert_eq!(edited.status, 200);
        assert!(shows("Nosferatu").await && !shows("Metropolis").await);
        house.call("DELETE", &path, &house.seller, Value::Null).await;
        assert!(!shows("Nosferatu").await);
    }

    let id = id_of(&house.listed(metropolis()).await);
    let (begun, told) = (Instant::now(), recorder.handle());
    house.get("/", "").await;
    let before = reads(&told);
    for _ in 0..5 {
        house.held(&id, 1).await;
        assert_eq!(house.get("/", "").await.status, 200);
    }
    assert!(reads(&told) - before <= lives(begun) + 1, "{} reads", reads(&told) - before);
    // The page that may show what is gone asks for live numbers, and those are read.
    let now = house.get(&format!("/tickets/now?ids={id}"), "").await.json();
    assert_eq!(now[&id]["left"], "None left");
}

/// Another process on the same database.
#[tokio::test]
async fn what_sellers_do_elsewhere_is_seen_within_the_bound() {
    let house = House::new().await;
    let web = Web::new(Config { clock: house.clock.clone(), ..Config::default() });
    let other = crate::Tickets::new(house.db.clone(), web.clone(), Settings::default());
    let elsewhere = web::stack(other.routes(), &web);
    let ask = async |path: &str| {
        use http_body_util::BodyExt as _;
        use tower::ServiceExt as _;
        let request = Request::get(path).body(Body::empty()).unwrap();
        let body = elsewhere.clone().oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    for (n, path) in PLACES.into_iter().enumerate() {
        let mut stale = 0;
        // On a slow machine what was remembered may be over before it is asked for.
        for round in 0..10 {
            let title = format!("Part {n}, round {round}, of Mabuse");
            ask(path).await;
            house.listed(json!({"title": title, "price": 20})).await;
            let written = Instant::now();
            loop {
                let asked = Instant::now();
                if ask(path).await.contains(&title) {
                    break;
                }
                assert!(asked - written < BOUND, "{path} is too old");
                stale += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if stale > 0 {
                break;
            }
        }
        assert!(stale > 0, "nothing was remembered of {path}, so this shows nothing");
    }
}

/// Readers that never go back: what was read once a seller was answered has what they did, however reads and writes meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_that_was_under_way_hides_nothing() {
    let house = Arc::new(House::new().await);
    let acknowledged = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut readers = Vec::new();
    for _ in 0..8 {
        let (house, acknowledged) = (Arc::clone(&house), Arc::clone(&acknowledged));
        readers.push(tokio::spawn(async move {
            loop {
                let least = acknowledged.load(Ordering::SeqCst);
                let seen = house.get("/api/tickets", "").await.ids().len();
                assert!(seen >= least, "{seen} of {least}");
                if seen == 40 {
                    break;
                }
                // What is remembered is answered without waiting for anything; others have to come to their turn.
                tokio::task::yield_now().await;
            }
        }));
    }
    for n in 0..40 {
        house.listed(json!({"title": "M", "price": 1})).await;
        acknowledged.store(n + 1, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// The tags of what may be kept, and for whom.
#[tokio::test]
async fn answers_that_may_be_kept_say_so() {
    let house = House::new().await;
    let ticket = format!("/api/tickets/{}", id_of(&house.listed(metropolis()).await));
    let ask = async |path: &str, who: &str, known: &str| {
        let request = Request::get(path).header(header::COOKIE, who).header(header::IF_NONE_MATCH, known);
        house.send(request.body(Body::empty()).unwrap()).await
    };
    for (path, who, control) in [
        ("/api/tickets", "", "public, no-cache"),
        ("/api/tickets", &*house.seller, "public, no-cache"),
        ("/api/tickets?mine=true", &house.seller, "private, no-cache"),
        (&ticket, "", "public, no-cache"),
    ] {
        let first = ask(path, who, "").await;
        assert_eq!(first.headers[header::CACHE_CONTROL], control, "{path}");
        let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
        let again = ask(path, who, &tag).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
        assert_eq!(again.headers[header::CACHE_CONTROL], control, "{path}");
    }
    // The crowd and the seller are sent the same, and a change is another tag at once.
    let tag = ask("/api/tickets", "", "").await.headers[header::ETAG].clone();
    assert_eq!(ask("/api/tickets", &house.seller, "").await.headers[header::ETAG], tag);
    house.listed(metropolis()).await;
    assert_eq!(ask("/api/tickets", "", tag.to_str().unwrap()).await.status, 200);
    // A page is for one person, and a list that goes on says so to the crowd as well.
    assert_eq!(ask("/", "", "").await.headers[header::CACHE_CONTROL], "no-store");
    for _ in 0..50 {
        house.listed(metropolis()).await;
    }
    for who in ["", &house.seller] {
        let list = ask("/api/tickets", who, "").await;
        let last = list.ids().pop().unwrap();
        assert_eq!(list.headers[header::LINK], format!("</api/tickets?after={last}>; rel=\"next\""));
    }
}

#[test]
fn what_is_kept_is_what_was_written() {
    let shown = Shown { body: Tagged::new("[1]"), last: None };
    let text = serde_json::to_string(&shown).unwrap();
    assert_eq!(serde_json::from_str::<Shown>(&text).unwrap().body, shown.body);
    let parts = [false, true].map(|descending| Part::List { descending });
    let parts = parts.into_iter().chain(Sort::ALL.map(Part::Front));
    let names: std::collections::BTreeSet<String> = parts.map(|part| part.to_string()).collect();
    assert!(names.len() == 6 && names.len() as u64 <= ENTRIES);
}
