//! Users as they are remembered: by what they are looked up by, and ready to be sent.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderValue;
use kernel::{Instant, UserId};
use serde::{Deserialize, Serialize};

use crate::model::{Account, User, key};

/// What a user is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookUp {
    /// Their id.
    Id(UserId),
    /// Their address, in lower case.
    Email(String),
    /// Their public name, in lower case.
    Username(String),
}

impl LookUp {
    /// By address, without regard to case.
    pub fn email(text: &str) -> Self {
        Self::Email(key(text))
    }

    /// By public name, without regard to case.
    pub fn username(text: &str) -> Self {
        Self::Username(key(text))
    }

    /// Whether anybody can be there: nothing longer is an address or a name, and none has a control character.
    pub(crate) fn is_possible(&self) -> bool {
        let could_be =
            |key: &str, longest| key.chars().count() <= longest && !key.chars().any(char::is_control);
        match self {
            Self::Id(_) => true,
            Self::Email(key) => could_be(key, 254),
            // To lower case some characters become two.
            Self::Username(key) => could_be(key, 2 * 64),
        }
    }

    /// All by which `account` is found.
    pub(crate) fn all(account: &Account) -> impl Iterator<Item = Self> + use<> {
        let email = account.email_key().map(Self::Email);
        let username = account.username_key().map(Self::Username);
        [Some(Self::Id(account.id)), email, username].into_iter().flatten()
    }
}

impl fmt::Display for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Email(key) => write!(f, "email:{key}"),
            Self::Username(key) => write!(f, "username:{key}"),
        }
    }
}

impl cache::Key for LookUp {}

/// A user at one version, and the answer that shows it. Clones share it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(crate) struct Known(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    row: Row,
    body: Bytes,
    tag: HeaderValue,
}

/// What is kept of it outside the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    user: User,
    change: i64,
    changed_at: Instant,
}

/// The answer of a look-up.
#[derive(Serialize)]
struct Answer<'a> {
    source: &'static str,
    result: &'a [&'a User],
}

/// The JSON of a look-up.
pub(crate) fn body(from_cache: bool, result: &[&User]) -> Bytes {
    let source = if from_cache { "cache" } else { "database" };
    // Texts and numbers always have a JSON.
    serde_json::to_vec(&Answer { source, result }).unwrap_or_default().into()
}

impl Known {
    pub(crate) fn new(user: User, change: i64, changed_at: Instant) -> Self {
        Row { user, change, changed_at }.into()
    }

    pub(crate) fn user(&self) -> &User {
        &self.0.row.user
    }

    /// The number of the change that made this version.
    pub(crate) fn change(&self) -> i64 {
        self.0.row.change
    }

    /// When that was.
    pub(crate) fn changed_at(&self) -> Instant {
        self.0.row.changed_at
    }

    /// The JSON of the look-up that found it in a cache.
    pub(crate) fn body(&self) -> Bytes {
        self.0.body.clone()
    }

    /// Another one for each version of each user; weak (RFC 9110, section 8.8.1), for the same version is said to come
    /// from here or there.
    pub(crate) fn tag(&self) -> HeaderValue {
        self.0.tag.clone()
    }
}

impl From<&Account> for Known {
    fn from(account: &Account) -> Self {
        Self::new(account.view(), account.change, account.changed_at)
    }
}

impl From<Row> for Known {
    fn from(row: Row) -> Self {
        let body = body(true, &[&row.user]);
        let tag = HeaderValue::try_from(format!("W/\"{}.{}\"", row.user.id, row.user.version));
        // Ids and numbers are ASCII.
        let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self(Arc::new(Shown { row, body, tag }))
    }
}

impl From<Known> for Row {
    fn from(known: Known) -> Self {
        known.0.row.clone()
    }
}
