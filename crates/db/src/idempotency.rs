//! Answers kept under their idempotency keys. Stored in the transaction of the effect, an answer cannot
//! be lost between the two, so a retry after a crash never acts twice.

use std::collections::{HashMap, HashSet};

use kernel::{Error, Instant, Result};

use crate::{Db, Many, Param, Tx};

const REMEMBER: &str = "INSERT INTO idempotency (scope, key, fingerprint, status, body, created_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, key) DO NOTHING";
const ANSWER: &str = "UPDATE idempotency SET status = $3, body = $4 WHERE scope = $1 AND key = $2";
const FORGET: &str = "DELETE FROM idempotency WHERE scope = $1 AND key = $2";
const RECALL: &str =
    "SELECT fingerprint, status, body FROM idempotency WHERE scope = $1 AND key = $2 AND created_at > $3";
const DROP_OLD: &str = "DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND created_at <= $3";
static CLAIM: Many = Many::new(
    "INSERT INTO idempotency (scope, key, fingerprint, status, body, created_at) VALUES",
    "(?, ?, ?, 0, '', ?)",
    // One that is not kept any more is as good as none: 24 hours in milliseconds.
    "ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = 0, body = '',
        created_at = excluded.created_at WHERE idempotency.created_at <= excluded.created_at - 86400000
    RETURNING scope, key",
);
static RECALL_ALL: Many = Many::new(
    "SELECT scope, key, fingerprint, status, body FROM idempotency WHERE (scope, key) IN (VALUES",
    "(?, ?)",
    ")",
);
static ANSWER_ALL: Many = Many::new(
    "INSERT INTO idempotency (scope, key, fingerprint, status, body, created_at) VALUES",
    "(?, ?, '', ?, ?, 0)",
    "ON CONFLICT (scope, key) DO UPDATE SET status = excluded.status, body = excluded.body",
);
const PRUNE: &str = "DELETE FROM idempotency WHERE (scope, key) IN
    (SELECT scope, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT 1000)";

/// How long an answer is kept: 24 hours (contract, Conventions).
const KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// The status of an answer that is still being made.
const RUNNING: i64 = 0;

/// What identifies a request that may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// User and route: `<user id> POST /api/orders`.
    pub scope: String,
    /// What the client sent.
    pub key: String,
    /// SHA-256 of the body, in hex.
    pub fingerprint: String,
}

/// An answer to give again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Nothing: go ahead.
    Unknown,
    /// The first one is still at work.
    Running,
    /// It was answered.
    Answer(StoredAnswer),
    /// It was used for another body.
    OtherBody,
}

impl IdempotencyKey {
    /// What a row says, by fingerprint, status and body, that has this key's scope and text.
    fn recalled(&self, (fingerprint, status, body): (String, i64, String)) -> Recall {
        match status {
            _ if fingerprint != self.fingerprint => Recall::OtherBody,
            RUNNING => Recall::Running,
            _ => Recall::Answer(StoredAnswer { status: u16::try_from(status).unwrap_or(500), body }),
        }
    }
}

impl Tx {
    /// Keeps `answer` under `key`, or notes that the work has begun (`None`). False if the key has been used.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn remember(&self, key: &IdempotencyKey, answer: Option<&StoredAnswer>) -> Result<bool> {
        let now = self.clock().now();
        self.execute(DROP_OLD, &[&key.scope, &key.key, &(now - KEPT)]).await?;
        let status = answer.map_or(RUNNING, |a| i64::from(a.status));
        let body = answer.map_or("", |a| a.body.as_str());
        let new =
            self.execute(REMEMBER, &[&key.scope, &key.key, &key.fingerprint, &status, &body, &now]).await?;
        Ok(new == 1)
    }

    /// Sets the answer of a key whose work had begun.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn answer(&self, scope: &str, key: &str, answer: &StoredAnswer) -> Result<()> {
        self.execute(ANSWER, &[&scope, &key, &i64::from(answer.status), &answer.body]).await.map(drop)
    }

    /// Takes many keys, each once, for work that this transaction does: [`Recall::Unknown`] for each that is taken
    /// now, in their order, or what is known of it. Keys that another transaction is at work on are waited for.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn take_keys(&self, keys: &[&IdempotencyKey]) -> Result<Vec<Recall>> {
        let now = self.clock().now();
        // In one order everywhere, so that two that wait for each other's keys do not do so in a circle.
        let mut sorted: Vec<&&IdempotencyKey> = keys.iter().collect();
        sorted.sort_unstable_by_key(|key| (&key.scope, &key.key));
        let params: Vec<&dyn Param> = sorted
            .iter()
            .flat_map(|key| [&key.scope as &dyn Param, &key.key, &key.fingerprint, &now])
            .collect();
        let taken: Vec<(String, String)> = self.all_many(&CLAIM, &params).await?;
        let taken: HashSet<_> = taken.into_iter().collect();
        let is_taken = |key: &IdempotencyKey| taken.contains(&(key.scope.clone(), key.key.clone()));
        let known: Vec<&&IdempotencyKey> = keys.iter().filter(|key| !is_taken(key)).collect();
        let params: Vec<&dyn Param> =
            known.iter().flat_map(|key| [&key.scope as &dyn Param, &key.key]).collect();
        let known: Vec<(String, String, String, i64, String)> = self.all_many(&RECALL_ALL, &params).await?;
        let known: HashMap<_, _> = known
            .into_iter()
            .map(|(scope, key, fingerprint, status, body)| ((scope, key), (fingerprint, status, body)))
            .collect();
        let recall = |key: &&IdempotencyKey| {
            if is_taken(key) {
                return Ok(Recall::Unknown);
            }
            let found = known.get(&(key.scope.clone(), key.key.clone())).cloned();
            let found = found.ok_or_else(|| Error::contended("a key was given back meanwhile"))?;
            Ok(key.recalled(found))
        };
        keys.iter().map(recall).collect()
    }

    /// Sets the answers of keys that this transaction has taken.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn answer_keys(&self, answers: &[(&IdempotencyKey, StoredAnswer)]) -> Result<()> {
        let statuses: Vec<i64> = answers.iter().map(|(_, answer)| i64::from(answer.status)).collect();
        let params: Vec<&dyn Param> = answers
            .iter()
            .zip(&statuses)
            .flat_map(|((key, answer), status)| [&key.scope as &dyn Param, &key.key, status, &answer.body])
            .collect();
        self.execute_many(&ANSWER_ALL, &params).await.map(drop)
    }

    /// Forgets a key whose work came to nothing that may be kept.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn forget(&self, scope: &str, key: &str) -> Result<()> {
        self.execute(FORGET, &[&scope, &key]).await.map(drop)
    }
}

impl Db {
    /// What is known of `key`.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn recall(&self, key: &IdempotencyKey) -> Result<Recall> {
        let since = self.clock().now() - KEPT;
        let found: Option<(String, i64, String)> =
            self.optional(RECALL, &[&key.scope, &key.key, &since]).await?;
        Ok(found.map_or(Recall::Unknown, |found| key.recalled(found)))
    }

    /// Keeps `answer` under `key`, in a transaction of its own; a key in use keeps its answer.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn remember(&self, key: &IdempotencyKey, answer: &StoredAnswer) -> Result<()> {
        self.write(|tx| async move { tx.remember(key, Some(answer)).await.map(drop) }).await
    }

    /// Deletes answers made before `now - 24 h`, a thousand at most; answers how many.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn prune_answers(&self, now: Instant) -> Result<u64> {
        let before = now - KEPT;
        self.write(|tx| async move { tx.execute(PRUNE, &[&before]).await }).await
    }
}
