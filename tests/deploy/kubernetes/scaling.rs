//! How many there are of each service, and the queues by which that is decided.

use std::collections::{BTreeMap, BTreeSet};

use protocol::topology::{
    DEAD, EXCHANGE, Lane, QueueName, RETRY_LEVELS, RETURN, SHARDS, Topology, UNROUTED, WORK, retry_name,
};
use regex::Regex;
use serde_json::{Value, json};

use super::assert_found;
use super::effective::backends;
use super::rendering::{Rendering, each};

/// The topology of a rendering: with a lane for each of its backends.
fn topology(rendering: &Rendering) -> Topology {
    let map = rendering.find("ConfigMap", "tropomq-config").unwrap();
    let backends = backends(map.text("/data/tropomq.toml")).into_iter();
    let lane =
        |(name, has_rate): (String, bool)| Lane { backend: name.parse().unwrap(), single_active_consumer: has_rate };
    Topology::new(&backends.map(lane).collect::<Vec<_>>())
}

/// Each autoscaler has one workload, which leaves the number to it; and more routers than shards would only stand by.
pub(super) fn scaled_wrongly(rendering: &Rendering) -> Vec<String> {
    let mut targets = BTreeMap::new();
    let mut findings = Vec::new();
    for scaler in rendering.of_kind(&["HorizontalPodAutoscaler", "ScaledObject"]) {
        let target = scaler.at("/spec/scaleTargetRef");
        // As KEDA has it, where nothing is said.
        let kind = target["kind"].as_str().unwrap_or("Deployment");
        let name = target["name"].as_str().unwrap_or_default();
        match rendering.find(kind, name) {
            None => findings.push(format!("{} is for {kind} {name}, which is not there", scaler.name())),
            Some(workload) if !workload.at("/spec/replicas").is_null() => {
                findings.push(format!("{kind} {name} says how many there are, as its autoscaler does"));
            }
            Some(_) => {}
        }
        if targets.insert(name, scaler.name()).is_some() {
            findings.push(format!("{kind} {name} has two autoscalers"));
        }
        let bound = |key: &str| scaler.at(&format!("/spec/{key}")).as_u64();
        let least = bound("minReplicas").or(bound("minReplicaCount")).unwrap_or_default();
        let most = bound("maxReplicas").or(bound("maxReplicaCount")).unwrap_or_default();
        if least < 2 || most < least {
            findings
                .push(format!("{name} has {least} to {most} replicas: one alone leaves a gap when it is restarted"));
        }
        if name == "router" && u64::from(SHARDS) < most {
            findings.push(format!("there are {SHARDS} shards, and up to {most} routers"));
        }
        if kind == "StatefulSet" && scaler.at("/spec/behavior/scaleDown/selectPolicy") != "Disabled" {
            findings.push(format!("{name} would be made fewer, with what is in their spools"));
        }
    }
    findings
}

/// Each autoscaler counts all the queues of its service that more replicas would empty sooner, and no others.
pub(super) fn miscounted(rendering: &Rendering) -> Vec<String> {
    let topology = topology(rendering);
    let mut findings = Vec::new();
    for scaler in rendering.of_kind(&["ScaledObject"]) {
        let mut counted = BTreeSet::new();
        for trigger in each(scaler.at("/spec/triggers")) {
            let pattern = trigger["metadata"]["queueName"].as_str().unwrap_or_default();
            let pattern = match trigger["metadata"]["useRegex"] == "true" {
                true => Regex::new(pattern).unwrap(),
                false => Regex::new(&format!("^{}$", regex::escape(pattern))).unwrap(),
            };
            let matched = topology.queues.iter().map(|queue| queue.name.as_str()).filter(|name| pattern.is_match(name));
            let before = counted.len();
            counted.extend(matched);
            if counted.len() == before {
                findings.push(format!("{}: {pattern} is no queue, or one that is counted already", scaler.name()));
            }
        }
        let is_emptied_by = |queue: &&protocol::topology::Queue| {
            let name = &queue.name;
            match scaler.text("/spec/scaleTargetRef/name") {
                "router" => QueueName::texts().any(|text| text == *name),
                "journal" => [QueueName::journal(), QueueName::journal_dead()].contains(name),
                // A lane with a rate has one consumer, however many egresses there are.
                "egress" => name.as_str().starts_with("egress.") && !queue.single_active_consumer,
                other => panic!("{other} has no queues"),
            }
        };
        let wanted: BTreeSet<&str> =
            topology.queues.iter().filter(is_emptied_by).map(|queue| queue.name.as_str()).collect();
        let differing = wanted.symmetric_difference(&counted);
        findings.extend(differing.map(|queue| match counted.contains(queue) {
            true => format!("{} counts {queue}, which more of it would not empty", scaler.name()),
            false => format!("{} does not count {queue}", scaler.name()),
        }));
    }
    findings
}

