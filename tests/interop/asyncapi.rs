//! The contract of the bus is an AsyncAPI document, by AsyncAPI's own schema.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::stage::{installed, source};

/// The schema in which every definition stands where it is referred to, so that nothing has to be fetched.
const SCHEMA: &str = "node/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json";

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_reads_asyncapi_can_read_the_contract_of_the_bus() {
    let schema = jsonschema::draft7::new(&read(&installed().join(SCHEMA))).unwrap();
    let document = read(&source("../../docs/asyncapi.json"));
    let wrong: Vec<String> =
        schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut broken = document;
    broken["channels"]["message.send"]["address"] = json!(1);
    assert!(!schema.is_valid(&broken));
}
