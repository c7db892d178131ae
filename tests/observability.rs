//! The house shows its numbers: a real Prometheus, with the repository's own configuration, scrapes real processes
//! that sell, refund and count, on either kind of engines. Every query of every dashboard, alert and recording rule
//! is asked of it; what is exported is compared with the table in `observability/README.md`.

mod files;
mod names;
mod scrape;
mod traffic;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use engines::Prometheus;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use testkit::{Client, Installation, Topology, eventually};

use self::files::Query;
use self::traffic::People;
use crate::BINARY;

/// How long queries may take to have an answer, after the traffic that they are about.
const PATIENCE: Duration = Duration::from_secs(30);

/// The repository's configuration, which scrapes these addresses every second.
fn configuration(addresses: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let here = files::top().join("observability/prometheus");
    let text = std::fs::read_to_string(here.join("prometheus.yml")).unwrap();
    let quick = text.replace(": 15s", ": 1s").replace(": 5s", ": 1s");
    assert_ne!(text, quick);
    std::fs::write(dir.path().join("prometheus.yml"), quick).unwrap();
    std::fs::write(dir.path().join("targets.yml"), format!("- targets: {addresses:?}\n")).unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    for file in files::list("observability/prometheus/rules", "yml") {
        // The rules' groups are evaluated as often as everything else.
        std::fs::copy(&file, dir.path().join("rules").join(file.file_name().unwrap())).unwrap();
    }
    dir
}

/// Asks Prometheus; what it says is an answer or an error with a reason.
async fn ask(prometheus: &Client, query: &str) -> Result<Vec<Value>, String> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = prometheus.request(Method::POST, "/api/v1/query");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = prometheus.try_send(request.body(format!("query={encoded}"))).await.unwrap();
    match answer.json["status"].as_str() {
        Some("success") => Ok(answer.json["data"]["result"].as_array().unwrap().clone()),
        _ => Err(answer.json["error"].to_string()),
    }
}

/// Whether an answer has something to show. What is not a number is drawn as nothing.
fn is_data(answer: &[Value]) -> bool {
    answer.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

/// A line for each query that asks for what nobody exports, is none, or has no answer in time.
async fn problems(prometheus: &Client, queries: &[Query], patience: Duration) -> Vec<String> {
    let names = prometheus.get("/api/v1/label/__name__/values").await.expect(200);
    let names: BTreeSet<String> = serde_json::from_value(names.json["data"].clone()).unwrap();
    let (mut problems, begun) = (Vec::new(), Instant::now());
    for Query { place, text } in queries {
        let text = files::filled_in(text);
        // What Prometheus makes itself, once an alert is on its way.
        let unknown = names::of(&text).into_iter().find(|name| !names.contains(name) && name != "ALERTS");
        if let Some(unknown) = unknown {
            problems.push(format!("{place}: nobody exports {unknown}"));
            continue;
        }
        loop {
            match ask(prometheus, &text).await {
                Err(reason) => problems.push(format!("{place}: {reason}: {text}")),
                Ok(answer) if is_data(&answer) => {}
                Ok(_) if begun.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
                Ok(_) => problems.push(format!("{place}: no data: {text}")),
            }
            break;
        }
    }
    problems
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_has_an_answer_to_every_query() {
    // An engine that is missing is said out loud by who starts it.
    let Some(redis) = engines::Redis::start().await else { return };
    let flags = ["--cache-url", redis.url()];
    let Some(copies) = Installation::start(BINARY, Topology::Copies(2), &flags).await else { return };
    let one = Installation::start(BINARY, Topology::One, &[]).await.unwrap();
    let houses = [one, copies];
    let processes: Vec<&testkit::Process> = houses.iter().flat_map(|house| &house.processes).collect();
    let addresses: Vec<&str> =
        processes.iter().map(|process| process.base().strip_prefix("http://").unwrap()).collect();
    let directory = configuration(&addresses);
    let Some(server) = Prometheus::start(&directory.path().join("prometheus.yml")).await else { return };
    let prometheus = Client::new(server.url().to_owned());

    // Series begin with the first round and grow with the second; a rate is what lies between two scrapes.
    let mut people = Vec::new();
    for house in &houses {
        people.push(People::come_to(house).await);
    }
    for round in 0..2 {
        for people in &mut people {
            people.visit().await;
        }
        let seen = format!(
            "count(count_over_time(http_requests_total{{route=\"/increment\"}}[1m]) >= {}) >= {}",
            2,
            houses.len()
        );
        if round == 0 {
            eventually("each house was scraped after the first round", async || {
                ask(&prometheus, &seen).await.unwrap().first().map(drop)
            })
            .await;
        }
    }

    let mut queries = files::panels();
    assert!(queries.len() > 80, "the dashboards have hardly any queries: {}", queries.len());
    queries.extend(files::rules("record"));
    assert_eq!(problems(&prometheus, &queries, PATIENCE).await, [""; 0]);

    // Alerts are silent; what they look at is there, and Prometheus has no trouble with any of them.
    let names = prometheus.get("/api/v1/label/__name__/values").await.json["data"].to_string();
    for Query { place, text } in files::rules("alert") {
        for name in names::of(&text) {
            assert!(names.contains(&format!("\"{name}\"")), "{place}: nobody exports {name}");
        }
    }
    let groups = prometheus.get("/api/v1/rules").await.expect(200).json["data"]["groups"].clone();
    let rules: Vec<Value> =
        groups.as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap().clone()).collect();
    assert_eq!(rules.len(), files::rules("record").len() + files::rules("alert").len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
    }

    // The control: what is not exported, what is no query, and what has no answer are found.
    let planted =
        ["sum(rate(order_total[1m]))", "sum(rate(orders_total[1m])", "orders_total{status=\"lost\"}"];
    let planted = planted.map(|text| Query { place: "planted".into(), text: text.into() });
    let found = problems(&prometheus, &planted, Duration::ZERO).await;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("nobody exports order_total") && found[1].contains("parse error"), "{found:?}");

    // And what is exported is what the table says, without anything of anybody in it.
    let mut scrapes = Vec::new();
    for process in &processes {
        scrapes.push(process.client().get("/metrics").await.expect(200).text);
    }
    let exported = scrape::exported(&scrapes);
    assert_eq!(scrape::differences(&exported, &files::table()), [""; 0]);
    let known = files::routes(&processes[0].command(&["routes"], "").await.stdout);
    for scrape in &scrapes {
        assert_eq!(scrape::strangers(scrape, &known), [""; 0]);
        for private in people.iter().flat_map(People::private) {
            assert!(!scrape.contains(&private), "{private} is in a scrape");
        }
        assert!(scrape.lines().count() < 6_000, "{} lines", scrape.lines().count());
    }

    // A live page is counted for as long as it is open. The one request in flight is the scrape.
    let open = "sum(live_streams) > 0";
    assert_eq!(ask(&prometheus, open).await.unwrap().len(), 1);
    drop(people);
    for process in &processes {
        eventually("live pages that were closed are not counted", async || {
            let scrape = process.client().get("/metrics").await.text;
            let ended = ["live_streams 0", "http_requests_in_flight 1"];
            ended.iter().all(|line| scrape.lines().any(|known| known == *line)).then_some(())
        })
        .await;
    }
}

