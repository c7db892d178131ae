//! The command line. Every setting is a flag and an environment variable; the flag wins.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use kernel::{Clock, Error, Result};

use crate::{Settings, Tls, backup, commands, gateway, house, serve, telemetry, tls, verify};

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
    fn settings(self) -> Settings {
        Settings {
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
            head_timeout: house::HEAD,
            demo: self.demo,
            clock: Clock::system(),
        }
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
    let settings = cli.settings.settings();
    match cli.command.unwrap_or(Command::Serve { services: Vec::new(), no_migrate: false }) {
        Command::Serve { services, no_migrate } => {
            check_services(&services)?;
            serve::serve(settings, no_migrate).await
        }
        Command::Migrate => commands::migrate(settings).await,
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

/// Services run in one process on the embedded engines: a part of them could not hear the others.
fn check_services(named: &[String]) -> Result<()> {
    const ALL: [&str; 5] = ["accounts", "expiration", "orders", "payments", "tickets"];
    if let Some(unknown) = named.iter().find(|name| !ALL.contains(&name.as_str())) {
        return Err(Error::invalid(format!("there is no service {unknown}; there are {}", ALL.join(", "))));
    }
    if !named.is_empty() && ALL.iter().any(|name| !named.iter().any(|n| n == name)) {
        let told = "a part of the services cannot run on the embedded engines, where events stay in the process: name all services, or none";
        return Err(Error::invalid(told));
    }
    Ok(())
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

    #[test]
    fn a_part_of_the_services_is_refused_with_a_sentence() {
        assert!(check_services(&[]).is_ok());
        assert!(check_services(&["orders".into()]).unwrap_err().to_string().contains("name all services"));
        assert!(check_services(&["popcorn".into()]).unwrap_err().to_string().contains("no service popcorn"));
    }
}
