//! Samples on a real database, as pages see them.

use db::Location;
use engines::Home;
use kernel::Clock;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::history::{Bin, bins};
use crate::noted::MOST;
use crate::testing::{House, add};
use crate::{MIGRATIONS, Settings, store};

/// What a process's pages show of a counter: its value, and of which bins something is to be said, by the seconds
/// since they began.
async fn shown(house: &House, counters: &Counters, key: &str) -> (i64, Vec<(i64, Option<i64>)>) {
    let now = house.clock.now();
    let seen = counters.0.looks.load(&[key.to_owned()]).await.unwrap().remove(0);
    let told = bins(&seen, now).into_iter().filter(|bin| bin.added != Some(0));
    let told = told.map(|Bin { from, added }| ((now.as_millis() - from.as_millis()) / 1000, added));
    (seen.value, told.collect())
}

/// The samples of a counter: the seconds since `begun`, and what it was.
async fn samples_of(house: &House, key: &str, begun: Instant) -> Vec<(i64, i64)> {
    let found = samples::look(&house.db, &[key.to_owned()], Instant::from_millis(0)).await.unwrap();
    let points = found.into_iter().flat_map(|(_, seen)| seen.points);
    points.map(|point| ((point.at.as_millis() - begun.as_millis()) / 1000, point.value)).collect()
}

#[tokio::test]
async fn a_picture_is_of_what_was_added_when() {
    let house = House::new().await;
    let counters = &house.counters;
    // It begins at 0.
    house.add(&[("a", 5), ("a", 2)]).await;
    assert_eq!(shown(&house, counters, "a").await, (7, vec![(0, Some(7))]));
    house.passes(25).await;
    house.add(&[("a", 10)]).await;
    house.passes(5).await;
    assert_eq!(shown(&house, counters, "a").await, (17, vec![(30, Some(7)), (10, Some(10))]));
    // Nobody looks for an hour, and nothing happens; then it is counted once.
    house.passes(3600).await;
    assert_eq!(shown(&house, counters, "a").await, (17, vec![]));
    house.add(&[("a", -3)]).await;
    assert_eq!(shown(&house, counters, "a").await, (14, vec![(0, Some(-3))]));
    house.passes(12).await;
    assert_eq!(shown(&house, counters, "a").await, (14, vec![(12, Some(-3))]));
}

#[tokio::test]
async fn whichever_process_is_asked_shows_the_same() {
    let house = House::new().await;
    if !house.db.is_shared() {
        return;
    }
    let (one, other) = (&house.counters, &house.neighbour());
    let passes = async |seconds| {
        for _ in 0..seconds {
            house.passes(1).await;
            other.sample().await.unwrap();
        }
    };
    passes(3).await;
    add(one, &[("a", 100)]).await;
    passes(1).await;
    add(other, &[("a", 20)]).await;
    assert_eq!(
        shown(&house, other, "a").await,
        (120, vec![(4, Some(20))]),
        "it has not heard of the rest yet"
    );
    passes(8).await;
    add(other, &[("a", 3)]).await;
    passes(9).await;
    let (first, second) = (shown(&house, one, "a").await, shown(&house, other, "a").await);
    assert_eq!(first, (123, vec![(21, Some(120)), (11, Some(3))]));
    assert_eq!(first, second);
    // One that is stopped leaves what it has noted.
    add(other, &[("a", 4)]).await;
    let stop = CancellationToken::new();
    stop.cancel();
    (job(other).run)(stop).await;
    passes(60).await;
    assert_eq!(shown(&house, one, "a").await.1, [(81, Some(120)), (71, Some(3)), (61, Some(4))]);
}

#[tokio::test]
async fn at_its_end_a_process_leaves_what_it_has_noted() {
    let house = House::new().await;
    let begun = house.clock.now();
    house.clock.advance(Duration::from_secs(3));
    house.add(&[("a", 5)]).await;
    let stop = CancellationToken::new();
    stop.cancel();
    (job(&house.counters).run)(stop).await;
    assert_eq!(samples_of(&house, "a", begun).await, [(0, 0), (10, 5)]);
}

#[tokio::test]
async fn a_sample_is_taken_twice_and_then_no_more() {
    let house = House::new().await;
    let begun = house.clock.now();
    house.add(&[("a", 1), ("b", 2)]).await;
    house.passes(35).await;
    house.add(&[("b", 1)]).await;
    house.passes(65).await;
    assert_eq!(samples_of(&house, "a", begun).await, [(0, 0), (10, 1), (20, 1)]);
    assert_eq!(samples_of(&house, "b", begun).await, [(0, 0), (10, 2), (20, 2), (30, 2), (40, 3), (50, 3)]);
    house.passes(KEPT.as_secs()).await;
    assert_eq!(samples_of(&house, "b", begun).await, []);
}

