//! The drill: it passes where nothing is lost, it fails where something is, and it leaves nothing behind.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::stage::{tropomq, tropomq_within, until};

/// The longest that a drill of these stories may take, the start of its servers on a busy machine included.
const DRILL_MAX: Duration = Duration::from_secs(170);

/// A short drill with these faults. Its load is one that any machine keeps; on a busy one a recovery takes its time.
async fn drill(folder: &Path, arguments: &[&str]) -> (Output, Value) {
    let json = folder.join("account.json");
    let brief = ["--phones=4", "--hold=1s", "--away=3s", "--gap=500ms", "--seed=42", "--late=30s", "--json"];
    let arguments = [&["drill"], &brief[..], &[json.to_str().unwrap()], arguments].concat();
    let output = tropomq_within(DRILL_MAX, folder, &arguments).await;
    let account = std::fs::read(&json).map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
    (output, account)
}

#[track_caller]
fn check_passed((output, account): (Output, Value), bus: &str, faults: &[&str]) {
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("Nothing was lost, and nothing said twice."), "{told}");
    assert_eq!((&account["passed"], &account["bus"]), (&true.into(), &bus.into()));
    assert_eq!(account["settled"], true);
    let count = |key: &str| account["texts"][key].as_u64().unwrap();
    for bad in ["lost", "given_up", "waiting", "repeated", "stray"] {
        assert_eq!(count(bad), 0, "{bad}: {account:#}");
    }
    assert!(0 < count("answered"), "{account:#}");
    let ended = ["answered", "late", "unconfirmed"].map(count).iter().sum::<u64>();
    assert_eq!(ended, count("accepted"), "each accepted text has one end: {account:#}");
    let taken = ["accepted", "refused", "uncertain"].map(count).iter().sum::<u64>();
    assert_eq!(taken, count("sent"), "each text was taken or not: {account:#}");
    let mut came: Vec<_> =
        account["faults"].as_array().unwrap().iter().map(|fault| fault["fault"].as_str().unwrap()).collect();
    came.sort_unstable();
    assert_eq!(came, faults);
    for fault in account["faults"].as_array().unwrap() {
        assert!(fault["ready_ms"].is_u64() && fault["recovered_ms"].is_u64(), "{fault}");
        assert!(told.contains(fault["fault"].as_str().unwrap()), "{told}");
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn services_on_rabbitmq_pass() {
    let folder = TempDir::new().unwrap();
    let faults = ["broker-away", "egress-killed", "ledger-paused", "router-killed", "webhooks-cut"];
    let only = format!("--only={}", faults.join(","));
    check_passed(drill(folder.path(), &["--rate=5", &only]).await, "rabbitmq", &faults);
}

#[tokio::test]
async fn one_process_on_the_embedded_bus_passes() {
    let folder = TempDir::new().unwrap();
    let faults = ["process-killed", "process-paused", "rolling-restart", "sessions-held", "tropo-repeats"];
    let only = format!("--only={}", faults.join(","));
    check_passed(drill(folder.path(), &["--embedded", "--rate=10", &only]).await, "embedded", &faults);
}

/// A drill that could not fail would prove nothing.
#[tokio::test]
async fn a_loss_is_found() {
    let folder = TempDir::new().unwrap();
    let (output, account) = drill(folder.path(), &["--rate=10", "--only=queue-purged"]).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let lost = account["texts"]["lost"].as_u64().unwrap();
    assert!(0 < lost, "{account:#}");
    assert_eq!(account["passed"], false);
    assert_eq!(account["texts"]["repeated"], 0);
    assert!(told.contains(&format!("the drill failed: {lost} text")), "{told}");
    let (_, kept) = told.split_once("The logs of the parts are kept in ").unwrap();
    let kept = Path::new(kept.lines().next().unwrap());
    for log in ["ingress.log", "router.log", "egress.log", "simulator.log", "rabbitmq.log", "postgres.log"] {
        assert!(kept.join(log).exists(), "{log}");
    }
    std::fs::remove_dir_all(kept).unwrap();
}

#[tokio::test]
async fn faults_are_listed_and_an_unknown_one_is_refused() {
    let folder = TempDir::new().unwrap();
    let list = tropomq(folder.path(), &["drill", "--list"]).await;
    assert_eq!(list.status.code(), Some(0));
    assert!(told(&list).contains("broker-killed    RabbitMQ is killed and started again\n"), "{}", told(&list));
    let unknown = tropomq(folder.path(), &["drill", "--embedded", "--only", "broker-killed"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("no fault \"broker-killed\" in this kind of drill; there are: process-killed"));
}

/// Whether it is asked to stop, or killed.
#[tokio::test]
async fn a_drill_that_is_ended_leaves_no_process_behind() {
    for (signal, code) in [("-TERM", Some(1)), ("-KILL", None)] {
        let folder = TempDir::new().unwrap();
        let mut drill = tokio::process::Command::new(env!("CARGO_BIN_EXE_tropomq"))
            .args(["drill", "--embedded", "--rate=5"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(drill.stderr.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let (_, parts) = first.split_once("the parts log to ").unwrap();
        until("its processes run", async || (1 < processes_of(parts)).then_some(())).await;
        let pid = drill.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(drill.wait().await.unwrap().code(), code);
        until("its processes are gone", async || (processes_of(parts) == 0).then_some(())).await;
        std::fs::remove_dir_all(parts).unwrap();
    }
}

/// How many services run with a configuration in this folder.
fn processes_of(folder: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path().join("cmdline")));
    let service = |path: std::path::PathBuf| {
        let line = std::fs::read(path).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("--config") && line.contains(folder)
    };
    entries.filter(|path| service(path.clone())).count()
}
