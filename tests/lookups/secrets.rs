//! What is secret is in no answer, log, event, trace or cache: planted, and looked for everywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, eventually};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::copies::Copies;
use super::register::talk;
use crate::traces::Collector;

const PASSWORDS: [&str; 3] = ["planted-password-one", "planted-password-two", "planted-password-not"];
const EMAIL: &str = "planted-address@example.com";

/// Where things can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Answers,
    Logs,
    Bus,
    Spans,
    Redis,
}

const EVERYWHERE: [Place; 5] = [Place::Answers, Place::Logs, Place::Bus, Place::Spans, Place::Redis];

/// All that passes on the bus: events, and what processes tell each other.
async fn listen(url: &str) -> Arc<Mutex<String>> {
    let heard: Arc<Mutex<String>> = Arc::default();
    let mut wire = BufReader::new(TcpStream::connect(url.strip_prefix("nats://").unwrap()).await.unwrap());
    wire.write_all(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\n").await.unwrap();
    let all = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut line = Vec::new();
        while wire.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            if line.starts_with(b"PING") && wire.write_all(b"PONG\r\n").await.is_err() {
                return;
            }
            all.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    heard
}

/// Every key in Redis, with all that is there.
async fn remembered(copies: &Copies) -> String {
    let mut talk = talk(copies).await;
    let mut all = String::new();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut talk).await.unwrap();
    for key in keys {
        let fields: HashMap<String, String> =
            redis::cmd("HGETALL").arg(&key).query_async(&mut talk).await.unwrap();
        all.push_str(&format!("{key} {fields:?}\n"));
    }
    all
}

/// The id of the session in a token.
fn session_id(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// What somebody does in a life, and what they are told; and the secrets of it, each with what it is.
struct Life {
    told: String,
    secrets: Vec<(&'static str, String)>,
}

impl Life {
    /// Notes an answer: all of it, but for the cookie by which a session is given out.
    fn note(&mut self, answer: &Answer) {
        self.told.push_str(&answer.text);
        for (name, value) in &answer.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            if !value.starts_with("session=") {
                self.told.push_str(&format!("\n{name}: {value}\n"));
            }
        }
    }

    fn secret(&mut self, what: &'static str, text: impl Into<String>) {
        self.secrets.push((what, text.into()));
    }

    /// The token of a session, all of it and its signature alone, and the session's id.
    fn session(&mut self, client: &Client) {
        let token = client.session().unwrap();
        self.secret("a session's token", token);
        self.secret("a token's signature", token.rsplit('.').next().unwrap());
        self.secret("a session's id", session_id(token));
    }

    async fn call(&mut self, client: &Client, method: Method, path: &str, body: Value) -> Answer {
        let answer = client.try_send(client.request(method, path).json(&body)).await.unwrap();
        self.note(&answer);
        answer
    }
}

/// Signs up and in, is refused, changes this and that, and looks themselves up on every copy.
async fn live(copies: &Copies) -> Life {
    let mut life = Life { told: String::new(), secrets: Vec::new() };
    for password in PASSWORDS {
        life.secret("a password", password);
    }
    let [one, two, not] = PASSWORDS;
    let mut ann = copies.processes[0].client();
    let sign_up = json!({"email": EMAIL, "password": one, "username": "Ann"});
    let answer = life.call(&ann, Method::POST, "/api/users/signup", sign_up.clone()).await.expect(201);
    let id = answer.text_of("id");
    life.call(&ann, Method::POST, "/api/users/signup", sign_up.clone()).await.expect(400);
    life.call(&ann, Method::POST, "/api/users", sign_up).await.expect(409);
    let guess = json!({"email": EMAIL, "password": not});
    life.call(&ann, Method::POST, "/api/users/signin", guess).await.expect(400);
    ann.sign_in_with(EMAIL, one).await;
    life.session(&ann);
    let change = json!({"currentPassword": one, "newPassword": two, "username": "Anne"});
    life.call(&ann, Method::PATCH, "/api/account", change.clone()).await.expect(200);
    ann.sign_in_with(EMAIL, two).await;
    life.session(&ann);
    life.call(&ann, Method::PATCH, "/api/account", change).await.expect(400);
    life.call(&ann, Method::GET, "/api/users/currentuser", Value::Null).await.expect(200);

    // An API token. It looks up on every copy, as the session does.
    let made = copies.processes[0].command(&["token", "create", "--user", EMAIL], "").await;
    let api = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    life.secret("an API token", &api);
    life.secret("an API token's signature", api.rsplit('.').next().unwrap());
    life.secret("an API token's session", session_id(&api));
    for base in copies.bases() {
        for query in [format!("id={id}"), format!("email={EMAIL}"), "username=anne".into()] {
            let (client, path) = (ann.at(base.clone()), format!("/api/users?{query}"));
            life.call(&client, Method::GET, &path, Value::Null).await.expect(200);
            let request = Client::new(base.clone()).request(Method::GET, &path).bearer_auth(&api);
            life.note(&client.try_send(request).await.unwrap().expect(200));
        }
    }
    let hashes: Vec<(String,)> = copies
        .accounts()
        .all("SELECT password_hash FROM users WHERE password_hash IS NOT NULL", &[])
        .await
        .unwrap();
    for (hash,) in hashes {
        life.secret("a hash's end", hash.rsplit('$').next().unwrap());
        life.secret("a hash's salt", hash.rsplit('$').nth(1).unwrap());
    }
    life.secret("a hash", "$argon2");
    life
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_secret_is_in_no_answer_log_event_trace_or_cache() {
    let collector = Collector::start().await;
    let env =
        [("RUST_LOG", "debug"), ("CACHE_SECONDS", "300"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url())];
    let Some(mut copies) = Copies::start_logging(2, &env).await else { return };
    let bus = listen(copies.nats.url()).await;
    let life = live(&copies).await;
    // What is planted everywhere is found everywhere, so what is not found would have been.
    let known = [
        (Place::Answers, EMAIL),
        (Place::Logs, "/api/users"),
        (Place::Bus, EMAIL),
        (Place::Redis, EMAIL),
        (Place::Spans, "PATCH /api/account"),
    ];
    let redis = remembered(&copies).await;
    eventually("the last event has passed", async || bus.lock().unwrap().contains("Anne").then_some(()))
        .await;
    for process in &mut copies.processes {
        // With its last spans.
        assert!(process.terminate().await.success());
    }
    let logs: String = copies.processes.iter().map(|process| process.log()).collect();
    let bus = bus.lock().unwrap().clone();
    let texts: HashMap<Place, String> = HashMap::from([
        (Place::Answers, life.told),
        (Place::Logs, logs),
        (Place::Bus, bus),
        (Place::Spans, format!("{:?}", collector.all())),
        (Place::Redis, redis),
    ]);
    for (place, text) in known {
        assert!(texts[&place].contains(text), "{place:?}: {text} would not be found");
    }
    for place in EVERYWHERE {
        eprintln!("{place:?}: {} bytes", texts[&place].len());
        for (what, text) in &life.secrets {
            // Who ended a session is told which by its id: events name it.
            if *what == "a session's id" && place == Place::Bus {
                continue;
            }
            assert!(!texts[&place].contains(text), "{what} is in {place:?}: {text}");
        }
    }
}