#[tokio::test]
async fn old_samples_are_deleted_however_many_there_are() {
    let house = House::new().await;
    let keys: Vec<String> = (0..PRUNED * 2 + 1).map(|n| format!("{n:04}")).collect();
    let all: Vec<(&str, i64)> = keys.iter().map(|key| (key.as_str(), 1)).collect();
    house.add(&all).await;
    house.passes(10).await;
    let (old, begun) =
        (house.clock.now() - Duration::from_secs(5), house.clock.now() - Duration::from_secs(10));
    assert_eq!(samples_of(&house, "1000", begun).await, [(0, 0), (10, 1)]);
    assert_eq!(samples::prune(&house.db, old, PRUNED as i64).await.unwrap(), PRUNED);
    house.clock.advance(KEPT + Duration::from_secs(20));
    house.passes(1).await;
    assert_eq!(samples::prune(&house.db, house.clock.now() - KEPT, 9).await.unwrap(), 0);
    assert_eq!(samples_of(&house, "1000", begun).await.len(), 1, "that of a moment ago");
}

#[tokio::test]
async fn what_could_not_be_noted_is_not_drawn() {
    let house = House::new().await;
    house.add(&[("b", 1)]).await;
    house.passes(60).await;
    let keys: Vec<String> = (0..MOST).map(|n| format!("{n:04}")).collect();
    let all: Vec<(&str, i64)> =
        keys.iter().map(|key| (key.as_str(), 1)).chain([("z", 5), ("zz", 1)]).collect();
    house.add(&all).await;
    house.passes(13).await;
    let (value, told) = shown(&house, &house.counters, "z").await;
    assert_eq!((value, told), (5, vec![(13, None)]), "before it began there was nothing to know");
    assert_eq!(shown(&house, &house.counters, "b").await, (1, vec![(73, Some(1))]), "nor has it changed");
    assert_eq!(shown(&house, &house.counters, "0007").await, (1, vec![(13, Some(1))]));
    // It is sampled like the others.
    let begun = house.clock.now() - Duration::from_secs(13);
    assert_eq!(samples_of(&house, "z", begun).await, [(10, 5)]);
    assert_eq!(samples_of(&house, "zz", begun).await, [(10, 1)]);
    // From now on it is looked at, and there is room for it.
    house.add(&all).await;
    assert_eq!(shown(&house, &house.counters, "z").await.1.last(), Some(&(3, Some(5))));
    house.passes(10).await;
    assert_eq!(shown(&house, &house.counters, "z").await.1.last(), Some(&(13, Some(5))));
}

#[tokio::test]
async fn what_was_noted_by_a_process_that_was_killed_is_not_drawn() {
    let house = House::new().await;
    house.add(&[("a", 5)]).await;
    house.passes(25).await;
    house.add(&[("a", 4)]).await;
    // Killed.
    let noted = &house.counters.0.noted;
    noted.settle(noted.due());
    noted.settle(noted.due());
    house.passes(60).await;
    let unknown =
        |from: i64, to: i64| (to..=from).rev().step_by(10).map(|ago| (ago, None)).collect::<Vec<_>>();
    let (value, told) = shown(&house, &house.counters, "a").await;
    assert_eq!((value, &told[0], &told[1..]), (9, &(85, Some(5)), unknown(65, 15).as_slice()));
    house.add(&[("a", 1)]).await;
    let (value, told) = shown(&house, &house.counters, "a").await;
    assert_eq!((value, told.last()), (10, Some(&(5, Some(1)))));
}

#[tokio::test]
async fn counters_from_before_there_were_samples_have_a_picture() {
    let (home, clock) = (Home::new().await, Clock::manual(Instant::from_millis(1_800_000_000_000)));
    let location = Location::new(home.url(), home.directory(), "counters");
    let db = Db::open(&location, "counters", clock.clone()).unwrap();
    db.migrate(&MIGRATIONS[..1]).await.unwrap();
    let sums = &[("a", 7)].into();
    db.write(|tx| async move { store::add(&tx, sums).await }).await.unwrap();
    db.migrate(MIGRATIONS).await.unwrap();
    let counters = Counters::new(db, Settings::default());
    add(&counters, &[("a", 2)]).await;
    let seen = counters.0.looks.load(&["a".to_owned()]).await.unwrap().remove(0);
    let told: Vec<Bin> = bins(&seen, clock.now()).into_iter().filter(|bin| bin.added != Some(0)).collect();
    assert_eq!((seen.value, told), (9, vec![Bin { from: clock.now(), added: Some(2) }]));
}
