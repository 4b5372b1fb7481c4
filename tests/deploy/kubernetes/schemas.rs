//! Each manifest by its schema: Kubernetes' own, strict, of the oldest and the newest version that we say it is for; custom
//! resources by what is written down of them in `tests/deploy/crds`. A kind that is in neither is refused.

use std::fs;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::assert_found;
use super::rendering::{Rendering, each};
use crate::clients;

/// What deploy/kubernetes/README.md says.
const VERSIONS: [&str; 2] = ["1.33.0", "1.37.0"];

const SCHEMAS: &str = "kubernetes/python/kubernetes_validate/kubernetes-json-schema";

const RESOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/deploy/crds");

/// How the kind of a manifest is called here.
fn kind(api_version: &str, kind: &str) -> String {
    format!("{kind} of {api_version}")
}

/// The schemas of both versions.
pub(super) fn validators() -> [Validator; 2] {
    VERSIONS.map(validator)
}

/// The schema of an object that has for each kind an array of its manifests.
fn validator(version: &str) -> Validator {
    let file = clients::folder().join(SCHEMAS).join(format!("v{version}-local-strict/_definitions.json"));
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut kinds = Map::new();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for gvk in each(&definition["x-kubernetes-group-version-kind"]) {
            let part = |key: &str| gvk[key].as_str().unwrap_or_default();
            let api_version = match part("group") {
                "" => part("version").to_owned(),
                group => format!("{group}/{}", part("version")),
            };
            let items = json!({"$ref": format!("#/$defs/{name}"), "required": ["apiVersion", "kind", "metadata"]});
            kinds.insert(kind(&api_version, part("kind")), json!({"items": items}));
        }
    }
    assert!(100 < kinds.len());
    for entry in fs::read_dir(RESOURCES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let resource: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let text = |key: &str| resource[key].as_str().unwrap();
        let metadata = json!({"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"});
        let items = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "properties": {"apiVersion": {}, "kind": {}, "metadata": metadata, "spec": resource["spec"]},
        });
        kinds.insert(kind(text("apiVersion"), text("kind")), json!({"items": items}));
    }
    let fields = schema.as_object_mut().unwrap();
    fields.insert("properties".to_owned(), Value::Object(kinds));
    fields.insert("additionalProperties".to_owned(), json!(false));
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What the schemas of a version find.
pub(super) fn misformed(rendering: &Rendering, validator: &Validator) -> Vec<String> {
    let mut instance = Map::new();
    for manifest in &rendering.manifests {
        let manifests =
            instance.entry(kind(manifest.text("/apiVersion"), manifest.kind())).or_insert_with(|| json!([]));
        manifests.as_array_mut().unwrap().push(manifest.0.clone());
    }
    let instance = Value::Object(instance);
    validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn a_word_that_is_misspelt_and_a_kind_that_nobody_knows_are_found() {
    let rendering = Rendering::overlay("production");
    let validator = validator(VERSIONS[1]);
    for (manifest, pointer, value, words) in [
        ("Deployment router", "/spec/template/spec/containers/0/livenesProbe", json!({}), "livenesProbe"),
        ("Deployment router", "/spec/replicas", json!("two"), "two"),
        ("PodDisruptionBudget router", "/apiVersion", json!("policy/v1beta1"), "policy/v1beta1"),
        ("NetworkPolicy names", "/kind", json!("NetworkPolice"), "NetworkPolice"),
        ("ScaledObject router", "/spec/minReplicas", json!(2), "minReplicas"),
        ("ScaledObject router", "/spec/triggers/0/metadata/value", json!(500), "500"),
        ("RabbitmqCluster rabbitmq", "/spec/replica", json!(3), "replica"),
        ("RabbitmqCluster rabbitmq", "/spec/resources/limit", json!({}), "limit"),
        ("ExternalSecret tropomq", "/spec/target/template/data/bus-url", json!(1), "1"),
        ("HTTPRoute webhook", "/spec/rules/0/matches/0/methods", json!("POST"), "methods"),
        ("PodMonitor tropomq", "/spec/podMetricsEndpoints/0/port", json!(9090), "9090"),
    ] {
        assert_found(|rendering| misformed(rendering, &validator), &rendering, (manifest, pointer, value), words);
    }
}
