//! A directory and the server in it. Neither outlives this process, and a process can be killed: so a shell stands
//! by that does nothing but clear up when we are gone (`watch.sh`).

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::install::Account;
use crate::{DEADLINE, PERIOD, processes};

/// Writes down its number, for the watch to know, and becomes the program.
const BECOME: &str = r#"echo $$ >"$0" && exec "$@""#;

/// Keeps a directory, and at most one server that runs in it. Nothing of it belongs to a runtime, so it may be a
/// static that tests with runtimes of their own share.
pub(crate) struct Keeper {
    directory: PathBuf,
    account: Option<Account>,
    watch: Child,
    server: Option<Child>,
}

impl Keeper {
    /// An empty directory, owned by `account`, or by whoever runs the tests.
    ///
    /// # Panics
    /// If there is no room for it, or no shell.
    pub(crate) fn new(account: Option<Account>) -> Self {
        let directory = TempDir::with_prefix("marquee-engine-").expect("a directory");
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(directory.path(), Some(uid), Some(gid)).expect("it can be given away");
        }
        let mut watch = Command::new("sh");
        watch.args(["-c", include_str!("watch.sh"), "watch"]).arg(directory.path()).current_dir("/");
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let watch = watch.spawn().expect("a shell runs");
        // From here on it is the watch that removes it.
        Self { directory: directory.keep(), account, watch, server: None }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a server makes outside of the directory, and leaves when it is killed: a file that goes with it.
    ///
    /// # Panics
    /// If that cannot be noted.
    pub(crate) fn remove_too(&self, file: &str) {
        let notes = File::options().create(true).append(true).open(self.directory.join("elsewhere"));
        writeln!(notes.expect("a file for notes"), "{file}").expect("it can be noted");
    }

    /// What the programs have said so far.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Starts a program in the directory; what it says is added to the log.
    ///
    /// # Panics
    /// If one runs already, or it cannot be run.
    pub(crate) fn spawn(&mut self, program: &Path, arguments: &[&str]) {
        assert!(self.server.is_none(), "a server runs already in {}", self.directory.display());
        let log = File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.expect("a log can be written");
        let mut command = Command::new("sh");
        command.args(["-c", BECOME]).arg(self.directory.join("pid")).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
        // The same time zone and language everywhere, which saves looking for them too.
        command.env("TZ", "UTC").env("LC_ALL", "C").current_dir(&self.directory).process_group(0);
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        self.server = Some(command.spawn().expect("a shell runs"));
    }

    /// The number of the server's first process.
    ///
    /// # Panics
    /// If none was started, or it was ended by [`Keeper::kill`] or [`Keeper::end`].
    pub(crate) fn process(&self) -> u32 {
        self.server.as_ref().expect("the server was started").id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.server.as_mut()?.try_wait().expect("it can be asked")?;
        self.forget();
        Some(status)
    }

    /// Stops all processes of the server where they are, the first of them first, so that it makes no others.
    ///
    /// # Panics
    /// If none was started; without `/proc`, where its processes could not be found.
    pub(crate) fn pause(&self) {
        assert!(Path::new("/proc/self/stat").exists(), "to pause a server takes Linux's /proc");
        let first = self.process();
        processes::freeze(first);
        processes::children(first).into_iter().for_each(processes::freeze);
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        let first = self.process();
        for child in processes::children(first) {
            processes::signal(child, Signal::CONT);
        }
        processes::signal(first, Signal::CONT);
    }

    /// kill -9 to all of its processes, and waits until they are dead. Nothing happens if none runs.
    pub(crate) async fn kill(&mut self) {
        let Some(server) = &self.server else { return };
        let first = server.id();
        processes::freeze(first);
        let children = processes::children(first);
        for process in children.iter().chain([&first]) {
            processes::signal(*process, Signal::KILL);
        }
        for process in children {
            processes::gone(process).await;
        }
        self.end().await;
    }

    /// Asks the server to end itself by a signal, and waits until it has. Nothing happens if none runs.
    pub(crate) async fn stop(&mut self, signal: Signal) {
        if self.server.is_some() {
            self.resume();
            processes::signal(self.process(), signal);
            self.end().await;
        }
    }

    /// Waits for the end of the server, or of another program, and says how it ended.
    ///
    /// # Panics
    /// With its log, if it does not end in time.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "a server does not end: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Its number may be another process's from now on.
    fn forget(&mut self) {
        self.server = None;
        let _ = fs::remove_file(self.directory.join("pid"));
    }
}

impl Drop for Keeper {
    /// The same way out as after kill -9: the watch ends the server and removes the directory.
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
