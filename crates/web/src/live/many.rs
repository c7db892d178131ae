//! One stream for a page that shows many things, a list: what changes of one of them wakes the page for that one,
//! which alone is read and sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::future::Future;

use axum::response::Response;
use axum::response::sse::Event;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _, unfold};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{HEARTBEAT, PACE, RETRY, Watch, answer, heartbeat, json, over};
use crate::meters::UnderWay;
use crate::web::Web;

/// Sends objects whose members are states by id: those of all `ids` at once, then those that have changed, and
/// nothing of what has not. `key` says under which key changes of an id are announced; `read` answers the states
/// of the ids that it is given, of those that are there. The stream ends when the process stops, or when there is
/// nothing to read any more.
///
/// The caller bounds the number of `ids`.
pub fn live_many<I, F, Fut, T>(web: &Web, ids: Vec<I>, key: impl Fn(&I) -> String, read: F) -> Response
where
    I: Copy + Ord + Display + Send + Sync + 'static,
    F: Fn(Vec<I>) -> Fut + Send + 'static,
    Fut: Future<Output = kernel::Result<Vec<(I, T)>>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    let now = Instant::now();
    let ids: BTreeSet<I> = ids.into_iter().collect();
    let keys: Vec<String> = ids.iter().map(key).collect();
    let watches =
        ids.iter().zip(web.changes().watch_all(keys)).map(|(id, watch)| change(*id, watch)).collect();
    let (shutdown, _open) = (web.shutdown().clone(), web.meters().stream());
    let feed = Feed {
        ids,
        watches,
        shutdown,
        read,
        looked: now,
        looked_at_all: now,
        spoke: now,
        shown: None,
        _open,
    };
    answer(unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((event, feed))
    }))
}

/// Waits for the next change of one thing. Its watch comes back, to be waited with again.
fn change<I: Send + 'static>(id: I, mut watch: Watch) -> BoxFuture<'static, (I, Watch)> {
    async move {
        // It cannot end: the sender stays as long as somebody watches.
        let _ = watch.changes.changed().await;
        (id, watch)
    }
    .boxed()
}

struct Feed<I, F> {
    ids: BTreeSet<I>,
    /// One for each id. Only those that have changed are polled.
    watches: FuturesUnordered<BoxFuture<'static, (I, Watch)>>,
    shutdown: CancellationToken,
    read: F,
    /// When something was last read.
    looked: Instant,
    /// When everything was.
    looked_at_all: Instant,
    /// When something was last sent.
    spoke: Instant,
    /// The states that the page shows.
    shown: Option<BTreeMap<I, String>>,
    _open: UnderWay,
}

impl<I, F, Fut, T> Feed<I, F>
where
    I: Copy + Ord + Display + Send + Sync + 'static,
    F: Fn(Vec<I>) -> Fut,
    Fut: Future<Output = kernel::Result<Vec<(I, T)>>>,
    T: Serialize,
{
    /// The next thing to send, or the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let first = self.shown.is_none();
            let changed = if first { BTreeSet::new() } else { self.news().await? };
            // After a while all of them are looked at, lest a lost announcement matter.
            let all = changed.is_empty() || self.looked_at_all.elapsed() >= HEARTBEAT;
            let asked = if all { &self.ids } else { &changed };
            let states = self.states(asked.iter().copied().collect()).await;
            self.looked = Instant::now();
            if all {
                self.looked_at_all = self.looked;
            }
            let event = match states.and_then(|states| self.difference(states)) {
                Ok(None) if all => heartbeat(),
                Ok(None) => continue,
                Ok(Some(data)) if first => Event::default().data(data).retry(RETRY),
                Ok(Some(data)) => Event::default().data(data),
                Err(e) if e.is_transient() && !first => heartbeat(),
                Err(e) => return over(e),
            };
            self.spoke = self.looked;
            return Some(event);
        }
    }

    /// Whose changes were announced since the last look; none if it was quiet for as long as a page may be.
    /// `None` at the end of the process.
    async fn news(&mut self) -> Option<BTreeSet<I>> {
        let latest = self.spoke + HEARTBEAT;
        let wait = async {
            sleep_until(self.looked + PACE).await;
            timeout_at(latest, self.watches.next()).await.ok().flatten()
        };
        let first = tokio::select! {
            () = self.shutdown.cancelled() => return None,
            first = wait => first,
        };
        let mut ready: Vec<(I, Watch)> = first.into_iter().collect();
        while let Some(Some(more)) = self.watches.next().now_or_never() {
            ready.push(more);
        }
        let changed = ready.iter().map(|(id, _)| *id).collect();
        // What changes from here on is seen by the next look.
        self.watches.extend(ready.into_iter().map(|(id, watch)| change(id, watch)));
        Some(changed)
    }

    async fn states(&mut self, ids: Vec<I>) -> kernel::Result<BTreeMap<I, String>> {
        let states = (self.read)(ids).await?;
        states.iter().map(|(id, state)| Ok((*id, json(state)?))).collect()
    }

    /// The states that the page does not show yet, as one object; from now on it shows them.
    fn difference(&mut self, states: BTreeMap<I, String>) -> kernel::Result<Option<String>> {
        if self.shown.is_none() && states.is_empty() {
            return Err(kernel::Error::not_found());
        }
        let shown = self.shown.get_or_insert_default();
        let mut object = String::new();
        for (id, state) in states {
            if shown.get(&id) == Some(&state) {
                continue;
            }
            object.push_str(if object.is_empty() { "{" } else { "," });
            object.push_str(&json(&id.to_string())?);
            object.push(':');
            object.push_str(&state);
            shown.insert(id, state);
        }
        Ok((!object.is_empty()).then(|| object + "}"))
    }
}

#[cfg(test)]
mod tests;
