//! What may come into the dependency tree: the rules of `deny.toml` that need no network, on every run of the tests.

use crate::assert_none;
use crate::crates::{Crate, Graph};
use crate::materials;
use crate::tree::read;

/// Where crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The rules of `deny.toml`.
struct Rules {
    /// The licences that are fine.
    allowed: Vec<String>,
    /// Crates that nobody may need, but those.
    banned: Vec<(String, Vec<String>)>,
}

impl Rules {
    fn read() -> Self {
        let rules: toml::Table = read("deny.toml").parse().unwrap_or_else(|error| panic!("deny.toml: {error}"));
        let list = |table: &str, key: &str| rules.get(table)?.get(key)?.as_array();
        let words = |value: &toml::Value| value.as_str().map(str::to_owned);
        let allowed = list("licenses", "allow").into_iter().flatten().filter_map(words).collect();
        let banned = list("bans", "deny").into_iter().flatten().filter_map(|ban| {
            let but = ban.get("wrappers").and_then(toml::Value::as_array);
            Some((words(ban.get("crate")?)?, but.into_iter().flatten().filter_map(words).collect()))
        });
        Self { allowed, banned: banned.collect() }
    }
}

/// Whether a licence of this expression may be taken: `OR` is a choice, `AND` is both, and what follows `WITH` only gives
/// more. `AND` binds closer; brackets go before both.
fn may_be_taken(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (verdict, rest) = any(&words, allowed);
    verdict && rest.is_empty()
}

fn any<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut verdict, mut rest) = all(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (next, after) = all(more, allowed);
        (verdict, rest) = (verdict | next, after);
    }
    (verdict, rest)
}

fn all<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut verdict, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (next, after) = one(more, allowed);
        (verdict, rest) = (verdict & next, after);
    }
    (verdict, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => match any(inner, allowed) {
            (verdict, [")", rest @ ..]) => (verdict, rest),
            (_, rest) => (false, rest),
        },
        // cargo-deny wants exceptions to be named one by one; none is needed.
        [_, "WITH", _, rest @ ..] => (false, rest),
        [name, rest @ ..] => (allowed.iter().any(|allowed| allowed == name), rest),
        [] => (false, &[]),
    }
}

fn refused(graph: &Graph, rules: &Rules) -> Vec<String> {
    let mut findings = Vec::new();
    for known in graph.crates.values() {
        let Crate { name, licence, source, .. } = known;
        if !may_be_taken(licence, &rules.allowed) {
            findings.push(format!("{name} is under {licence:?}, which deny.toml does not allow"));
        }
        if source.as_ref().is_some_and(|source| source != REGISTRY) {
            findings.push(format!("{name} does not come from crates.io"));
        }
        for needed in known.needs.iter().filter_map(|id| graph.crates.get(id)) {
            let ban = rules.banned.iter().find(|(banned, _)| *banned == needed.name);
            if ban.is_some_and(|(_, but)| !but.contains(name)) {
                findings.push(format!("{name} needs {}, and deny.toml does not let it", needed.name));
            }
        }
    }
    findings
}

#[test]
fn what_is_built_keeps_to_the_rules() {
    let rules = Rules::read();
    assert!(3 < rules.allowed.len() && 3 < rules.banned.len(), "deny.toml is not understood any more");
    assert_none("a crate may not be here (deny.toml):", &refused(&Graph::read(), &rules));
}

#[test]
fn an_expression_is_understood() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    let check = |expression, expected| assert_eq!(may_be_taken(expression, &allowed), expected, "{expression}");
    check("MIT", true);
    check("GPL-3.0", false);
    check("", false);
    check("GPL-3.0 OR MIT", true);
    check("MIT AND GPL-3.0", false);
    check("GPL-3.0 AND MIT OR ISC", true);
    check("(GPL-3.0 OR MIT) AND ISC", true);
    check("(GPL-3.0 OR MIT) AND BSL-1.0", false);
    check("MIT WITH LLVM-exception OR ISC", true);
    check("(MIT", false);
    check("MIT ISC", false);
}

#[test]
fn a_crate_that_breaks_a_rule_is_found() {
    let mut graph = Graph::read();
    let rules = Rules::read();
    let crates = &mut graph.crates;
    let id = |crates: &std::collections::BTreeMap<String, Crate>, name: &str| {
        crates.iter().find(|(_, known)| known.name == name).map(|(id, _)| id.clone()).unwrap_or_default()
    };
    let lapin = id(crates, "lapin");
    for (id, known) in crates.iter_mut() {
        match known.name.as_str() {
            "bytes" => known.licence = "GPL-3.0-only".to_owned(),
            "http" => known.source = Some("git+https://example.com/http".to_owned()),
            "router" => known.needs.push(lapin.clone()),
            _ => assert!(!id.is_empty()),
        }
    }
    let findings = refused(&graph, &rules);
    let found = |words: &str| findings.iter().filter(|finding| finding.contains(words)).count();
    assert_eq!((findings.len(), found("GPL"), found("http does not"), found("router needs lapin")), (3, 1, 1, 1));
}

#[test]
fn the_bill_of_materials_has_everything_that_is_in_the_binary_and_nothing_of_the_tests() {
    let graph = Graph::read();
    let bill: serde_json::Value =
        serde_json::from_str(&materials::sbom(&graph)).unwrap_or_else(|error| panic!("{error}"));
    let components = bill["components"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = components.iter().filter_map(|component| component["name"].as_str()).collect();
    for there in ["tokio", "lapin", "protocol", "rustls", "libsqlite3-sys"] {
        assert!(names.contains(&there), "{there}");
    }
    for elsewhere in ["tropomq", "proptest", "testkit", "serde_derive", "cc"] {
        assert!(!names.contains(&elsewhere), "{elsewhere}");
    }
    assert_eq!(bill["metadata"]["component"]["name"], "tropomq");
    for component in &components {
        let is_ours = component["purl"].is_null();
        let has_sum = component["hashes"][0]["content"].as_str().is_some_and(|sum| sum.len() == 64);
        assert!(is_ours != has_sum && component["licenses"][0]["expression"] != "", "{component}");
    }
    assert_eq!(bill["dependencies"].as_array().map(Vec::len), Some(components.len() + 1));
}

#[test]
fn every_crate_is_named_with_its_licence_and_the_texts_are_there() {
    let graph = Graph::read();
    let page = materials::licences(&graph);
    for (_, known) in graph.of_binary().into_iter().filter(|(_, known)| known.source.is_some()) {
        assert!(page.contains(&format!("\n{} {}: {}\n", known.name, known.version, known.licence)), "{}", known.name);
    }
    for text in ["Permission is hereby granted", "TERMS AND CONDITIONS FOR USE", "Permission to use, copy, modify"] {
        assert!(page.contains(text), "{text}");
    }
}
