//! The servers behind the server under test: none for an embedded house, else a PostgreSQL of its own, NATS, and Redis.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engines::{Database, Nats, Postgres, Redis};

use crate::machine::{self, Processes};
use crate::{Options, Result};

/// Real engines of this run's own; they go with it.
pub struct Backing {
    nats: Option<Nats>,
    database: Option<Database>,
    postgres: Option<Arc<Postgres>>,
    redis: Option<Arc<Redis>>,
    settings: Vec<(&'static str, String)>,
}

impl Backing {
    /// An embedded house, which needs none.
    pub fn none() -> Self {
        Self { nats: None, database: None, postgres: None, redis: None, settings: Vec::new() }
    }

    /// Starts what the options ask for.
    pub async fn start(options: &Options) -> Result<Self> {
        let mut backing = Self::none();
        if options.postgres {
            let postgres = Postgres::start_durable().await.ok_or("PostgreSQL is not installed")?;
            backing.database = Some(postgres.database().await);
            backing.postgres = Some(Arc::new(postgres));
        }
        if options.nats {
            backing.nats = Some(Nats::start().await.ok_or("NATS is not installed")?);
        }
        Ok(backing)
    }

    /// For another server: a database of its own on the same PostgreSQL, and a NATS if that is asked for.
    pub async fn sharing(&self, nats: bool) -> Result<Self> {
        let database = Some(self.beside().await?);
        let nats = if nats { Some(Nats::start().await.ok_or("NATS is not installed")?) } else { None };
        Ok(Self { nats, database, postgres: self.postgres.clone(), ..Self::none() })
    }

    /// With this Redis to remember in, in which all names of this server begin with `prefix`.
    pub fn with_redis(mut self, redis: &Arc<Redis>, prefix: &str) -> Self {
        self.redis = Some(Arc::clone(redis));
        self.with("CACHE_PREFIX", prefix)
    }

    /// With a setting of the server that is not as usual.
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.settings.push((variable, value.to_owned()));
        self
    }

    /// What tells a `marquee` where its engines are.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.settings.clone();
        if let Some(redis) = &self.redis {
            variables.push(("CACHE_URL", redis.url().to_owned()));
        }
        if let Some(database) = &self.database {
            variables.push(("DATABASE_URL", database.url().to_owned()));
            // Of what several processes would share.
            variables.push(("JWT_KEY", "only this run's sessions are signed with it".to_owned()));
        }
        if let Some(nats) = &self.nats {
            variables.push(("NATS_URL", nats.url().to_owned()));
        }
        variables
    }

    /// The URL of the server's database, if that is not a file.
    pub fn database(&self) -> Option<&str> {
        self.database.as_ref().map(Database::url)
    }

    /// Another empty database of the same PostgreSQL, for the peer.
    pub async fn beside(&self) -> Result<Database> {
        Ok(self.postgres.as_ref().ok_or("there is no PostgreSQL")?.database().await)
    }

    /// Whether events pass through NATS.
    pub fn has_bus(&self) -> bool {
        self.nats.is_some()
    }

    /// Where commits become durable: `data`, unless PostgreSQL has them.
    pub fn disk(&self, data: &Path) -> PathBuf {
        if self.postgres.is_some() { std::env::temp_dir() } else { data.to_owned() }
    }

    /// Whose processor time is to be told apart; `servers` are those of the server under test.
    pub fn processes(&self, servers: Vec<u32>) -> Result<Processes> {
        let of = |there: bool, name| if there { machine::child(name).map(Some) } else { Ok(None) };
        Ok(Processes {
            servers,
            postgres: of(self.postgres.is_some(), "postgres")?,
            nats: of(self.nats.is_some(), "nats-server")?,
            redis: of(self.redis.is_some(), "redis-server")?,
        })
    }
}
