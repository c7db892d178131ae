//! Many increments in one request.

use std::convert::Infallible;

use axum::http::header::CONTENT_TYPE;
use futures_util::stream;

use super::*;

const ARRAY: &str = "application/json";
const LINES: &str = "application/x-ndjson";

impl House {
    async fn batch(&self, kind: &str, body: impl Into<Body>) -> Reply {
        self.batch_once(kind, None, body).await
    }

    async fn batch_once(&self, kind: &str, key: Option<&str>, body: impl Into<Body>) -> Reply {
        let mut request =
            self.request("POST", Some(&self.user), "/api/increments").header(CONTENT_TYPE, kind);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}

/// The answers of a batch, of either form.
fn answers(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    match reply.header("content-type") {
        ARRAY => reply.body.as_array().unwrap().clone(),
        LINES => reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        other => panic!("{other}"),
    }
}

fn array<T: AsRef<str>>(elements: &[T]) -> String {
    format!("[{}]", elements.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(","))
}

fn lines<T: AsRef<str>>(elements: &[T]) -> String {
    elements.iter().map(|element| format!("{}\n", element.as_ref())).collect()
}

/// In pieces that come one by one, without a length.
fn streamed(pieces: Vec<impl Into<Bytes> + Send + 'static>) -> Body {
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

/// What breaks off after these.
fn broken(pieces: Vec<String>) -> Body {
    let pieces = pieces.into_iter().map(Ok).chain([Err(std::io::Error::other("reset"))]);
    Body::from_stream(stream::iter(pieces))
}

fn error(status: u16, message: &str) -> Value {
    json!({ "error": { "status": status, "message": message } })
}

#[tokio::test]
async fn each_increment_has_its_answer_in_its_place_and_in_its_form() {
    for (kind, form) in [(ARRAY, array as fn(&[String]) -> String), (LINES, lines)] {
        let house = House::new().await;
        house.add("full", i64::MAX).await.value();
        let long = "x".repeat(5_000);
        let elements = [
            wish("a", 1),
            wish("b", "2"),
            wish("marquee:sold", 1),
            wish("full", 1),
            wish("a", 10),
            wish("a", 1.5),
            "7".into(),
            "{}".into(),
            wish(&long, 1),
            wish("a", -5),
        ];
        let reply = house.batch(kind, form(&elements)).await;
        let refused = |key: &str, status: u16, message: &str| {
            let mut answer = error(status, message);
            answer["key"] = key.into();
            answer
        };
        let missing = "Key must be 1 to 256 characters; Value must be a whole number of 64 bits";
        assert_eq!(
            answers(&reply),
            [
                json!({ "key": "a", "newValue": 1 }),
                json!({ "key": "b", "newValue": 2 }),
                refused("marquee:sold", 400, "Keys that begin with marquee: belong to the system"),
                refused("full", 409, "The counter would overflow"),
                json!({ "key": "a", "newValue": 11 }),
                refused("a", 400, "Value must be a whole number of 64 bits"),
                error(400, "An increment must be a JSON object"),
                error(400, missing),
                error(413, "An increment is too long"),
                json!({ "key": "a", "newValue": 6 }),
            ]
        );
        assert_eq!(house.read("a").await, Some(6));
    }
}

#[tokio::test]
async fn the_type_says_the_form_and_what_has_nothing_in_it_is_answered_so() {
    let house = House::new().await;
    for (kind, body, text) in [
        (ARRAY, "[]", "[]"),
        (ARRAY, " [\n] ", "[]"),
        (LINES, "", ""),
        (LINES, "\n \r\n", ""),
        ("Application/JSON; charset=utf-8", "[]", "[]"),
        ("application/ndjson", "{\"key\":\"a\",\"value\":1}", "{\"key\":\"a\",\"newValue\":1}\n"),
        ("application/jsonl", "{\"key\":\"a\",\"value\":1}\r\n", "{\"key\":\"a\",\"newValue\":2}\n"),
    ] {
        let reply = house.batch(kind, body).await;
        assert_eq!((reply.status, &*reply.text), (200, text), "{kind} {body}");
    }
    for kind in ["text/plain", "application/problem+json", ""] {
        let reply = house.batch(kind, "[]").await;
        let told = "Content-Type must be application/json or application/x-ndjson";
        assert_eq!((reply.status, reply.message()), (415, told));
    }
}

#[tokio::test]
async fn what_is_no_batch_at_all_counts_nothing() {
    let house = House::new().await;
    let good = wish("a", 1);
    // Nor does what is found to be wrong in the piece that it came in.
    let long = format!("[{}]]", vec![wish("a", 1); 300].join(","));
    for body in [
        long,
        String::new(),
        "{}".into(),
        "[".into(),
        format!("[{good}"),
        format!("[{good},]"),
        format!("{good}\n{good}"),
    ] {
        let reply = house.batch(ARRAY, body.clone()).await;
        assert_eq!((reply.status, reply.message()), (400, "Body must be a JSON array"), "{body}");
    }
    let reply = house.batch(ARRAY, broken(vec![format!("[{good},")])).await;
    assert_eq!((reply.status, reply.message()), (400, "The body broke off"));
    assert_eq!(house.read("a").await, None);
}

/// What came before stays counted, and is told: the last answer says why there are no more.
#[tokio::test]
async fn what_goes_wrong_halfway_is_the_last_answer() {
    let house = House::new().await;
    let good = vec![wish("a", 1); 300];
    let (begun, listed) = (good.join(","), lines(&good));
    let broke = "The body broke off";
    let mut sum = 0;
    for (kind, body, why) in [
        (ARRAY, streamed(vec![format!("[{begun}"), "]]".into()]), error(400, "Body must be a JSON array")),
        (ARRAY, streamed(vec![format!("[{begun},")]), error(400, "Body must be a JSON array")),
        (ARRAY, broken(vec![format!("[{begun},")]), error(400, broke)),
        (LINES, broken(vec![listed.clone(), "{\"key\":\"a\",\"val".into()]), error(400, broke)),
    ] {
        let answers = answers(&house.batch(kind, body).await);
        let (last, counted) = answers.split_last().unwrap();
        assert_eq!(*last, why);
        for answer in counted {
            sum += 1;
            assert_eq!(*answer, json!({ "key": "a", "newValue": sum }));
        }
        assert_eq!(house.read("a").await, Some(sum), "what was told, and no more");
        assert!(counted.len() >= 256, "{}", counted.len());
    }
}

#[tokio::test]
async fn a_hundred_thousand_in_one_body_are_counted_in_their_order() {
    const COUNT: usize = 100_000;
    let house = House::new().await;
    // In pieces as a connection brings them, which cut increments anywhere.
    let body: String = lines(&vec![wish("hot", 1); COUNT]);
    let pieces: Vec<Bytes> = body.into_bytes().chunks(16_384).map(Bytes::copy_from_slice).collect();
    let answers = answers(&house.batch(LINES, streamed(pieces)).await);
    assert_eq!(answers.len(), COUNT);
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(answer["newValue"], place + 1);
    }
    assert_eq!(house.read("hot").await, Some(COUNT as i64));
}

#[tokio::test]
async fn too_long_a_body_is_refused_and_so_are_too_many_increments() {
    const LIMIT: usize = 8 << 20;
    let house = House::new().await;
    let request = house.request("POST", Some(&house.user), "/api/increments").header(CONTENT_TYPE, LINES);
    let announced = request.header("content-length", LIMIT + 1).body(Body::from(wish("a", 1))).unwrap();
    let reply = house.send(announced).await;
    assert_eq!((reply.status, reply.message()), (413, "The body must be at most 8388608 bytes"));
    // Blanks are no increment, but they are bytes.
    let blanks = vec!["\n".repeat(1 << 20); 9];
    let reply = house.batch(LINES, streamed(blanks.clone())).await;
    assert_eq!((reply.status, reply.message()), (413, "The body must be at most 8388608 bytes"));
    assert_eq!(house.read("a").await, None);

    let good = lines(&vec![wish("a", 1); 256]);
    let reply = house.batch(LINES, streamed([vec![good], blanks].concat())).await;
    let told = answers(&reply);
    assert_eq!((told.len(), &told[256]), (257, &error(413, "The body must be at most 8388608 bytes")));
    assert_eq!(house.read("a").await, Some(256));

    // What is wrong with three bytes is a sentence of a hundred, for each of which there is room.
    let tiny = vec!["{}\n".repeat(100_000); 3];
    let reply = house.batch(LINES, streamed(tiny)).await;
    let last = reply.text.lines().last().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(last).unwrap(),
        error(413, "There may be at most 200000 increments")
    );
    assert_eq!(reply.text.lines().count(), 200_001);
    assert!(reply.text.len() < 32 << 20, "{} bytes", reply.text.len());
}

