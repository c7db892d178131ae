//! The API against its own document, by tools that others wrote: schemathesis sends what the document allows and
//! what it forbids, redocly reads the document itself. Both come with `tests/run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use testkit::Process;
use tokio::process::Command;

use crate::{BINARY, openapi};

/// Their own configuration.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tools");
/// Far more than they take.
const BOUND: Duration = Duration::from_secs(8 * 60);

/// Where a tool is: where `tests/run` puts it, else on the PATH. `None`, said out loud, where it is not; the full
/// run does not allow that.
fn tool(place: &str, name: &str) -> Option<PathBuf> {
    let target = Path::new(BINARY).parent().and_then(Path::parent).unwrap();
    let known = target.join("tools").join(place).join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(known).chain(std::env::split_paths(&path).map(|dir| dir.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("MARQUEE_FULL_RUN").is_none(), "the full run needs {name}");
        eprintln!("SKIPPED: there is no {name} in {} or on the PATH", target.join("tools").display());
    }
    found
}

async fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    tokio::time::timeout(BOUND, child.wait_with_output()).await.expect("it ends in time").unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_the_api_to_be_as_documented() {
    let Some(schemathesis) = tool("python/bin", "schemathesis") else { return };
    let many = ["--signup-limit-address", "--signin-limit-account", "--signin-limit-address"];
    let flags: Vec<&str> = many.into_iter().flat_map(|flag| [flag, "1000000"]).chain(["--demo"]).collect();
    let process = Process::start(BINARY, &flags).await;
    // More than one, for they may delete each other.
    let operators: Vec<String> = (1..=8).map(|n| format!("operator{n}@example.com")).collect();
    for email in &operators {
        let created =
            process.command(&["user", "create", "--email", email, "--operator"], "a long password\n").await;
        assert!(created.status.success(), "{}", told(&created));
    }
    let folder = tempfile::tempdir().unwrap(); // for what it leaves behind
    let mut command = Command::new(schemathesis);
    command.current_dir(folder.path()).arg("--config-file").arg(format!("{TOOLS}/schemathesis.toml"));
    command.args(["run", "--max-examples", "60", "--no-color"]);
    command.arg(format!("{}/api/openapi.json", process.base()));
    command.env("PYTHONPATH", TOOLS).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("MARQUEE_BASE", process.base());
    command.env("MARQUEE_OPERATORS", operators.join(" ")).env("MARQUEE_PASSWORD", "a long password");
    let output = run(&mut command).await;
    assert!(output.status.success(), "{}", told(&output));
    let done = succeeded(&process).await;
    assert!(done.len() >= 28, "it hardly got past the door; these alone succeeded: {done:#?}");
    process.verify().await;
}

/// The operations that succeeded at least once, as the server counts them.
async fn succeeded(process: &Process) -> BTreeSet<String> {
    let metrics = process.client().get("/metrics").await.expect(200).text;
    let counted = metrics.lines().filter_map(|line| line.strip_prefix("http_requests_total{"));
    let good = counted.filter(|labels| labels.contains("status=\"2"));
    good.filter_map(|labels| Some(labels.split_once(",status=")?.0.to_owned())).collect()
}

#[tokio::test]
async fn redocly_finds_nothing_in_the_document() {
    let Some(redocly) = tool("node/node_modules/.bin", "redocly") else { return };
    let mut command = Command::new(redocly);
    command.args(["lint", "--format", "json", openapi::FILE]).env("REDOCLY_TELEMETRY", "off");
    command
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .current_dir(Path::new(openapi::FILE).parent().unwrap());
    let output = run(&mut command).await;
    assert!(output.status.success(), "{}", told(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["totals"]["errors"], 0, "{}", told(&output));
    assert_eq!(found["totals"]["warnings"], 0, "{}", told(&output));
}
