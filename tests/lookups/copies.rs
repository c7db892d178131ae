//! Copies of the house over PostgreSQL, NATS and a Redis, and somebody who asks them.

use std::time::{Duration, Instant};

use db::{Db, Limits};
use engines::{Database, Nats, Postgres, Redis};
use kernel::Clock;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use serde_json::Value;
use testkit::{Answer, Client, Process, eventually};

use crate::BINARY;

/// What no answer from a cache is older than, in these tests.
pub const BOUND: Duration = Duration::from_secs(2);

/// Some copies of the whole.
pub struct Copies {
    pub processes: Vec<Process>,
    pub redis: Redis,
    /// An operator's API token.
    pub token: String,
    database: Database,
    pub nats: Nats,
}

impl Copies {
    /// So many, with more in their environment. `None`, said out loud, if an engine is not installed.
    pub async fn start(count: usize, env: &[(&str, &str)]) -> Option<Self> {
        Self::begin(count, env, Process::start_with).await
    }

    /// The same; what they log is for [`Process::log`].
    pub async fn start_logging(count: usize, env: &[(&str, &str)]) -> Option<Self> {
        Self::begin(count, env, Process::start_logging).await
    }

    async fn begin(
        count: usize,
        env: &[(&str, &str)],
        start: impl AsyncFn(String, Vec<String>, Vec<(String, String)>) -> Process,
    ) -> Option<Self> {
        let database = Postgres::shared().await?.database().await;
        let (nats, redis) = (Nats::start().await?, Redis::start().await?);
        let bound = BOUND.as_secs().to_string();
        let common = [
            ("DATABASE_URL", database.url()),
            ("NATS_URL", nats.url()),
            ("CACHE_URL", redis.url()),
            ("CACHE_SECONDS", &bound),
            ("JWT_KEY", "a key that all processes of a test share"),
            ("RUST_LOG", "error"),
        ];
        let all = common.iter().chain(env);
        let env: Vec<_> = all.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut processes = Vec::new();
        for _ in 0..count {
            processes.push(start(BINARY.to_owned(), Vec::new(), env.clone()).await);
        }
        let token = operator(&processes[0]).await;
        let this = Self { processes, redis, token, database, nats };
        this.ready().await;
        Some(this)
    }

    /// Waits until every copy says that it is ready.
    pub async fn ready(&self) {
        for process in &self.processes {
            let client = process.client();
            eventually("every copy is ready", async || {
                let answer = client.try_send(client.request(Method::GET, "/readyz")).await.ok()?;
                (answer.json["status"] == "ready").then_some(())
            })
            .await;
        }
    }

    /// Where the copies are now.
    pub fn bases(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.base().to_owned()).collect()
    }

    /// The database of users, with a pool of one's own.
    pub fn accounts(&self) -> Db {
        Db::open_postgres(self.database.url(), "accounts", Clock::system(), Limits::default()).unwrap()
    }

    /// Somebody with an operator's token, who has seen nothing.
    pub fn person(&self) -> Person {
        Person { client: self.processes[0].client(), token: self.token.clone(), seen: None }
    }
}

/// Makes an operator; answers an API token of theirs.
async fn operator(process: &Process) -> String {
    let user = ["user", "create", "--email", "boss@example.com", "--operator"];
    let made = process.command(&user, "a long password\n").await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = process.command(&["token", "create", "--user", "boss@example.com"], "").await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Somebody with a cookie jar, in which there is room for `seen`. Clones share connections, each keeps its own jar.
#[derive(Clone)]
pub struct Person {
    client: Client,
    token: String,
    seen: Option<(String, Instant)>,
}

impl Person {
    /// Asks the copy at `base`; `None` if no answer came.
    pub async fn ask(
        &mut self,
        base: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<Answer> {
        let client = self.client.at(base.to_owned());
        let mut request =
            client.request(method, path).header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some((number, _)) = self.seen.as_ref().filter(|(_, end)| Instant::now() < *end) {
            request = request.header(COOKIE, format!("seen={number}"));
        }
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = client.try_send(request).await.ok()?;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        Some(answer)
    }

    /// As a browser keeps it: the last one counts, for as long as it says.
    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split("; ");
        let Some(number) = parts.next().and_then(|pair| pair.strip_prefix("seen=")) else { return };
        let lasts = parts.find_map(|part| part.strip_prefix("Max-Age=")?.parse().ok()).expect("how long");
        self.seen = Some((number.to_owned(), Instant::now() + Duration::from_secs(lasts)));
    }

    /// The same person, who has lost their cookies.
    pub fn forget(&mut self) {
        self.seen = None;
    }
}

/// How often a process has looked into its cache of users, by where the answer was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    pub process: f64,
    pub redis: f64,
    pub missed: f64,
    /// Reads of the database.
    pub loads: f64,
    pub refused: f64,
}

impl Looks {
    /// What a process says of itself now.
    pub async fn of(process: &Process) -> Self {
        let text = process.client().get("/metrics").await.expect(200).text;
        let of = |name, result| series(&text, name, &["cache=\"users\"", result]);
        Self {
            process: of("cache_lookups_total", "result=\"hit\""),
            redis: of("cache_lookups_total", "result=\"redis\""),
            missed: of("cache_lookups_total", "result=\"miss\""),
            loads: of("cache_loads_total", ""),
            refused: of("cache_fills_refused_total", ""),
        }
    }

    pub fn add(&mut self, more: Self) {
        self.process += more.process;
        self.redis += more.redis;
        self.missed += more.missed;
        self.loads += more.loads;
        self.refused += more.refused;
    }
}

/// The value of the first series of `name` with all of `labels`.
pub fn series(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let mut lines = metrics.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let value = lines.next().and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse().unwrap());
    value.unwrap_or_else(|| panic!("no {name} {labels:?}"))
}
