//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use kernel::Result;

use crate::flags::{Flags, span};
use crate::traces::Traces;
use crate::{Service, commands, restore, serve, telemetry, tls, verify};

const EXAMPLES: &str = "\
Examples:
  marquee --demo                                            try it out on http://localhost:3333
  marquee user create --operator --email you@example.com    somebody who runs the house
  marquee serve --host 0.0.0.0 --tls-self-signed            for everybody in the room
  marquee backup friday.tar                                 while it runs
";

const AFTER: &str = "\
Every flag is an environment variable too, the one in brackets; the flag wins. Secrets are in the environment
alone: JWT_KEY (signs sessions), STRIPE_KEY, STRIPE_WEBHOOK_SECRET. What holds a secret, these and the URLs, may
also be in a file that NAME_FILE names, e.g. JWT_KEY_FILE=/run/secrets/jwt_key.";

/// A self-hosted box office.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about = None,
    max_term_width = 110,
    after_help = format!("{EXAMPLES}\nThese are the settings most wanted; --help shows them all."),
    after_long_help = format!("{EXAMPLES}\n{AFTER}")
)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
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
    /// Print the OpenAPI document
    Openapi,
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
    /// Let go what lies among the objects and nobody needs, which is done every hour anyway; print one line each
    Collect {
        /// Only say what there is
        #[arg(long)]
        dry_run: bool,
        /// First make the objects this installation's, if they are those of one that is gone for good
        #[arg(long, conflicts_with = "dry_run")]
        adopt: bool,
    },
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

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    tls::use_ring();
    let cli = Cli::parse();
    telemetry::init_logs(cli.flags.log_format());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("marquee: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A command is over before anybody would watch it.
    let is_watched = matches!(cli.command, None | Some(Command::Serve { .. }));
    let done = match is_watched.then(|| cli.flags.watching().start()).transpose() {
        Ok(traces) => {
            let done = runtime.block_on(run(cli));
            traces.flatten().inspect(Traces::stop);
            done
        }
        Err(error) => Err(error),
    };
    match done {
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
    let mut settings = cli.flags.settings()?;
    match cli.command.unwrap_or(Command::Serve { services: Vec::new(), no_migrate: false }) {
        Command::Serve { services, no_migrate } => {
            settings.services = Service::named(&services)?;
            serve::serve(settings, no_migrate).await
        }
        Command::Migrate => commands::migrate(settings).await,
        Command::Routes => commands::routes(),
        Command::Openapi => commands::openapi(),
        Command::Verify => verify::verify(&settings).await,
        Command::User(UserCommand::Create { email, username, operator }) => {
            commands::create_user(settings, email, username, operator).await
        }
        Command::Token(TokenCommand::Create { user, expires }) => {
            commands::create_token(settings, user, expires).await
        }
        Command::Events(EventsCommand::List) => commands::list_events(settings).await,
        Command::Events(EventsCommand::Retry) => commands::retry_events(settings).await,
        Command::Collect { dry_run, adopt } => commands::collect(settings, dry_run, adopt).await,
        Command::Backup { file } => commands::backup(settings, &file).await,
        Command::Restore { file } => restore::restore(&settings, &file).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_in_the_long_help_under_a_heading_and_the_short_one_is_short() {
        let mut command = Cli::command();
        command.build();
        for setting in command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version"))
        {
            assert!(setting.get_help_heading().is_some(), "{} has no heading", setting.get_id());
            assert!(setting.get_env().is_some(), "{} has no variable", setting.get_id());
        }
        let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
        assert!(short.lines().count() * 2 < long.lines().count(), "{short}");
        for text in ["JWT_KEY_FILE", "--nats-replicas", "marquee backup"] {
            assert!(long.contains(text), "{long}");
        }
    }
}
