//! What processes say to each other beside the events in the streams: by core NATS, at most once, to
//! whoever listens now.

use std::future::Future;
use std::time::Duration;

use async_nats::{Client, HeaderMap, RequestErrorKind, StatusCode, Subscriber};
use contracts::Event;
use futures_util::StreamExt as _;
use kernel::{Error, Result};
use tokio::sync::mpsc;

use super::{ANSWER, Nats, away};

/// Messages that wait for a slow listener; then the connection waits, and at last the server drops some.
const WAITING: usize = 1024;
/// Questions of one topic that are answered at the same time; more wait.
const AT_ONCE: usize = 16;
/// Says that an answer is an error, and what it is.
const FAILED: &str = "Marquee-Failed";

/// A broadcast on its way out: its subject and its text.
pub(super) type Outgoing = (String, String);

/// Sends what is broadcast, until the connection ends.
pub(super) async fn send_all(client: Client, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some((subject, payload)) = queue.recv().await {
        let sent = tokio::time::timeout(ANSWER, client.publish(subject, payload.into())).await;
        if !matches!(sent, Ok(Ok(()))) {
            metrics::counter!("broadcasts_dropped_total").increment(1);
        }
    }
}

impl Nats {
    /// Tells all processes that [listen](Nats::listen) for `topic` (letters, digits and `-`), this one
    /// included. At most once: it is dropped if NATS is away or too much waits already, and nobody
    /// is told. Never blocks.
    pub fn broadcast(&self, topic: &str, payload: &str) {
        let message = (self.live_subject(topic), payload.to_owned());
        // What would wait for a connection would be said too late.
        if !self.is_connected() || self.0.outgoing.try_send(message).is_err() {
            metrics::counter!("broadcasts_dropped_total").increment(1);
        }
    }

    /// Hears what is [broadcast](Nats::broadcast) on `topic` from now on, through every reconnection.
    ///
    /// # Errors
    /// `Unavailable` if the connection has ended.
    pub async fn listen(&self, topic: &str) -> Result<mpsc::Receiver<String>> {
        let heard = self.0.client.subscribe(self.live_subject(topic)).await.map_err(away)?;
        Ok(self.forward(heard, |message| String::from_utf8(message.payload.into()).ok()))
    }

    /// Hears the events of one subject live, in every process and without any memory: only while the connection
    /// stands, and whatever else becomes of the event. An event may come more than once.
    ///
    /// # Errors
    /// `Unavailable` if the connection has ended.
    pub async fn hear(&self, service: &str, subject: &str) -> Result<mpsc::Receiver<Event>> {
        let subject = format!("{}.{service}.*.{subject}", self.settings().prefix);
        let heard = self.0.client.subscribe(subject).await.map_err(away)?;
        Ok(self.forward(heard, |message| serde_json::from_slice(&message.payload).ok()))
    }

    /// Asks whoever [answers](Nats::answer) on `topic`, for at most `limit`.
    ///
    /// # Errors
    /// `Unavailable` if nobody answers in time, or the answer is an error.
    pub async fn ask(&self, topic: &str, payload: &str, limit: Duration) -> Result<String> {
        let request = async_nats::Request::new().payload(payload.to_owned().into()).timeout(Some(limit));
        // The limit holds as well while the question waits for a connection.
        let asked = self.0.client.send_request(self.ask_subject(topic), request);
        let answer = tokio::time::timeout(limit, asked)
            .await
            .map_err(|e| Error::unavailable("nobody answers in time").because(e))?
            .map_err(|e| match e.kind() {
                RequestErrorKind::NoResponders => Error::unavailable("nobody is there to answer"),
                _ => away(e),
            })?;
        if answer.headers.is_some_and(|headers| headers.get(FAILED).is_some()) {
            return Err(Error::unavailable("whoever was asked cannot answer now"));
        }
        String::from_utf8(answer.payload.into())
            .map_err(|e| Error::unavailable("an answer cannot be read").because(e))
    }

    /// Answers what is [asked](Nats::ask) on `topic`, some questions at a time, for as long as the connection
    /// lives. Where several processes answer, each question goes to one of them. An answer is at most as long as
    /// a message may be, a mebibyte unless the server says otherwise.
    ///
    /// # Errors
    /// `Unavailable` if the connection has ended.
    pub async fn answer<F, Fut>(&self, topic: &str, handler: F) -> Result<()>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String>> + Send,
    {
        let group = self.settings().prefix.clone();
        let asked = self.0.client.queue_subscribe(self.ask_subject(topic), group).await.map_err(away)?;
        self.answering(asked, handler);
        Ok(())
    }

