//! The way in from outside: for what Tropo posts, and for nothing else.

use serde_json::{Value, json};

use super::assert_found;
use super::rendering::{Manifest, Rendering, each};

/// What all paths begin with that ingress takes from Tropo: webhooks, and what it is told to post results to, which is
/// relative to that.
const PREFIX: &str = "/tropo";

/// What is open beyond that.
pub(super) fn open(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for route in rendering.of_kind(&["HTTPRoute"]) {
        for rule in each(route.at("/spec/rules")) {
            let wanted = json!([{"path": {"type": "PathPrefix", "value": PREFIX}, "method": "POST"}]);
            if rule["matches"] != wanted {
                findings.push(format!("HTTPRoute {} lets in {}", route.name(), rule["matches"]));
            }
            findings.extend(each(&rule["backendRefs"]).filter_map(|to| astray(rendering, route, to, &to["port"])));
        }
    }
    for ingress in rendering.of_kind(&["Ingress"]) {
        if !ingress.at("/spec/defaultBackend").is_null() {
            findings.push(format!("Ingress {} lets in everything", ingress.name()));
        }
        let hosts: Vec<&Value> = each(ingress.at("/spec/tls")).flat_map(|tls| each(&tls["hosts"])).collect();
        for rule in each(ingress.at("/spec/rules")) {
            if !hosts.contains(&&rule["host"]) {
                findings.push(format!("Ingress {} is without TLS for {}", ingress.name(), rule["host"]));
            }
            for path in each(&rule["http"]["paths"]) {
                if path["path"] != PREFIX || path["pathType"] != "Prefix" {
                    findings.push(format!("Ingress {} lets in {path}", ingress.name()));
                }
                let to = &path["backend"]["service"];
                findings.extend(astray(rendering, ingress, to, &to["port"]["number"]));
            }
        }
    }
    findings
}

/// Says that a route leads elsewhere than to ingress.
fn astray(rendering: &Rendering, route: &Manifest, to: &Value, port: &Value) -> Option<String> {
    let service = rendering.find("Service", "ingress")?;
    let there = to["name"] == service.name() && each(service.at("/spec/ports")).any(|at| &at["port"] == port);
    (!there).then(|| format!("{} {} leads to {to}", route.kind(), route.name()))
}

#[test]
fn only_what_tropo_posts_comes_in() {
    let rendering = Rendering::overlay("production");
    let matches = "/spec/rules/0/matches/0";
    for (pointer, value, words) in [
        (&*format!("{matches}/path/value"), json!("/"), "lets in"),
        (&*format!("{matches}/method"), Value::Null, "lets in"),
        ("/spec/rules/0/matches/-", json!({"path": {"type": "PathPrefix", "value": "/metrics"}}), "lets in"),
        ("/spec/rules/0/backendRefs/0/name", json!("egress"), "leads to"),
        ("/spec/rules/0/backendRefs/0/port", json!(9090), "leads to"),
    ] {
        assert_found(open, &rendering, ("HTTPRoute webhook", pointer, value), words);
    }
    let ingress = Rendering::base_with("webhook-ingress");
    let path = "/spec/rules/0/http/paths/0";
    for (pointer, value, words) in [
        (&*format!("{path}/path"), json!("/"), "lets in"),
        (&*format!("{path}/pathType"), json!("ImplementationSpecific"), "lets in"),
        (&*format!("{path}/backend/service/name"), json!("console"), "leads to"),
        ("/spec/defaultBackend", json!({"service": {"name": "ingress"}}), "lets in everything"),
        ("/spec/tls", json!([]), "without TLS"),
    ] {
        assert_found(open, &ingress, ("Ingress webhook", pointer, value), words);
    }
}
