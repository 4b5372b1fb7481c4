//! Who finds whom, and who may: services, network policies, disruption budgets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::assert_found;
use super::rendering::{Manifest, Rendering, each, selects};

/// The ports of the pods that the operator of RabbitMQ makes.
pub(super) const RABBITMQ: [u64; 9] = [4369, 5671, 5672, 15671, 15672, 15691, 15692, 25672, 35672];

/// Whether a selector selects a pod that there will be.
fn finds(rendering: &Rendering, selector: &Value) -> bool {
    rendering.labels().iter().any(|labels| selects(selector, labels))
}

/// The ports of the pods that a selector selects.
fn ports(rendering: &Rendering, selector: &Value) -> Vec<u64> {
    let selected = rendering.pods().filter(|pod| selects(selector, pod.labels));
    let ports = selected.flat_map(|pod| pod.containers()).flat_map(|container| each(&container["ports"]));
    let mut ports: Vec<u64> = ports.filter_map(|port| port["containerPort"].as_u64()).collect();
    let mut clusters = rendering.of_kind(&["RabbitmqCluster"]);
    if clusters.any(|cluster| selects(selector, &json!({"app.kubernetes.io/name": cluster.name()}))) {
        ports.extend(RABBITMQ);
    }
    ports
}

/// Each service selects pods, and leads to a port of theirs by its name. So does what asks for metrics.
pub(super) fn dead_ends(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for service in rendering.of_kind(&["Service"]) {
        let selector = json!({"matchLabels": service.at("/spec/selector")});
        let selected: Vec<_> = rendering.pods().filter(|pod| selects(&selector, pod.labels)).collect();
        if selected.is_empty() || service.at("/spec/selector").is_null() {
            findings.push(format!("Service {} selects no pod", service.name()));
        }
        if !matches!(service.text("/spec/type"), "" | "ClusterIP") {
            findings.push(format!("Service {} is open to the outside", service.name()));
        }
        for port in each(service.at("/spec/ports")) {
            let leads = |container: &Value| each(&container["ports"]).any(|at| at["name"] == port["targetPort"]);
            if !selected.iter().all(|pod| pod.containers().any(leads)) {
                findings.push(format!(
                    "Service {} leads to {}, which its pods do not have",
                    service.name(),
                    port["targetPort"]
                ));
            }
        }
    }
    for monitor in rendering.of_kind(&["PodMonitor"]) {
        let selected = rendering.pods().filter(|pod| selects(monitor.at("/spec/selector"), pod.labels));
        let asked: Vec<_> = each(monitor.at("/spec/podMetricsEndpoints")).map(|endpoint| &endpoint["port"]).collect();
        let has = |container: &Value| asked.iter().all(|name| each(&container["ports"]).any(|at| at["name"] == **name));
        let deaf: Vec<_> = selected.filter(|pod| !pod.containers().any(has)).map(|pod| pod.workload.name()).collect();
        if !deaf.is_empty() || !finds(rendering, monitor.at("/spec/selector")) {
            findings.push(format!("PodMonitor {} asks at {asked:?}, where {deaf:?} do not answer", monitor.name()));
        }
    }
    findings
}

/// Nobody reaches anybody by default; each policy is for pods that there are, about others that there are, and opens ports
/// on which those listen.
pub(super) fn loose(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    let policies: Vec<&Manifest> = rendering.of_kind(&["NetworkPolicy"]).collect();
    let denies = |policy: &&&Manifest| {
        let spec = policy.at("/spec");
        *spec == json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    };
    if policies.iter().filter(denies).count() != 1 {
        findings.push("no policy forbids everything".to_owned());
    }
    for policy in policies {
        let name = policy.name();
        let own = policy.at("/spec/podSelector");
        if !finds(rendering, own) {
            findings.push(format!("NetworkPolicy {name} is for no pod"));
        }
        for (direction, peers, kind) in [("ingress", "from", "Ingress"), ("egress", "to", "Egress")] {
            if policy.at(&format!("/spec/{direction}")).is_array()
                && !each(policy.at("/spec/policyTypes")).any(|listed| listed == kind)
            {
                findings.push(format!("NetworkPolicy {name} has rules of {kind}, and is none"));
            }
            for rule in each(policy.at(&format!("/spec/{direction}"))) {
                if direction == "ingress" && each(&rule[peers]).next().is_none() {
                    findings.push(format!("NetworkPolicy {name} lets everybody in"));
                }
                for peer in each(&rule[peers]) {
                    let inside = peer["namespaceSelector"].is_null() && peer["ipBlock"].is_null();
                    if inside && !finds(rendering, &peer["podSelector"]) {
                        findings.push(format!("NetworkPolicy {name} is about pods that there are not: {peer}"));
                    }
                    if inside && direction == "egress" {
                        findings.extend(unheard(rule, &ports(rendering, &peer["podSelector"]), name));
                    }
                }
                if direction == "ingress" {
                    findings.extend(unheard(rule, &ports(rendering, own), name));
                }
            }
        }
    }
    findings
}