#[test]
fn every_alert_is_shown_to_fire_and_to_be_silent() {
    let tests: Vec<String> = files::list("observability/prometheus/tests", "yml")
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let lines: Vec<&str> = tests.iter().flat_map(|text| text.lines()).collect();
    let quiet =
        std::fs::read_to_string(files::top().join("observability/prometheus/tests/quiet.yml")).unwrap();
    for Query { place, text } in files::rules("alert") {
        let fires = format!("alertname=\"{place}\",alertstate=\"firing\"");
        let shown = |line: &&str| line.contains(&fires) && !line.contains("exp_samples: []");
        assert!(lines.iter().any(shown), "no test shows that {place} fires");
        // In the house where all is well every alert is silent, if what it looks at is there.
        for name in names::of(&text).into_iter().filter(|name| !name.contains(':')) {
            assert!(
                quiet.contains(&format!("'{name}{{")),
                "the quiet house has no {name}, which {place} looks at"
            );
        }
    }
    for Query { place, text } in files::rules("record") {
        for name in names::of(&text) {
            assert!(
                quiet.contains(&format!("'{name}{{")),
                "the quiet house has no {name}, of which {place} is made"
            );
        }
    }
}

#[test]
fn promtool_is_content() {
    let Some(promtool) = Prometheus::program("promtool") else { return };
    let here = files::top().join("observability/prometheus");
    let rules = files::list("observability/prometheus/rules", "yml");
    let tests = files::list("observability/prometheus/tests", "yml");
    for (words, files) in [
        (vec!["check", "config"], vec![here.join("prometheus.yml")]),
        (vec!["check", "rules"], rules),
        (vec!["test", "rules"], tests),
    ] {
        let ran = std::process::Command::new(&promtool).args(&words).args(files).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(ran.status.success(), "{words:?}: {said}");
    }
}

/// Whoever edits a dashboard edits what makes it.
#[test]
fn the_dashboards_are_what_the_script_makes() {
    let made = TempDir::new().unwrap();
    let script = files::top().join("observability/grafana/dashboards.py");
    let ran = std::process::Command::new("python3").arg(&script).arg(made.path()).output();
    let Ok(ran) = ran else {
        assert!(std::env::var_os("MARQUEE_FULL_RUN").is_none(), "the full run needs python3");
        return eprintln!("SKIPPED: python3 is not installed; what makes the dashboards was not tried");
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let committed = files::list("observability/grafana/dashboards", "json");
    assert_eq!(std::fs::read_dir(made.path()).unwrap().count(), committed.len());
    for file in committed {
        let again = std::fs::read_to_string(made.path().join(file.file_name().unwrap())).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap() == again, "{}: run dashboards.py", file.display());
    }
}

/// Dashboards open filled: a time range, a renewal, the one datasource by its uid, and variables that say "All".
#[test]
fn dashboards_open_without_a_click() {
    let datasources = files::top().join("observability/grafana/provisioning/datasources/marquee.yml");
    let datasources = std::fs::read_to_string(datasources).unwrap();
    let mut ids = BTreeSet::new();
    for board in files::dashboards() {
        let title = board["title"].as_str().unwrap();
        assert!(ids.insert(board["uid"].as_str().unwrap().to_owned()), "{title}: its uid is another's");
        assert_eq!(
            (&board["time"]["from"], &board["time"]["to"]),
            (&"now-1h".into(), &"now".into()),
            "{title}"
        );
        assert_eq!(board["refresh"], "10s", "{title}");
        for variable in board["templating"]["list"].as_array().unwrap() {
            assert_eq!(variable["includeAll"], true, "{title}");
            assert_eq!(variable["current"]["value"][0], "$__all", "{title}");
        }
        for panel in board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
            let uid = panel["datasource"]["uid"].as_str().unwrap();
            assert!(datasources.contains(&format!("uid: {uid}\n")), "{title}: {panel}");
            assert!(panel["description"].as_str().unwrap().len() > 8, "{title}: {panel}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}: {panel}");
        }
    }
}