#[tokio::test]
async fn with_a_key_it_is_counted_once_whole() {
    for (kind, form) in [(ARRAY, array as fn(&[String]) -> String), (LINES, lines)] {
        let house = House::new().await;
        let mut elements = vec![wish("a", 1); 998];
        elements.extend([wish("marquee:x", 1), wish("b", 5)]);
        let body = form(&elements);
        let first = house.batch_once(kind, Some("k"), body.clone()).await;
        let told = answers(&first);
        assert_eq!((told.len(), &told[997]), (1_000, &json!({ "key": "a", "newValue": 998 })));
        assert_eq!((&told[998]["error"]["status"], &told[999]["newValue"]), (&json!(400), &json!(5)));
        for _ in 0..2 {
            let again = house.batch_once(kind, Some("k"), body.clone()).await;
            assert_eq!((again.status, &again.text, again.is_replayed()), (200, &first.text, true));
            assert_eq!(again.header("content-type"), kind);
        }
        let other = house.batch_once(kind, Some("k"), form(&[wish("a", 1)])).await;
        assert_eq!(other.status, 422);
        // The same bytes under another type are another request.
        let kinds = [ARRAY, LINES];
        let type_of_other = kinds.into_iter().find(|other| *other != kind).unwrap();
        assert_eq!(house.batch_once(type_of_other, Some("k"), body).await.status, 422);
        assert_eq!((house.read("a").await, house.read("b").await), (Some(998), Some(5)));
    }
}