/// What a trigger asks with is in a secret that is there, and RabbitMQ lets the user do what the services do.
pub(super) fn refused(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for scaler in rendering.of_kind(&["ScaledObject"]) {
        for trigger in each(scaler.at("/spec/triggers")) {
            let name = trigger["authenticationRef"]["name"].as_str().unwrap_or_default();
            if rendering.find("TriggerAuthentication", name).is_none() {
                findings.push(format!("{}: there is no TriggerAuthentication {name:?}", scaler.name()));
            }
        }
    }
    let mut names: Vec<String> = topology(rendering).queues.iter().map(|queue| queue.name.to_string()).collect();
    names.extend([EXCHANGE, WORK, UNROUTED, RETURN, DEAD].map(str::to_owned));
    names.extend(RETRY_LEVELS.map(retry_name));
    names.push(QueueName::application(&"weather".parse().unwrap()).to_string());
    for permission in rendering.of_kind(&["Permission"]) {
        for (right, pattern) in permission.at("/spec/permissions").as_object().into_iter().flatten() {
            let pattern = Regex::new(pattern.as_str().unwrap_or_default()).unwrap();
            let refused = names.iter().filter(|name| !pattern.is_match(name));
            findings.extend(refused.map(|name| format!("{right} does not match {name}")));
            if pattern.is_match("amq.topic") || pattern.is_match("other.queue") {
                findings.push(format!("{right} matches what is not ours"));
            }
        }
    }
    findings
}

#[test]
fn autoscalers_have_what_they_scale_to_themselves() {
    let rendering = Rendering::overlay("production");
    for (manifest, pointer, value, words) in [
        ("ScaledObject router", "/spec/scaleTargetRef/name", json!("routers"), "not there"),
        ("ScaledObject router", "/spec/scaleTargetRef/name", json!("egress"), "two autoscalers"),
        ("ScaledObject router", "/spec/maxReplicaCount", json!(17), "16 shards"),
        ("ScaledObject router", "/spec/minReplicaCount", json!(1), "leaves a gap"),
        ("Deployment router", "/spec/replicas", json!(2), "says how many"),
    ] {
        assert_found(scaled_wrongly, &rendering, (manifest, pointer, value), words);
    }
    let hpa = Rendering::base_with("hpa");
    let broken = ("HorizontalPodAutoscaler ingress", "/spec/behavior/scaleDown/selectPolicy", json!("Max"));
    assert_found(scaled_wrongly, &hpa, broken, "spools");
}

#[test]
fn what_is_counted_are_the_queues_that_more_replicas_would_empty() {
    let rendering = Rendering::overlay("production");
    assert!(rendering.find("ScaledObject", "router").is_some());
    let queue = |trigger: usize| format!("/spec/triggers/{trigger}/metadata/queueName");
    for (manifest, trigger, pattern, words) in [
        ("ScaledObject router", 0, r"^router\.message\.recieved", "is no queue"),
        ("ScaledObject router", 0, r"^router\.message\.received\.0", "does not count router.message.received.15"),
        ("ScaledObject egress", 1, r"^egress\.message\.send\.", "counts egress.message.send.long-code"),
        ("ScaledObject egress", 0, r"^egress\.session\.result$", "does not count egress.delivery.reported"),
        ("ScaledObject journal", 0, r"\.", "counts egress.session.result"),
    ] {
        assert_found(miscounted, &rendering, (manifest, &queue(trigger), json!(pattern)), words);
    }
    let literally = ("ScaledObject router", "/spec/triggers/0/metadata/useRegex", Value::Null);
    assert_found(miscounted, &rendering, literally, "is no queue");
}

#[test]
fn the_broker_lets_services_do_what_they_do() {
    let rendering = Rendering::overlay("production");
    assert!(rendering.find("Permission", "tropomq").is_some());
    for (manifest, pointer, value, words) in [
        (
            "Permission tropomq",
            "/spec/permissions/configure",
            json!("^router\\."),
            "configure does not match tropomq.dead",
        ),
        ("Permission tropomq", "/spec/permissions/read", json!(".*"), "read matches what is not ours"),
        ("ScaledObject egress", "/spec/triggers/1/authenticationRef/name", json!("none"), "no TriggerAuthentication"),
    ] {
        assert_found(refused, &rendering, (manifest, pointer, value), words);
    }
}
