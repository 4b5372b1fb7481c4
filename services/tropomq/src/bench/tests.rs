//! What a benchmark says, and that others can read it: the names of its figures are a contract.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::compare;
use super::figures::{ClosedLoop, Cpu, Latency, Measured, OpenLoop};
use super::growth::Backlog;
use super::report::{Ceilings, Report, Run};

/// What is measured where a second has so many conversations.
fn measured(conversations_per_s: f64) -> Measured {
    let each = |figure: f64| BTreeMap::from([("ingress".to_owned(), figure)]);
    let latency = Latency { p50_ms: 4.0, p95_ms: 6.0, p99_ms: 8.0, p999_ms: 9.0, max_ms: 10.0 };
    let cpu = Cpu {
        services_cpu_ms_per_conversation: 0.5,
        broker_cpu_ms_per_conversation: 0.75,
        database_cpu_ms_per_conversation: 0.25,
        load_cpu_ms_per_conversation: 0.125,
        cpu_ms_per_conversation: each(0.5),
    };
    let open_loop = OpenLoop { rate_per_s: 100.0, longest_lag_ms: 1.5, conversations: 2000, latency, cpu: cpu.clone() };
    Measured {
        closed_loop: ClosedLoop {
            at_once: 128,
            conversations: 20_000,
            conversations_per_s,
            latency: Latency { p50_ms: 99.0, ..latency },
            cpu,
            broker_messages_per_conversation: Some(6.0),
            broker_deliveries_per_conversation: Some(7.0),
            broker_bytes_per_conversation: Some(9000.0),
            allocations_per_conversation: each(300.0),
            warm_resident_mib: each(19.0),
            resident_mib: each(20.0),
        },
        open_loop: vec![open_loop],
        webhooks_per_s: Some(conversations_per_s * 4.0),
        ready_after_ms: each(150.0),
        idle_resident_mib: each(9.5),
        lost: 0,
        repeated: 0,
        backlog: None,
    }
}

fn report() -> Report {
    let ceilings = Ceilings { least: Some(measured(1000.0)), same_traffic: Some(measured(750.0)) };
    let rabbitmq = Run::new("rabbitmq", measured(600.0), ceilings);
    let embedded = Measured { webhooks_per_s: None, ..measured(2000.0) };
    Report::new(vec![rabbitmq, Run::new("embedded", embedded, Ceilings::default())]).unwrap()
}

#[test]
fn quantiles_are_those_of_the_latencies_in_milliseconds() {
    let mut histogram = Histogram::new_with_max(600_000_000, 3).unwrap();
    for millisecond in 1..=10_000 {
        histogram.record(millisecond * 1000).unwrap();
    }
    let Latency { p50_ms, p95_ms, p99_ms, p999_ms, max_ms } = Latency::of(&histogram);
    for (told, right) in [(p50_ms, 5000.0), (p95_ms, 9500.0), (p99_ms, 9900.0), (p999_ms, 9990.0), (max_ms, 10_000.0)] {
        let off: f64 = told / right - 1.0;
        assert!(off.abs() < 0.001, "{told} is not {right}");
    }
    assert_eq!(Latency::of(&Histogram::new(3).unwrap()), Latency::default());
}

