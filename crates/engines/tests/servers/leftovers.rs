//! Nothing is left of servers when their test process is gone, however it went.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engines::{DEADLINE, Nats, Postgres};

/// Says which test process it is.
const ROLE: &str = "MARQUEE_TEST_LEFTOVERS";

/// Run by the test below, as a process of its own: starts servers, says so, and does what it was told.
#[tokio::test]
#[ignore = "the other test runs it"]
async fn a_test_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (Some(shared), Some(mut own), Some(nats)) =
        (Postgres::shared().await, Postgres::start().await, Nats::start().await)
    else {
        println!("SERVERS none");
        return;
    };
    // One that was started again, and cannot react.
    own.kill().await;
    own.restart().await;
    own.pause();
    println!("SERVERS {} {} {}", shared.url(), own.url(), nats.url());
    match role.as_str() {
        "exits" => std::process::exit(0),
        "panics" => panic!("as a test does"),
        _ => std::future::pending().await,
    }
}

/// The test process, and the addresses of its servers; `None` where engines are missing.
fn start(role: &str, tmp: &Path) -> Option<(Child, Vec<String>)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["leftovers::a_test_process", "--exact", "--ignored", "--nocapture"]);
    // It shall start a server of its own, wherever that of this run is.
    command.env(ROLE, role).env("TMPDIR", tmp).env_remove("MARQUEE_TEST_POSTGRES");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.filter_map(|line| Some(line.split_once("SERVERS ")?.1.to_owned())).next();
    let said = said.expect("it says which servers it started");
    if said == "none" {
        child.wait().unwrap();
        return None;
    }
    Some((child, said.split(' ').map(|url| address(url).to_owned()).collect()))
}

/// What has a file or directory below `tmp` for its place: servers, and the watches over them.
fn processes_in(tmp: &Path) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let inside = |process: &PathBuf| {
        let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let place = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        place.starts_with(tmp) || String::from_utf8_lossy(&arguments).contains(tmp.to_str().unwrap())
    };
    processes.filter(inside).collect()
}

fn address(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    rest.split('/').next().unwrap().rsplit('@').next().unwrap()
}

/// The shared memory of the PostgreSQL servers below `tmp`, by number.
fn shared_memory_of(tmp: &Path) -> Vec<String> {
    let homes = std::fs::read_dir(tmp).unwrap().flatten().map(|entry| entry.path());
    let files = homes.filter_map(|home| std::fs::read_to_string(home.join("data/postmaster.pid")).ok());
    files.filter_map(|file| Some(file.lines().nth(6)?.split_whitespace().nth(1)?.to_owned())).collect()
}

fn exists(memory: &str) -> bool {
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    segments.lines().any(|line| line.split_whitespace().nth(1) == Some(memory))
}

#[test]
fn nothing_is_left_behind() {
    for role in ["is killed", "exits", "panics"] {
        let tmp = tempfile::tempdir().unwrap();
        open_to_all(tmp.path());
        let Some((mut child, addresses)) = start(role, tmp.path()) else { return };
        let mut memory = Vec::new();
        if role == "is killed" {
            memory = shared_memory_of(tmp.path());
            assert!(memory.len() == 2 && memory.iter().all(|memory| exists(memory)), "{memory:?}");
            assert_eq!(addresses.len(), 3);
            assert!(
                addresses.iter().all(|address| std::net::TcpStream::connect(address).is_ok()),
                "{addresses:?}"
            );
            assert!(processes_in(tmp.path()).len() >= 3);
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let begun = Instant::now();
        let left = || (processes_in(tmp.path()), std::fs::read_dir(tmp.path()).unwrap().count());
        while left() != (Vec::new(), 0) {
            assert!(begun.elapsed() < DEADLINE, "{role}: {:?} are left", left());
            wait();
        }
        println!("{role}: nothing is left after {:?}", begun.elapsed());
        assert!(addresses.iter().all(|address| std::net::TcpStream::connect(address).is_err()));
        assert!(!memory.iter().any(|memory| exists(memory)), "shared memory is left");
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the poll with a deadline")]
fn wait() {
    std::thread::sleep(Duration::from_millis(5));
}

/// PostgreSQL may run as another user, who has to get to its directory.
fn open_to_all(directory: &Path) {
    std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}
