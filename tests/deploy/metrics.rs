//! Alerts, dashboards and runbooks ask for metrics that there are: those of `docs/metrics.md`, and some of RabbitMQ's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::{dashboards, rules, tree};

/// What is asked of RabbitMQ's plugin. That it has them is tried with a real one (`broker`).
pub(crate) const OF_RABBITMQ: [&str; 11] = [
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_max_fds",
    "rabbitmq_process_open_fds",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
    "rabbitmq_resident_memory_limit_bytes",
];

/// What others tell of certificates: the blackbox exporter, the ssl exporter, and cert-manager.
const OF_CERTIFICATES: [&str; 3] =
    ["certmanager_certificate_expiration_timestamp_seconds", "probe_ssl_earliest_cert_expiry", "ssl_cert_not_after"];

/// What Prometheus itself makes.
const OF_PROMETHEUS: [&str; 2] = ["ALERTS", "up"];

static STRING: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""[^"]*""#).unwrap());
/// What is in braces, brackets and lists of labels: no metric is named there.
static ASIDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\{[^{}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"#).unwrap()
});
/// A name; with a parenthesis behind it, it is that of a function.
static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[A-Za-z_:][A-Za-z0-9_:]*(\s*\()?").unwrap());
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];

/// The metrics that an expression of PromQL names.
fn named(expression: &str) -> BTreeSet<String> {
    // Strings go first: they may hold braces.
    let without_strings = STRING.replace_all(expression, " ");
    let bare = ASIDE.replace_all(&without_strings, " ");
    let names = NAME.find_iter(&bare).map(|name| name.as_str());
    let is_metric = |name: &&str| !name.ends_with('(') && !WORDS.contains(name);
    names.filter(is_metric).map(str::to_owned).collect()
}

/// The names that the metrics of the table have in Prometheus, each with its labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut names = BTreeMap::new();
    // "As before" in a cell: that of the row above.
    let mut before = BTreeSet::new();
    for line in tree::read("docs/metrics.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, kind, _, labels, ..] = cells.as_slice() else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
        if *labels != "as before" {
            before = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        }
        let parts: &[&str] = match *kind {
            "counter" | "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("docs/metrics.md: {name} is of kind {other:?}"),
        };
        names.extend(parts.iter().map(|part| (format!("{name}{part}"), before.clone())));
    }
    assert!(50 < names.len(), "docs/metrics.md has a table that cannot be read: {names:?}");
    names
}

/// The expressions of rules, dashboards and runbooks, each with where it stands.
fn expressions() -> Vec<(String, String)> {
    let rules = rules::all().into_iter().map(|rule| {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap().to_owned();
        (name, rule["expr"].as_str().unwrap().to_owned())
    });
    rules.chain(dashboards::expressions()).collect()
}

#[test]
fn rules_and_dashboards_ask_for_metrics_that_there_are() {
    let recorded: BTreeSet<String> =
        rules::all().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect();
    let mut there: BTreeSet<String> = documented().into_keys().collect();
    there.extend(recorded);
    there.extend(OF_RABBITMQ.into_iter().chain(OF_CERTIFICATES).chain(OF_PROMETHEUS).map(str::to_owned));
    let asked = expressions();
    assert!(120 < asked.len());
    let lost: Vec<String> = asked
        .iter()
        .flat_map(|(at, expression)| named(expression).into_iter().map(move |name| (at, name)))
        .filter(|(_, name)| !there.contains(name))
        .map(|(at, name)| format!("{at}: {name}"))
        .collect();
    assert!(lost.is_empty(), "nobody exports\n  {}", lost.join("\n  "));
}

/// What Prometheus puts beside the labels of a metric.
const OF_TARGETS: [&str; 4] = ["job", "instance", "service", "le"];

#[test]
fn what_is_asked_of_a_metric_is_among_its_labels() {
    let there = documented();
    let selector = Regex::new(r#"\b([a-z_]+)\{((?:[^{}"]|"[^"]*")*)\}"#).unwrap();
    let matcher = Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#).unwrap();
    let mut lost = Vec::new();
    let mut looked_at = 0;
    for (at, expression) in expressions() {
        for selected in selector.captures_iter(&expression) {
            let Some(labels) = there.get(&selected[1]) else { continue };
            for asked in matcher.captures_iter(&selected[2]) {
                looked_at += 1;
                if !labels.contains(&asked[1]) && !OF_TARGETS.contains(&&asked[1]) {
                    lost.push(format!("{at}: {} has no label {}", &selected[1], &asked[1]));
                }
            }
        }
    }
    assert!(60 < looked_at, "only {looked_at} labels were found");
    assert!(lost.is_empty(), "\n  {}", lost.join("\n  "));
}

#[test]
fn all_that_is_asked_of_rabbitmq_is_asked_for() {
    let asked: BTreeSet<String> = expressions().iter().flat_map(|(_, expression)| named(expression)).collect();
    let idle: Vec<&str> = OF_RABBITMQ.into_iter().filter(|name| !asked.contains(*name)).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn runbooks_name_metrics_that_there_are() {
    let there = documented();
    let recorded: BTreeSet<String> =
        rules::all().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect();
    let ours = Regex::new(r"\b(tropomq|messaging|db|process|rabbitmq)[_:][a-z0-9_:]+").unwrap();
    let text = tree::read("docs/runbooks.md");
    let lost: BTreeSet<&str> = ours
        .find_iter(&text)
        .map(|name| name.as_str())
        .filter(|name| {
            // A histogram is named as a whole.
            let whole = format!("{name}_count");
            !there.contains_key(*name)
                && !there.contains_key(&whole)
                && !recorded.contains(*name)
                && !OF_RABBITMQ.contains(name)
                && !is_label(name)
        })
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Labels and keys begin as metrics do.
fn is_label(name: &str) -> bool {
    ["tropomq_stage", "tropomq_outcome", "messaging_destination_name", "db_operation_name", "messaging_token"]
        .contains(&name)
}

#[test]
fn metrics_are_found_in_expressions() {
    #[track_caller]
    fn check(expression: &str, expected: &[&str]) {
        assert_eq!(named(expression), expected.iter().map(|name| (*name).to_owned()).collect(), "{expression}");
    }
    check("up == 0", &["up"]);
    check(r#"sum by (a, le) (rate(x_total{y=~"z (q)",w!=""}[5m])) > 1e3"#, &["x_total"]);
    check("a:b:c and on (k) d unless (e offset 5m)", &["a:b:c", "d", "e"]);
    check(r#"label_replace(absent(up{job="x"} == 1), "service", "m", "", "")"#, &["up"]);
    check("histogram_quantile(0.9, sum by (le) (rate(h_bucket[$__rate_interval])))", &["h_bucket"]);
}
