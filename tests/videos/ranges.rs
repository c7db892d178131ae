//! Ranges and preconditions over HTTP: the table of `objects::cases` against the real server, on disk and in a bucket, in one
//! process and apart; and against nginx, whose answers are shown beside the RFC's in `docs/ranges.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use engines::{Nginx, Serving};
use objects::Entity;
use objects::cases::{Answer, Case, File, Reply, cases, told};
use reqwest::{Client, Method};

use super::places::{Kept, Place};

/// Where each file is, and what a HEAD says of it.
type Served = BTreeMap<&'static str, (String, Entity)>;

const FILES: [File; 4] = [File::Whole, File::Empty, File::One, File::Huge];

async fn learn(client: &Client, urls: Vec<(File, String)>) -> Served {
    let mut served = Served::new();
    for (file, url) in urls {
        let head = client.head(&url).send().await.unwrap();
        assert_eq!(head.status(), 200, "{url}");
        let entity = told(head.headers()).unwrap_or_else(|why| panic!("{url}: {why}"));
        assert_eq!(entity.size(), file.size(), "{url}");
        served.insert(file.name(), (url, entity));
    }
    served
}

async fn ask(client: &Client, case: &Case, url: &str, entity: &Entity) -> Reply {
    let method = Method::from_bytes(case.method.as_str().as_bytes()).unwrap();
    let request = client.request(method, url).headers(case.headers(entity));
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    // Of a huge file nobody reads the whole.
    let short = answer.content_length().is_none_or(|length| length < 100 << 20);
    let body = if short { answer.bytes().await.unwrap().to_vec() } else { Vec::new() };
    Reply { status, headers, body }
}

/// Runs the table against Marquee; how many cases there were.
async fn table(kept: Kept, apart: bool) -> Option<usize> {
    let place = Place::start(kept, apart).await?;
    marquee::use_ring();
    let client = Client::new();
    let mut urls = Vec::new();
    for file in FILES {
        if let Some(id) = place.plant(file).await {
            urls.push((file, format!("{}/video?id={id}", place.client().base())));
        }
    }
    let served = learn(&client, urls).await;
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for case in cases() {
        let Some((url, entity)) = served.get(case.file.name()) else { continue };
        let reply = ask(&client, &case, url, entity).await;
        ran += 1;
        if let Err(why) = case.expects(entity, &reply) {
            wrong.push(format!("{} ({}): {why}\n    {:?}", case.name, case.section, reply.headers));
        }
    }
    assert!(wrong.is_empty(), "{kept:?}, apart: {apart}\n{}", wrong.join("\n"));
    Some(ran)
}

#[tokio::test]
async fn the_table_on_disk() {
    assert!(table(Kept::Disk, false).await.is_none_or(|ran| ran >= 60));
}

#[tokio::test]
async fn the_table_on_disk_apart() {
    assert!(table(Kept::Disk, true).await.is_none_or(|ran| ran >= 60));
}

#[tokio::test]
async fn the_table_in_a_bucket() {
    assert!(table(Kept::Bucket, false).await.is_none_or(|ran| ran >= 60));
}

#[tokio::test]
async fn the_table_in_a_bucket_apart() {
    assert!(table(Kept::Bucket, true).await.is_none_or(|ran| ran >= 60));
}

/// What stands in `docs/ranges.md`. With `MARQUEE_TEST_WRITE` it is written anew.
#[tokio::test]
async fn nginx_is_asked_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for file in FILES {
        file.write(&dir.path().join(format!("{}.mp4", file.name()))).unwrap();
    }
    let Some(nginx) = Nginx::start(dir.path(), Serving::default()).await else { return };
    marquee::use_ring();
    // It closes connections when it likes, and one that is kept may be closed as the next request is sent.
    let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let urls = FILES.map(|file| (file, format!("{}/{}.mp4", nginx.url(), file.name())));
    let served = learn(&client, urls.to_vec()).await;
    let mut page = String::from(HEAD);
    let mut allowed = 0;
    let all = cases();
    for case in &all {
        let (url, entity) = &served[case.file.name()];
        let reply = ask(&client, case, url, entity).await;
        let is_allowed = case.allows(entity, &reply).is_ok();
        allowed += usize::from(is_allowed);
        let answer = case.answers.first().map(said).unwrap_or_default();
        let nginx = match (case.expects(entity, &reply).is_ok(), is_allowed) {
            (true, _) => "the same".to_owned(),
            (false, true) => format!("{}, allowed", reply.status.as_u16()),
            (false, false) => format!("**{}**, not allowed", reply.status.as_u16()),
        };
        let (file, section) = (case.file.name(), case.section);
        writeln!(page, "| {} {} | {file} | {section} | {answer} | {nginx} |", case.method, case.name)
            .unwrap();
    }
    writeln!(page, "\n{} cases; nginx gives {allowed} answers that the RFC allows.", all.len()).unwrap();
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ranges.md");
    if std::env::var_os("MARQUEE_TEST_WRITE").is_some() {
        std::fs::write(place, &page).unwrap();
    }
    // Another nginx may have learnt.
    let cases_of = |text: &str| text.lines().filter_map(|line| line.split(" | ").next()).count();
    let committed = std::fs::read_to_string(place).unwrap_or_default();
    assert_eq!(
        cases_of(&committed),
        cases_of(&page),
        "docs/ranges.md is old: run this test with MARQUEE_TEST_WRITE=1"
    );
}

const HEAD: &str = "# Ranges and preconditions\n\nWhat Marquee answers to each of these requests, by the section of RFC 9110 \
    that says so; it is tried on disk and in a bucket,\nin one process and with storage apart (`tests/videos/ranges.rs`). \
    Beside it, what nginx 1.22 (Debian) answers for the same file.\n\n\
    | Request | File | Section | Marquee | nginx |\n|---|---|---|---|---|\n";

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Whole => "200, all".into(),
        Answer::Part(part) => format!("206, {}–{}", part.start(), part.end()),
        Answer::Parts(parts) => {
            let each: Vec<String> =
                parts.iter().map(|part| format!("{}–{}", part.start(), part.end())).collect();
            if each.len() > 4 {
                format!("206, {} parts", each.len())
            } else {
                format!("206, {}", each.join(" and "))
            }
        }
        Answer::NotModified => "304".into(),
        Answer::PreconditionFailed => "412".into(),
        Answer::Unsatisfiable => "416".into(),
    }
}
