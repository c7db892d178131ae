//! Each result is the exact sum with its own increment, whatever else is counted at the time.

use std::collections::HashMap;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

const TASKS: usize = 32;
const EACH: usize = 100;

/// Counts 1 so often, through the routes, on `keys` counters in turn; answers each counter's results.
async fn crowd(apps: Vec<Router>, house: &House, keys: usize) -> HashMap<String, Vec<i64>> {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let app = apps[task % apps.len()].clone();
            let requests: Vec<_> = (0..EACH)
                .map(|n| {
                    let key = format!("key {}", (task + n) % keys);
                    let request = house.request("POST", Some(&house.user), "/api/increment");
                    let request = request.header("content-type", "application/json");
                    request.body(Body::from(wish(&key, 1))).unwrap()
                })
                .collect();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for request in requests {
                    let reply = send_to(&app, request).await;
                    told.push((reply.body["key"].as_str().unwrap().to_owned(), reply.value()));
                }
                told
            })
        })
        .collect();
    let mut results: HashMap<String, Vec<i64>> = HashMap::new();
    for task in tasks {
        for (key, value) in task.await.unwrap() {
            results.entry(key).or_default().push(value);
        }
    }
    results
}

fn each_once(mut values: Vec<i64>) {
    values.sort_unstable();
    assert_eq!(values, (1..=values.len() as i64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_on_one_key_and_on_many_is_given_each_number_once() {
    for keys in [1, 100] {
        let house = House::new().await;
        let results = crowd(vec![house.app.clone()], &house, keys).await;
        assert_eq!(results.len(), keys);
        for (key, values) in results {
            assert_eq!(house.read(&key).await, Some((TASKS * EACH / keys) as i64));
            each_once(values);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_is_a_crowd_at_two_lanes_of_one_database() {
    let house = House::new().await;
    let apps = vec![house.app.clone(), house.app_of(&house.another())];
    for keys in [1, 7] {
        let before = house.read("key 0").await.unwrap_or(0);
        let results = crowd(apps.clone(), &house, keys).await;
        for (key, values) in results {
            let before = if key == "key 0" { before } else { 0 };
            each_once(values.into_iter().map(|value| value - before).collect());
        }
    }
}

/// Groups that are near the ends of 64 bits: one refusal is one caller's, and those beside it are exact.
#[tokio::test]
async fn one_that_overflows_is_refused_alone_at_both_ends() {
    let house = House::new().await;
    for (key, sign) in [("high", 1), ("low", -1)] {
        let end = if sign > 0 { i64::MAX } else { i64::MIN };
        house.count(key, end - 5 * sign).await.unwrap();
        // All at once, so one group.
        let steps = [3, 3, 1, 1_000, 1, -2, 2, 1];
        let beside = async { house.count("beside", 7).await };
        let (answers, other) =
            tokio::join!(join_all(steps.map(|step| house.count(key, step * sign))), beside);
        let left: Vec<Option<i64>> = answers.into_iter().map(|a| a.ok().map(|v| (end - v) * sign)).collect();
        assert_eq!(left, [Some(2), None, Some(1), None, Some(0), Some(2), Some(0), None]);
        assert_eq!(other.unwrap(), if sign > 0 { 7 } else { 14 });
        assert_eq!(house.read(key).await, Some(end));
    }
}

/// Half the way from one end to the other, twice, is one more than there is.
#[tokio::test]
async fn two_steps_to_the_edge_of_what_is_safe_do_not_pass_for_one() {
    let house = House::new().await;
    let step = 1i64 << 62;
    for (key, sign) in [("high", 1), ("low", -1)] {
        assert_eq!(house.count(key, step * sign).await.unwrap(), step * sign);
    }
    let (high, low, beside) =
        tokio::join!(house.count("high", step), house.count("low", -step), house.count("beside", 1));
    assert_eq!(high.unwrap_err().kind, kernel::Kind::Conflict);
    assert_eq!((low.unwrap(), beside.unwrap()), (i64::MIN, 1));
    assert_eq!((house.read("high").await, house.read("low").await), (Some(step), Some(i64::MIN)));
}

/// Commands of a group: each one or more increments, of a key out of a few.
fn groups() -> impl Strategy<Value = Vec<Vec<Vec<(usize, i64)>>>> {
    let half = 1i64 << 62;
    let value = prop_oneof![
        4 => -9i64..10,
        2 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX, half, half - 1, -half, 1 - half]),
    ];
    let command = prop::collection::vec((0usize..4, value), 1..4);
    prop::collection::vec(prop::collection::vec(command, 1..9), 1..5)
}

/// The real lane on the real database, against adding up one after the other.
#[tokio::test]
async fn groups_come_to_what_one_after_the_other_would() {
    const CASES: usize = 120;
    let (house, mut runner) = (House::new().await, TestRunner::deterministic());
    let (mut refused, mut together) = (0, 0);
    for case in 0..CASES {
        let groups = groups().new_tree(&mut runner).unwrap().current();
        let mut sums: HashMap<String, i64> = HashMap::new();
        for group in &groups {
            let named =
                |(key, value): &(usize, i64)| Increment { key: format!("{case} {key}"), value: *value };
            let commands: Vec<Vec<Increment>> = group.iter().map(|c| c.iter().map(named).collect()).collect();
            let mut expected: Vec<Vec<Option<i64>>> = Vec::new();
            for command in &commands {
                let mut add = |increment: &Increment| {
                    let sum = sums.entry(increment.key.clone()).or_default();
                    *sum = sum.checked_add(increment.value)?;
                    Some(*sum)
                };
                expected.push(command.iter().map(&mut add).collect());
            }
            // On one thread, all of them wait before the first is looked at.
            let submit = |increments| house.counters.count(Command { increments, keyed: None });
            let answers = join_all(commands.clone().into_iter().map(submit)).await;
            let answers: Vec<Vec<Option<i64>>> = answers
                .into_iter()
                .map(|a| counted(a.unwrap()).into_iter().map(Result::ok).collect())
                .collect();
            assert_eq!(answers, expected, "case {case}: {groups:?}");
            refused += answers.iter().flatten().filter(|answer| answer.is_none()).count();
            together += usize::from(commands.len() > 1);
        }
        for (key, sum) in sums {
            assert_eq!(house.read(&key).await, Some(sum), "case {case}: {key} of {groups:?}");
        }
    }
    assert!(refused > 100 && together > 100, "{refused} refused, {together} groups: that tries nothing");
}