/// Other programs read these, so none of them is renamed.
#[test]
fn the_figures_that_matter_most_stand_at_the_top_of_the_file() {
    let written = serde_json::to_value(report()).unwrap();
    for (name, figure) in [
        ("conversations_per_s", json!(600.0)),
        ("services_cpu_ms_per_conversation", json!(0.5)),
        ("broker_cpu_ms_per_conversation", json!(0.75)),
        ("database_cpu_ms_per_conversation", json!(0.25)),
        ("p50_ms", json!(4.0)),
        ("p95_ms", json!(6.0)),
        ("p99_ms", json!(8.0)),
        ("p999_ms", json!(9.0)),
        ("max_ms", json!(10.0)),
        ("ceiling_ratio", json!(0.6)),
        ("same_traffic_ceiling_ratio", json!(0.8)),
        ("ingress_ceiling_ratio", json!(0.6)),
        ("p50_ceiling_ratio", json!(1.0)),
        ("p99_ceiling_ratio", json!(1.0)),
        ("lost", json!(0)),
        ("repeated", json!(0)),
        ("bus", json!("rabbitmq")),
    ] {
        assert_eq!(written[name], figure, "{name}");
    }
    assert_eq!(written["tropomq"]["closed_loop"]["load_cpu_ms_per_conversation"], 0.125);
    assert_eq!(written["tropomq"]["open_loop"][0]["rate_per_s"], 100.0);
    assert_eq!(written["tropomq"]["closed_loop"]["allocations_per_conversation"]["ingress"], 300.0);
    assert_eq!(written["ceiling"]["closed_loop"]["conversations_per_s"], 1000.0);
    assert_eq!(written["same_traffic_ceiling"]["closed_loop"]["conversations_per_s"], 750.0);
    let embedded = &written["embedded"];
    assert_eq!((&embedded["bus"], &embedded["conversations_per_s"]), (&json!("embedded"), &json!(2000.0)));
    assert_eq!((&embedded["ceiling_ratio"], &embedded["ceiling"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_was_written_is_read_again_and_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    report().write(&file).unwrap();
    assert_eq!(Report::read(&file).unwrap(), report());

    let refused = |text: String, words: &str| {
        std::fs::write(&file, text).unwrap();
        let told = format!("{:#}", Report::read(&file).unwrap_err());
        assert!(told.contains(words) && told.contains("before.json"), "{told}");
    };
    let mut other = serde_json::to_value(report()).unwrap();
    other["format"] = json!(999);
    refused(other.to_string(), "has format 999, and only format 1 can be compared");
    // One of another format may have nothing else in common with ours.
    refused(json!({ "format": 2, "figures": [] }).to_string(), "has format 2, and only format 1 can be compared");
    refused(json!({ "passed": true }).to_string(), "is no file that tropomq bench --json wrote");
    refused(String::new(), "is no file that tropomq bench --json wrote");
    let missing = Report::read(&folder.path().join("missing.json")).unwrap_err();
    assert!(format!("{missing:#}").contains("missing.json"), "{missing:#}");
}

#[test]
fn the_table_has_each_process_and_says_how_far_the_ceiling_is() {
    let told = report().table();
    for words in [
        "everything on",
        "\nrabbitmq\n",
        "\nembedded\n",
        "CLOSED LOOP",
        "OPEN LOOP",
        "load of tropomq",
        "load of ceiling",
        "load of same traffic",
        "ingress, same traffic",
        "Of the ceiling: conversations/s 0.60, conversations/s with as many messages 0.80, webhooks/s of ingress 0.60, \
         p50 1.00, p99 1.00",
        "CPU for 1000 conversations: services 0.50 s, broker 0.75 s, database 0.25 s",
        "Lost: 0; repeated: 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in: {told}");
    }
}

#[test]
fn a_comparison_tells_by_how_much_each_figure_differs() {
    let mut better = measured(900.0);
    better.closed_loop.cpu.services_cpu_ms_per_conversation = 0.25;
    let ceilings = Ceilings { least: Some(measured(1000.0)), same_traffic: None };
    let later = Report::new(vec![Run::new("rabbitmq", better, ceilings)]).unwrap();
    let told = compare::table(&report(), &later);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["conversations_per_s", "600.000", "900.000", "+50", "%"],
        ["ceiling_ratio", "0.600", "0.900", "+50", "%"],
        ["services_cpu_ms_per_conversation", "0.500", "0.250", "-50", "%"],
        ["p99_ms", "8.000", "8.000", "+0", "%"],
    ] {
        assert!(rows.iter().any(|told| *told == row), "{row:?} is not in: {told}");
    }
    assert!(told.contains("rabbitmq, beside the earlier run") && !told.contains("embedded"), "{told}");
}

#[test]
fn runs_on_different_buses_cannot_be_compared_and_what_is_missing_is_left_out() {
    let embedded = || Report::new(vec![Run::new("embedded", measured(2000.0), Ceilings::default())]).unwrap();
    let rabbitmq = Report::new(vec![Run::new("rabbitmq", measured(600.0), Ceilings::default())]).unwrap();
    assert!(compare::table(&rabbitmq, &embedded()).contains("nothing can be compared"));
    assert!(!compare::table(&embedded(), &embedded()).contains("ceiling_ratio"));
}

#[test]
fn faults_of_all_buses_count() {
    let run = |bus, lost, repeated| Run::new(bus, Measured { lost, repeated, ..measured(1.0) }, Ceilings::default());
    let report = Report::new(vec![run("rabbitmq", 1, 0), run("embedded", 2, 3)]).unwrap();
    assert_eq!(report.faults(), (3, 3));
    assert!(Report::new(Vec::new()).is_err());
}

#[test]
fn a_backlog_is_told_where_there_was_one() {
    let backlog = Backlog {
        texts: 1000,
        texts_per_s: 800.0,
        first_half_per_s: 120.0,
        second_half_per_s: 150.0,
        broker_resident_mib: 64.0,
    };
    let told = |backlog| {
        let measured = Measured { backlog, ..measured(1.0) };
        Report::new(vec![Run::new("rabbitmq", measured, Ceilings::default())]).unwrap()
    };
    let sentence = "1000 texts waited, taken at 800/s: the first half was answered at 120/s, the second at 150/s; the \
                    broker held 64 MiB";
    let with = told(Some(backlog));
    assert!(with.table().contains(sentence), "{}", with.table());
    assert_eq!(serde_json::to_value(&with).unwrap()["tropomq"]["backlog"]["texts"], 1000);
    assert!(!told(None).table().contains("waited"));
}
