//! The SQL of mail: what waits to be sent, the codes that were sent, the addresses that were verified.
//!
//! Whoever changes both locks the user first, and then these rows.

use db::{Db, Tx, from_row};
use kernel::{Instant, Result, UserId};

use super::{BATCH, BY_EMAIL, lock};
use crate::model::{Account, key};
use crate::post::{Code, Kind};

const QUEUE: &str = "INSERT INTO mails (id, user_id, kind, email, created_at, next_at, attempts)
    VALUES ($1, $2, $3, $4, $5, $5, 0)";
/// Of two who want the same row the second finds it changed, and looks again later.
const CLAIM: &str = "UPDATE mails SET attempts = attempts + 1, next_at = $2 WHERE next_at <= $1 AND id =
        (SELECT id FROM mails WHERE next_at <= $1 ORDER BY next_at, id LIMIT 1)
    RETURNING id, user_id, kind, email, created_at, attempts";
const POSTPONE: &str = "UPDATE mails SET next_at = $3 WHERE id = $1 AND attempts = $2";
const TAKE_OFF: &str = "DELETE FROM mails WHERE id = $1";

const KEEP_CODE: &str = "INSERT INTO mail_codes (hash, user_id, kind, email_key, expires_at)
    VALUES ($1, $2, $3, $4, $5)";
const FIND_CODE: &str =
    "SELECT user_id, email_key FROM mail_codes WHERE hash = $1 AND kind = $2 AND expires_at > $3";
