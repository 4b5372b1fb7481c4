//! What every pod has, and what none may have.

use std::time::Duration;

use serde_json::{Value, json};

use super::assert_found;
use super::effective::{Effective, default_port};
use super::rendering::{Pod, Rendering, each};

/// What closing takes beyond all that is configured, when the broker does not answer (docs/operations.md, "Stops").
const SILENT_BROKER: Duration = Duration::from_secs(22);

/// No pod is root, may become it, writes to its image, speaks to the API server, or reaches into its node.
pub(super) fn unguarded(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for pod in rendering.pods() {
        let mut wants = |value: &Value, wanted: Value, words: &str| {
            if *value != wanted {
                findings.push(format!("{}: {words} is {value}, and {wanted} is wanted", pod.workload.name()));
            }
        };
        let context = &pod.spec["securityContext"];
        wants(&context["runAsNonRoot"], json!(true), "runAsNonRoot");
        wants(&json!(context["runAsUser"].as_u64().is_some_and(|user| 0 < user)), json!(true), "runAsUser above 0");
        wants(&context["seccompProfile"], json!({"type": "RuntimeDefault"}), "seccompProfile");
        wants(&pod.spec["automountServiceAccountToken"], json!(false), "automountServiceAccountToken");
        wants(&pod.spec["enableServiceLinks"], json!(false), "enableServiceLinks");
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            wants(&pod.spec[host], Value::Null, host);
        }
        for volume in each(&pod.spec["volumes"]) {
            wants(&volume["hostPath"], Value::Null, "hostPath");
        }
        let account = pod.spec["serviceAccountName"].as_str().unwrap_or_default();
        let account =
            rendering.find("ServiceAccount", account).map(|account| account.at("/automountServiceAccountToken"));
        wants(account.unwrap_or(&Value::Null), json!(false), "automountServiceAccountToken of its account");
        for container in pod.containers() {
            let context = &container["securityContext"];
            wants(&context["allowPrivilegeEscalation"], json!(false), "allowPrivilegeEscalation");
            wants(&context["readOnlyRootFilesystem"], json!(true), "readOnlyRootFilesystem");
            wants(&context["capabilities"], json!({"drop": ["ALL"]}), "capabilities");
            for own in ["privileged", "runAsUser", "runAsNonRoot", "seccompProfile"] {
                wants(&context[own], Value::Null, own);
            }
        }
    }
    let granted = rendering.of_kind(&["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]);
    findings.extend(granted.map(|granted| format!("{} {} gives rights", granted.kind(), granted.name())));
    findings
}

/// Every container says what it needs and may have at most, and how it is known to live and to be ready.
pub(super) fn unbounded(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for pod in rendering.pods() {
        for container in pod.containers() {
            let pointers =
                ["requests", "limits"].map(|kind| ["cpu", "memory"].map(|what| format!("/resources/{kind}/{what}")));
            let probes = ["startupProbe", "livenessProbe", "readinessProbe"].map(|probe| format!("/{probe}"));
            for pointer in pointers.iter().flatten().chain(&probes) {
                if container.pointer(pointer).is_none() {
                    findings.push(format!("{}: {} has no {pointer}", pod.workload.name(), container["name"]));
                }
            }
        }
    }
    findings
}

/// Readiness is asked for at /readyz and life at /healthz: what is away comes back without a restart.
pub(super) fn misjudged(rendering: &Rendering) -> Vec<String> {
    let probes = [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")];
    let mut findings = Vec::new();
    for (pod, container, _) in services(rendering) {
        for (probe, path) in probes {
            let asked = &container[probe]["httpGet"];
            if asked["path"] != path || asked["port"] != "admin" {
                findings.push(format!("{}: {probe} asks {asked}", pod.workload.name()));
            }
        }
    }
    findings
}

/// A service listens where its container says, beyond its own pod, at the ports that the defaults have; and the image is the
/// one that runs as this user.
pub(super) fn unheard(rendering: &Rendering) -> Vec<String> {
    let dockerfile = include_str!("../../../deploy/docker/Dockerfile");
    let mut findings = Vec::new();
    for (pod, container, service) in services(rendering) {
        let name = pod.workload.name();
        let effective = match Effective::of(rendering, container) {
            Ok(effective) => effective,
            Err(error) => {
                findings.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut ports: Vec<(&str, Option<u64>)> = vec![("admin", default_port("admin"))];
        if let Some(port) = default_port(service) {
            ports.push(("http", Some(port)));
        }
        let named: Vec<_> = each(&container["ports"])
            .map(|port| (port["name"].as_str().unwrap_or_default(), port["containerPort"].as_u64()))
            .collect();
        if named != ports {
            findings.push(format!("{name}: its ports are {named:?}, and by default {ports:?}"));
        }
        for (port, at) in ports {
            let listener = if port == "admin" { "admin" } else { service };
            if effective.port(listener) != at {
                findings
                    .push(format!("{name}: it listens at {:?} as {port}, and not at {at:?}", effective.port(listener)));
            }
            if !effective.get(&format!("{listener}.listen")).unwrap_or_default().starts_with("0.0.0.0:") {
                findings.push(format!("{name}: nobody beyond its pod can reach {listener}.listen"));
            }
        }
        let user = format!("USER {0}:{0}\n", pod.spec["securityContext"]["runAsUser"]);
        if !dockerfile.contains(&user) {
            findings.push(format!("{name}: the image does not say {user}"));
        }
    }
    findings
}

/// A pod has the time that a stop can take, and is off its services before it closes its listeners.
pub(super) fn cut_off(rendering: &Rendering) -> Vec<String> {
    let mut findings = Vec::new();
    for (pod, container, service) in services(rendering) {
        let Ok(effective) = Effective::of(rendering, container) else { continue };
        let stop_delay = effective.duration("admin.stop_delay");
        let drained = default_port(service).map(|_| effective.duration(&format!("{service}.limits.drain_timeout")));
        let longest = stop_delay + effective.duration("bus.drain") + drained.unwrap_or_default() + SILENT_BROKER;
        let granted = Duration::from_secs(pod.spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30));
        if granted <= longest {
            findings
                .push(format!("{}: killed after {granted:?}, and a stop may take {longest:?}", pod.workload.name()));
        }
        if stop_delay < Duration::from_secs(5) {
            findings.push(format!("{}: admin.stop_delay is {stop_delay:?}, and 5s are wanted", pod.workload.name()));
        }
    }
    findings
}

/// Everything that runs has a version.
pub(super) fn unversioned(rendering: &Rendering) -> Vec<String> {
    let containers = rendering.pods().flat_map(|pod| pod.containers());
    let images = containers.map(|container| container["image"].as_str().unwrap_or_default());
    let is_versioned = |image: &&str| {
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
    };
    images.filter(|image| !is_versioned(image)).map(|image| format!("{image:?} has no version")).collect()
}

/// The pods of our services, with the container and which service it runs.
pub(super) fn services(rendering: &Rendering) -> Vec<(Pod<'_>, &Value, &str)> {
    let services = rendering.pods().filter_map(|pod| {
        let container = pod.spec["containers"].as_array()?.iter().find(|container| container["name"] == "tropomq")?;
        let service = container["command"][1].as_str()?;
        Some((pod, container, service))
    });
    let services: Vec<_> = services.collect();
    assert!(5 <= services.len(), "{} has {} services", rendering.name, services.len());
    services
}

#[test]
fn no_pod_is_root_or_has_a_right() {
    let rendering = Rendering::overlay("evaluation");
    let context = "/spec/template/spec/containers/0/securityContext";
    for (manifest, pointer, value, words) in [
        ("Deployment router", "/spec/template/spec/securityContext/runAsNonRoot", Value::Null, "runAsNonRoot is null"),
        ("Deployment postgres", "/spec/template/spec/securityContext/runAsUser", json!(0), "runAsUser above 0"),
        ("Deployment egress", "/spec/template/spec/automountServiceAccountToken", json!(true), "automount"),
        ("ServiceAccount egress", "/automountServiceAccountToken", Value::Null, "of its account"),
        ("Deployment egress", "/spec/template/spec/serviceAccountName", json!("admin"), "of its account"),
        ("Deployment egress", "/spec/template/spec/hostNetwork", json!(true), "hostNetwork"),
        ("StatefulSet ingress", &format!("{context}/readOnlyRootFilesystem"), json!(false), "readOnlyRootFilesystem"),
        ("Deployment rabbitmq", &format!("{context}/capabilities"), json!({"drop": []}), "capabilities"),
        ("Deployment console", &format!("{context}/privileged"), json!(true), "privileged"),
        ("ConfigMap tropomq-config", "/kind", json!("RoleBinding"), "gives rights"),
    ] {
        assert_found(unguarded, &rendering, (manifest, pointer, value), words);
    }
}

#[test]
fn every_container_has_bounds_and_probes() {
    let rendering = Rendering::overlay("evaluation");
    let container = "/spec/template/spec/containers/0";
    for (pointer, words) in [("resources/limits/memory", "limits/memory"), ("livenessProbe", "livenessProbe")] {
        let broken = ("Deployment simulator", format!("{container}/{pointer}"));
        assert_found(unbounded, &rendering, (broken.0, &broken.1, Value::Null), words);
    }
    let path = format!("{container}/livenessProbe/httpGet/path");
    assert_found(misjudged, &rendering, ("Deployment router", &path, json!("/readyz")), "livenessProbe");
}

#[test]
fn services_listen_where_their_pods_say() {
    let rendering = Rendering::overlay("production");
    let container = "/spec/template/spec/containers/0";
    for (manifest, pointer, value, words) in [
        ("Deployment egress", "ports/1/containerPort", json!(8080), "8080"),
        ("Deployment egress", "env/2/value", json!("0.0.0.0:9999"), "9999"),
        ("Deployment egress", "env/2/value", json!("127.0.0.1:8081"), "nobody beyond its pod"),
        ("Deployment journal", "ports/-", json!({"name": "http", "containerPort": 1}), "http"),
        ("Deployment journal", "envFrom/0/configMapRef/name", json!("gone"), "no ConfigMap \"gone\""),
    ] {
        assert_found(unheard, &rendering, (manifest, &format!("{container}/{pointer}"), value), words);
    }
    let user = ("Deployment router", "/spec/template/spec/securityContext/runAsUser", json!(1000));
    assert_found(unheard, &rendering, user, "USER 1000:1000");
}

#[test]
fn a_stop_has_the_time_that_it_takes() {
    let rendering = Rendering::overlay("production");
    let grace = ("Deployment egress", "/spec/template/spec/terminationGracePeriodSeconds", json!(30));
    assert_found(cut_off, &rendering, grace, "killed after 30s");
    let delay = ("ConfigMap tropomq-environment", "/data/TROPOMQ__ADMIN__STOP_DELAY", Value::Null);
    assert_found(cut_off, &rendering, delay, "5s are wanted");
    let drain = ("ConfigMap tropomq-config", "/data/tropomq.toml", json!("[bus]\ndrain = \"40s\"\n"));
    assert_found(cut_off, &rendering, drain, "a stop may take 77s");
}

#[test]
fn every_image_has_a_version() {
    let rendering = Rendering::overlay("production");
    for image in ["registry.example.com:5000/tropomq", "tropomq:latest"] {
        let broken = ("Deployment egress", "/spec/template/spec/containers/0/image", json!(image));
        assert_found(unversioned, &rendering, broken, image);
    }
}
