//! All of this service's SQL, with the files beside.

pub(crate) mod directory;
mod lookups;
pub(crate) mod mail;
pub(crate) mod sessions;

pub(crate) use lookups::{latest, look_up};

use contracts::{Event, SessionState};
use db::{Db, Param, Tx, from_row};
use futures_util::future::try_join_all;
use kernel::{Error, Instant, Result, SessionId, UserId};
use web::{Span, Web};

use crate::model::{Account, User, key};
use crate::session::{Kind, OwnSession};

/// Whoever changes a user comes by here, after the user's own row and before anything that is unique: so changes are
/// committed in the order of their numbers, and nobody waits in a circle.
const COUNT: &str = "UPDATE changes SET latest = latest + 1 WHERE id = 1 RETURNING latest";
const INSERT: &str = "INSERT INTO users
    (id, version, email, email_key, username, username_key, password_hash, role, created_at, change, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING version";
const BY_EMAIL: &str =
    "SELECT id, version, email, username, password_hash, role, created_at, change, changed_at
    FROM users WHERE email_key = $1";
/// The guard is for a good answer; the constraint is what decides, and whoever runs into it runs again.
const UPDATE: &str = "UPDATE users SET version = $3, email = $4, email_key = $5, username = $6,
        username_key = $7, password_hash = $8, role = $9, change = $10, changed_at = $11
    WHERE id = $1 AND version = $2 AND NOT EXISTS
        (SELECT 1 FROM users o WHERE o.id <> $1 AND (o.email_key = $5 OR o.username_key = $7))";
const DELETE: &str = "DELETE FROM users WHERE id = $1 AND version = $2";
/// Whoever else changes the user waits for this transaction, on any engine, and none of them comes between.
const LOCK: &str = "UPDATE users SET version = version WHERE id = $1
    RETURNING id, version, email, username, password_hash, role, created_at, change, changed_at";
const EMAIL_TAKEN: &str = "SELECT id FROM users WHERE email_key = $1 AND id <> $2";
const USERNAME_TAKEN: &str = "SELECT id FROM users WHERE username_key = $1 AND id <> $2";

const NEWEST: &str = "SELECT id, version, email, username, role, created_at FROM users
    WHERE id < $1 ORDER BY id DESC LIMIT $2";
/// What begins with a text lies between it and the same with the last of all characters behind it.
const BEGINNING_WITH: &str = "SELECT id, version, email, username, role, created_at FROM users
    WHERE id < $1 AND ((email_key >= $3 AND email_key < $4) OR (username_key >= $3 AND username_key < $4))
    ORDER BY id DESC LIMIT $2";

const OPEN: &str = "INSERT INTO sessions (id, user_id, kind, device, created_at, last_used_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $5, $6)";
const CURRENT: &str =
    "SELECT u.id, u.version, u.email, u.username, u.password_hash, u.role, u.created_at, u.change, u.changed_at,
        s.last_used_at
    FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND s.revoked_at IS NULL";
const TOUCH: &str = "UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND last_used_at <= $3";
const OWN: &str = "SELECT id, kind, device, created_at, last_used_at, expires_at FROM sessions
    WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND id > $3 ORDER BY id LIMIT $4";
const OWN_NEWEST_FIRST: &str = "SELECT id, kind, device, created_at, last_used_at, expires_at FROM sessions
    WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND id < $3 ORDER BY id DESC LIMIT $4";
const LIVE: &str = "SELECT user_id FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2";
const REVOKE: &str = "UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL
    RETURNING id, user_id, expires_at";
const REVOKE_ALL: &str = "UPDATE sessions SET revoked_at = $2
    WHERE user_id = $1 AND id <> $3 AND revoked_at IS NULL AND expires_at > $2 RETURNING id, user_id, expires_at";
const FORGET_DEVICES: &str = "UPDATE sessions SET device = '' WHERE user_id = $1";
const REVOKED: &str = "SELECT id, expires_at FROM sessions
    WHERE revoked_at IS NOT NULL AND expires_at > $1 AND id > $2 ORDER BY id LIMIT $3";
const PRUNE: &str = "DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

/// Rows handled at once by what goes through many.
pub(crate) const BATCH: i64 = 1_000;

from_row!(Account { id, version, email, username, password_hash, role, created_at, change, changed_at });

from_row!(User { id, version, email, username, role, created_at });

/// A session's row, to write.
pub(crate) struct NewSession<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub kind: Kind,
    pub device: &'a str,
    pub expires_at: Instant,
}

