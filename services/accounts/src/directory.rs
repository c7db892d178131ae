//! Seed 0's directory `/user`: users who have a name, for operators, or for anybody where it is open. What fails
//! says so in the member `reason` as well, as the seed has it.

mod api;

use std::collections::BTreeMap;

use contracts::Role;
use kernel::{Error, Kind, Result, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Fields, Session};

use crate::changes::Changed;
use crate::known::{Known, LookUp};
use crate::model::{Account, USERNAME, User, Username};
use crate::store::{self, directory};
use crate::{Accounts, Client};

pub(crate) use api::routes;

/// The most users in one answer.
const MOST: i64 = 1_000;
/// What is said of a name that is none (contract, Accounts).
const NAMELESS: &str = "Username must be a non-empty string";
/// What is said of a user who is not in the directory (contract, Accounts).
const UNKNOWN: &str = "A user with the specified ID was not found";

/// A user, as the directory shows one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = DirectoryUser)]
struct Entry {
    id: UserId,
    #[schema(example = "Ada")]
    username: String,
}

impl Entry {
    /// Who has no name is not in the directory.
    fn of(known: &Known) -> Option<Self> {
        let User { id, username, .. } = known.user();
        username.clone().map(|username| Self { id: *id, username })
    }
}

/// What the directory answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Directory {
    /// The user who was asked for.
    One(Entry),
    /// All, by id.
    All(BTreeMap<String, Entry>),
}

/// On whose behalf the directory is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Operator,
    /// Anybody, where it is open.
    Anybody,
}

impl Accounts {
    /// Who asks the directory.
    ///
    /// # Errors
    /// `Unauthorized` for anybody but an operator where it is not open.
    fn asker(&self, session: Option<&Session>) -> Result<Asker> {
        match session {
            Some(session) if session.is_operator() => Ok(Asker::Operator),
            _ if self.0.open_directory => Ok(Asker::Anybody),
            _ => Err(Error::unauthorized()),
        }
    }

    /// A user as they are in the database now; `None` if there is none.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn find(&self, id: UserId) -> Result<Option<User>> {
        let read = store::look_up(&self.0.db, &LookUp::Id(id)).await?;
        Ok(read.value.map(|known| known.user().clone()))
    }

    /// The directory, [`MOST`] of it at most.
    async fn directory(&self) -> Result<BTreeMap<String, Entry>> {
        let named = directory::named(&self.0.db, MOST).await?;
        Ok(named.into_iter().map(|(id, username)| (id.to_string(), Entry { id, username })).collect())
    }

    /// Makes a user who has a name alone: nobody can sign in as them. Who is no operator is held to the limit of
    /// sign-ups. Answers the number of this change as well.
    async fn enter(&self, asker: Asker, username: Username, client: &Client) -> Result<(Entry, i64)> {
        if asker == Asker::Anybody {
            self.count_sign_up(client)?;
        }
        let clock = self.0.web.clock();
        let (id, username) = (UserId::new(clock), username.as_str().to_owned());
        let new = &Account {
            id,
            version: 0,
            email: None,
            username: Some(username.clone()),
            password_hash: None,
            role: Role::User,
            created_at: clock.now(),
            change: 0,
            changed_at: clock.now(),
        };
        let entered = self.0.db.write(|tx| async move {
            let new = store::insert(&tx, new).await?.map_err(|_| Error::conflict("User already exists"))?;
            let created = Changed::created(&new);
            self.announce(&tx, &created).await?;
            Ok(created)
        });
        let created = entered.await?;
        self.share(&created).await;
        Ok((Entry { id, username }, created.number))
    }

    /// Deletes a user of the directory; an operator only on behalf of one. Answers the number of this change.
    async fn strike(&self, asker: Asker, id: UserId) -> Result<i64> {
        let struck = self.delete_user_if(id, |account| match (&account.username, account.role) {
            (None, _) => Err(unknown()),
            (_, Role::Operator) if asker == Asker::Anybody => Err(Error::unauthorized()),
            _ => Ok(()),
        });
        struck.await.map_err(|error| if error.kind == Kind::NotFound { unknown() } else { error })
    }
}

fn unknown() -> Error {
    Error::new(Kind::NotFound, UNKNOWN)
}

/// `{username}`
///
/// # Errors
/// `Invalid`, with the sentence of the contract for one that is blank or no text.
fn read_username(mut fields: Fields) -> Result<Username> {
    let text = fields.raw_text("username", NAMELESS, 1..=usize::MAX);
    let blank = text.as_deref().is_some_and(|text| text.trim().is_empty());
    fields.require(!blank, "username", NAMELESS);
    fields.finish()?;
    text.as_deref().and_then(Username::parse).ok_or_else(|| Error::invalid(USERNAME).at("username"))
}