const USE_CODE: &str = "DELETE FROM mail_codes WHERE hash = $1";
const BURN_CODES: &str = "DELETE FROM mail_codes WHERE user_id = $1 AND kind = $2";
const PRUNE_CODES: &str = "DELETE FROM mail_codes WHERE hash IN
    (SELECT hash FROM mail_codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

const VERIFY: &str = "INSERT INTO verified_emails (user_id, email_key, verified_at) VALUES ($1, $2, $3)
    ON CONFLICT (user_id) DO UPDATE SET email_key = excluded.email_key, verified_at = excluded.verified_at";
const VERIFIED: &str = "SELECT v.verified_at FROM verified_emails v
    JOIN users u ON u.id = v.user_id AND u.email_key = v.email_key WHERE v.user_id = $1";

const FORGET_MAILS: &str = "DELETE FROM mails WHERE user_id = $1";
const FORGET_CODES: &str = "DELETE FROM mail_codes WHERE user_id = $1";
const FORGET_VERIFIED: &str = "DELETE FROM verified_emails WHERE user_id = $1";

/// A mail whose turn it is.
pub(crate) struct Waiting {
    pub id: String,
    /// Whom it is for; who has the address, if it does not say.
    pub user: Option<UserId>,
    pub kind: String,
    /// The address that it was asked for with.
    pub email: String,
    pub created_at: Instant,
    /// Which try this is: 1 is the first.
    pub attempts: i64,
}
from_row!(Waiting { id, user, kind, email, created_at, attempts });

/// Has a mail sent, once this transaction is durable.
pub(crate) async fn queue(tx: &Tx, user: Option<UserId>, kind: Kind, email: &str) -> Result<()> {
    let (id, now) = (kernel::random_code(), tx.clock().now());
    tx.execute(QUEUE, &[&id, &user, &kind.as_str(), &email, &now]).await.map(drop)
}

/// The mail that is due first, for whoever asks alone until `until`.
pub(crate) async fn claim(db: &Db, now: Instant, until: Instant) -> Result<Option<Waiting>> {
    db.write(|tx| async move { tx.optional(CLAIM, &[&now, &until]).await }).await
}

/// Puts a mail off, unless its turn has come again meanwhile.
pub(crate) async fn postpone(db: &Db, mail: &Waiting, next: Instant) -> Result<()> {
    db.write(|tx| async move { tx.execute(POSTPONE, &[&mail.id, &mail.attempts, &next]).await.map(drop) })
        .await
}

/// Takes a mail off the list: it was sent, or never will be.
pub(crate) async fn take_off(db: &Db, mail: &Waiting) -> Result<()> {
    db.write(|tx| async move { tx.execute(TAKE_OFF, &[&mail.id]).await.map(drop) }).await
}

/// Whom a mail is for, locked, if they still have the address.
pub(crate) async fn recipient(tx: &Tx, mail: &Waiting) -> Result<Option<Account>> {
    let email_key = key(&mail.email);
    let id = match mail.user {
        Some(id) => Some(id),
        None => tx.optional::<Account>(BY_EMAIL, &[&email_key]).await?.map(|account| account.id),
    };
    let Some(id) = id else { return Ok(None) };
    Ok(lock(tx, id).await?.filter(|account| account.email_key() == Some(email_key)))
}

/// Lets a code count for the address that `account` has now.
pub(crate) async fn keep_code(
    tx: &Tx,
    code: &Code,
    account: &Account,
    kind: Kind,
    expires_at: Instant,
) -> Result<()> {
    let email_key = account.email_key().unwrap_or_default();
    tx.execute(KEEP_CODE, &[&code.hash(), &account.id, &kind.as_str(), &email_key, &expires_at])
        .await
        .map(drop)
}

/// The address that a code counts for, as far as that can be known without using it.
pub(crate) async fn address_of(db: &Db, code: &Code, kind: Kind) -> Result<Option<String>> {
    let now = db.clock().now();
    let found: Option<(UserId, String)> =
        db.optional(FIND_CODE, &[&code.hash(), &kind.as_str(), &now]).await?;
    Ok(found.map(|(_, email_key)| email_key))
}

/// Uses a code up. Whose it was, locked; `None` if it does not count, or not for the address that they have now. Of
/// two who use one code, one gets it.
pub(crate) async fn use_code(tx: &Tx, code: &Code, kind: Kind) -> Result<Option<Account>> {
    let (hash, now) = (code.hash(), tx.clock().now());
    let found: Option<(UserId, String)> = tx.optional(FIND_CODE, &[&hash, &kind.as_str(), &now]).await?;
    let Some((user, email_key)) = found else { return Ok(None) };
    let account = lock(tx, user).await?.filter(|account| account.email_key() == Some(email_key));
    let used = tx.execute(USE_CODE, &[&hash]).await? == 1;
    Ok(account.filter(|_| used))
}

/// None of the codes of one kind that a user was sent counts any more.
pub(crate) async fn burn_codes(tx: &Tx, user: UserId, kind: Kind) -> Result<()> {
    tx.execute(BURN_CODES, &[&user, &kind.as_str()]).await.map(drop)
}

/// Notes that the address of `account` is theirs.
pub(crate) async fn verify(tx: &Tx, account: &Account) -> Result<()> {
    let (email_key, now) = (account.email_key().unwrap_or_default(), tx.clock().now());
    tx.execute(VERIFY, &[&account.id, &email_key, &now]).await.map(drop)
}

/// When a user has shown that the address that they have is theirs.
pub(crate) async fn verified(db: &Db, user: UserId) -> Result<Option<Instant>> {
    let found: Option<(Instant,)> = db.optional(VERIFIED, &[&user]).await?;
    Ok(found.map(|(at,)| at))
}

/// Deletes all that is known here of a user.
pub(crate) async fn forget(tx: &Tx, user: UserId) -> Result<()> {
    for sql in [FORGET_MAILS, FORGET_CODES, FORGET_VERIFIED] {
        tx.execute(sql, &[&user]).await?;
    }
    Ok(())
}

/// Deletes codes that have expired, [`BATCH`] at most; answers how many.
pub(crate) async fn prune_codes(db: &Db, now: Instant) -> Result<u64> {
    db.write(|tx| async move { tx.execute(PRUNE_CODES, &[&now, &BATCH]).await }).await
}
