//! Live numbers for open pages, as server-sent events. A change is announced by key, and only those who
//! look at that key are woken, so a busy evening costs nothing on pages nobody has open.

mod many;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::meters::UnderWay;
use crate::problem::Problem;
use crate::web::Web;

pub use many::live_many;

/// At most five states a second reach a page.
const PACE: Duration = Duration::from_millis(200);
/// Without any news the state is read again after this time, lest a lost announcement matter, and the
/// line is kept open.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a browser comes back after the stream has ended.
const RETRY: Duration = Duration::from_secs(2);

/// Who looks at what. Clones are the same one.
///
/// Where several processes serve the pages, each of them knows only its own. A change is then announced in
/// one, handed on to the others ([`Changes::forward_to`]), and heard there ([`Changes::hear`]).
#[derive(Clone, Default)]
pub struct Changes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    watched: RwLock<HashMap<String, watch::Sender<()>>>,
    forward: OnceLock<Box<Forward>>,
}

/// Takes a key to the other processes.
type Forward = dyn Fn(&str) + Send + Sync;

impl Changes {
    /// Wakes those who look at `key` (`ticket:<id>`), and tells the other processes, if there are any. Many
    /// announcements in a row are one to them.
    pub fn announce(&self, key: impl AsRef<str>) {
        self.hear(&key);
        if let Some(forward) = self.0.forward.get() {
            forward(key.as_ref());
        }
    }

    /// Wakes those who look at `key` here: what another process announced. It goes no further.
    pub fn hear(&self, key: impl AsRef<str>) {
        let watched = self.0.watched.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(change) = watched.get(key.as_ref()) {
            change.send_replace(());
        }
    }

    /// From now on each announcement is handed to `forward` too, which brings it to the other processes, or
    /// loses it: a page looks again by itself after a while. To be set once, at the start; the first one
    /// stays, and the answer is whether that was this one.
    ///
    /// `forward` is called with every change, by whoever commits it and while others wait to commit. It
    /// must be quick and must not block: put the key where another task finds it.
    pub fn forward_to(&self, forward: impl Fn(&str) + Send + Sync + 'static) -> bool {
        self.0.forward.set(Box::new(forward)).is_ok()
    }

    fn watch(&self, key: String) -> Watch {
        let mut watched = self.0.watched.write().unwrap_or_else(PoisonError::into_inner);
        self.watch_in(&mut watched, key)
    }

    /// As [`Changes::watch`] for many, who wait for the lock once.
    fn watch_all(&self, keys: Vec<String>) -> Vec<Watch> {
        let mut watched = self.0.watched.write().unwrap_or_else(PoisonError::into_inner);
        keys.into_iter().map(|key| self.watch_in(&mut watched, key)).collect()
    }

    fn watch_in(&self, watched: &mut HashMap<String, watch::Sender<()>>, key: String) -> Watch {
        let changes = watched.entry(key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { all: self.clone(), key, changes }
    }
}

/// One open page's interest in a key.
struct Watch {
    all: Changes,
    key: String,
    changes: watch::Receiver<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.all.0.watched.write().unwrap_or_else(PoisonError::into_inner);
        // This one's own receiver is still counted.
        if watched.get(&self.key).is_some_and(|change| change.receiver_count() <= 1) {
            watched.remove(&self.key);
        }
    }
}

/// Sends the state that `read` answers: at once, and after each change of `key`. The stream ends when
/// the process stops, or when there is nothing to read any more.
pub fn live<F, Fut, T>(web: &Web, key: String, read: F) -> Response
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = kernel::Result<T>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    let now = Instant::now();
    let watch = web.changes().watch(key);
    let (shutdown, _open) = (web.shutdown().clone(), web.meters().stream());
    let feed = Feed { watch, shutdown, read, looked: now, spoke: now, shown: None, _open };
    answer(stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((event, feed))
    }))
}

fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let mut response = Sse::new(events.map(Ok::<_, Infallible>)).into_response();
    // nginx would collect events until its buffer is full.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

struct Feed<F> {
    watch: Watch,
    shutdown: CancellationToken,
    read: F,
    /// When the state was last read.
    looked: Instant,
    /// When something was last sent.
    spoke: Instant,
    /// The state that the page shows.
    shown: Option<String>,
    _open: UnderWay,
}

impl<F, Fut, T> Feed<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = kernel::Result<T>>,
    T: Serialize,
{
    /// The next thing to send, or the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let first = self.shown.is_none();
            let mut quiet = false;
            if !first {
                quiet = tokio::select! {
                    () = self.shutdown.cancelled() => return None,
                    quiet = news(&mut self.watch.changes, self.looked + PACE, self.spoke + HEARTBEAT) => quiet,
                };
            }
            // What changes from here on is seen by the next look.
            self.watch.changes.mark_unchanged();
            let state = self.state().await;
            self.looked = Instant::now();
            let event = match state {
                Ok(state) if self.shown.as_ref() == Some(&state) && !quiet => continue,
                Ok(state) if self.shown.as_ref() == Some(&state) => heartbeat(),
                Ok(state) => {
                    let event = Event::default().data(&state);
                    self.shown = Some(state);
                    if first { event.retry(RETRY) } else { event }
                }
                Err(e) if e.is_transient() && !first => heartbeat(),
                Err(e) => return over(e),
            };
            self.spoke = self.looked;
            return Some(event);
        }
    }

    async fn state(&mut self) -> kernel::Result<String> {
        json(&(self.read)().await?)
    }
}

/// The end of a stream. Becoming a problem the error is logged if it is ours; what is gone is simply over.
fn over(error: kernel::Error) -> Option<Event> {
    let _ = Problem::from(Failure(error));
    None
}

fn json(state: &impl Serialize) -> kernel::Result<String> {
    serde_json::to_string(state).map_err(|e| kernel::Error::internal("a state has no JSON").because(e))
}

/// A comment, which a page ignores and a proxy does not.
fn heartbeat() -> Event {
    Event::default().comment("")
}

/// Waits for a change, not before `soonest` and not beyond `latest`. Whether there was none.
async fn news(changes: &mut watch::Receiver<()>, soonest: Instant, latest: Instant) -> bool {
    sleep_until(soonest).await;
    timeout_at(latest, changes.changed()).await.is_err()
}

#[cfg(test)]
mod tests;
