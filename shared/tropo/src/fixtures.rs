//! What the tests share: the fixture files, and JSON of any shape.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};

fn directory(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(kind)
}

pub(crate) fn read(kind: &str, name: &str) -> Vec<u8> {
    std::fs::read(directory(kind).join(format!("{name}.json"))).unwrap()
}

/// Every fixture of a kind, so that none is left untested.
pub(crate) fn names(kind: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Text with everything that some client, format or carrier has mangled.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let tricky = proptest::sample::select(vec![
        "100% sure",
        "a+b",
        "a&b",
        "<b>",
        "</b>",
        "\"q\"",
        "'q'",
        "🐘",
        "é",
        "%2B",
        "&amp;",
        " ",
        "\n",
        "\t",
        "ж",
        "\\",
        "#",
        "=",
        "?",
        ";",
        "]]>",
    ]);
    proptest::collection::vec(prop_oneof![tricky.prop_map(str::to_owned), "\\PC{0,6}"], 0..6)
        .prop_map(|parts| parts.concat())
}

/// Any JSON, with the members of Tropo's objects among its keys. Numbers are such as read back exactly.
pub(crate) fn any_json(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i16>().prop_map(|half| json!(f64::from(half) / 2.0)),
        any_text().prop_map(Value::from),
        proptest::sample::select(vec!["TEXT", "voice", "SMS", "NONE", "30", "true", "s1"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let key = prop_oneof![4 => proptest::sample::select(keys).prop_map(str::to_owned), 1 => "[a-z]{1,4}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
