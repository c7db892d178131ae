//! kill -9 while videos are uploaded and published: no half of one is ever seen, what tus acknowledged is there and goes on,
//! and when all is over nothing lies in the store that has no row.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use db::{Db, Location};
use engines::{Bucket, S3};
use kernel::Clock;
use reqwest::Method;
use ring::digest::{SHA256, digest};
use testkit::{Answer, Client, Process, eventually};

use crate::BINARY;

/// As many kills as there is time for, and at least so many.
const KILLS: usize = 12;
/// How long the load runs before each kill.
const LOAD: [u64; 7] = [35, 160, 80, 310, 15, 230, 120];

/// Films that play as they are, and whose index has to be moved to their front.
const FILMS: [&[u8]; 2] = [
    include_bytes!("../crates/containers/samples/first.mp4"),
    include_bytes!("../crates/containers/samples/last.mp4"),
];

/// A film like no other, of about `length` bytes.
fn film(n: usize, length: usize) -> Vec<u8> {
    let mut film = FILMS[n % 2].to_vec();
    film.extend(u32::try_from(length).unwrap().to_be_bytes());
    film.extend(b"free");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ n as u64;
    while film.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        film.extend(state.to_be_bytes());
    }
    film.truncate(length);
    let at = FILMS[n % 2].len();
    let rest = u32::try_from(length - at).unwrap().to_be_bytes();
    film[at..at + 4].copy_from_slice(&rest);
    film
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A resumable upload, as its client knows it.
struct Upload {
    location: String,
    film: Vec<u8>,
    /// So much was acknowledged.
    acknowledged: usize,
}

impl Upload {
    async fn send(
        client: &Client,
        method: Method,
        path: &str,
        more: &[(&str, String)],
        body: Vec<u8>,
    ) -> Option<Answer> {
        let mut request = client.request(method, path).header("tus-resumable", "1.0.0").body(body);
        for (name, value) in more {
            request = request.header(*name, value);
        }
        client.try_send(request).await.ok()
    }

    async fn begin(client: &Client, film: Vec<u8>) -> Option<Self> {
        let length = [("upload-length", film.len().to_string())];
        let answer = Self::send(client, Method::POST, "/api/uploads", &length, Vec::new()).await?.expect(201);
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        Some(Self { location, film, acknowledged: 0 })
    }

    /// Sends the next part; `None` if no answer came.
    async fn go_on(&mut self, client: &Client, most: usize) -> Option<()> {
        let from = self.acknowledged;
        let until = self.film.len().min(from.saturating_add(most));
        let headers = [
            ("upload-offset", from.to_string()),
            ("content-type", "application/offset+octet-stream".to_owned()),
            (
                "upload-checksum",
                format!("sha256 {}", BASE64_STANDARD.encode(digest(&SHA256, &self.film[from..until]))),
            ),
        ];
        let headers = &headers[..if from.is_multiple_of(3) { 3 } else { 2 }];
        let body = self.film[from..until].to_vec();
        let answer = Self::send(client, Method::PATCH, &self.location, headers, body).await?;
        if answer.status != 503 {
            self.acknowledged =
                answer.expect(204).headers["upload-offset"].to_str().unwrap().parse().unwrap();
            assert_eq!(self.acknowledged, until);
        }
        Some(())
    }

    /// Asks how far it is: no less than was acknowledged.
    async fn ask(&mut self, client: &Client) -> Option<()> {
        let answer = Self::send(client, Method::HEAD, &self.location, &[], Vec::new()).await?.expect(200);
        let at: usize = answer.headers["upload-offset"].to_str().unwrap().parse().unwrap();
        assert!((self.acknowledged..=self.film.len()).contains(&at), "{at} of {}", self.acknowledged);
        self.acknowledged = at;
        Some(())
    }

    fn is_whole(&self) -> bool {
        self.acknowledged == self.film.len()
    }
}

