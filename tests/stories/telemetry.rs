//! What the services count is what the documents list, and what they log is what they were asked to.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::Value;

use crate::collector::Collector;
use crate::stage::{Bus, Setup, client, until};

on_both_buses! {
    what_is_counted_is_listed_and_what_is_listed_is_counted
    what_is_logged_is_changed_while_it_runs_and_tells_where_it_belongs
}

/// The list.
const LIST: &str = include_str!("../../docs/metrics.md");

/// What an application elsewhere would be needed for.
const ELSEWHERE: &str = "tropomq_application_";

/// What is there on RabbitMQ and PostgreSQL alone.
const SERVERS: [&str; 2] = ["tropomq_spool_", "db_client_connection_"];

/// What only a build for benchmarks counts.
const ALLOCATIONS: &str = "process_allocations_total";

/// A line of the list.
#[derive(Debug)]
struct Listed {
    opentelemetry: String,
    kind: String,
    labels: BTreeSet<String>,
    on: BTreeSet<String>,
}

/// The list by Prometheus names. Where a row says "as before", it is as in the row before.
fn listed() -> BTreeMap<String, Listed> {
    let mut rows = BTreeMap::new();
    let (mut labels, mut on) = (BTreeSet::new(), BTreeSet::new());
    for row in LIST.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let words =
            |cell: &str| cell.split([',', ' ', '`']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if cells[5] != "as before" {
            labels = words(cells[5]);
        }
        if cells[6] != "as before" {
            on = words(cells[6]);
        }
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        let listed =
            Listed { opentelemetry: name(cells[2]), kind: cells[3].to_owned(), labels: labels.clone(), on: on.clone() };
        assert!(rows.insert(name(cells[1]), listed).is_none(), "{} is listed twice", cells[1]);
    }
    rows
}

/// What a service exports: the kind and the series of each metric.
fn families(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = |family: &str, kind: &str| {
        let endings: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        let is_of = |line: &&str| {
            let name = line.split(['{', ' ']).next().unwrap();
            endings.iter().any(|ending| name.strip_suffix(ending) == Some(family))
        };
        text.lines().filter(is_of).map(str::to_owned).collect()
    };
    types.map(|(family, kind)| (family.to_owned(), (kind.to_owned(), series(family, kind)))).collect()
}

/// The labels of a series. No value of ours holds a quotation mark or a comma.
fn labels(series: &str) -> Vec<(&str, &str)> {
    let inner = series.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
    inner
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(key, value)| (key, value.trim_matches('"')))
        .collect()
}

fn check(service: &str, families: &BTreeMap<String, (String, Vec<String>)>, list: &BTreeMap<String, Listed>) {
    for (family, (kind, all_series)) in families.iter().filter(|(family, _)| *family != "target_info") {
        let listed = list.get(family).unwrap_or_else(|| panic!("{family} of {service} is not in docs/metrics.md"));
        assert_eq!(*kind, listed.kind, "{family}");
        let service = service.trim_end_matches("-0");
        let is_there = service == "up" || listed.on.contains("all") || listed.on.contains(service);
        assert!(is_there, "{family} is not listed for {service}");
        for series in all_series {
            for (key, value) in labels(series) {
                assert!(key == "le" || listed.labels.contains(key), "the label {key} of {family} is not listed");
                let is_long = 40 < value.len();
                let digits = value.chars().filter(char::is_ascii_digit).count();
                let is_free = ["version", "commit", "le"].contains(&key);
                assert!(is_free || !is_long && digits < 4, "{key} of {family} may be anything: {value}");
            }
        }
    }
}

