//! The benchmark: it measures both buses, nothing is lost on the way, and its figures can be read and compared. How fast
//! anything is says nothing here.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{check, out};
use crate::stage::{tropomq, tropomq_within};

/// The longest that a benchmark of these stories may take, the start of its servers on a busy machine included.
const BENCHMARK_MAX: Duration = Duration::from_secs(170);

/// Loads that any machine keeps.
const BRIEF: [&str; 5] = ["bench", "--rates=20", "--at-once=4", "--warm-up=1s", "--duration=1s"];

/// A short benchmark, and the figures that it wrote.
async fn bench(folder: &Path, arguments: &[&str]) -> (Output, Value) {
    let output = tropomq_within(BENCHMARK_MAX, folder, &[&BRIEF[..], arguments].concat()).await;
    let json = std::fs::read(folder.join("figures.json"));
    (output, json.map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default())
}

/// Everything was measured: there are so many of each, and none is lost or told twice.
#[track_caller]
fn check_run(run: &Value, bus: &str) {
    assert_eq!((&run["bus"], &run["lost"], &run["repeated"]), (&bus.into(), &0.into(), &0.into()), "{run:#}");
    check_positive(run, &["conversations_per_s", "services_cpu_ms_per_conversation"]);
    check_positive(run, &["p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"]);
    check_measured(&run["tropomq"]);
}

#[track_caller]
fn check_measured(measured: &Value) {
    let (closed, open) = (&measured["closed_loop"], &measured["open_loop"][0]);
    for told in [closed, open] {
        check_positive(told, &["conversations", "p50_ms", "p99_ms", "max_ms"]);
        check_positive(told, &["services_cpu_ms_per_conversation", "load_cpu_ms_per_conversation"]);
    }
    check_positive(closed, &["conversations_per_s"]);
    assert_eq!((&closed["at_once"], &open["rate_per_s"]), (&4.into(), &20.0.into()));
    assert_eq!((&open["conversations"], &measured["lost"], &measured["repeated"]), (&20.into(), &0.into(), &0.into()));
    let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let processes = names(&closed["cpu_ms_per_conversation"]);
    assert!(!processes.is_empty());
    for each in [&measured["ready_after_ms"], &measured["idle_resident_mib"], &closed["resident_mib"]] {
        assert_eq!(names(each), processes);
        check_positive(each, &processes.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[track_caller]
fn check_positive(told: &Value, names: &[&str]) {
    for name in names {
        assert!(told[name].as_f64().is_some_and(|figure| 0.0 < figure), "{name}: {told:#}");
    }
}

#[tokio::test]
async fn both_buses_and_the_ceiling_are_measured_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let (measured, figures) = bench(folder.path(), &["--bus=rabbitmq,embedded", "--json=figures.json"]).await;
    check(&measured, 0, &["CLOSED LOOP", "OPEN LOOP", "Of the ceiling: conversations/s", "Lost: 0; repeated: 0"]);

    check_run(&figures, "rabbitmq");
    check_positive(&figures, &["broker_cpu_ms_per_conversation", "database_cpu_ms_per_conversation", "cpus"]);
    check_positive(&figures, &["ceiling_ratio", "ingress_ceiling_ratio", "p50_ceiling_ratio", "p99_ceiling_ratio"]);
    check_measured(&figures["ceiling"]);
    for subject in [&figures["tropomq"], &figures["ceiling"]] {
        check_positive(subject, &["webhooks_per_s"]);
        check_positive(
            &subject["closed_loop"],
            &[
                "broker_messages_per_conversation",
                "broker_deliveries_per_conversation",
                "broker_bytes_per_conversation",
            ],
        );
    }
    let processes = figures["tropomq"]["ready_after_ms"].as_object().unwrap();
    assert_eq!(processes.keys().collect::<Vec<_>>(), ["egress", "ingress", "router"]);
    check_run(&figures["embedded"], "embedded");

    let (compared, _) = bench(folder.path(), &["--bus=embedded", "--no-ceiling", "--compare=figures.json"]).await;
    check(&compared, 0, &["embedded, beside the earlier run", "FIGURE", "before", "now", "change", "p99_ms"]);
    assert!(!out(&compared).contains("rabbitmq, beside"), "{}", out(&compared));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["figures.json"], "a benchmark leaves nothing else behind");
}

/// Before anything is started: minutes later would be late.
#[tokio::test]
async fn what_cannot_be_compared_or_measured_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("other.json"), r#"{ "format": 999 }"#).unwrap();
    let other = tropomq(folder.path(), &["bench", "--compare=other.json"]).await;
    check(&other, 1, &["other.json has format 999, and only format 1 can be compared"]);
    let missing = tropomq(folder.path(), &["bench", "--compare=missing.json"]).await;
    check(&missing, 1, &["read missing.json"]);
    let rate = tropomq(folder.path(), &["bench", "--rates=0"]).await;
    check(&rate, 2, &["must be a number from 1 to 100000"]);
    let duration = tropomq(folder.path(), &["bench", "--duration=1d"]).await;
    check(&duration, 2, &["must be a time from 1s to 1h, as in 20s or 2m"]);
}
