//! A real RabbitMQ takes `deploy/rabbitmq/rabbitmq.conf`, and its plugin tells what the rules ask for.

use std::time::Duration;

use messaging::amqp::definitions;
use protocol::topology::Topology;
use serde_json::Value;
use testkit::RabbitMq;

use crate::metrics::OF_RABBITMQ;
use crate::tree;

/// The paths at which Prometheus asks RabbitMQ, with their queries.
fn paths() -> Vec<String> {
    let configuration = tree::yaml("deploy/prometheus/prometheus.yml");
    let jobs = configuration["scrape_configs"].as_array().unwrap().iter();
    let of_rabbitmq = jobs.filter(|job| job["job_name"].as_str().unwrap().starts_with("rabbitmq"));
    let path = |job: &Value| {
        let families = job.get("params").and_then(|params| params["family"].as_array()).into_iter().flatten();
        let query: Vec<String> = families.map(|family| format!("family={}", family.as_str().unwrap())).collect();
        let path = job.get("metrics_path").and_then(Value::as_str).unwrap_or("/metrics");
        format!("{path}?{}", query.join("&"))
    };
    of_rabbitmq.map(path).collect()
}

#[test]
fn rabbitmq_takes_its_settings_and_tells_what_is_asked_of_it() {
    let broker = RabbitMq::start_as(&tree::read("deploy/rabbitmq/rabbitmq.conf")).unwrap();
    broker.management().import(&definitions(&Topology::new(&[]), "/", "tropomq").to_string()).unwrap();
    let mut told = String::new();
    let has = |told: &str, name: &str| told.lines().any(|line| line.split(['{', ' ']).next() == Some(name));
    // Queues are counted a moment after they are declared.
    let all = testkit::holds_within(Duration::from_secs(30), || {
        // As `deploy/prometheus/prometheus.yml` asks.
        told = paths().iter().map(|path| broker.metrics(path).unwrap()).collect();
        OF_RABBITMQ.iter().all(|name| has(&told, name))
    });
    let missing: Vec<&str> = OF_RABBITMQ.into_iter().filter(|name| !has(&told, name)).collect();
    assert!(all, "{missing:?}");
    for metric in [
        "rabbitmq_detailed_queue_messages_ready",
        "rabbitmq_detailed_queue_messages_unacked",
        "rabbitmq_detailed_queue_consumers",
    ] {
        let of_the_dead = |line: &&str| line.starts_with(metric) && line.contains("queue=\"tropomq.dead\"");
        assert!(told.lines().any(|line| of_the_dead(&line)), "{metric} has no label queue");
    }
}
