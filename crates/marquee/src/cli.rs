//! The command line. Every setting is a flag and an environment variable; the flag wins.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use db::Limits;
use events::NatsSettings;
use kernel::Result;

use crate::{
    Databases, Service, Settings, Tls, backup, commands, gateway, secrets, serve, telemetry, tls, verify,
};

/// Marquee: a self-hosted box office and screening room.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub struct Cli {
    #[command(flatten)]
    settings: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Flags {
    /// Where everything is kept
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    databases: DatabaseFlags,
    /// The bus between processes, e.g. nats://host:4222; without it events stay in this one
    #[arg(long, env = "NATS_URL", global = true, value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// How many servers of a NATS cluster keep each event
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1, global = true, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=5))]
    nats_replicas: u32,
    /// How long NATS keeps events
    #[arg(long, env = "NATS_KEEP", default_value = "7d", global = true, value_name = "SPAN", value_parser = span)]
    nats_keep: Duration,
    /// What the names of Marquee's streams and subjects begin with, where installations share a NATS
    #[arg(long, env = "NATS_PREFIX", default_value = "marquee", global = true, value_name = "NAME",
          value_parser = prefix)]
    nats_prefix: String,
    /// The port to listen on
    #[arg(long, env = "PORT", default_value_t = 3333, global = true)]
    port: u16,
    /// The address to listen on
    #[arg(long, env = "HOST", default_value = "127.0.0.1", global = true)]
    host: IpAddr,
    /// How long a buyer may hold a ticket before paying
    #[arg(long, env = "HOLD_SECONDS", default_value_t = 900, global = true, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    hold_seconds: u64,
    /// The highest quantity of one order
    #[arg(long, env = "MAX_PER_ORDER", default_value_t = 10, global = true, value_name = "UNITS",
          value_parser = clap::value_parser!(i64).range(1..=1000))]
    max_per_order: i64,
    /// The installation's one currency (ISO 4217)
    #[arg(long, env = "CURRENCY", default_value = "usd", global = true, value_parser = currency)]
    currency: String,
    /// Who moves the money: test: or Stripe's https://api.stripe.com, with STRIPE_KEY and
    /// STRIPE_WEBHOOK_SECRET (or files that STRIPE_KEY_FILE and STRIPE_WEBHOOK_SECRET_FILE name)
    #[arg(long, env = "PAYMENTS_URL", default_value = gateway::TEST, global = true, value_name = "URL")]
    payments_url: String,
    /// The address that people use, if it is not the one their browser asks for
    #[arg(long, env = "PUBLIC_URL", global = true, value_name = "URL")]
    public_url: Option<String>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks, e.g. 10.0.0.0/8
    #[arg(long, env = "TRUSTED_PROXIES", global = true, value_name = "NETWORKS", value_delimiter = ',')]
    trusted_proxies: Vec<web::Network>,
    /// Serve behind TLS: cookies are sent over HTTPS only
    #[arg(long, env = "SECURE_COOKIES", global = true)]
    secure_cookies: bool,
    #[command(flatten)]
    tls: Tls,
    /// Failed sign-ins allowed per account in 15 minutes
    #[arg(long, env = "SIGNIN_LIMIT_ACCOUNT", default_value_t = 10, global = true, value_name = "N")]
    signin_limit_account: u32,
    /// Failed sign-ins allowed per address in 15 minutes
    #[arg(long, env = "SIGNIN_LIMIT_ADDRESS", default_value_t = 100, global = true, value_name = "N")]
    signin_limit_address: u32,
    /// Sign-ups allowed per address in an hour
    #[arg(long, env = "SIGNUP_LIMIT_ADDRESS", default_value_t = 300, global = true, value_name = "N")]
    signup_limit_address: u32,
    /// How logs are written: text or json
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true, value_name = "FORMAT",
          value_parser = ["text", "json"])]
    log_format: String,
    /// Fill an empty installation with a seller, shows and tickets
    #[arg(long, env = "DEMO", global = true)]
    demo: bool,
}

/// Addresses may hold passwords, so `--help` does not show what the environment has.
#[derive(Debug, Args)]
struct DatabaseFlags {
    /// PostgreSQL for all services, a schema each: postgres://user:password@host:5432/marquee. Without it,
    /// files in --data. DATABASE_URL_FILE may name a file that holds it, as for each of the following
    #[arg(long, env = "DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// PostgreSQL for accounts alone
    #[arg(long, env = "ACCOUNTS_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    accounts_database_url: Option<String>,
    /// PostgreSQL for tickets alone
    #[arg(long, env = "TICKETS_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    tickets_database_url: Option<String>,
    /// PostgreSQL for orders alone
    #[arg(long, env = "ORDERS_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    orders_database_url: Option<String>,
    /// PostgreSQL for expiration alone
    #[arg(long, env = "EXPIRATION_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    expiration_database_url: Option<String>,
    /// PostgreSQL for payments alone
    #[arg(long, env = "PAYMENTS_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    payments_database_url: Option<String>,
    /// Connections to PostgreSQL that each service of this process keeps at most; the test gateway's ledger
    /// counts as one more. Together they must stay below the server's max_connections
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 4, global = true, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    database_connections: u16,
}

