//! The commands that act on an installation, through its server if one runs.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use kernel::{Error, Kind, Result};

use crate::control::{self, Command};
use crate::{House, Settings, data_dir};

/// A password longer than any that is allowed.
const PASSWORD: u64 = 4096;

pub(crate) async fn migrate(settings: Settings) -> Result<ExitCode> {
    match data_dir::lock(&settings.data) {
        Ok(_lock) => drop(House::open(&settings, true).await?),
        // Beside a server there is nothing to do, or what it was started without: say which.
        Err(error) if error.kind == Kind::Conflict => drop(House::open(&settings, false).await?),
        Err(error) => return Err(error),
    }
    println!("the databases are up to date");
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

pub(crate) async fn backup(settings: Settings, file: &Path) -> Result<ExitCode> {
    // The server has a working directory of its own.
    let file = std::path::absolute(file).map_err(|e| Error::invalid("no such path").because(e))?;
    carry_out(settings, Command::Backup { file }).await
}

/// Asks the running server, or opens the databases where none runs.
async fn carry_out(settings: Settings, command: Command) -> Result<ExitCode> {
    let lines = match control::ask(&settings.data, &command).await? {
        Some(lines) => lines,
        None => {
            let _lock = data_dir::lock(&settings.data)?;
            let house = House::open(&settings, true).await?;
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
