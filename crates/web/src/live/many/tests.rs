use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::BodyDataStream;
use kernel::Error;

use super::*;
use crate::testing::web;

/// Numbers that a page looks at, and which were read, look by look.
#[derive(Clone, Default)]
struct Numbers {
    values: Arc<Mutex<BTreeMap<u32, i64>>>,
    looks: Arc<Mutex<Vec<Vec<u32>>>>,
    away: Arc<AtomicBool>,
}

impl Numbers {
    fn new(values: &[(u32, i64)]) -> Self {
        let numbers = Self::default();
        numbers.values.lock().unwrap().extend(values.iter().copied());
        numbers
    }

    fn set(&self, web: &Web, id: u32, value: i64) {
        self.values.lock().unwrap().insert(id, value);
        web.changes().announce(format!("n:{id}"));
    }

    fn page(&self, web: &Web, ids: &[u32]) -> BodyDataStream {
        let numbers = self.clone();
        let response = live_many(
            web,
            ids.to_vec(),
            |id| format!("n:{id}"),
            move |ids| {
                numbers.looks.lock().unwrap().push(ids.clone());
                let values = numbers.values.lock().unwrap().clone();
                let away = numbers.away.load(Ordering::SeqCst);
                async move {
                    if away {
                        return Err(Error::unavailable("away"));
                    }
                    Ok(ids.into_iter().filter_map(|id| Some((id, *values.get(&id)?))).collect())
                }
            },
        );
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        response.into_body().into_data_stream()
    }

    fn looks(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.looks.lock().unwrap())
    }
}

async fn next(page: &mut BodyDataStream) -> Option<String> {
    let event = page.next().await?.unwrap();
    Some(String::from_utf8(event.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_change_of_one_is_read_and_sent_alone() {
    let (web, _) = web();
    let numbers = Numbers::new(&[(1, 10), (2, 20), (3, 30)]);
    let mut page = numbers.page(&web, &[1, 2, 3, 2]);
    assert_eq!(next(&mut page).await.unwrap(), "data: {\"1\":10,\"2\":20,\"3\":30}\nretry: 2000\n\n");
    numbers.set(&web, 2, 21);
    assert_eq!(next(&mut page).await.unwrap(), "data: {\"2\":21}\n\n");
    numbers.set(&web, 3, 31);
    numbers.set(&web, 1, 11);
    numbers.set(&web, 4, 41);
    assert_eq!(next(&mut page).await.unwrap(), "data: {\"1\":11,\"3\":31}\n\n");
    assert_eq!(numbers.looks(), [vec![1, 2, 3], vec![2], vec![1, 3]]);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_few_looks_and_those_that_change_nothing_are_silent() {
    let (web, _) = web();
    let numbers = Numbers::new(&[(1, 0), (2, 0)]);
    let mut page = numbers.page(&web, &[1, 2]);
    next(&mut page).await;
    let (there, counted) = (web.clone(), numbers.clone());
    let busy = tokio::spawn(async move {
        for n in 1..=1000 {
            counted.set(&there, 1, n);
            there.changes().announce("n:2");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut last = String::new();
    while last != "data: {\"1\":1000}\n\n" {
        last = next(&mut page).await.unwrap();
        assert!(!last.contains("\"2\""), "{last}");
    }
    busy.await.unwrap();
    let looks = numbers.looks().len();
    assert!((5..=15).contains(&looks), "two seconds of changes made {looks} looks");
}

#[tokio::test(start_paused = true)]
async fn a_lost_announcement_is_made_good_in_silence_and_in_noise() {
    let (web, _) = web();
    let numbers = Numbers::new(&[(1, 1), (2, 2)]);
    let mut page = numbers.page(&web, &[1, 2]);
    next(&mut page).await;
    let began = Instant::now();
    assert_eq!(next(&mut page).await.unwrap(), ": \n\n");
    assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs());
    numbers.values.lock().unwrap().insert(2, 3);
    assert_eq!(next(&mut page).await.unwrap(), "data: {\"2\":3}\n\n");
    assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs() * 2);

    numbers.values.lock().unwrap().insert(2, 4);
    let (there, counted) = (web.clone(), numbers.clone());
    let noise = tokio::spawn(async move {
        for n in 0.. {
            counted.set(&there, 1, n);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let began = Instant::now();
    while !next(&mut page).await.unwrap().contains("\"2\":4") {
        assert!(began.elapsed() < HEARTBEAT * 2, "noise about one must not hide the others");
    }
    noise.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_left_out_and_nothing_at_all_is_the_end() {
    let (web, _) = web();
    let numbers = Numbers::new(&[(1, 1)]);
    let mut page = numbers.page(&web, &[1, 9]);
    assert!(next(&mut page).await.unwrap().starts_with("data: {\"1\":1}\n"));
    assert_eq!(next(&mut numbers.page(&web, &[9])).await, None);

    numbers.away.store(true, Ordering::SeqCst);
    web.changes().announce("n:1");
    assert_eq!(next(&mut page).await.unwrap(), ": \n\n", "an engine that is away is waited for");
    assert_eq!(next(&mut numbers.page(&web, &[1])).await, None, "but not at the beginning");
    numbers.away.store(false, Ordering::SeqCst);
    numbers.set(&web, 1, 2);
    assert_eq!(next(&mut page).await.unwrap(), "data: {\"1\":2}\n\n");
    web.shutdown().cancel();
    assert_eq!(next(&mut page).await, None);
}

#[tokio::test]
async fn nothing_is_kept_for_pages_that_were_closed() {
    let (web, _) = web();
    let page = Numbers::default().page(&web, &[1, 2, 3]);
    assert_eq!(web.changes().0.watched.read().unwrap().len(), 3);
    drop(page);
    assert!(web.changes().0.watched.read().unwrap().is_empty());
}
