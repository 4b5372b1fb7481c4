//! What the documents say of the code, where it can be compared.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::tree::{is_test, read, rust_files};

/// The names of the crates that the root manifest gives a version, which are not of the workspace itself.
fn declared(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("Cargo.toml: {error}"));
    let listed = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let listed = listed.and_then(toml::Value::as_table).unwrap_or_else(|| panic!("no [workspace.dependencies]"));
    listed.iter().filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name.clone()).collect()
}

/// The names that a table of the document explains: the first cell of each row, in backquotes.
fn explained(document: &str) -> Vec<String> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(name, _)| name.to_owned()).collect()
}

fn differences(declared: &[String], explained: &[String]) -> Vec<String> {
    let unexplained = declared.iter().filter_map(|name| {
        let lines = explained.iter().filter(|explained| *explained == name).count();
        (lines != 1).then(|| format!("{name} has {lines} lines in docs/dependencies.md, and one is wanted"))
    });
    let gone = explained.iter().filter(|name| !declared.contains(name));
    let gone = gone.map(|name| format!("{name} is in docs/dependencies.md, and no longer in Cargo.toml"));
    unexplained.chain(gone).collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let findings = differences(&declared(&read("Cargo.toml")), &explained(&read("docs/dependencies.md")));
    assert_none("the dependencies and their reasons differ:", &findings);
}

#[test]
fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found() {
    let manifest = "workspace.dependencies = { a = '1', b = { version = '1' }, own = { path = 'own' }, c = '1' }";
    let document = "| crate | why |\n| --- | --- |\n| `a` | x |\n| `c` | x |\n| `c` | x |\n| `d` | x |\n";
    let findings = differences(&declared(manifest), &explained(document));
    assert_eq!(
        findings,
        [
            "b has 0 lines in docs/dependencies.md, and one is wanted",
            "c has 2 lines in docs/dependencies.md, and one is wanted",
            "d is in docs/dependencies.md, and no longer in Cargo.toml",
        ]
    );
}

/// A metric, as the code makes it or as the document lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Metric {
    kind: String,
    unit: String,
}

/// What makes an instrument, and of which kind it is.
const INSTRUMENTS: [(&str, &str); 3] =
    [("_counter(\"", "counter"), ("_gauge(\"", "gauge"), ("_histogram(\"", "histogram")];

/// The metrics that are made in a text, by their OpenTelemetry names.
fn made(text: &str) -> Vec<(String, Metric)> {
    let mut found = Vec::new();
    for (made_by, kind) in INSTRUMENTS {
        for rest in text.split(made_by).skip(1) {
            let name = rest.split('"').next().unwrap_or_default().to_owned();
            let built = rest.split(".build()").next().unwrap_or_default();
            let unit =
                built.split_once(".with_unit(\"").and_then(|(_, unit)| unit.split('"').next()).unwrap_or_default();
            found.push((name, Metric { kind: kind.to_owned(), unit: unit.to_owned() }));
        }
    }
    found
}

/// The rows of the document: the Prometheus name, the OpenTelemetry name, and what it is.
fn listed(document: &str) -> Vec<(String, String, Metric)> {
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, prometheus, opentelemetry, kind, unit, ..] = cells[..] else { return None };
        let metric = Metric { kind: kind.to_owned(), unit: unit.to_owned() };
        Some((prometheus.to_owned(), opentelemetry.to_owned(), metric))
    })
    .collect()
}

/// What the exporter makes of a name.
fn in_prometheus(name: &str, metric: &Metric) -> String {
    let unit = match metric.unit.as_str() {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    };
    let total = if metric.kind == "counter" { "_total" } else { "" };
    format!("{}{unit}{total}", name.replace('.', "_"))
}

fn metric_differences(made: &BTreeMap<String, Metric>, listed: &[(String, String, Metric)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, metric) in made {
        let rows: Vec<_> = listed.iter().filter(|(_, listed, _)| listed == name).collect();
        let [(prometheus, _, listed)] = rows[..] else {
            findings.push(format!("{name} has {} lines in docs/metrics.md, and one is wanted", rows.len()));
            continue;
        };
        if metric != listed {
            findings.push(format!("{name} is {metric:?} in the code, and {listed:?} in docs/metrics.md"));
        }
        let expected = in_prometheus(name, metric);
        if *prometheus != expected {
            findings.push(format!("{name} is {expected} for Prometheus, and not {prometheus}"));
        }
    }
    let gone = listed.iter().filter(|(_, name, _)| !made.contains_key(name));
    findings.extend(gone.map(|(_, name, _)| format!("{name} is in docs/metrics.md, and nothing makes it")));
    findings
}

#[test]
fn every_metric_is_listed_as_it_is_made() {
    let ours = rust_files().into_iter().filter(|file| !is_test(&file.path) && !file.path.starts_with("tests/"));
    let made: BTreeMap<String, Metric> = ours.flat_map(|file| made(&file.text)).collect();
    assert!(50 < made.len(), "only {} metrics were found", made.len());
    assert_none("the metrics and their list differ:", &metric_differences(&made, &listed(&read("docs/metrics.md"))));
}

#[test]
fn a_metric_that_is_not_listed_as_it_is_made_is_found() {
    let code = "meter.u64_counter(\"a.b\").build(); meter.f64_observable_gauge(\"a.c\").with_unit(\"s\").build(); \
                meter.u64_gauge(\"a.d\").build(); meter.f64_histogram(\"a.e\").with_unit(\"By\").build()";
    let document = "| Prometheus | OpenTelemetry |\n| --- | --- |\n| `a_b` | `a.b` | counter | | x |\n\
                    | `a_c_seconds` | `a.c` | gauge | | x |\n| `a_e_bytes` | `a.e` | histogram | By | x |\n\
                    | `a_f` | `a.f` | gauge | | x |\n";
    let findings = metric_differences(&made(code).into_iter().collect(), &listed(document));
    assert_eq!(
        findings,
        [
            "a.b is a_b_total for Prometheus, and not a_b",
            "a.c is Metric { kind: \"gauge\", unit: \"s\" } in the code, and Metric { kind: \"gauge\", unit: \"\" } in \
             docs/metrics.md",
            "a.d has 0 lines in docs/metrics.md, and one is wanted",
            "a.f is in docs/metrics.md, and nothing makes it",
        ]
    );
}
