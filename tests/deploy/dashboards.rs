//! The dashboards of Grafana, made from `deploy/grafana/dashboards.yml`.

mod grafana;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use regex::Regex;
use serde_json::Value;

use crate::{promtool, rules, tree};
use source::Dashboard;

fn sources() -> Vec<Dashboard> {
    serde_saphyr::from_str(&tree::read("deploy/grafana/dashboards.yml")).unwrap()
}

fn file(dashboard: &Dashboard) -> String {
    format!("deploy/grafana/dashboards/{}.json", dashboard.uid)
}

/// The expressions of PromQL that the dashboards ask, each with where it stands; with an interval where Grafana puts one.
pub(crate) fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in tree::files("deploy/grafana/dashboards", "json") {
        let dashboard = tree::json(&file);
        collect(&dashboard, &file, &mut found);
    }
    found
}

fn collect(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            let title = object.get("title").and_then(Value::as_str);
            let at = title.map_or_else(|| at.to_owned(), |title| format!("{at}, {title}"));
            if let Some(Value::String(expression)) = object.get("expr") {
                found.push((at.clone(), expression.replace("$__rate_interval", "5m")));
            }
            // A variable: the values that a label of a metric has.
            if let Some(Value::String(query)) = object.get("query")
                && let Some(arguments) = query.strip_prefix("label_values(")
            {
                found.push((at.clone(), arguments.rsplit_once(',').unwrap().0.to_owned()));
            }
            object.values().for_each(|inner| collect(inner, &at, found));
        }
        Value::Array(array) => array.iter().for_each(|inner| collect(inner, at, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_dashboards_are_those_of_their_source() {
    let sources = sources();
    for dashboard in &sources {
        let made = serde_json::to_string_pretty(&grafana::dashboard(dashboard)).unwrap();
        tree::is_as_made(&file(dashboard), &format!("{made}\n"));
    }
    let mut files: Vec<String> = sources.iter().map(file).collect();
    files.sort();
    assert_eq!(files, tree::files("deploy/grafana/dashboards", "json"));
}

#[test]
fn prometheus_understands_every_expression() {
    let expressions = expressions();
    assert!(60 < expressions.len());
    let mut rules = "groups:\n  - name: dashboards\n    rules:\n".to_owned();
    for (number, (_, expression)) in expressions.iter().enumerate() {
        let quoted = serde_json::to_string(expression).unwrap();
        writeln!(rules, "      - {{record: \"dashboard:expression_{number}\", expr: {quoted}}}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dashboards.yml"), rules).unwrap();
    promtool::passes(folder.path(), ["check", "rules", "dashboards.yml"]);
}

#[test]
fn every_panel_has_a_unit_and_a_runbook_that_is_there() {
    let runbooks: Vec<String> = rules::runbooks().into_iter().map(|(name, _)| name).collect();
    for dashboard in sources() {
        for panel in dashboard.rows.iter().flat_map(|row| &row.panels) {
            let (_, title) = panel.kind();
            assert!(!panel.unit.is_empty() && !panel.queries.is_empty(), "{}, {title}", dashboard.uid);
            assert!(runbooks.contains(&panel.runbook), "{}, {title}: {}", dashboard.uid, panel.runbook);
        }
    }
}

/// What Grafana wants of a file that it is provisioned with, as far as its documents say.
#[test]
fn the_dashboards_have_what_grafana_wants() {
    let used = Regex::new(r"\$\{?([a-z]+)").unwrap();
    for file in tree::files("deploy/grafana/dashboards", "json") {
        let dashboard = tree::json(&file);
        let uid = dashboard["uid"].as_str().unwrap();
        assert!(file.ends_with(&format!("/{uid}.json")) && uid.len() <= 40, "{file}");
        assert!(dashboard["id"].is_null(), "{file}: an id is the database's");
        let panels = dashboard["panels"].as_array().unwrap();
        let variables: Vec<&str> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        let mut cells = BTreeSet::new();
        for (place, panel) in panels.iter().enumerate() {
            let at = format!("{file}, {}", panel["title"]);
            assert_eq!(panel["id"], place + 1, "{at}");
            let of = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(of("x") + of("w") <= 24, "{at}");
            for (x, y) in (of("x")..of("x") + of("w")).flat_map(|x| (of("y")..of("y") + of("h")).map(move |y| (x, y))) {
                assert!(cells.insert((x, y)), "{at} lies on another panel");
            }
            let text = panel.to_string();
            for variable in used.captures_iter(&text).map(|found| found[1].to_owned()) {
                assert!(variables.contains(&variable.as_str()), "{at}: there is no variable {variable}");
            }
        }
    }
}

#[test]
fn grafana_is_provided_with_what_the_dashboards_ask() {
    let sources = tree::yaml("deploy/grafana/provisioning/datasources/tropomq.yml");
    let has = |kind: &str, uid: &str| {
        let all = sources["datasources"].as_array().unwrap();
        all.iter().any(|source| source["type"] == kind && source["uid"] == uid)
    };
    assert!(has("prometheus", grafana::METRICS) && has("jaeger", grafana::TRACES));
    let provider = tree::yaml("deploy/grafana/provisioning/dashboards/tropomq.yml");
    assert_eq!(provider["providers"][0]["type"], "file");
}