impl DatabaseFlags {
    fn databases(self) -> Result<Databases> {
        let limits = Limits { connections: self.database_connections.into(), ..Limits::default() };
        let given = [
            (Service::Accounts, self.accounts_database_url),
            (Service::Tickets, self.tickets_database_url),
            (Service::Orders, self.orders_database_url),
            (Service::Expiration, self.expiration_database_url),
            (Service::Payments, self.payments_database_url),
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

/// What a flag or the environment gave, else the file that `NAME_FILE` names; an empty one is none.
fn or_file(given: Option<String>, name: &str) -> Result<Option<String>> {
    let value = match given.filter(|value| !value.is_empty()) {
        Some(value) => Some(value),
        None => secrets::from_environment(name)?,
    };
    Ok(value.filter(|value| !value.is_empty()))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all services until SIGTERM or SIGINT (the default)
    Serve {
        /// The services to run; all, if none is named
        #[arg(value_name = "SERVICE")]
        services: Vec<String>,
        /// Refuse to start on databases that are not up to date, rather than migrate them
        #[arg(long, env = "NO_MIGRATE")]
        no_migrate: bool,
    },
    /// Bring the databases up to date
    Migrate,
    /// Print which paths each service answers, as JSON: the table of a proxy before a process per service
    Routes,
    /// Recompute the invariants and print one line each; exit 1 if one is broken
    Verify,
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Manage API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Events that a service could not take
    #[command(subcommand)]
    Events(EventsCommand),
    /// Write everything of this installation into one file, while it runs
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Bring an installation back from a backup, into an empty data directory
    Restore {
        /// The file that `backup` wrote
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Create a user; the password comes from a prompt or from standard input
    Create {
        /// Their e-mail address
        #[arg(long)]
        email: String,
        /// Their public name
        #[arg(long)]
        username: Option<String>,
        /// Let them run the house
        #[arg(long)]
        operator: bool,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Create an API token and print it, once
    Create {
        /// Whose: an e-mail address
        #[arg(long)]
        user: String,
        /// For how long, e.g. 12h, 30d
        #[arg(long, default_value = "30d", value_parser = span)]
        expires: Duration,
    },
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List the dead letters
    List,
    /// Deliver the dead letters again
    Retry,
}

fn currency(text: &str) -> std::result::Result<String, String> {
    let ok = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if ok { Ok(text.to_ascii_lowercase()) } else { Err("three letters, e.g. usd or eur".into()) }
}

fn prefix(text: &str) -> std::result::Result<String, String> {
    let ok =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if ok { Ok(text.into()) } else { Err("small letters, digits and underscores, e.g. marquee".into()) }
}

/// Reads `45s`, `10m`, `12h` or `30d`.
fn span(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "a number and one of s, m, h, d, e.g. 30d".to_string();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(unit).filter(|s| *s > 0).map(Duration::from_secs).ok_or_else(wrong)
}

impl Flags {
    fn settings(self) -> Result<Settings> {
        let nats = or_file(self.nats_url, "NATS_URL")?.map(|url| NatsSettings {
            prefix: self.nats_prefix,
            replicas: self.nats_replicas as usize,
            keep: self.nats_keep,
            ..NatsSettings::new(url)
        });
        Ok(Settings {
            services: Service::ALL.to_vec(),
            databases: self.databases.databases()?,
            nats,
            jwt_key: secrets::given_key()?,
            trusted_proxies: self.trusted_proxies,
            data: self.data,
            listen: (self.host, self.port).into(),
            orders: orders::Settings {
                hold: Duration::from_secs(self.hold_seconds),
                max_per_order: self.max_per_order,
                ..orders::Settings::default()
            },
            limits: accounts::Limits {
                failures_per_account: self.signin_limit_account,
                failures_per_address: self.signin_limit_address,
                sign_ups_per_address: self.signup_limit_address,
                ..accounts::Limits::default()
            },
            currency: self.currency,
            payments_url: self.payments_url,
            public_url: self.public_url,
            secure_cookies: self.secure_cookies,
            tls: self.tls,
            demo: self.demo,
            ..Settings::new(PathBuf::new())
        })
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    tls::use_ring();
    let cli = Cli::parse();
    telemetry::init_logs(&cli.settings.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("marquee: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(source) = cause {
                text = format!("{text}: {source}");
                cause = source.source();
            }
            eprintln!("marquee: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let mut settings = cli.settings.settings()?;
    match cli.command.unwrap_or(Command::Serve { services: Vec::new(), no_migrate: false }) {
        Command::Serve { services, no_migrate } => {
            settings.services = Service::named(&services)?;
            serve::serve(settings, no_migrate).await
        }
        Command::Migrate => commands::migrate(settings).await,
        Command::Routes => commands::routes(),
        Command::Verify => verify::verify(&settings).await,
        Command::User(UserCommand::Create { email, username, operator }) => {
            commands::create_user(settings, email, username, operator).await
        }
        Command::Token(TokenCommand::Create { user, expires }) => {
            commands::create_token(settings, user, expires).await
        }
        Command::Events(EventsCommand::List) => commands::list_events(settings).await,
        Command::Events(EventsCommand::Retry) => commands::retry_events(settings).await,
        Command::Backup { file } => commands::backup(settings, &file).await,
        Command::Restore { file } => backup::restore(&settings, &file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn spans_and_currencies_are_read_or_refused() {
        assert_eq!(span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "d", "30", "0s", "-1h", "1w", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(currency("EUR"), Ok("eur".into()));
        assert!(currency("euro").is_err());
    }
}