async fn what_is_counted_is_listed_and_what_is_listed_is_counted(bus: Bus) {
    let collector = Collector::start();
    let setup = Setup::new(bus).with_probe().with("telemetry.otlp_endpoint", collector.url());
    let stage = setup.with("telemetry.metrics_interval", "1s").start().await;
    let phone = stage.phone(0);
    phone.text("echo counted").await;
    phone.reply().await;
    stage.refuse_and_replay(&stage.phone(1), "refused").await;

    let list = listed();
    let is_expected = |family: &&String| {
        let is_of_servers = SERVERS.iter().any(|prefix| family.starts_with(prefix)) || family.contains("spool");
        let is_counted = cfg!(feature = "allocations") || family.as_str() != ALLOCATIONS;
        is_counted && !family.starts_with(ELSEWHERE) && (bus == Bus::RabbitMq || !is_of_servers)
    };
    let expected: BTreeSet<&String> = list.keys().filter(is_expected).collect();
    // The journal tells what it has seen a moment later.
    until("everything that is listed is counted", async || {
        let mut seen = BTreeSet::new();
        for (service, url) in stage.admin_urls() {
            let text = client().get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
            let families = families(&text);
            check(&service, &families, &list);
            seen.extend(families.into_keys());
        }
        let missing: Vec<_> = expected.iter().filter(|family| !seen.contains(**family)).collect();
        if !missing.is_empty() {
            eprintln!("not yet: {missing:?}");
        }
        missing.is_empty().then_some(())
    })
    .await;
    let names: BTreeSet<String> = expected.iter().map(|family| list[*family].opentelemetry.clone()).collect();
    let all: BTreeSet<String> = list.values().map(|listed| listed.opentelemetry.clone()).collect();
    until("the collector has them, too", async || {
        let exported = collector.metrics();
        assert!(exported.is_subset(&all), "{:?} are not in docs/metrics.md", exported.difference(&all));
        names.is_subset(&exported).then_some(())
    })
    .await;
}

async fn what_is_logged_is_changed_while_it_runs_and_tells_where_it_belongs(bus: Bus) {
    let collector = Collector::start();
    let setup = Setup::new(bus).with("telemetry.otlp_endpoint", collector.url()).with("telemetry.format", "json");
    let setup = setup.with("telemetry.log", "info").variable("OTEL_BSP_SCHEDULE_DELAY", "100");
    let stage = setup.start().await;
    let name = if bus == Bus::Embedded { "up" } else { "egress-0" };
    let url = stage.admin_urls().into_iter().find(|(service, _)| service == name).unwrap().1;
    let (http, url) = (client(), format!("{url}/log"));
    let told = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let converse = async |index| {
        stage.phone(index).text("echo between you and me").await;
        stage.phone(index).reply().await;
        stage.settle().await;
    };
    converse(0).await;
    assert_eq!(told(http.get(&url)).await, (StatusCode::OK, "info\n".to_owned()));
    assert_eq!(
        told(http.put(&url).body("info,egress=debug")).await,
        (StatusCode::OK, "info,egress=debug\n".to_owned())
    );
    let (status, why) = told(http.put(&url).body("egress=loud")).await;
    assert!(status == StatusCode::BAD_REQUEST && why.contains("not a log filter"), "{status}: {why}");
    converse(1).await;
    assert_eq!(told(http.delete(&url)).await, (StatusCode::OK, "info\n".to_owned()));
    converse(2).await;
    let lines = until("it is logged", async || {
        let lines: Vec<Value> = stage.log_of(name).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let is_back = |line: &Value| line["message"] == "what is logged is info from now on";
        lines.iter().any(is_back).then_some(lines)
    })
    .await;
    let sent: Vec<&Value> =
        lines.iter().filter(|line| line["target"] == "egress::observe" && line["level"] == "DEBUG").collect();
    assert!(!sent.is_empty(), "what is handled is not told: {lines:?}");
    let conversations: BTreeSet<&str> = sent.iter().filter_map(|line| line["correlation_id"].as_str()).collect();
    assert_eq!(conversations.len(), 1, "only the conversation in between: {sent:?}");
    let id =
        |line: &Value, key: &str| line[key].as_str().unwrap_or_else(|| panic!("{key} is not in {line}")).to_owned();
    let told: BTreeSet<_> = sent.iter().map(|line| (id(line, "trace_id"), id(line, "span_id"))).collect();
    until("the spans that the lines name are exported", async || {
        let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let spans = collector.spans();
        let spans: BTreeSet<_> = spans.iter().map(|span| (hex(&span.trace_id), hex(&span.span_id))).collect();
        told.is_subset(&spans).then_some(())
    })
    .await;
    for (service, _) in stage.admin_urls().iter().filter(|(service, _)| service != "simulator") {
        let log = stage.log_of(service);
        for personal in ["between you and me", "5555560", "token-of-the-story", "a-secret-of-the-stories"] {
            assert!(!log.contains(personal), "{personal} is in the log of {service}");
        }
    }
}
