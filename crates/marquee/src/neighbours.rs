//! What processes tell each other beside events: which open pages have news, which sessions have ended, and which users
//! and videos changed, to forget what they were.
//!
//! A session is verified without asking anybody, so a process has to know all that were revoked. It hears of
//! each as the event passes on the bus, learns the earlier ones at its start, from its own database if
//! accounts runs here, else by asking a process where it does, and again after a time in which it could
//! not hear.

use std::time::Duration;

use accounts::{Accounts, Uses};
use contracts::Event;
use events::Nats;
use kernel::{Error, Instant, Result, SessionId};
use streaming::Streaming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::Web;

/// Keys of open pages that have news.
const CHANGES: &str = "changes";
/// Asks for revoked sessions after an id.
const REVOKED: &str = "revoked";
/// Says which sessions were used, to a process that writes it down.
const USED: &str = "used";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long to wait after nobody answered.
const RETRY: Duration = Duration::from_millis(250);
/// How often a process that cannot hear looks by itself.
const DEAF: Duration = Duration::from_secs(1);
/// The live revocations are learned anew this often, whatever was heard.
const ANEW: Duration = Duration::from_secs(30);

/// One page of the revoked sessions, with the ends of their tokens.
type Revoked = Vec<(SessionId, Instant)>;
/// Sessions, with when they were last used.
type Used = Vec<(SessionId, Instant)>;

/// Tells this process which live sessions were revoked before it started.
pub(crate) async fn load_revocations(accounts: &Accounts, web: &Web) -> Result<()> {
    learn(web, &Source::Here(accounts.clone())).await
}

/// Joins the other processes on the bus.
///
/// # Errors
/// As the bus says; not if it is away, for it will come.
pub(crate) async fn meet(
    nats: &Nats,
    web: &Web,
    accounts: Option<&Accounts>,
    streaming: Option<&Streaming>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<()> {
    let bus = nats.clone();
    web.changes().forward_to(move |key| bus.broadcast(CHANGES, key));
    let (mut changes, open_pages) = (nats.listen(CHANGES).await?, web.clone());
    tasks.spawn(until(stop, async move {
        while let Some(key) = changes.recv().await {
            open_pages.changes().hear(key);
        }
    }));
    let (mut ended, sessions) = (nats.hear("accounts", "session:revoked").await?, web.clone());
    tasks.spawn(until(stop, async move {
        while let Some(event) = ended.recv().await {
            if let Event::SessionRevoked(session) = event {
                sessions.revocations().revoke(session.id, session.expires_at);
            }
        }
    }));
    if let Some(accounts) = accounts {
        for subject in ["user:created", "user:updated", "user:deleted"] {
            let (mut changed, accounts) = (nats.hear("accounts", subject).await?, accounts.clone());
            tasks.spawn(until(stop, async move {
                while let Some(event) = changed.recv().await {
                    accounts.heard(&event).await;
                }
            }));
        }
    }
    if let Some(streaming) = streaming {
        for subject in ["video:updated", "video:deleted"] {
            let (mut changed, streaming) = (nats.hear("streaming", subject).await?, streaming.clone());
            tasks.spawn(until(stop, async move {
                while let Some(event) = changed.recv().await {
                    streaming.heard(&event).await;
                }
            }));
        }
    }
    tasks.spawn(until(stop, keep_learning(nats.clone(), web.clone(), accounts.cloned())));
    if let Some(accounts) = accounts.cloned() {
        let noting = accounts.clone();
        let answer = move |after: String| {
            let accounts = accounts.clone();
            async move {
                let page = accounts.revoked_after(&after).await?;
                serde_json::to_string(&page).map_err(|e| Error::internal("no JSON").because(e))
            }
        };
        nats.answer(REVOKED, answer).await?;
        let note = move |used: String| {
            let accounts = noting.clone();
            async move {
                let used: Used = serde_json::from_str(&used)
                    .map_err(|e| Error::invalid("no list of sessions").because(e))?;
                accounts.note_uses(&used).await.map(|()| String::new())
            }
        };
        nats.answer(USED, note).await?;
    } else {
        let nats = nats.clone();
        let tell = move |used: Used| {
            let nats = nats.clone();
            async move {
                let used = serde_json::to_string(&used).map_err(|e| Error::internal("no JSON").because(e))?;
                nats.ask(USED, &used, ANSWER).await.map(drop)
            }
        };
        tasks.spawn((Uses::new(web).job(tell).run)(stop.clone()));
    }
    Ok(())
}

fn until<F>(stop: &CancellationToken, work: F) -> impl Future<Output = ()> + Send + use<F>
where
    F: Future<Output = ()> + Send,
{
    let stop = stop.clone();
    async move {
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Learns what was revoked: at first, after each time of deafness, and now and then.
async fn keep_learning(nats: Nats, web: Web, accounts: Option<Accounts>) {
    let mut link = nats.link();
    let source = accounts.map_or(Source::There(nats), Source::Here);
    let mut learned: Option<u64> = None;
    loop {
        let now = *link.borrow_and_update();
        if !now.connected {
            web.revocations().set_hearing(false);
        }
        let mut again = if now.connected { ANEW } else { DEAF };
        // Deaf or not, where accounts runs here its rows say what ended.
        if now.connected || matches!(source, Source::Here(_)) {
            match learn(&web, &source).await {
                Ok(()) => {
                    if now.connected && learned != Some(now.connects) {
                        // Once more soon: the server may not have had our subscriptions yet.
                        again = DEAF;
                    }
                    learned = Some(now.connects);
                    web.revocations().set_hearing(now.connected);
                }
                Err(error) => tracing::warn!(error = ?error, "cannot learn which sessions have ended"),
            }
            if now.connected && learned != Some(now.connects) {
                again = RETRY;
            }
        }
        // Either way it is looked again: what goes round the bus may be lost.
        let changed = tokio::time::timeout(again, link.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            return;
        }
    }
}

/// Who knows which sessions were revoked.
enum Source {
    /// Accounts, which runs here.
    Here(Accounts),
    /// A process where it does.
    There(Nats),
}

impl Source {
    async fn page(&self, after: &str) -> Result<Revoked> {
        match self {
            Self::Here(accounts) => accounts.revoked_after(after).await,
            Self::There(nats) => {
                let answer = nats.ask(REVOKED, after, ANSWER).await?;
                serde_json::from_str(&answer)
                    .map_err(|e| Error::internal("an answer that is none").because(e))
            }
        }
    }
}

/// Goes through all pages.
async fn learn(web: &Web, source: &Source) -> Result<()> {
    let mut after = String::new();
    loop {
        let revoked = source.page(&after).await?;
        for (id, until) in &revoked {
            web.revocations().revoke(*id, *until);
        }
        match revoked.last() {
            Some((last, _)) => after = last.to_string(),
            None => break,
        }
    }
    web.revocations().learned();
    Ok(())
}
