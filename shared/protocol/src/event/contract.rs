//! The contract as machines read it: `docs/asyncapi.json`, made from the types of the events.

use std::fs;
use std::path::PathBuf;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::tests::{described, same_as_written};
use super::*;

/// Where the schemas of all types stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// Every event: its kind, and its schema, head and all.
fn events(generator: &mut SchemaGenerator) -> Vec<(Kind, Value)> {
    fn event<T: Event + JsonSchema>(generator: &mut SchemaGenerator) -> (Kind, Value) {
        let mut schema = Head::json_schema(generator).to_value();
        let data = generator.subschema_for::<T>().to_value();
        schema["properties"]["type"] = json!({ "const": EventType { kind: T::KIND, version: T::VERSION } });
        schema["properties"]["data"] = data;
        schema["required"].as_array_mut().unwrap().push("data".into());
        (T::KIND, schema)
    }
    let each = [
        event::<MessageReceived>,
        event::<MessageOffered>,
        event::<MessageRouted>,
        event::<MessageSend>,
        event::<MessageLaunched>,
        event::<MessageReleased>,
        event::<SessionResult>,
        event::<MessageSent>,
        event::<DeliveryReported>,
        event::<MessageDelivered>,
        event::<MessageFailed>,
        event::<MessageUnconfirmed>,
        event::<MessageExpired>,
        event::<MessageSuppressed>,
        event::<SessionIgnored>,
    ];
    each.into_iter().map(|event| event(generator)).collect()
}

/// The words of a routing key after the kind.
fn words(kind: Kind) -> &'static [(&'static str, &'static str)] {
    const BACKEND: (&str, &str) = ("backend", "The backend that it concerns.");
    match kind {
        Kind::MessageReceived => {
            &[BACKEND, ("shard", "`00` to `15`, by the person: docs/adr/0014-order-per-person.md.")]
        }
        Kind::MessageOffered => &[BACKEND, ("application", "The application that it is offered to.")],
        _ => &[BACKEND],
    }
}

fn fixture(kind: Kind) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/event/fixtures/{kind}.v1.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn parameters(words: &[(&str, &str)]) -> Value {
    words.iter().map(|(name, says)| ((*name).to_owned(), json!({ "description": says }))).collect::<Map<_, _>>().into()
}

/// The whole document.
fn asyncapi() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut generator = settings.into_generator();
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    let mut schemas = Map::new();
    for (kind, schema) in events(&mut generator) {
        let (from, _, says) = described(kind);
        schemas.insert(kind.to_string(), schema);
        messages.insert(
            kind.to_string(),
            json!({
                "name": format!("{kind}.v1"),
                "summary": says,
                "contentType": "application/json",
                "payload": { "$ref": format!("#{SCHEMAS}/{kind}") },
                "examples": [{ "payload": fixture(kind) }],
            }),
        );
        let address: String = words(kind).iter().map(|(word, _)| format!(".{{{word}}}")).collect();
        let message = json!({ "$ref": format!("#/components/messages/{kind}") });
        channels.insert(
            kind.to_string(),
            json!({
                "address": format!("{kind}{address}"),
                "description": format!("From {from}. The address is the routing key on the exchange `tropomq`."),
                "parameters": parameters(words(kind)),
                "messages": { kind.to_string(): message },
                "bindings": { "amqp": {
                    "is": "routingKey",
                    "exchange": { "name": "tropomq", "type": "topic", "durable": true, "autoDelete": false },
                    "bindingVersion": "0.3.0",
                } },
            }),
        );
        let action = if kind == Kind::MessageSend { "receive" } else { "send" };
        let channel = json!({ "$ref": format!("#/channels/{kind}") });
        operations.insert(kind.to_string(), json!({ "action": action, "channel": channel }));
    }
    let offered = Kind::MessageOffered;
    channels.insert(
        "application".to_owned(),
        json!({
            "address": "application.{application}",
            "description": "The queue from which an application takes what is offered to it.",
            "parameters": parameters(&[("application", "Its name: [router.amqp.NAME].")]),
            "messages": { offered.to_string(): { "$ref": format!("#/components/messages/{offered}") } },
            "bindings": { "amqp": {
                "is": "queue",
                "queue": { "durable": true, "exclusive": false, "autoDelete": false },
                "bindingVersion": "0.3.0",
            } },
        }),
    );
    schemas.extend(generator.take_definitions(true));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "tropomq",
            "version": "1",
            "description": "The events on the bus, as docs/events.md and docs/amqp-applications.md tell of them.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

/// What the document says of a payload of this kind.
fn is_valid(document: &Value, kind: Kind, payload: &Value) -> bool {
    let schema = json!({
        "$ref": format!("#{SCHEMAS}/{kind}"),
        "components": { "schemas": document["components"]["schemas"] },
    });
    jsonschema::draft7::new(&schema).unwrap().is_valid(payload)
}

#[test]
fn the_contract_for_machines_is_written_down_as_it_is() {
    let mut written = serde_json::to_string_pretty(&asyncapi()).unwrap();
    written.push('\n');
    same_as_written("docs/asyncapi.json", &written);
}

#[test]
fn every_kind_has_a_schema_that_takes_its_fixture_and_nothing_less() {
    let document = asyncapi();
    for kind in Kind::ALL {
        let fixture = fixture(kind);
        assert!(is_valid(&document, kind, &fixture), "{kind}");
        let required = document["components"]["schemas"][kind.as_str()]["required"].as_array().unwrap();
        for member in required {
            let mut less = fixture.clone();
            less.as_object_mut().unwrap().remove(member.as_str().unwrap());
            assert!(!is_valid(&document, kind, &less), "{kind} without {member}");
        }
        let other = EventType { kind, version: 2 };
        assert!(!is_valid(&document, kind, &json!({ "type": other })), "another version of {kind}");
    }
    let (mut wordless, kind) = (fixture(Kind::MessageSend), Kind::MessageSend);
    wordless["data"].as_object_mut().unwrap().remove("text");
    assert!(!is_valid(&document, kind, &wordless));
}
