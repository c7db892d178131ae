use super::*;
use crate::testing::web;
use axum::body::BodyDataStream;
use futures_util::StreamExt;
use kernel::{Error, Kind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that a page looks at, and how often it was read.
#[derive(Clone)]
struct Number {
    value: Arc<Mutex<kernel::Result<i64>>>,
    reads: Arc<AtomicUsize>,
}

impl Number {
    fn new(value: i64) -> Self {
        Self { value: Arc::new(Mutex::new(Ok(value))), reads: Arc::default() }
    }

    fn set(&self, value: kernel::Result<i64>) {
        *self.value.lock().unwrap() = value;
    }

    fn page(&self, web: &Web) -> BodyDataStream {
        let number = self.clone();
        let response = live(web, "n".to_owned(), move || {
            number.reads.fetch_add(1, Ordering::SeqCst);
            let value = number.value.lock().unwrap().clone();
            async move { value }
        });
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.into_body().into_data_stream()
    }
}

async fn next(page: &mut BodyDataStream) -> Option<String> {
    let event = page.next().await?.unwrap();
    Some(String::from_utf8(event.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn shows_the_state_at_once_and_after_each_change() {
    let (web, _) = web();
    let number = Number::new(1);
    let mut page = number.page(&web);
    assert_eq!(next(&mut page).await.unwrap(), "data: 1\nretry: 2000\n\n");
    let began = Instant::now();
    number.set(Ok(2));
    web.changes().announce("n");
    assert_eq!(next(&mut page).await.unwrap(), "data: 2\n\n");
    assert!(began.elapsed() >= PACE && began.elapsed() < PACE * 2);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_one_look() {
    let (web, _) = web();
    let number = Number::new(0);
    let mut page = number.page(&web);
    next(&mut page).await;
    let (changes, counted) = (web.changes().clone(), number.clone());
    let busy = tokio::spawn(async move {
        for n in 1..=1000 {
            counted.set(Ok(n));
            changes.announce("n");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut last = String::new();
    while last != "data: 1000\n\n" {
        last = next(&mut page).await.unwrap();
    }
    busy.await.unwrap();
    let reads = number.reads.load(Ordering::SeqCst);
    assert!((5..=15).contains(&reads), "two seconds of changes made {reads} looks");
}

#[tokio::test(start_paused = true)]
async fn announcements_that_change_nothing_send_nothing_and_keep_the_pace() {
    let (web, _) = web();
    let number = Number::new(0);
    let mut page = number.page(&web);
    next(&mut page).await;
    let changes = web.changes().clone();
    let noise = tokio::spawn(async move {
        for _ in 0..1000 {
            changes.announce("n");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let began = Instant::now();
    assert_eq!(next(&mut page).await.unwrap(), ": \n\n", "the heartbeat is all");
    assert!(began.elapsed() >= HEARTBEAT - PACE);
    noise.await.unwrap();
    assert!(number.reads.load(Ordering::SeqCst) <= 15);
}

#[tokio::test(start_paused = true)]
async fn a_lost_announcement_is_made_good_by_the_heartbeat() {
    let (web, _) = web();
    let number = Number::new(1);
    let mut page = number.page(&web);
    next(&mut page).await;
    let began = Instant::now();
    assert_eq!(next(&mut page).await.unwrap(), ": \n\n");
    assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs());
    number.set(Ok(2));
    assert_eq!(next(&mut page).await.unwrap(), "data: 2\n\n");
    assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs() * 2);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for() {
    let (web, _) = web();
    let number = Number::new(1);
    let mut page = number.page(&web);
    next(&mut page).await;
    number.set(Err(Error::unavailable("away")));
    web.changes().announce("n");
    assert_eq!(next(&mut page).await.unwrap(), ": \n\n");
    number.set(Ok(2));
    assert_eq!(next(&mut page).await.unwrap(), "data: 2\n\n");
}

#[tokio::test(start_paused = true)]
async fn ends_with_its_subject_and_with_the_process() {
    let (web, _) = web();
    let number = Number::new(1);
    let mut gone = number.page(&web);
    let mut stopped = number.page(&web);
    next(&mut gone).await;
    next(&mut stopped).await;
    web.shutdown().cancel();
    assert_eq!(next(&mut stopped).await, None);

    let (web, _) = crate::testing::web();
    let mut gone = number.page(&web);
    next(&mut gone).await;
    number.set(Err(Error::new(Kind::NotFound, "gone")));
    web.changes().announce("n");
    assert_eq!(next(&mut gone).await, None);
    assert_eq!(next(&mut number.page(&web)).await, None);
}

#[tokio::test]
async fn nothing_is_kept_for_pages_that_were_closed() {
    let (web, _) = web();
    web.changes().announce("n");
    let number = Number::new(1);
    let (one, other) = (number.page(&web), number.page(&web));
    assert_eq!(web.changes().0.watched.read().unwrap().len(), 1);
    drop(one);
    assert_eq!(web.changes().0.watched.read().unwrap().len(), 1);
    drop(other);
    assert!(web.changes().0.watched.read().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_the_pages_of_every_process_once() {
    let ((here, _), (there, _)) = (web(), web());
    let sent = Arc::new(Mutex::new(Vec::new()));
    for (from, to) in [(&here, &there), (&there, &here)] {
        let (sent, to) = (Arc::clone(&sent), to.changes().clone());
        assert!(from.changes().forward_to(move |key| {
            sent.lock().unwrap().push(key.to_owned());
            to.hear(key);
        }));
    }
    let number = Number::new(1);
    let (mut page, mut other) = (number.page(&here), number.page(&there));
    next(&mut page).await;
    next(&mut other).await;
    let began = Instant::now();
    number.set(Ok(2));
    here.changes().announce("n");
    assert_eq!(next(&mut page).await.unwrap(), "data: 2\n\n");
    assert_eq!(next(&mut other).await.unwrap(), "data: 2\n\n");
    assert!(began.elapsed() < PACE * 2, "neither waited for its heartbeat");
    there.changes().announce("nobody looks at it there");
    assert_eq!(*sent.lock().unwrap(), ["n", "nobody looks at it there"], "what was heard goes no further");
}

#[test]
fn the_first_forwarder_stays() {
    let changes = Changes::default();
    let forwarded = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&forwarded);
    assert!(changes.forward_to(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    assert!(!changes.clone().forward_to(|_| panic!("the second one is never called")));
    changes.announce("n");
    changes.hear("n");
    assert_eq!(forwarded.load(Ordering::SeqCst), 1);
}
