//! Where everything is kept: the data directory, databases, objects.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use db::Limits;
use kernel::Result;

use super::or_file;
use crate::{Databases, Service};

/// Addresses may hold passwords, so `--help` does not show what the environment has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where everything is kept")]
pub(super) struct Keeping {
    /// The directory of everything that has no server
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// PostgreSQL for all services, a schema each: postgres://user:password@host:5432/marquee. Without it,
    /// files in --data
    #[arg(long, env = "DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// PostgreSQL for accounts alone
    #[arg(
        long,
        env = "ACCOUNTS_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    accounts_database_url: Option<String>,
    /// PostgreSQL for tickets alone
    #[arg(
        long,
        env = "TICKETS_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    tickets_database_url: Option<String>,
    /// PostgreSQL for orders alone
    #[arg(
        long,
        env = "ORDERS_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    orders_database_url: Option<String>,
    /// PostgreSQL for expiration alone
    #[arg(
        long,
        env = "EXPIRATION_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    expiration_database_url: Option<String>,
    /// PostgreSQL for payments alone
    #[arg(
        long,
        env = "PAYMENTS_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    payments_database_url: Option<String>,
    /// PostgreSQL for counters alone
    #[arg(
        long,
        env = "COUNTERS_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    counters_database_url: Option<String>,
    /// PostgreSQL for storage alone
    #[arg(
        long,
        env = "STORAGE_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    storage_database_url: Option<String>,
    /// PostgreSQL for streaming alone
    #[arg(
        long,
        env = "STREAMING_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    streaming_database_url: Option<String>,
    /// Where videos are kept: s3://bucket/prefix, with AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY in the environment, or file:///directory. Without it, objects/ of --data
    #[arg(long, env = "OBJECTS_URL", global = true, value_name = "URL")]
    objects_url: Option<String>,
    /// Connections to PostgreSQL that each service of this process keeps at most; the test gateway's ledger
    /// counts as one more. Together they must stay below the server's max_connections
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 4, global = true, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1000), hide_short_help = true)]
    database_connections: u16,
}

impl Keeping {
    /// Where objects are; what a bucket asks for has the names that it has everywhere.
    ///
    /// # Errors
    /// `Invalid` for a secret's file that cannot be read.
    pub(super) fn objects(&self) -> Result<objects::Settings> {
        let id = or_file(None, "AWS_ACCESS_KEY_ID")?;
        let secret = or_file(None, "AWS_SECRET_ACCESS_KEY")?;
        Ok(objects::Settings {
            url: self.objects_url.clone().filter(|url| !url.is_empty()),
            endpoint: or_file(None, "AWS_ENDPOINT_URL")?,
            region: or_file(None, "AWS_REGION")?.unwrap_or_else(|| "us-east-1".into()),
            credentials: id.zip(secret.map(objects::Hidden::new)),
        })
    }

    /// The databases of the services: one for all, and those of their own.
    ///
    /// # Errors
    /// As [`Keeping::objects`].
    pub(super) fn databases(self) -> Result<Databases> {
        let limits = Limits { connections: self.database_connections.into(), ..Limits::default() };
        let given = [
            (Service::Accounts, self.accounts_database_url),
            (Service::Tickets, self.tickets_database_url),
            (Service::Orders, self.orders_database_url),
            (Service::Expiration, self.expiration_database_url),
            (Service::Payments, self.payments_database_url),
            (Service::Counters, self.counters_database_url),
            (Service::Storage, self.storage_database_url),
            (Service::Streaming, self.streaming_database_url),
        ];
        let mut own = BTreeMap::new();
        for (service, url) in given {
            let name = format!("{}_DATABASE_URL", service.name().to_uppercase());
            if let Some(url) = or_file(url, &name)? {
                own.insert(service, url);
            }
        }
        Ok(Databases { shared: or_file(self.database_url, "DATABASE_URL")?, own, limits })
    }
}
