//! Commands beside a running server. Those that write speak to it over a socket in the data directory,
//! so that its relay, caches and revocations see the change: one JSON line asks, one answers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accounts::NewUser;
use contracts::Role;
use kernel::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::progress::telling;
use crate::{House, Service, backup, collect, data_dir};

/// A command and its answer fit into this many bytes.
const LINE: u64 = 4 * 1024 * 1024;
/// Commands carried out at the same time.
const AT_ONCE: usize = 8;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// One that goes through everything there is.
const LONG: Duration = Duration::from_secs(6 * 3600);

/// What can be asked of a house.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Command {
    CreateUser { email: String, username: Option<String>, password: String, operator: bool },
    CreateToken { user: String, seconds: u64 },
    ListEvents,
    RetryEvents,
    Backup { file: std::path::PathBuf },
    Collect { dry: bool, adopt: bool },
}

impl Command {
    /// The one service that it is about; all of them, if none.
    pub(crate) fn service(&self) -> Option<Service> {
        match self {
            Self::CreateUser { .. } | Self::CreateToken { .. } => Some(Service::Accounts),
            Self::ListEvents | Self::RetryEvents | Self::Backup { .. } | Self::Collect { .. } => None,
        }
    }
}

impl Command {
    /// Whether it makes sense where nothing is yet: the first operator may be there before the first start.
    pub(crate) fn may_begin(&self) -> bool {
        matches!(self, Self::CreateUser { .. })
    }

    /// How long it may take.
    fn patience(&self) -> Duration {
        match self {
            Self::Backup { .. } | Self::RetryEvents | Self::Collect { .. } => LONG,
            _ => PATIENCE,
        }
    }
}

/// The lines to print, or the sentence that says what went wrong.
type Answer = std::result::Result<Vec<String>, String>;

/// Carries a command out.
pub(crate) async fn act(house: &House, command: Command) -> Result<Vec<String>> {
    match command {
        Command::CreateUser { email, username, password, operator } => {
            let role = if operator { Role::Operator } else { Role::User };
            let user = house.accounts()?.create_user(NewUser { email, username, password, role }).await?;
            Ok(vec![format!("{} {}", user.id, user.role)])
        }
        Command::CreateToken { user, seconds } => {
            Ok(vec![house.accounts()?.create_token(&user, Some(Duration::from_secs(seconds))).await?])
        }
        Command::ListEvents => {
            let mut lines = Vec::new();
            for subscription in house.subscriptions() {
                for letter in subscription.dead_letters().await? {
                    let db::DeadLetter { subject, aggregate, version, parked_at, reason, .. } = letter;
                    let consumer = subscription.name();
                    lines.push(format!("{consumer} {subject} {aggregate} v{version} {parked_at} {reason}"));
                }
            }
            if lines.is_empty() {
                lines.push("no dead letters".into());
            }
            Ok(lines)
        }
        Command::RetryEvents => {
            let mut lines = Vec::new();
            for subscription in house.subscriptions() {
                let came = match subscription.replay().await {
                    Ok(events::Replayed { done, left }) => format!("{done} delivered, {left} left"),
                    // From a page, say. That is no reason to leave out the other services.
                    Err(error) if error.kind == Kind::Conflict => error.to_string(),
                    Err(error) => return Err(error),
                };
                lines.push(format!("{}: {came}", subscription.name()));
            }
            Ok(lines)
        }
        Command::Backup { file } => {
            let mut lines = vec![file.display().to_string()];
            lines.extend(backup::write(house, &file).await?);
            Ok(lines)
        }
        Command::Collect { dry, adopt } => collect::collect(house, dry, adopt).await,
    }
}

/// Listens for commands until `stop`.
pub(crate) fn listen(
    data: &Path,
    house: &Arc<House>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<()> {
    let path = data_dir::socket(data);
    // Whoever left a socket here is gone: this process holds the lock.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)
        .and_then(|listener| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        })
        .map_err(|e| Error::unavailable(format!("cannot listen on {}", path.display())).because(e))?;
    let (house, stop, answers) = (Arc::clone(house), stop.clone(), tasks.clone());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    tasks.spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a command could not connect");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = stop.cancelled() => break,
            };
            // A backup takes its time; the others need not wait for it.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let (house, stop) = (Arc::clone(&house), stop.clone());
            answers.spawn(async move {
                let _place = place;
                if let Some(Err(error)) = stop.run_until_cancelled(answer(&house, stream)).await {
                    tracing::warn!(%error, "a command went away");
                }
            });
        }
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn answer(house: &House, mut stream: UnixStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    timeout(PATIENCE, BufReader::new(reader.take(LINE)).read_line(&mut line)).await??;
    let answer: Answer = match serde_json::from_str::<Command>(&line) {
        Ok(command) => match timeout(command.patience(), act(house, command)).await {
            Ok(acted) => acted.map_err(|e| e.to_string()),
            Err(_) => Err("it took too long and was given up".into()),
        },
        Err(_) => Err("this server does not know that command; is it another version?".into()),
    };
    writer.write_all(format!("{}\n", serde_json::to_string(&answer)?).as_bytes()).await
}

/// Asks the server that runs on `data`. `None` if none does.
pub(crate) async fn ask(data: &Path, command: &Command) -> Result<Option<Vec<String>>> {
    let Ok(stream) = UnixStream::connect(data_dir::socket(data)).await else { return Ok(None) };
    let _telling = telling("waiting for the server that runs here");
    let exchange = async {
        let mut stream = stream;
        stream.write_all(format!("{}\n", serde_json::to_string(command)?).as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE)).read_line(&mut line).await?;
        Ok::<Answer, std::io::Error>(serde_json::from_str(&line)?)
    };
    let gone = || Error::unavailable("the server did not answer");
    match timeout(command.patience(), exchange).await {
        Ok(Ok(Ok(lines))) => Ok(Some(lines)),
        Ok(Ok(Err(sentence))) => Err(Error::invalid(sentence)),
        Ok(Err(e)) => Err(gone().because(e)),
        Err(_) => Err(gone()),
    }
}
