//! Every code that an operator can meet has its section in `docs/errors.md`, and no section is without its code.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::assert_none;
use crate::tree::read;

const PAGE: &str = "docs/errors.md";

/// What is explained together with the code that shows it, and is no list anywhere: read by hand, when it changes.
const OTHERS: [&str; 6] =
    ["answer 405", "ready QUEUE", "schema encoding", "schema newer", "schema older", "schema too-long"];

/// The part of a source before its tests.
fn code(path: &str) -> String {
    let text = read(path);
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// What stands between these two, each time.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| Some(rest.split_once(after)?.0))
}

/// The words in quotes of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

fn exit_codes() -> BTreeSet<String> {
    let code = code("shared/chassis/src/exit.rs");
    let lines = between(&code, "pub const ", ";");
    lines.filter_map(|line| Some(format!("exit {}", line.split_once(": u8 = ")?.1))).collect()
}

/// The reasons that the schemas of the events list.
fn reasons() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&read("docs/asyncapi.json")).unwrap_or_else(|error| panic!("{error}"));
    let named = [
        ("FailureReason", "failed"),
        ("DelayedReason", "delayed"),
        ("SuppressedReason", "suppressed"),
        ("IgnoredReason", "ignored"),
    ];
    let listed = |(schema, word)| {
        let path = format!("/components/schemas/{schema}/oneOf");
        let choices = document.pointer(&path).and_then(Value::as_array).unwrap_or_else(|| panic!("no {path}"));
        let reason = move |choice: &Value| format!("{word} {}", choice["const"].as_str().unwrap_or_default());
        choices.iter().map(reason).collect::<Vec<_>>()
    };
    named.into_iter().flat_map(listed).collect()
}

/// The reasons of dead letters: those that the console has advice for, and those that are given.
fn deaths() -> BTreeSet<String> {
    let (advised, given) =
        (code("services/console/src/letters/advice.rs"), code("shared/messaging/src/consume/failure.rs"));
    let advised = between(&advised, "Some(", ")").flat_map(quoted);
    let given = between(&given, "reason: \"", "\"").chain(between(&given, "self.dead(\"", "\""));
    advised.chain(given).map(|reason| format!("dead {reason}")).collect()
}

fn problems() -> BTreeSet<String> {
    let code = code("services/console/src/problem.rs");
    let made = between(&code, "Self::of(StatusCode::", ")").filter_map(|made| quoted(made).next());
    made.map(|name| format!("problem {name}")).collect()
}

fn answers() -> BTreeSet<String> {
    let code = code("services/ingress/src/webhook.rs");
    let status = |name: &str| match name {
        "UNAUTHORIZED" => "401",
        "FORBIDDEN" => "403",
        "NOT_FOUND" => "404",
        "BAD_REQUEST" => "400",
        "SERVICE_UNAVAILABLE" => "503",
        other => panic!("{other} has no section: give it one, and its number here"),
    };
    between(&code, "(StatusCode::", ",").map(|name| format!("answer {}", status(name.trim()))).collect()
}

fn components() -> BTreeSet<String> {
    let files = ["stack.rs", "stack/spool.rs", "stack/watch.rs", "stack/journal.rs"];
    let codes = files.map(|file| code(&format!("services/tropomq/src/{file}")));
    let named = codes.iter().flat_map(|code| between(code, ".component(\"", "\""));
    named.map(|name| format!("ready {name}")).collect()
}

#[test]
fn every_code_is_explained_and_nothing_else_is() {
    let sources = [exit_codes(), reasons(), deaths(), problems(), answers(), components()];
    for codes in &sources {
        assert!(1 < codes.len(), "a list of codes is not found any more: {codes:?}");
    }
    let codes: BTreeSet<String> = sources.into_iter().flatten().chain(OTHERS.map(str::to_owned)).collect();
    let page = read(PAGE);
    let sections: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    let unexplained = codes.difference(&sections).map(|code| format!("{code} has no section"));
    let gone = sections.difference(&codes).map(|section| format!("nothing says {section} any more"));
    let findings: Vec<String> = unexplained.chain(gone).collect();
    assert_none("docs/errors.md and the codes differ:", &findings);
}

#[test]
fn every_section_says_something() {
    let page = read(PAGE);
    let empty = page.split("\n### ").skip(1).filter(|section| section.lines().nth(2).is_none_or(str::is_empty));
    let findings: Vec<String> = empty.map(|section| section.lines().next().unwrap_or_default().to_owned()).collect();
    assert_none("a section of docs/errors.md is empty:", &findings);
}
