//! The way in for increments. Those that wait are added up per key, written by one statement in the order of their
//! keys, and committed once; then each caller is given its own exact result: what the counter was, and its own place
//! among those that were added.

use std::collections::BTreeMap;
use std::sync::Arc;

use db::{Db, IdempotencyKey, Lane, Recall, StoredAnswer, Tx};
use kernel::{Error, Kind, Result};

use crate::model::{Increment, add_up, is_safe};
use crate::noted::Noted;
use crate::{Counters, meters, store};

/// Increments that are added in one transaction: one, or the part of a batch.
pub(crate) struct Command {
    pub(crate) increments: Vec<Increment>,
    pub(crate) keyed: Option<Keyed>,
}

/// What keeps the answer of a request that may be sent again.
pub(crate) struct Keyed {
    pub(crate) key: IdempotencyKey,
    /// What the increments, or their refusals, come to.
    pub(crate) render: Render,
}

/// Makes an answer.
pub(crate) type Render = Arc<dyn Fn(&[Result<i64>]) -> StoredAnswer + Send + Sync>;

/// What became of a command.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// For each increment what its counter was then, or why it was refused.
    Counted(Vec<Result<i64>>),
    /// It had a key, under which this answer is kept now.
    Kept(StoredAnswer),
    /// Its key was answered before.
    Before(StoredAnswer),
}

pub(crate) type Tally = Lane<Command, Outcome>;

/// Starts the committer, which notes what it changes.
pub(crate) fn start(db: &Db, noted: Arc<Noted>) -> Tally {
    Lane::weighed(
        db.clone(),
        |command| command.increments.len().max(1),
        move |tx, commands: Arc<[Command]>| {
            let noted = Arc::clone(&noted);
            async move { commit(&tx, &commands, &noted).await }
        },
    )
}

/// What a command may do.
enum Turn {
    /// It is counted.
    Counts,
    /// It is answered already.
    Answered(Result<Outcome>),
    /// It is the same request as another one of the group: its outcome is that one's.
    Follows(usize),
}

async fn commit(tx: &Tx, commands: &[Command], noted: &Noted) -> Result<Vec<Result<Outcome>>> {
    let turns = take_turns(tx, commands).await?;
    let counting: Vec<&Command> = commands
        .iter()
        .zip(&turns)
        .filter_map(|(command, turn)| matches!(turn, Turn::Counts).then_some(command))
        .collect();
    let increments: Vec<&Increment> = counting.iter().flat_map(|command| &command.increments).collect();
    let mut values = count(tx, &increments, noted).await?.into_iter();
    let mut counted = Vec::with_capacity(counting.len());
    let mut kept: Vec<(&IdempotencyKey, StoredAnswer)> = Vec::new();
    for command in counting {
        let values: Vec<Result<i64>> = values.by_ref().take(command.increments.len()).collect();
        counted.push(match &command.keyed {
            None => Outcome::Counted(values),
            Some(Keyed { key, render }) => {
                let answer = render(&values);
                kept.push((key, answer.clone()));
                Outcome::Kept(answer)
            }
        });
    }
    tx.answer_keys(&kept).await?;
    let mut counted = counted.into_iter();
    let mut outcomes: Vec<Result<Outcome>> = Vec::with_capacity(commands.len());
    for turn in turns {
        outcomes.push(match turn {
            Turn::Counts => counted.next().ok_or_else(|| Error::internal("a command was not counted")),
            Turn::Answered(outcome) => outcome,
            Turn::Follows(first) => match &outcomes[first] {
                Ok(Outcome::Kept(answer)) => Ok(Outcome::Before(answer.clone())),
                other => other.clone(),
            },
        });
    }
    Ok(outcomes)
}

/// Takes the keys of those that have one.
async fn take_turns(tx: &Tx, commands: &[Command]) -> Result<Vec<Turn>> {
    let mut firsts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut turns = Vec::with_capacity(commands.len());
    for (place, command) in commands.iter().enumerate() {
        let Some(Keyed { key, .. }) = &command.keyed else {
            turns.push(Turn::Counts);
            continue;
        };
        let first = *firsts.entry((&key.scope, &key.key)).or_insert(place);
        let same = commands[first].keyed.as_ref().is_some_and(|one| one.key.fingerprint == key.fingerprint);
        turns.push(match (first == place, same) {
            (true, _) => Turn::Counts,
            (false, true) => Turn::Follows(first),
            (false, false) => Turn::Answered(Err(other_body())),
        });
    }
    let places: Vec<usize> = firsts.into_values().collect();
    let keys: Vec<&IdempotencyKey> =
        places.iter().filter_map(|place| commands[*place].keyed.as_ref()).map(|keyed| &keyed.key).collect();
    for (place, recall) in places.into_iter().zip(tx.take_keys(&keys).await?) {
        match recall {
            Recall::Unknown => {}
            Recall::Answer(answer) => turns[place] = Turn::Answered(Ok(Outcome::Before(answer))),
            Recall::OtherBody => turns[place] = Turn::Answered(Err(other_body())),
            // Key and answer are one transaction, so there is no such row of ours.
            Recall::Running => return Err(Error::internal("a key without an answer")),
        }
    }
    Ok(turns)
}

fn other_body() -> Error {
    Error::new(Kind::KeyReused, "This Idempotency-Key was used for another request")
}

/// Adds increments up and writes them; answers each in its order.
async fn count(tx: &Tx, increments: &[&Increment], noted: &Noted) -> Result<Vec<Result<i64>>> {
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, increment) in increments.iter().enumerate() {
        by_key.entry(&increment.key).or_default().push(place);
    }
    let values =
        |places: &'_ [usize]| -> Vec<i64> { places.iter().map(|place| increments[*place].value).collect() };
    let sums: BTreeMap<&str, i64> = by_key
        .iter()
        .map(|(key, places)| {
            let values = values(places);
            // What may overflow on the way is only locked here, in its turn among the keys.
            (*key, if is_safe(values.iter().copied()) { values.iter().sum() } else { 0 })
        })
        .collect();
    let added = store::add(tx, &sums).await?;
    let mut answers: Vec<Result<i64>> = vec![Ok(0); increments.len()];
    let mut before = Vec::with_capacity(by_key.len());
    for (key, places) in &by_key {
        let values = values(places);
        let base = match added.get(*key) {
            Some(now) if is_safe(values.iter().copied()) => now - sums[key],
            _ => one_by_one(tx, key, &values).await?,
        };
        before.push((*key, base));
        let (each, _) = add_up(base, values.into_iter());
        for (place, answer) in places.iter().zip(each) {
            answers[*place] = answer;
        }
    }
    noted.note(tx.clock().now(), before);
    meters::added(tx, increments.len());
    Ok(answers)
}

/// Near an end of 64 bits each increment is looked at alone. Answers what the counter was.
async fn one_by_one(tx: &Tx, key: &str, values: &[i64]) -> Result<i64> {
    let base = store::take(tx, key).await?;
    let (_, last) = add_up(base, values.iter().copied());
    if last != base {
        store::set(tx, key, last).await?;
    }
    Ok(base)
}

impl Counters {
    /// Adds to a counter; what comes back is durable.
    ///
    /// # Errors
    /// `Conflict` if the counter would overflow; `KeyReused` if the key came with another body; `Unavailable` while
    /// increments cannot be stored in time.
    pub(crate) async fn count(&self, command: Command) -> Result<Outcome> {
        let counted = self.0.tally.submit(command).await;
        if counted.as_ref().is_err_and(|error| error.kind == Kind::Unavailable) {
            meters::refused();
        }
        counted
    }
}
