//! The contract as machines read it: `docs/asyncapi.json`, made from the types of the events.

use std::fs;
use std::path::PathBuf;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::tests::{described, same_as_written};
use super::*;
use crate::{Address, MessageText, Network, PhoneNumber};

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
        event::<MessageDelayed>,
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

/// What nobody reads as a `T` is not of its schema, and what somebody writes is.
#[track_caller]
fn check<T: JsonSchema + DeserializeOwned>(written: &[&str], refused: &[&str]) {
    let schema = T::json_schema(&mut SchemaSettings::draft07().into_generator()).to_value();
    let schema = jsonschema::draft7::new(&schema).unwrap();
    for (written, is_read) in written.iter().map(|it| (it, true)).chain(refused.iter().map(|it| (it, false))) {
        let value = json!(written);
        assert_eq!(schema.is_valid(&value), is_read, "the schema, on {written:?}");
        assert_eq!(serde_json::from_value::<T>(value).is_ok(), is_read, "{written:?}");
    }
    assert!(!schema.is_valid(&json!(7)));
}

#[test]
fn a_schema_refuses_what_nobody_reads() {
    let long = |bytes| "a".repeat(bytes);
    let text_max = MessageText::BYTES_MAX;
    check::<BackendName>(
        &["my-tropo-backend", "Tropo_2", "0", &long(64)],
        &["", "a.b", "-a", "a b", "é", "a\n", &long(65)],
    );
    check::<Network>(&["SMS", "sms", &long(16)], &["", "S.S", "SMS2", &long(17)]);
    check::<SessionId>(&["9f0c4be1a27d", "3FA17C36-CC7E@10.0.0.9", &long(128)], &["", "a b", "é", &long(129)]);
    check::<MessageText>(&["", "ποῦ 🐘\r\n\"<&>\\", &long(text_max)], &["a\0", &long(text_max + 1)]);
    check::<Address>(
        &["+15555550100", "12345", "alice@example.net", "unknown", "tel:+15555550100", "Frühling: 7", &long(256)],
        &["", " ", "tel:", "TEL: tel:", "a\u{7f}", "a\tb", "a\u{85}b", &long(257)],
    );
    check::<PhoneNumber>(&["+15555550100", "+12345678"], &["", "+1234567", "+05555550100", "bob", "+1234567890123456"]);
    check::<EventId>(&["0b8f6a52-58c1-5c0e-9d3a-0e6f6d6f3a11"], &["", "1", "0b8f6a52-58c1-5c0e-9d3a-0e6f6d6f3a1g"]);
}

#[test]
fn an_event_with_what_nobody_reads_is_not_of_the_contract() {
    let document = asyncapi();
    let kind = Kind::MessageSend;
    for (member, wrong) in [("/backend", "a.b"), ("/data/to", ""), ("/data/network", "S.S"), ("/data/text", "\0")] {
        let mut event = fixture(kind);
        *event.pointer_mut(member).unwrap() = wrong.into();
        assert!(!is_valid(&document, kind, &event), "{member}");
    }
}