/// What one client does until it is not answered: goes on with what it has, then begins another.
async fn upload(
    client: Client,
    mut open: Option<Upload>,
    count: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Option<Upload> {
    while !stop.load(Ordering::SeqCst) {
        let upload = match open.take() {
            Some(upload) if !upload.is_whole() => open.insert(upload),
            _ => {
                let n = count.fetch_add(1, Ordering::SeqCst);
                open.insert(Upload::begin(&client, film(n, 200_000 + n % 5 * 300_000)).await?)
            }
        };
        if upload.go_on(&client, 250_000).await.is_none() {
            break;
        }
    }
    open
}

/// Uploads in one request each, until that is not answered.
async fn send_whole(client: Client, count: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> usize {
    let mut answered = 0;
    while !stop.load(Ordering::SeqCst) {
        let film = film(count.fetch_add(1, Ordering::SeqCst), 700_000);
        let request = client.request(Method::POST, "/api/videos").header("file-name", "film.mp4").body(film);
        match client.try_send(request).await {
            Ok(answer) if answer.status == 201 => answered += 1,
            // Those that were killed have rows for a while.
            Ok(answer) if matches!(answer.status.as_u16(), 409 | 503) => break,
            Ok(answer) => panic!("{} {}", answer.status, answer.text),
            Err(_) => break,
        }
    }
    answered
}

/// Gives up uploads whose beginning was not answered: only so many may be under way.
async fn give_up_others(client: &Client, open: &[Option<Upload>]) {
    let list = client.get("/api/uploads").await.expect(200).json;
    for upload in list.as_array().unwrap() {
        let location = upload["location"].as_str().unwrap();
        if open.iter().flatten().all(|open| open.location != location) {
            let given_up = Upload::send(client, Method::DELETE, location, &[], Vec::new()).await.unwrap();
            assert!(matches!(given_up.status.as_u16(), 204 | 404), "{}", given_up.text);
        }
    }
}

/// Every video that is listed is there whole; answers their ids. Those of `seen` were looked at before.
async fn whole(client: &Client, seen: &mut BTreeSet<String>) {
    let mut after = String::new();
    loop {
        let list = client.get(&format!("/api/videos?limit=200{after}")).await.expect(200).json;
        let Some(last) = list.as_array().unwrap().last() else { return };
        after = format!("&after={}", last["id"].as_str().unwrap());
        for video in list.as_array().unwrap() {
            let id = video["id"].as_str().unwrap().to_owned();
            if !seen.insert(id.clone()) {
                continue;
            }
            let response = client.request(Method::GET, &format!("/video?id={id}")).send().await.unwrap();
            assert_eq!(response.status(), 200, "{video}");
            let tag = response.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
            let bytes = response.bytes().await.unwrap();
            assert_eq!(
                (bytes.len() as i64, sha256(&bytes)),
                (video["size"].as_i64().unwrap(), tag),
                "{video}"
            );
            assert!(video["duration"].is_number(), "{video}");
        }
    }
}

/// The names of the objects that lie in a store, and of what lies there of uploads.
async fn lying(house: &Process, bucket: Option<&Bucket>) -> [BTreeSet<String>; 2] {
    use futures_util::TryStreamExt as _;
    use object_store::ObjectStore as _;
    match bucket {
        None => ["objects", "uploads"].map(|part| files(&house.data().join("objects").join(part))),
        Some(bucket) => {
            let mut found = [BTreeSet::new(), BTreeSet::new()];
            let all: Vec<_> = bucket.store().list(None).try_collect().await.unwrap();
            // But for what says whose they are.
            for object in all.iter().filter(|object| object.location.filename() != Some("installation")) {
                let is_part = object.location.as_ref().contains("/uploads/");
                found[usize::from(is_part)].insert(object.location.filename().unwrap().to_owned());
            }
            found
        }
    }
}

fn files(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => left.push(entry.path()),
                false => drop(found.insert(entry.file_name().into_string().unwrap())),
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_half_of_a_video_is_ever_seen() {
    killed(None, Duration::from_secs(45)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_on_s3() {
    let Some(server) = S3::shared().await else { return };
    let bucket = server.bucket("killed").await;
    killed(Some(&bucket), Duration::from_secs(30)).await;
}

/// Where objects are, with credentials that are in files.
fn place(bucket: &Bucket, files: &Path) -> Vec<(String, String)> {
    let (id, secret) = (files.join("id"), files.join("secret"));
    std::fs::write(&id, format!("{}\n", bucket.access_key())).unwrap();
    std::fs::write(&secret, format!("{}\n", bucket.secret_key())).unwrap();
    let env = [
        ("OBJECTS_URL", format!("s3://{}", bucket.name())),
        ("AWS_ENDPOINT_URL", bucket.endpoint().to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID_FILE", id.to_str().unwrap().to_owned()),
        ("AWS_SECRET_ACCESS_KEY_FILE", secret.to_str().unwrap().to_owned()),
    ];
    env.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

async fn killed(bucket: Option<&Bucket>, time: Duration) {
    let secrets = tempfile::TempDir::new().unwrap();
    let env = bucket.map_or_else(Vec::new, |bucket| place(bucket, secrets.path()));
    let flags = vec!["--video-quota".to_owned(), "1TiB".to_owned()];
    let mut house = Process::start_with(BINARY.to_owned(), flags, env).await;
    let sessions = sign_up(&house).await;
    // A bucket takes its time.
    let pace = if bucket.is_some() { 4 } else { 1 };
    let (begun, count) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let (mut seen, mut kills, mut answered) = (BTreeSet::new(), 0, 0);
    let mut open: Vec<Option<Upload>> = vec![None, None, None];
    while kills < KILLS || begun.elapsed() < time {
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<Client> = sessions.iter().map(|token| house.client().with_session(token)).collect();
        let uploads: Vec<_> = open
            .drain(..)
            .map(|open| tokio::spawn(upload(clients[0].clone(), open, count.clone(), stop.clone())))
            .collect();
        // Another account each time: what is killed counts for it until its time is up.
        let whole_one = tokio::spawn(send_whole(
            clients[1 + kills % (sessions.len() - 1)].clone(),
            count.clone(),
            stop.clone(),
        ));
        tokio::time::sleep(Duration::from_millis(LOAD[kills % LOAD.len()] * pace)).await;
        house.kill().await;
        stop.store(true, Ordering::SeqCst);
        for upload in uploads {
            open.push(upload.await.unwrap());
        }
        answered += whole_one.await.unwrap();
        kills += 1;
        house.resume().await;
        let client = house.client().with_session(&sessions[0]);
        for upload in open.iter_mut().flatten() {
            upload.ask(&client).await.expect("an answer");
        }
        give_up_others(&client, &open).await;
        for token in &sessions {
            whole(&house.client().with_session(token), &mut seen).await;
        }
    }
    // All that was begun and is still known to its client can be brought to its end; what was being finished when it was
    // killed is believed to be for a minute.
    let mut ends = BTreeSet::new();
    let client = house.client().with_session(&sessions[0]);
    for mut upload in open.into_iter().flatten() {
        while !upload.is_whole() {
            upload.go_on(&client, usize::MAX).await.expect("an answer");
        }
        ends.insert(upload.location.rsplit('/').next().unwrap().to_owned());
    }
    for token in &sessions {
        whole(&house.client().with_session(token), &mut seen).await;
    }
    let videos = seen.len();
    eprintln!("{kills} kills, {videos} videos, {answered} in one request, in {:?}", begun.elapsed());
    assert!(answered > 0 && videos > answered, "that is no load");
    house.verify().await;
    house.kill().await;
    nothing_is_left(&house, bucket, &ends).await;
    house.resume().await;
    for n in 0..sessions.len() {
        let mut client = house.client();
        client.sign_in(&format!("sender-{n}@example.com")).await;
        whole(&client, &mut seen).await;
    }
    assert!(ends.is_subset(&seen), "all that came to its end is a video");
}

/// One who sends by tus, and ten who send in one request.
async fn sign_up(house: &Process) -> Vec<String> {
    let mut sessions = Vec::new();
    for n in 0..11 {
        let mut client = house.client();
        client.sign_up(&format!("sender-{n}@example.com")).await;
        sessions.push(client.session().unwrap().to_owned());
    }
    sessions
}

/// Two days later, what was never finished has been given up or is a video, and only the videos' objects are there.
async fn nothing_is_left(house: &Process, bucket: Option<&Bucket>, ends: &BTreeSet<String>) {
    marquee::use_ring();
    let mut settings = marquee::Settings::new(house.data().to_path_buf());
    let now = Clock::system().now() + Duration::from_secs(2 * 86_400);
    settings.clock = Clock::manual(now);
    settings.listen.set_port(0);
    settings.objects = bucket.map_or_else(objects::Settings::default, |bucket| objects::Settings {
        url: Some(format!("s3://{}", bucket.name())),
        endpoint: Some(bucket.endpoint().to_owned()),
        region: "us-east-1".to_owned(),
        credentials: Some((bucket.access_key().to_owned(), objects::Hidden::new(bucket.secret_key()))),
    });
    let running = marquee::start(settings, false).await.expect("it starts");
    let db = |name| {
        Db::open(&Location::new(None, house.data(), name), name, Clock::manual(now)).expect("its database")
    };
    let (streaming, storage) = (db("streaming"), db("storage"));
    eventually("nothing else is left", async || {
        let videos = ids(&streaming, "SELECT id FROM videos").await;
        let needed = ids(&streaming, "SELECT object_id FROM videos").await;
        let begun = ids(&streaming, "SELECT object_id FROM uploads").await;
        let kept = ids(&storage, "SELECT id FROM objects").await;
        let open = ids(&storage, "SELECT id FROM uploads").await;
        let [objects, parts] = lying(house, bucket).await;
        let is_clean = begun.is_empty() && open.is_empty() && parts.is_empty();
        (ends.is_subset(&videos) && needed == kept && kept == objects && is_clean).then_some(())
    })
    .await;
    running.stop().await.expect("it stops");
}

async fn ids(db: &Db, sql: &'static str) -> BTreeSet<String> {
    let rows: Vec<(String,)> = db.all(sql, &[]).await.unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

/// The line is dead after a part of what was announced: that part is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_over_a_broken_connection_is_kept() {
    use tokio::io::AsyncWriteExt as _;
    let house = Process::start(BINARY, &[]).await;
    let mut client = house.client();
    client.sign_up("sender@example.com").await;
    let mut upload = Upload::begin(&client, film(0, 300_000)).await.unwrap();
    let address = house.base().trim_start_matches("http://");
    for part in [100_000, 3, 50_000] {
        let from = upload.acknowledged;
        let head = format!(
            "PATCH {} HTTP/1.1\r\nhost: {address}\r\ncookie: session={}\r\ntus-resumable: 1.0.0\r\n\
             upload-offset: {from}\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
            upload.location,
            client.session().unwrap(),
            upload.film.len() - from,
        );
        let mut line = tokio::net::TcpStream::connect(address).await.unwrap();
        line.write_all(head.as_bytes()).await.unwrap();
        line.write_all(&upload.film[from..from + part]).await.unwrap();
        line.shutdown().await.unwrap();
        drop(line);
        eventually("it is kept", async || {
            upload.ask(&client).await?;
            (upload.acknowledged == from + part).then_some(())
        })
        .await;
    }
    while !upload.is_whole() {
        upload.go_on(&client, 100_000).await.unwrap();
    }
    whole(&client, &mut BTreeSet::new()).await;
}