#[tokio::test]
async fn with_a_key_it_is_all_or_nothing() {
    let house = House::new().await;
    let many = array(&vec![wish("a", 1); 1_001]);
    let too_many = "With an Idempotency-Key there may be at most 1000 increments";
    let good = array(&vec![wish("a", 1); 300]);
    let halfway = good.replace(']', ",");
    for (key, body, status, message) in [
        ("many", many, 413, too_many),
        ("long", format!("[{}]", " ".repeat(256 << 10)), 413, "The body must be at most 262144 bytes"),
        ("wrong", halfway, 400, "Body must be a JSON array"),
    ] {
        for _ in 0..2 {
            let reply = house.batch_once(ARRAY, Some(key), body.clone()).await;
            assert_eq!((reply.status, reply.message()), (status, message));
        }
    }
    let cut = house.batch_once(ARRAY, Some("cut"), broken(vec![good.clone()])).await;
    assert_eq!((cut.status, cut.message()), (400, "The body broke off"));
    assert_eq!(house.read("a").await, None);
    // What broke off was not the request.
    let whole = house.batch_once(ARRAY, Some("cut"), good).await;
    assert_eq!((answers(&whole).len(), whole.is_replayed()), (300, false));
}

/// With the key's answer as with the counters: one transaction, so another process at the same time finds both, or
/// neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_are_sent_a_batch_at_once_count_it_once() {
    let house = House::new().await;
    let apps = [house.app.clone(), house.app_of(&house.another())];
    for n in 0..10 {
        let body = lines(&(0..100).map(|k| wish(&format!("key {}", (k * 7) % 50), 1)).collect::<Vec<_>>());
        let send = |app: &Router| {
            let request =
                house.request("POST", Some(&house.user), "/api/increments").header(CONTENT_TYPE, LINES);
            let request = request.header("idempotency-key", format!("k{n}"));
            let (app, request) = (app.clone(), request.body(Body::from(body.clone())).unwrap());
            async move { send_to(&app, request).await }
        };
        let (one, other) = tokio::join!(send(&apps[0]), send(&apps[1]));
        assert_eq!((one.status, &one.text), (200, &other.text));
        assert!(one.is_replayed() != other.is_replayed());
    }
    assert_eq!((house.read("key 0").await, house.read("key 49").await), (Some(20), Some(20)));
}

/// Nobody's increment waits for those that may follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_lines_of_a_slow_sender_are_counted_before_it_has_ended() {
    let house = House::new().await;
    let (pieces, arriving) = tokio::sync::mpsc::channel::<String>(1);
    let body = Body::from_stream(stream::unfold(arriving, async |mut arriving| {
        arriving.recv().await.map(|piece| (Ok::<_, Infallible>(piece), arriving))
    }));
    let send = house.batch(LINES, body);
    let slow = async {
        for n in 1..=3i64 {
            pieces.send(lines(&[wish("slow", 1)])).await.unwrap();
            eventually("it is counted", async || (house.read("slow").await == Some(n)).then_some(())).await;
        }
        drop(pieces);
    };
    let (reply, ()) = tokio::join!(send, slow);
    assert_eq!(answers(&reply).len(), 3);
}