/// The ports of a rule on which nobody listens.
fn unheard(rule: &Value, listening: &[u64], policy: &str) -> Vec<String> {
    let ports =
        each(&rule["ports"]).filter(|port| !port["port"].as_u64().is_some_and(|port| listening.contains(&port)));
    ports.map(|port| format!("NetworkPolicy {policy} opens {port}, where nobody listens")).collect()
}

/// Each workload has one disruption budget, which lets one pod go.
pub(super) fn disrupted(rendering: &Rendering) -> Vec<String> {
    let budgets: Vec<&Manifest> = rendering.of_kind(&["PodDisruptionBudget"]).collect();
    let mut findings = Vec::new();
    for budget in &budgets {
        if !finds(rendering, budget.at("/spec/selector")) {
            findings.push(format!("PodDisruptionBudget {} is for no pod", budget.name()));
        }
        if budget.at("/spec/maxUnavailable") != &json!(1) {
            findings.push(format!("PodDisruptionBudget {} holds a node that is to be emptied", budget.name()));
        }
    }
    for pod in rendering.pods().filter(|pod| pod.labels["app.kubernetes.io/name"] == "tropomq") {
        let own = budgets.iter().filter(|budget| selects(budget.at("/spec/selector"), pod.labels)).count();
        let wanted = usize::from(pod.labels["app.kubernetes.io/component"] != "simulator");
        if own != wanted {
            findings.push(format!("{} has {own} disruption budgets, and {wanted} is wanted", pod.workload.name()));
        }
    }
    findings
}

/// What is selected is selected by what it has: the labels of a workload's pods are its own selector's, and no two workloads
/// have the same.
pub(super) fn mistaken(rendering: &Rendering) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for pod in rendering.pods() {
        let selector = pod.workload.at("/spec/selector");
        if !selects(selector, pod.labels) {
            findings.push(format!("{} does not select its own pods", pod.workload.name()));
        }
        if let Some(other) = seen.insert(selector.to_string(), pod.workload.name()) {
            findings.push(format!("{} selects the pods of {other}", pod.workload.name()));
        }
    }
    findings
}

#[test]
fn every_service_leads_to_its_pods() {
    let rendering = Rendering::overlay("evaluation");
    let component = "app.kubernetes.io~1component";
    for (manifest, pointer, value, words) in [
        ("Service egress", &*format!("/spec/selector/{component}"), json!("egres"), "selects no pod"),
        ("Service egress", "/spec/ports/0/targetPort", json!("https"), "leads to \"https\""),
        ("Service console", "/spec/type", json!("LoadBalancer"), "open to the outside"),
    ] {
        assert_found(dead_ends, &rendering, (manifest, pointer, value), words);
    }
    let production = Rendering::overlay("production");
    let monitor = ("PodMonitor tropomq", "/spec/podMetricsEndpoints/0/port", json!("metrics"));
    assert_found(dead_ends, &production, monitor, "do not answer");
    let labels = ("Deployment router", &*format!("/spec/template/metadata/labels/{component}"), json!("egress"));
    assert_found(mistaken, &rendering, labels, "router does not select its own pods");
    let selector = ("Deployment router", &*format!("/spec/selector/matchLabels/{component}"), json!("egress"));
    assert_found(mistaken, &rendering, selector, "router selects the pods of egress");
}

#[test]
fn nobody_reaches_whom_they_need_not() {
    let rendering = Rendering::overlay("production");
    let component = "app.kubernetes.io~1component";
    for (manifest, pointer, value, words) in [
        ("NetworkPolicy nothing", "/spec/policyTypes/1", json!("Ingress"), "no policy forbids"),
        ("NetworkPolicy tropo", &*format!("/spec/podSelector/matchLabels/{component}"), json!("x"), "is for no pod"),
        ("NetworkPolicy webhook", "/spec/ingress/0/from", Value::Null, "lets everybody in"),
        ("NetworkPolicy webhook", "/spec/ingress/0/ports/0/port", json!(8081), "where nobody listens"),
        ("NetworkPolicy call-backs-out", "/spec/egress/0/ports/0/port", json!(8080), "where nobody listens"),
        (
            "NetworkPolicy broker",
            "/spec/egress/0/to/0/podSelector",
            json!({"matchLabels": {"a": "b"}}),
            "there are not",
        ),
        ("NetworkPolicy database", "/spec/policyTypes/0", json!("Ingress"), "has rules of Egress"),
    ] {
        assert_found(loose, &rendering, (manifest, pointer, value), words);
    }
}

#[test]
fn one_pod_of_a_service_may_go_at_a_time() {
    let rendering = Rendering::overlay("production");
    for (manifest, pointer, value, words) in [
        ("PodDisruptionBudget router", "/spec/maxUnavailable", json!(0), "holds a node"),
        ("PodDisruptionBudget router", "/spec/selector/matchLabels", json!({"a": "b"}), "is for no pod"),
        ("PodDisruptionBudget router", "/spec/selector/matchLabels", json!({"a": "b"}), "router has 0"),
        ("PodDisruptionBudget router", "/spec/selector/matchLabels", json!({}), "egress has 2"),
    ] {
        assert_found(disrupted, &rendering, (manifest, pointer, value), words);
    }
}
