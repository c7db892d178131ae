//! Accounts: users, their sessions and API tokens.
//!
//! A session is a signed token that any service verifies alone, and a row here by which it can be
//! revoked ([`sign`](Accounts::sign_in) in and out); a user is an aggregate whose every version is an event.

mod account_page;
mod api;
mod bodies;
mod changes;
mod device;
mod directory;
mod events;
mod forms;
mod jobs;
mod known;
mod lookup;
mod mail_api;
mod mail_pages;
pub mod model;
mod pages;
mod passwords;
mod post;
mod profile;
mod reset;
mod rotation;
mod seen;
mod session;
mod sign;
mod store;
mod user;
mod users;
mod uses;
mod verification;

use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, Subscription};
use cache::{Cache, Memory};
use db::{Db, Migration};
use kernel::{Instant, Result, SessionId};
use mail::Mail;
use tokio::sync::Semaphore;
use web::{Documentation, Limiter, Routes, Web};

use crate::known::{Known, LookUp};
use crate::passwords::Passwords;
use crate::post::Post;

pub use forms::Credentials;
pub use model::{NewUser, SignUp, User};
pub use profile::{AccountChange, UserChange, Written};
pub use session::{Kind, OwnSession};
pub use sign::{Client, MAX_TOKEN_LIFETIME, SignedIn, TOKEN_LIFETIME};
pub use uses::Uses;

/// This service's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") },
    Migration { name: "0002_changes", sql: include_str!("../migrations/0002_changes.sql") },
    Migration { name: "0003_mail", sql: include_str!("../migrations/0003_mail.sql") },
];

/// Batches of events that are heard at a time.
const HEARING: usize = 64;

/// Limits that a normal client never meets.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Failed sign-ins to one account, known or not, within [`Limits::sign_in_window`].
    pub failures_per_account: u32,
    /// Failed sign-ins from one address, within the same time.
    pub failures_per_address: u32,
    /// The window of both.
    pub sign_in_window: Duration,
    /// Sign-ups from one address within [`Limits::sign_up_window`].
    pub sign_ups_per_address: u32,
    /// Their window.
    pub sign_up_window: Duration,
    /// Mails that one user has sent to verify addresses within [`Limits::mail_window`]: by signing up, by changing theirs,
    /// by asking.
    pub mails_per_user: u32,
    /// Mails to one address within that time, of each kind: to verify it, to choose a password.
    pub mails_per_address: u32,
    /// Mails that one network asks for to choose a password, within the same time.
    pub mails_per_network: u32,
    /// The window of these three.
    pub mail_window: Duration,
}

impl Default for Limits {
    /// 10 and 100 in 15 minutes, 300 in an hour (contract, Conventions); of mails 6, 10 and 300 in an hour.
    fn default() -> Self {
        Self {
            failures_per_account: 10,
            failures_per_address: 100,
            sign_in_window: Duration::from_secs(15 * 60),
            sign_ups_per_address: 300,
            sign_up_window: Duration::from_secs(3600),
            mails_per_user: 6,
            mails_per_address: 10,
            mails_per_network: 300,
            mail_window: Duration::from_secs(3600),
        }
    }
}

/// What an installation may choose.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Sign-ins, sign-ups and mail.
    pub limits: Limits,
    /// Whether the directory `/user` is anybody's, as seed 0's brief has it.
    pub open_directory: bool,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
    users: Cache<LookUp, Known>,
    /// Whether other processes remember users as well.
    remembered_elsewhere: bool,
    /// Turns of [`Accounts::hear_soon`].
    hearing: Arc<Semaphore>,
    passwords: Passwords,
    account_failures: Limiter,
    address_failures: Limiter,
    sign_ups: Limiter,
    open_directory: bool,
    post: Post,
}

impl Accounts {
    /// The service on its database, which is open and migrated. Users that were looked up are kept in `memory`; mail to
    /// them leaves by `mail`.
    pub fn new(db: Db, web: Web, settings: &Settings, memory: &Memory, mail: Mail) -> Self {
        let Settings { limits, open_directory } = settings;
        let limiter = |limit, per| Limiter::new(limit, per, web.clock().clone());
        Self(Arc::new(Inner {
            users: memory.cache("users"),
            remembered_elsewhere: db.is_shared() || memory.redis.is_some(),
            hearing: Arc::new(Semaphore::new(HEARING)),
            passwords: Passwords::new(),
            post: Post::new(mail, limits, web.clock()),
            account_failures: limiter(limits.failures_per_account, limits.sign_in_window),
            address_failures: limiter(limits.failures_per_address, limits.sign_in_window),
            sign_ups: limiter(limits.sign_ups_per_address, limits.sign_up_window),
            open_directory: *open_directory,
            db,
            web,
        }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Accounts::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Accounts::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Its work in the background. `site` is where people reach the pages that the links of mails lead to, without a
    /// slash at the end; an address that the installation was told wins over it.
    pub fn jobs(&self, site: &str) -> Vec<Job> {
        let site = self.0.web.public_url().unwrap_or(site).to_owned();
        vec![jobs::prune(self), uses::note_uses(self), post::job(self, site)]
    }

    /// Brings those metrics up to date that are read rather than counted.
    pub fn observe(&self) {
        self.0.users.observe();
    }

    /// Revoked sessions whose tokens have not expired, with when they do: those after the id `after` (all, if
    /// it is empty) in order of their ids, a thousand at most.
    ///
    /// # Errors
    /// As the database says.
    pub async fn revoked_after(&self, after: &str) -> Result<Vec<(SessionId, Instant)>> {
        store::revoked(&self.0.db, self.0.web.clock().now(), after).await
    }
}

fn routes() -> Routes<Accounts> {
    let own = pages::routes().merge(account_page::routes()).merge(mail_pages::routes());
    let house = users::routes().merge(user::routes());
    let api = api::routes().merge(lookup::routes()).merge(directory::routes()).merge(mail_api::routes());
    api.merge(own).merge(house)
}