/// What stands in the way of a new or changed user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Email,
    Username,
}

struct Current {
    account: Account,
    last_used_at: Instant,
}

impl db::FromRow for Current {
    fn from_row(row: &db::Row<'_>) -> Result<Self> {
        Ok(Self { account: Account::from_row(row)?, last_used_at: row.get(9)? })
    }
}

struct Own {
    id: SessionId,
    kind: String,
    device: String,
    created_at: Instant,
    last_used_at: Instant,
    expires_at: Instant,
}
from_row!(Own { id, kind, device, created_at, last_used_at, expires_at });

// ---- users

/// The number of this transaction's change, and when it is made.
async fn counted(tx: &Tx, account: &Account) -> Result<Account> {
    let (change,): (i64,) = tx.one(COUNT, &[]).await?;
    Ok(Account { change, changed_at: tx.clock().now(), ..account.clone() })
}

/// Writes a new user, and what is unique about it decides. Answers it with its change's number.
pub(crate) async fn insert(tx: &Tx, new: &Account) -> Result<std::result::Result<Account, Taken>> {
    let new = counted(tx, new).await?;
    let (email_key, username_key) = (new.email_key(), new.username_key());
    let inserted: Option<(i64,)> = tx
        .optional(
            INSERT,
            &[
                &new.id,
                &new.version,
                &new.email,
                &email_key,
                &new.username,
                &username_key,
                &new.password_hash,
                &new.role,
                &new.created_at,
                &new.change,
                &new.changed_at,
            ],
        )
        .await?;
    if inserted.is_some() {
        return Ok(Ok(new));
    }
    let email: Option<(UserId,)> = tx.optional(EMAIL_TAKEN, &[&email_key, &new.id]).await?;
    Ok(Err(if email.is_some() { Taken::Email } else { Taken::Username }))
}

/// Writes the next version of a user, whose row is locked. Answers it with its change's number.
pub(crate) async fn update(
    tx: &Tx,
    old: &Account,
    new: &Account,
) -> Result<std::result::Result<Account, Taken>> {
    let new = counted(tx, new).await?;
    let (email_key, username_key) = (new.email_key(), new.username_key());
    let row: [&dyn Param; 11] = [
        &old.id,
        &old.version,
        &new.version,
        &new.email,
        &email_key,
        &new.username,
        &username_key,
        &new.password_hash,
        &new.role,
        &new.change,
        &new.changed_at,
    ];
    if tx.execute(UPDATE, &row).await? == 1 {
        return Ok(Ok(new));
    }
    if tx.optional::<(UserId,)>(EMAIL_TAKEN, &[&email_key, &new.id]).await?.is_some() {
        return Ok(Err(Taken::Email));
    }
    if tx.optional::<(UserId,)>(USERNAME_TAKEN, &[&username_key, &new.id]).await?.is_some() {
        return Ok(Err(Taken::Username));
    }
    Err(changed())
}

/// Deletes a user, whose row is locked. Answers the version that says so, with its change's number.
pub(crate) async fn delete(tx: &Tx, account: &Account) -> Result<Account> {
    let gone = Account { version: account.version + 1, ..counted(tx, account).await? };
    one(tx.execute(DELETE, &[&account.id, &account.version]).await?)?;
    tx.execute(FORGET_DEVICES, &[&account.id]).await?;
    mail::forget(tx, account.id).await?;
    Ok(gone)
}

/// A compare-and-set that met another version: the transaction is run again.
fn one(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(changed()) }
}

fn changed() -> Error {
    Error::contended("the user changed meanwhile")
}

pub(crate) async fn by_email(db: &Db, email: &str) -> Result<Option<Account>> {
    db.optional(BY_EMAIL, &[&key(email)]).await
}

/// Users, those whose address or name begins with `text` (all, if it is empty). `span` is newest first.
pub(crate) async fn users(db: &Db, text: &str, span: &Span<UserId>) -> Result<Vec<User>> {
    let start = span.start();
    let text = key(text);
    if text.is_empty() {
        return db.all(NEWEST, &[&start, &span.limit]).await;
    }
    let end = format!("{text}{}", char::MAX);
    db.all(BEGINNING_WITH, &[&start, &span.limit, &text, &end]).await
}

