//! Clients that write and read at random, and note what they were told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Answer;

use super::copies::Person;
use super::history::{Act, Done, GONE, Key, Shown};
use crate::chaos::Chance;

/// The last names of each pair that readers ask for: those who have them, and some that are given up.
const NAMES: usize = 4;
/// A pause between two writes of one writer, in milliseconds at most.
const PAUSE: u64 = 60;

/// What all clients of a run share.
pub struct Scene {
    /// Where the copies are at the moment.
    pub bases: Mutex<Vec<String>>,
    pub stop: AtomicBool,
    /// Requests to which no answer came.
    pub unanswered: AtomicU64,
    /// Keys of each pair, to look up.
    keys: Mutex<Vec<Vec<Key>>>,
}

impl Scene {
    pub fn new(bases: Vec<String>, pairs: usize) -> Arc<Self> {
        let keys = Mutex::new(vec![Vec::new(); pairs]);
        let (stop, unanswered) = (AtomicBool::default(), AtomicU64::default());
        Arc::new(Self { bases: Mutex::new(bases), stop, unanswered, keys })
    }

    fn has_ended(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// One client: acts one after the other, on random copies.
pub struct Actor {
    scene: Arc<Scene>,
    pub person: Person,
    client: usize,
    chance: Chance,
    pub history: Vec<Done>,
}

/// A user whom a writer writes, as they were last acknowledged.
struct User {
    id: String,
    username: String,
    email: Option<String>,
}

impl User {
    fn keys(&self) -> Vec<Key> {
        let email = self.email.clone().map(Key::Email);
        [Some(Key::Id(self.id.clone())), Some(Key::Username(self.username.clone())), email]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Actor {
    pub fn new(scene: &Arc<Scene>, person: &Person, client: usize, seed: u64) -> Self {
        let chance = Chance(seed.wrapping_mul(1_000).wrapping_add(client as u64));
        Self { scene: Arc::clone(scene), person: person.clone(), client, chance, history: Vec::new() }
    }

    /// Asks a random copy; `None` if no answer came.
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> Option<Answer> {
        let base = {
            let bases = self.scene.bases.lock().unwrap();
            bases[self.chance.below(bases.len() as u64) as usize].clone()
        };
        let answer = self.person.ask(&base, method, path, body).await;
        if answer.is_none() {
            self.scene.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Writes until that is acknowledged; answers when it began, and what was answered.
    async fn write(&mut self, method: Method, path: &str, body: &Value) -> (Instant, Answer) {
        let begin = Instant::now();
        loop {
            if let Some(answer) = self.ask(method.clone(), path, Some(body.clone())).await
                && !answer.status.is_server_error()
            {
                return (begin, answer);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn note(&mut self, begin: Instant, act: Act) {
        self.history.push(Done { client: self.client, begin, end: Instant::now(), act });
    }

    /// Somebody new, who has a name.
    async fn create(&mut self, prefix: &str, names: &mut u64) -> User {
        loop {
            // Another name each time: nobody learns who was made when no answer came.
            let username = format!("{prefix}-{names}");
            *names += 1;
            let (begin, body) = (Instant::now(), json!({"username": username}));
            let Some(answer) = self.ask(Method::POST, "/user", Some(body)).await else { continue };
            if answer.status.is_server_error() {
                continue;
            }
            let user = User { id: answer.expect(201).text_of("id"), username, email: None };
            let (took, gave) = (user.keys(), Vec::new());
            self.note(begin, Act::Wrote { user: user.id.clone(), version: 0, took, gave });
            return user;
        }
    }

    /// Gives somebody another name, or another address.
    async fn change(&mut self, user: &mut User, username: Option<String>, email: Option<String>) {
        let before = user.keys();
        let mut body = json!({});
        if let Some(username) = username {
            body["username"] = json!(username);
            user.username = username;
        }
        if let Some(email) = email {
            body["email"] = json!(email);
            user.email = Some(email);
        }
        let (begin, answer) = self.write(Method::PATCH, &format!("/api/users/{}", user.id), &body).await;
        let version = answer.expect(200).json["version"].as_i64().unwrap();
        let after = user.keys();
        let took = after.iter().filter(|key| !before.contains(key)).cloned().collect();
        let gave = before.into_iter().filter(|key| !after.contains(key)).collect();
        self.note(begin, Act::Wrote { user: user.id.clone(), version, took, gave });
    }

    async fn delete(&mut self, user: &User) {
        let (begin, answer) =
            self.write(Method::DELETE, &format!("/api/users/{}", user.id), &json!({})).await;
        // 404: the one to which no answer came did it.
        assert!([204, 404].contains(&answer.status.as_u16()), "{}", answer.text);
        let (user, gave) = (user.id.clone(), user.keys());
        self.note(begin, Act::Wrote { user, version: GONE, took: Vec::new(), gave });
    }

    /// Looks somebody up, and notes who that was.
    async fn look_up(&mut self, key: &Key) {
        let query = match key {
            Key::Id(id) => format!("id={id}"),
            Key::Email(email) => format!("email={email}"),
            Key::Username(username) => format!("username={username}"),
        };
        let begin = Instant::now();
        let answer = self.ask(Method::GET, &format!("/api/users?{query}"), None).await;
        let Some(answer) = answer else { return };
        let found = &answer.json["result"][0];
        let text = |name: &str| found[name].as_str().map(ToOwned::to_owned);
        let found = match answer.status.as_u16() {
            200 => Some(Shown {
                id: text("id").unwrap(),
                version: found["version"].as_i64().unwrap(),
                email: text("email"),
                username: text("username"),
            }),
            404 => None,
            _ => panic!("{} {}", answer.status, answer.text),
        };
        self.note(begin, Act::Read { key: key.clone(), found });
    }

    /// Writes two users: their names, and an address that goes from one to the other; now and then one of them goes, and
    /// another comes. Reads what it has written, there or elsewhere.
    pub async fn write_pair(mut self, pair: usize) -> Self {
        let (prefix, shared) = (format!("pair{pair}"), format!("pair{pair}@example.com"));
        let mut names = 0;
        let mut users = [self.create(&prefix, &mut names).await, self.create(&prefix, &mut names).await];
        while !self.scene.has_ended() {
            let (one, chance) = (self.chance.below(2) as usize, self.chance.below(100));
            let before = users[one].keys();
            if chance < 60 {
                names += 1;
                self.change(&mut users[one], Some(format!("{prefix}-{names}")), None).await;
            } else if chance < 90 {
                if users[1 - one].email.as_ref() == Some(&shared) {
                    names += 1;
                    let other = format!("pair{pair}-{names}@example.com");
                    self.change(&mut users[1 - one], None, Some(other)).await;
                }
                self.change(&mut users[one], None, Some(shared.clone())).await;
            } else {
                self.delete(&users[one]).await;
                names += 1;
                users[one] = self.create(&prefix, &mut names).await;
            }
            self.tell(pair, &users, &before, &shared);
            for key in before.iter().chain(&users[one].keys()) {
                self.look_up(key).await;
            }
            tokio::time::sleep(Duration::from_millis(self.chance.below(PAUSE))).await;
        }
        self
    }

    /// What readers ask for from now on.
    fn tell(&self, pair: usize, users: &[User; 2], before: &[Key], shared: &str) {
        let mut keys = self.scene.keys.lock().unwrap();
        let known = &mut keys[pair];
        let lasting = users.iter().flat_map(User::keys).chain([Key::Email(shared.to_owned())]);
        let former =
            before.iter().chain(known.iter()).filter(|key| matches!(key, Key::Username(_) | Key::Id(_)));
        let former: Vec<Key> = former.take(NAMES).cloned().collect();
        let mut next: Vec<Key> = lasting.chain(former).collect();
        next.sort();
        next.dedup();
        *known = next;
    }

    /// One of many who change one user at the same time, each through other copies.
    pub async fn write_one(mut self, id: String) -> Self {
        let key = Key::Id(id.clone());
        let mut number = 0;
        while !self.scene.has_ended() {
            number += 1;
            let body = json!({"username": format!("hot-{}-{number}", self.client)});
            let begin = Instant::now();
            let answer = self.ask(Method::PATCH, &format!("/api/users/{id}"), Some(body)).await;
            if let Some(answer) = answer.filter(|answer| !answer.status.is_server_error()) {
                let version = answer.expect(200).json["version"].as_i64().unwrap();
                let (took, gave) = (Vec::new(), Vec::new());
                self.note(begin, Act::Wrote { user: id.clone(), version, took, gave });
            }
            self.look_up(&key).await;
            tokio::time::sleep(Duration::from_millis(self.chance.below(2 * PAUSE))).await;
        }
        self
    }

    /// Looks up one after the other, and loses its cookies now and then.
    pub async fn read(mut self, hot: String) -> Self {
        let mut numbers = self.client;
        while !self.scene.has_ended() {
            let key = {
                let keys = self.scene.keys.lock().unwrap();
                let pair = &keys[self.chance.below(keys.len() as u64) as usize];
                match self.chance.below(1 + pair.len() as u64) as usize {
                    0 => Key::Id(hot.clone()),
                    n => pair[n - 1].clone(),
                }
            };
            // Some ask for the same again, and a moment later elsewhere.
            for _ in 0..=self.chance.below(4) {
                self.look_up(&key).await;
            }
            if self.chance.below(10) == 0 {
                numbers += 1_000;
                self.client = numbers;
                self.person.forget();
            }
            tokio::time::sleep(Duration::from_millis(self.chance.below(8))).await;
        }
        self
    }
}

/// Makes the user whom many write; answers their id.
pub async fn hot(scene: &Arc<Scene>, person: &Person) -> (String, Vec<Done>) {
    let mut actor = Actor::new(scene, person, 0, 0);
    let user = actor.create("hot", &mut 0).await;
    (user.id, actor.history)
}
