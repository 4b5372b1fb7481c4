//! The rules of `deploy/prometheus`: Prometheus takes them, each alert fires in a story, and has its runbook.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{promtool, tree};

const FOLDER: &str = "deploy/prometheus";

/// The job of whoever looks at certificates.
const CERTIFICATES: &str = "tropomq-certificates";

/// All rules.
pub(crate) fn all() -> Vec<Value> {
    let of_group = |group: &Value| group["rules"].as_array().unwrap().clone();
    let of_file = |file: &String| tree::yaml(file)["groups"].as_array().unwrap().iter().flat_map(of_group).collect();
    tree::files(&format!("{FOLDER}/rules"), "yml").iter().flat_map::<Vec<Value>, _>(of_file).collect()
}

/// The alerts among them.
fn alerts() -> Vec<Value> {
    all().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn name(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}

/// The files in a folder of `deploy/prometheus`, as promtool is to be told of them.
fn files(folder: &str) -> Vec<String> {
    let files = tree::files(&format!("{FOLDER}/{folder}"), "yml");
    files.iter().map(|file| file.strip_prefix(FOLDER).unwrap().trim_start_matches('/').to_owned()).collect()
}

#[test]
fn prometheus_takes_its_configuration_and_the_rules() {
    promtool::passes(&tree::path(FOLDER), ["check", "config", "prometheus.yml"]);
    let rules = files("rules");
    promtool::passes(&tree::path(FOLDER), ["check", "rules"].into_iter().chain(rules.iter().map(String::as_str)));
}

#[test]
fn alerts_fire_in_the_stories_in_which_they_should_and_in_no_others() {
    let tests = files("tests");
    promtool::passes(&tree::path(FOLDER), ["test", "rules"].into_iter().chain(tests.iter().map(String::as_str)));
}

/// What a story expects to fire at its moments, in order.
fn expected(story: &Value) -> Vec<Vec<String>> {
    let questions = story["promql_expr_test"].as_array().unwrap();
    let of_alerts = questions.iter().filter(|question| question["expr"].as_str().unwrap().starts_with("ALERTS{"));
    let named = |sample: &Value| {
        let (_, rest) = sample["labels"].as_str().unwrap().split_once("alertname=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let at_once = |question: &Value| {
        let samples = question.get("exp_samples").and_then(Value::as_array);
        samples.into_iter().flatten().map(named).collect()
    };
    of_alerts.map(at_once).collect()
}

#[test]
fn every_alert_has_a_story_in_which_it_fires_after_it_did_not() {
    let mut told = BTreeSet::new();
    for file in tree::files(&format!("{FOLDER}/tests"), "yml") {
        for story in tree::yaml(&file)["tests"].as_array().unwrap() {
            let expected = expected(story);
            assert!(expected[0].is_empty(), "{file}, {}: it begins with something that fires", story["name"]);
            told.extend(expected.into_iter().flatten());
        }
    }
    assert_eq!(told, alerts().iter().map(name).collect());
}

#[test]
fn every_file_of_rules_has_a_story_in_which_all_is_well() {
    let of_alerts: Vec<String> = files("rules").into_iter().filter(|file| !file.contains("recording")).collect();
    for file in of_alerts {
        let stories = tree::yaml(&format!("{FOLDER}/{}", file.replacen("rules", "tests", 1)));
        let first = &stories["tests"][0];
        assert_eq!(first["name"], "everything is well", "{file}");
        assert!(expected(first).iter().all(Vec::is_empty), "{file}");
    }
}

#[test]
fn every_alert_says_what_it_is_about_and_where_its_runbook_is() {
    for alert in alerts() {
        let name = name(&alert);
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        for annotation in ["summary", "description"] {
            assert!(10 < alert["annotations"][annotation].as_str().unwrap().len(), "{name}: {annotation}");
        }
        let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(runbook, format!("{{{{ $externalLabels.runbooks }}}}#{}", name.to_lowercase()), "{name}");
    }
    let labels = &tree::yaml("deploy/prometheus/prometheus.yml")["global"]["external_labels"];
    assert!(labels["runbooks"].as_str().unwrap().ends_with("/docs/runbooks.md"));
}

#[test]
fn scrapes_have_the_labels_that_the_rules_ask_for() {
    let configuration = tree::yaml("deploy/prometheus/prometheus.yml");
    let jobs = configuration["scrape_configs"].as_array().unwrap();
    let names: Vec<&str> = jobs.iter().map(|job| job["job_name"].as_str().unwrap()).collect();
    let asked: BTreeSet<String> = all()
        .iter()
        .flat_map(|rule| {
            let expression = rule["expr"].as_str().unwrap();
            let jobs = expression.split("job=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
            jobs.collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(asked, ["rabbitmq", "tropomq", CERTIFICATES].map(str::to_owned).into());
    // Nobody looks at certificates in the stack, which has none: the file says how.
    assert!(tree::read("deploy/prometheus/prometheus.yml").contains(&format!("#   - job_name: {CERTIFICATES}\n")));
    assert!(asked.iter().all(|job| names.contains(&job.as_str()) || job == CERTIFICATES), "{names:?}");
    let ours = jobs.iter().find(|job| job["job_name"] == "tropomq").unwrap();
    assert_eq!(ours["relabel_configs"][0]["target_label"], "service");
    // On Kubernetes.
    let monitor = tree::yaml("deploy/kubernetes/components/monitoring/monitor.yaml");
    assert_eq!(monitor["spec"]["jobLabel"], "app.kubernetes.io/name");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"], "tropomq");
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["targetLabel"], "service");
    // RabbitMQ is asked there as it is here: once for each node, and apart from that for its queues.
    let monitor = tree::yaml("deploy/kubernetes/components/rabbitmq-cluster/monitoring/monitor.yaml");
    assert_eq!(monitor["spec"]["jobLabel"], "app.kubernetes.io/name");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"], "rabbitmq");
    let [node, queues] = monitor["spec"]["podMetricsEndpoints"].as_array().unwrap().as_slice() else { panic!() };
    let of_queues = jobs.iter().find(|job| job["job_name"] == "rabbitmq-queues").unwrap();
    assert_eq!((&queues["path"], &queues["params"]), (&of_queues["metrics_path"], &of_queues["params"]));
    assert_eq!(queues["relabelings"], json!([{"targetLabel": "job", "replacement": "rabbitmq-queues"}]));
    assert!(node["relabelings"].is_null() && node["path"] == "/metrics");
}

/// The rules of all files, as a resource of Prometheus' operator.
#[test]
fn kubernetes_has_the_same_rules() {
    let files = tree::files(&format!("{FOLDER}/rules"), "yml");
    let groups: Vec<Value> =
        files.iter().flat_map(|file| tree::yaml(file)["groups"].as_array().unwrap().clone()).collect();
    let resource = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "tropomq"},
        "spec": {"groups": groups},
    });
    let made = serde_json::to_string_pretty(&resource).unwrap();
    tree::is_as_made("deploy/kubernetes/components/monitoring/rules.json", &format!("{made}\n"));
}

/// Every service of ours is asked, and every one whose absence is told runs in the stack.
#[test]
fn every_service_of_the_stack_is_asked() {
    let configuration = tree::yaml("deploy/prometheus/prometheus.yml");
    let stack = tree::yaml("docker-compose.yml");
    let runs_ours = |service: &Value| service["command"].as_array().is_some_and(|words| words[0] == "tropomq");
    let services = stack["services"].as_object().unwrap();
    let ours: BTreeSet<&str> =
        services.iter().filter(|(_, service)| runs_ours(service)).map(|(name, _)| name.as_str()).collect();
    let asked = configuration["scrape_configs"][0]["dns_sd_configs"][0]["names"].as_array().unwrap();
    assert_eq!(asked.iter().map(|name| name.as_str().unwrap()).collect::<BTreeSet<_>>(), ours);
    let away = alerts().into_iter().find(|alert| name(alert) == "TropomqServiceAway").unwrap();
    let away = away["expr"].as_str().unwrap();
    for service in ours.iter().filter(|service| **service != "simulator") {
        assert!(away.contains(&format!("service=\"{service}\"")), "{service}");
    }
}

/// The sections of the runbooks that are about an alert, each with what it says.
pub(crate) fn runbooks() -> Vec<(String, String)> {
    let text = tree::read("docs/runbooks.md");
    let sections = text.split("\n### ").skip(1);
    let told = |section: &str| {
        let (name, words) = section.split_once('\n').unwrap();
        (name.to_owned(), words.split("\n## ").next().unwrap().to_owned())
    };
    sections.map(told).collect()
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let runbooks = runbooks();
    let names: Vec<String> = runbooks.iter().map(|(name, _)| name.clone()).collect();
    let unique: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(names.len(), unique.len(), "a runbook is there twice");
    assert_eq!(unique, alerts().iter().map(name).collect());
    for (name, words) in &runbooks {
        for part in ["* **Means**: ", "* **Look**: ", "* **Do**: ", "* **Over** "] {
            assert_eq!(words.matches(part).count(), 1, "{name}: {part}");
        }
    }
}

#[test]
fn runbooks_lead_to_runbooks_that_are_there() {
    let text = tree::read("docs/runbooks.md");
    let anchors: BTreeSet<String> = runbooks().into_iter().map(|(name, _)| name.to_lowercase()).collect();
    let links = text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap());
    let lost: Vec<&str> = links.filter(|anchor| !anchors.contains(*anchor)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
