//! The app in this process, on a data directory of its own.

use marquee::{Running, Settings, start};
use tempfile::TempDir;

use crate::Client;

/// A started app and where its data is.
pub struct App {
    /// The server.
    pub running: Running,
    dir: TempDir,
}

impl App {
    /// Starts on an empty directory with a default installation's settings.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with settings changed by `change`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        marquee::use_ring();
        let dir = TempDir::new().expect("a directory");
        let mut settings = Settings::new(dir.path().to_path_buf());
        change(&mut settings);
        let running = start(settings, false).await.expect("the app starts");
        Self { running, dir }
    }

    /// Where its data is.
    pub fn data(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Somebody who is not signed in.
    pub fn client(&self) -> Client {
        Client::new(format!("http://{}", self.running.address))
    }
}
