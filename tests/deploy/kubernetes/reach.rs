//! What the network policies of an overlay come to, taken together: who reaches whom, at which ports.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::connections::RABBITMQ;
use super::rendering::{Manifest, Rendering, each, selects};

/// What reaches what, where everything is in the cluster.
const EVALUATION: &str = "
console: console 9090, egress 9090, ingress 9090, journal 9090, postgres 5432, rabbitmq 5672, rabbitmq 15672, \
         router 9090, simulator 8089, simulator 9090
egress: postgres 5432, rabbitmq 5672, simulator 8089
ingress: egress 8081, rabbitmq 5672
journal: postgres 5432, rabbitmq 5672
postgres:
rabbitmq:
router: postgres 5432, rabbitmq 5672
simulator: ingress 8080
";

/// The same with a cluster of RabbitMQ, and a database elsewhere.
const PRODUCTION: &str = "
console: console 9090, egress 9090, ingress 9090, journal 9090, rabbitmq 5671, rabbitmq 5672, rabbitmq 15671, \
         rabbitmq 15672, router 9090, simulator 8089, simulator 9090
egress: rabbitmq 5671, rabbitmq 5672, simulator 8089
ingress: egress 8081, rabbitmq 5671, rabbitmq 5672
journal: rabbitmq 5671, rabbitmq 5672
rabbitmq: rabbitmq 4369, rabbitmq 25672, rabbitmq 35672
router: rabbitmq 5671, rabbitmq 5672
simulator: ingress 8080
";

/// Pods with the same labels, and the ports on which they listen.
struct Place {
    name: String,
    labels: Value,
    ports: BTreeSet<u64>,
}

fn places(rendering: &Rendering) -> Vec<Place> {
    let pods = rendering.pods().map(|pod| Place {
        name: pod.workload.name().to_owned(),
        labels: pod.labels.clone(),
        ports: pod
            .containers()
            .flat_map(|container| each(&container["ports"]))
            .filter_map(|port| port["containerPort"].as_u64())
            .collect(),
    });
    let clusters = rendering.of_kind(&["RabbitmqCluster"]).map(|cluster| Place {
        name: cluster.name().to_owned(),
        labels: json!({"app.kubernetes.io/name": cluster.name()}),
        ports: RABBITMQ.into(),
    });
    let mut places: Vec<Place> = pods.chain(clusters).collect();
    places.sort_by(|one, other| one.name.cmp(&other.name));
    places
}

/// Whether a rule of a policy is about this pod of the namespace.
fn is_about(rule: &Value, peers: &str, labels: &Value) -> bool {
    let namespace = json!({"kubernetes.io/metadata.name": "tropomq"});
    let is_meant = |peer: &Value| {
        let inside = peer["namespaceSelector"].is_null() || selects(&peer["namespaceSelector"], &namespace);
        peer["ipBlock"].is_null() && inside && selects(&peer["podSelector"], labels)
    };
    rule[peers].is_null() || each(&rule[peers]).any(is_meant)
}

fn opens(rule: &Value, port: u64) -> bool {
    let is_in = |opened: &Value| {
        let first = opened["port"].as_u64().unwrap_or_default();
        opened["protocol"] == "TCP" && (first..=opened["endPort"].as_u64().unwrap_or(first)).contains(&port)
    };
    rule["ports"].is_null() || each(&rule["ports"]).any(is_in)
}

/// Whether one side lets it pass: some policy for that pod does, or none is for it.
fn passes(rendering: &Rendering, kind: &str, own: &Value, other: &Value, port: u64) -> bool {
    let (rules, peers) = if kind == "Egress" { ("/spec/egress", "to") } else { ("/spec/ingress", "from") };
    let is_for = |policy: &&Manifest| {
        selects(policy.at("/spec/podSelector"), own)
            && each(policy.at("/spec/policyTypes")).any(|listed| listed == kind)
    };
    let policies: Vec<&Manifest> = rendering.of_kind(&["NetworkPolicy"]).filter(is_for).collect();
    let lets = |rule: &Value| is_about(rule, peers, other) && opens(rule, port);
    policies.is_empty() || policies.iter().any(|policy| each(policy.at(rules)).any(lets))
}

/// A line for each place, with all that it reaches.
fn reached(rendering: &Rendering) -> Vec<String> {
    let places = places(rendering);
    let line = |from: &Place| {
        let reached: Vec<String> = places
            .iter()
            .flat_map(|to| to.ports.iter().map(move |port| (to, *port)))
            .filter(|(to, port)| {
                passes(rendering, "Egress", &from.labels, &to.labels, *port)
                    && passes(rendering, "Ingress", &to.labels, &from.labels, *port)
            })
            .map(|(to, port)| format!("{} {port}", to.name))
            .collect();
        format!("{}: {}", from.name, reached.join(", ")).trim_end().to_owned()
    };
    places.iter().map(line).collect()
}

#[test]
fn everybody_reaches_whom_they_need_and_nobody_else() {
    for (overlay, expected) in [("evaluation", EVALUATION), ("production", PRODUCTION)] {
        let rendering = Rendering::overlay(overlay);
        let expected: Vec<&str> = expected.trim().lines().collect();
        assert_eq!(reached(&rendering), expected, "{overlay}");
        let less = rendering.broken("NetworkPolicy call-backs-in", "/spec/ingress/0/ports/0/port", json!(8080));
        assert!(!reached(&less).iter().any(|line| line.contains("egress 8081")), "{overlay}");
        let more = rendering.broken("NetworkPolicy watch-out", "/spec/podSelector", json!({}));
        let more = more.broken("NetworkPolicy watch-in", "/spec/ingress/0/from", Value::Null);
        assert!(
            reached(&more).iter().any(|line| line.starts_with("router: ") && line.contains("ingress 9090")),
            "{overlay}"
        );
    }
}
