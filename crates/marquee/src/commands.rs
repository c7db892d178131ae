//! The commands that act on an installation, through its server if one runs.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use kernel::{Error, Kind, Result};

use crate::control::{self, Command};
use crate::{House, Service, Settings, data_dir, databases, gateway, openapi};

/// A password longer than any that is allowed.
const PASSWORD: u64 = 4096;

pub(crate) async fn migrate(settings: Settings) -> Result<ExitCode> {
    settings.check()?;
    let lock = if settings.is_embedded() { data_dir::lock(&settings.data).map(Some) } else { Ok(None) };
    let (_lock, migrate) = match lock {
        Ok(lock) => (lock, true),
        // Beside a server there is nothing to do, or what it was started without: say which.
        Err(error) if error.kind == Kind::Conflict => (None, false),
        Err(error) => return Err(error),
    };
    for service in &settings.services {
        databases::open(&settings, *service, migrate).await?;
    }
    if migrate && settings.services.contains(&Service::Payments) {
        gateway::open(&settings, true).await?;
    }
    println!("the databases are up to date");
    Ok(ExitCode::SUCCESS)
}

/// Prints which paths each service answers.
pub(crate) fn routes() -> Result<ExitCode> {
    let table =
        Service::ALL.map(|service| serde_json::json!({"service": service.name(), "paths": service.paths()}));
    let text = serde_json::to_string_pretty(&table).map_err(|e| Error::internal("no JSON").because(e))?;
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Prints the OpenAPI document.
pub(crate) fn openapi() -> Result<ExitCode> {
    print!("{}", openapi::text()?);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn create_user(
    settings: Settings,
    email: String,
    username: Option<String>,
    operator: bool,
) -> Result<ExitCode> {
    let password = read_password()?;
    carry_out(settings, Command::CreateUser { email, username, password, operator }).await
}

pub(crate) async fn create_token(settings: Settings, user: String, expires: Duration) -> Result<ExitCode> {
    carry_out(settings, Command::CreateToken { user, seconds: expires.as_secs() }).await
}

pub(crate) async fn list_events(settings: Settings) -> Result<ExitCode> {
    carry_out(settings, Command::ListEvents).await
}

pub(crate) async fn retry_events(settings: Settings) -> Result<ExitCode> {
    carry_out(settings, Command::RetryEvents).await
}

pub(crate) async fn collect(settings: Settings, dry: bool, adopt: bool) -> Result<ExitCode> {
    carry_out(settings, Command::Collect { dry, adopt }).await
}

pub(crate) async fn backup(settings: Settings, file: &Path) -> Result<ExitCode> {
    if !settings.is_whole_embedded() {
        return Err(Error::invalid(
            "backup is for an installation whose data is all in --data: copy a PostgreSQL server by its own means, \
             e.g. pg_dump",
        ));
    }
    // The server has a working directory of its own.
    let file = std::path::absolute(file).map_err(|e| Error::invalid("no such path").because(e))?;
    carry_out(settings, Command::Backup { file }).await
}

/// Asks the running server, or opens the databases where none runs. Databases on servers are shared:
/// there a command is one more process.
async fn carry_out(mut settings: Settings, command: Command) -> Result<ExitCode> {
    if settings.is_embedded() && data_dir::is_empty(&settings.data) && !command.may_begin() {
        return Err(Error::invalid(format!(
            "there is no installation in {}: start marquee there first, or choose another --data",
            settings.data.display()
        )));
    }
    if let Some(service) = command.service() {
        settings.services = vec![service];
    }
    let answered = if settings.is_embedded() { control::ask(&settings.data, &command).await? } else { None };
    let lines = match answered {
        Some(lines) => lines,
        None => {
            let _lock = if settings.is_embedded() { Some(data_dir::lock(&settings.data)?) } else { None };
            // Servers may be at work on a shared database: only `migrate` and `serve` change its tables.
            let is_new = settings.is_embedded() && data_dir::is_empty(&settings.data);
            let house = House::open(&settings, settings.is_embedded()).await?;
            if is_new {
                // It may have been meant for one that is elsewhere.
                eprintln!("made a new installation in {}", settings.data.display());
            }
            control::act(&house, command).await?
        }
    };
    for line in lines {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// From a prompt on a terminal, else the first line of standard input.
fn read_password() -> Result<String> {
    let failed = |e| Error::invalid("cannot read the password").because(e);
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").map_err(failed);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(PASSWORD).read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}
