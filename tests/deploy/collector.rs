//! `deploy/otel/collector.yaml` hangs together. No collector is run for it.

use serde_json::Value;

use crate::tree;

fn names(components: &Value) -> Vec<String> {
    components.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_component_is_in_a_pipeline_and_every_pipeline_has_its_components() {
    let collector = tree::yaml("deploy/otel/collector.yaml");
    let pipelines = collector["service"]["pipelines"].as_object().unwrap();
    for kind in ["receivers", "processors", "exporters"] {
        let mut used: Vec<String> = pipelines
            .values()
            .flat_map(|pipeline| pipeline[kind].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        used.sort();
        used.dedup();
        assert_eq!(used, names(&collector[kind]), "{kind}");
    }
    assert_eq!(collector["service"]["extensions"].as_array().unwrap().len(), names(&collector["extensions"]).len());
}

#[test]
fn its_memory_is_bounded_before_anything_is_kept() {
    let collector = tree::yaml("deploy/otel/collector.yaml");
    for (name, pipeline) in collector["service"]["pipelines"].as_object().unwrap() {
        let processors = pipeline["processors"].as_array().unwrap();
        assert_eq!(processors.first().unwrap(), "memory_limiter", "{name}");
        assert_eq!(processors.last().unwrap(), "batch", "{name}");
    }
}

#[test]
fn it_listens_where_the_services_export_to() {
    let collector = tree::yaml("deploy/otel/collector.yaml");
    // HTTP, by the defaults of the protocol.
    assert_eq!(collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"], "0.0.0.0:4318");
    let jaeger = &collector["exporters"]["otlp/jaeger"]["endpoint"];
    assert_eq!(jaeger, "jaeger:4317");
}