    /// Asks everybody who [answers each](Nats::answer_each) on `topic`, and gathers for `limit` what they say, at
    /// most `most` answers. Who has nothing to say, or is slower, is not waited for.
    ///
    /// # Errors
    /// `Unavailable` if the question cannot be sent.
    pub async fn ask_all(
        &self,
        topic: &str,
        payload: &str,
        limit: Duration,
        most: usize,
    ) -> Result<Vec<String>> {
        if !self.is_connected() {
            return Err(Error::unavailable("NATS is away"));
        }
        let deadline = tokio::time::Instant::now() + limit;
        let (client, inbox) = (&self.0.client, self.0.client.new_inbox());
        let sent = async {
            let answers = client.subscribe(inbox.clone()).await.map_err(away)?;
            let question =
                client.publish_with_reply(self.all_subject(topic), inbox, payload.to_owned().into());
            question.await.map_err(away)?;
            Ok::<_, Error>(answers)
        };
        let late = |e| Error::unavailable("the question was not sent in time").because(e);
        let mut answers = tokio::time::timeout_at(deadline, sent).await.map_err(late)??;
        let mut gathered = Vec::new();
        while gathered.len() < most
            && let Ok(Some(answer)) = tokio::time::timeout_at(deadline, answers.next()).await
        {
            if answer.status == Some(StatusCode::NO_RESPONDERS) {
                break;
            }
            let failed = answer.headers.is_some_and(|headers| headers.get(FAILED).is_some());
            if let (false, Ok(text)) = (failed, String::from_utf8(answer.payload.into())) {
                gathered.push(text);
            }
        }
        Ok(gathered)
    }

    /// Answers what [everybody is asked](Nats::ask_all) on `topic`: as [`Nats::answer`] otherwise.
    ///
    /// # Errors
    /// `Unavailable` if the connection has ended.
    pub async fn answer_each<F, Fut>(&self, topic: &str, handler: F) -> Result<()>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String>> + Send,
    {
        let asked = self.0.client.subscribe(self.all_subject(topic)).await.map_err(away)?;
        self.answering(asked, handler);
        Ok(())
    }

    /// Answers what a subscription brings, for as long as the connection lives.
    fn answering<F, Fut>(&self, asked: Subscriber, handler: F)
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String>> + Send,
    {
        let client = self.0.client.clone();
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            let (client, handler) = (&client, &handler);
            // One that takes long is no reason for the others to wait.
            let each = |question: async_nats::Message| async move {
                let (Some(reply), Ok(text)) = (question.reply, String::from_utf8(question.payload.into()))
                else {
                    return;
                };
                let sent = match handler(text).await {
                    Ok(answer) => client.publish(reply, answer.into()).await,
                    Err(error) => {
                        tracing::warn!(error = ?error, "a question of another process cannot be answered");
                        let mut headers = HeaderMap::new();
                        headers.insert(FAILED, "1");
                        client.publish_with_headers(reply, headers, "".into()).await
                    }
                };
                if let Err(error) = sent {
                    tracing::warn!(%error, "an answer to another process cannot be sent");
                }
            };
            asked.for_each_concurrent(AT_ONCE, each).await;
        }));
    }

    /// Hands on what a subscription brings, until nobody listens any more or the connection ends.
    fn forward<T: Send + 'static>(
        &self,
        mut heard: Subscriber,
        read: impl Fn(async_nats::Message) -> Option<T> + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    message = heard.next() => {
                        let Some(message) = message else { return };
                        if let Some(message) = read(message) && sender.send(message).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }));
        receiver
    }

    /// What rings for the relay of `service`.
    pub(super) async fn bells(&self, service: &str) -> Result<Subscriber> {
        self.0.client.subscribe(self.bell_subject(service)).await.map_err(away)
    }

    /// Rings for the relay of `service`.
    pub(super) async fn ring(&self, service: &str) -> Result<()> {
        self.0.client.publish(self.bell_subject(service), "".into()).await.map_err(away)
    }

    /// The subject of an event; it is the stream's.
    pub(super) fn event_subject(&self, service: &str, partition: u64, subject: &str) -> String {
        format!("{}.{service}.{partition}.{subject}", self.settings().prefix)
    }

    // The subjects below are in no stream.

    fn live_subject(&self, topic: &str) -> String {
        format!("{}-live.{topic}", self.settings().prefix)
    }

    fn ask_subject(&self, topic: &str) -> String {
        format!("{}-ask.{topic}", self.settings().prefix)
    }

    fn all_subject(&self, topic: &str) -> String {
        format!("{}-all.{topic}", self.settings().prefix)
    }

    fn bell_subject(&self, service: &str) -> String {
        format!("{}-bell.{service}", self.settings().prefix)
    }
}