/// The user as it will stay until this transaction ends.
pub(crate) async fn lock(tx: &Tx, id: UserId) -> Result<Option<Account>> {
    tx.optional(LOCK, &[&id]).await
}

// ---- sessions

pub(crate) async fn open(tx: &Tx, new: &NewSession<'_>) -> Result<()> {
    let now = tx.clock().now();
    tx.execute(OPEN, &[&new.id, &new.user, &new.kind.as_str(), &new.device, &now, &new.expires_at])
        .await
        .map(drop)
}

/// Whose a session is, if it has not been revoked, and when it was last used.
pub(crate) async fn current(db: &Db, session: SessionId) -> Result<Option<(Account, Instant)>> {
    let current: Option<Current> = db.optional(CURRENT, &[&session]).await?;
    Ok(current.map(|c| (c.account, c.last_used_at)))
}

/// Notes that a session is in use, unless that was noted after `before`.
pub(crate) async fn touch(db: &Db, session: SessionId, now: Instant, before: Instant) -> Result<()> {
    db.write(|tx| async move { tx.execute(TOUCH, &[&session, &now, &before]).await.map(drop) }).await
}

/// Notes when sessions were last used, those that exist.
pub(crate) async fn note_uses(db: &Db, used: &[(SessionId, Instant)]) -> Result<()> {
    db.write(|tx| async move {
        let all = used.iter().map(|(session, at)| {
            let tx = &tx;
            async move { tx.execute(TOUCH, &[session, at, at]).await.map(drop) }
        });
        try_join_all(all).await.map(drop)
    })
    .await
}

/// A user's live sessions and tokens, in order of creation.
pub(crate) async fn own(
    db: &Db,
    user: UserId,
    after: Option<SessionId>,
    descending: bool,
    limit: i64,
) -> Result<Vec<OwnSession>> {
    let now = db.clock().now();
    let (sql, end) = if descending { (OWN_NEWEST_FIRST, "g") } else { (OWN, "") };
    let after = after.map_or_else(|| end.to_owned(), |id| id.to_string());
    let rows: Vec<Own> = db.all(sql, &[&user, &now, &after, &limit]).await?;
    let read = |row: Own| OwnSession {
        id: row.id,
        kind: Kind::parse(&row.kind),
        device: row.device,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        current: false,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Whose a live session is.
pub(crate) async fn owner(db: &Db, session: SessionId) -> Result<Option<UserId>> {
    let found: Option<(UserId,)> = db.optional(LIVE, &[&session, &db.clock().now()]).await?;
    Ok(found.map(|(user,)| user))
}

/// Ends one session, says so to everybody, and to this process at once.
pub(crate) async fn revoke(tx: &Tx, web: &Web, session: SessionId) -> Result<()> {
    let ended = tx.all(REVOKE, &[&session, &tx.clock().now()]).await?;
    announce(tx, web, ended).await
}

/// Ends all sessions and tokens of a user but `kept`.
pub(crate) async fn revoke_all(tx: &Tx, web: &Web, user: UserId, kept: Option<SessionId>) -> Result<()> {
    let kept = kept.map(|id| id.to_string()).unwrap_or_default();
    let ended = tx.all(REVOKE_ALL, &[&user, &tx.clock().now(), &kept]).await?;
    announce(tx, web, ended).await
}

async fn announce(tx: &Tx, web: &Web, ended: Vec<(SessionId, UserId, Instant)>) -> Result<()> {
    for (id, user_id, expires_at) in &ended {
        let state = SessionState { id: *id, user_id: *user_id, expires_at: *expires_at };
        tx.emit(&Event::SessionRevoked(state)).await?;
    }
    let web = web.clone();
    tx.after_commit(move || {
        for (id, _, expires_at) in ended {
            web.revocations().revoke(id, expires_at);
        }
    });
    Ok(())
}

/// Revoked sessions whose tokens have not expired, by id after `after`, [`BATCH`] at most.
pub(crate) async fn revoked(db: &Db, now: Instant, after: &str) -> Result<Vec<(SessionId, Instant)>> {
    db.all(REVOKED, &[&now, &after, &BATCH]).await
}

/// Deletes sessions that have expired, [`BATCH`] at most; answers how many.
pub(crate) async fn prune(db: &Db, now: Instant) -> Result<u64> {
    db.write(|tx| async move { tx.execute(PRUNE, &[&now, &BATCH]).await }).await
}
