//! A person with a browser's cookie, speaking JSON.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Talks to one server; clones share connections, each keeps its own session.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    session: Option<String>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body, `Null` if that is no JSON.
    pub json: Value,
    /// Its body as text.
    pub text: String,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// The body's member `name` as text.
    ///
    /// # Panics
    /// If it is not there.
    pub fn text_of(&self, name: &str) -> String {
        self.json[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {} {}", self.status, self.text))
            .to_string()
    }

    /// The first message of a problem.
    pub fn message(&self) -> &str {
        self.json["errors"][0]["message"].as_str().unwrap_or_default()
    }

    /// This answer, if its status is `wanted`.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn expect(self, wanted: u16) -> Self {
        assert_eq!(self.status.as_u16(), wanted, "{}", self.text);
        self
    }
}

impl Client {
    /// For the server at `base`, e.g. `http://127.0.0.1:3333`.
    ///
    /// # Panics
    /// If there is no HTTP client to be had.
    pub fn new(base: String) -> Self {
        marquee::use_ring();
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { http, base, session: None }
    }

    /// The same person, at another address of the house.
    #[must_use]
    pub fn at(&self, base: String) -> Self {
        Self { base, ..self.clone() }
    }

    /// The address that it talks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The session's token, if signed in.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The same client with another session.
    #[must_use]
    pub fn with_session(&self, token: &str) -> Self {
        Self { session: Some(token.to_string()), ..self.clone() }
    }

    /// A request that a test goes on to shape.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.session {
            Some(token) => request.header("cookie", format!("session={token}")),
            None => request,
        }
    }

    /// Sends a request; an `Err` means that no answer came.
    ///
    /// # Errors
    /// If the server was not there or went away.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        Ok(Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text, headers })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Signs a new user up, whose session this client has from now on.
    ///
    /// # Panics
    /// If that fails.
    pub async fn sign_up(&mut self, email: &str) -> Answer {
        let answer = self
            .post("/api/users/signup", json!({"email": email, "password": "a long password"}))
            .await
            .expect(201);
        self.keep_session(&answer);
        answer
    }

    /// Signs in as a user of [`Client::sign_up`].
    ///
    /// # Panics
    /// If that fails.
    pub async fn sign_in(&mut self, email: &str) -> Answer {
        self.sign_in_with(email, "a long password").await
    }

    /// Signs in as anybody.
    ///
    /// # Panics
    /// If that fails.
    pub async fn sign_in_with(&mut self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        let answer = self.post("/api/users/signin", body).await.expect(200);
        self.keep_session(&answer);
        answer
    }

    fn keep_session(&mut self, answer: &Answer) {
        let cookie = answer.headers.get("set-cookie").expect("a cookie").to_str().expect("text");
        let token =
            cookie.split(';').next().and_then(|pair| pair.strip_prefix("session=")).expect("a session");
        self.session = Some(token.to_string());
    }

    /// Lists a ticket; answers its id.
    pub async fn list_ticket(&self, title: &str, price: &str, capacity: i64) -> String {
        let body = json!({"title": title, "price": price, "capacity": capacity});
        self.post("/api/tickets", body).await.expect(201).text_of("id")
    }
}
