//! What every Rust file keeps to.

use crate::assert_none;
use crate::tree::{File, is_test, rust_files};

/// The longest file, tests apart.
const LINES_MAX: usize = 400;

/// What no file holds outside a comment, why, and where it is in its place: the beginnings or ends of paths.
const FORBIDDEN: [(&str, &str, &[&str]); 7] = [
    ("tokio::spawn(", "a task has a name and a policy: use chassis::tasks", &["shared/chassis/src/tasks"]),
    ("global::meter(", "metrics are named in observe.rs alone", &["/observe.rs", "shared/chassis/src/"]),
    ("#[allow(", "silence a lint with #[expect(lint, reason = \"…\")]", &[]),
    ("#![allow(", "silence a lint with #![expect(lint, reason = \"…\")]", &[]),
    ("#[ignore", "no test is ignored: mend it or remove it", &[]),
    ("todo!(", "only finished code goes in", &[]),
    ("unimplemented!(", "only finished code goes in", &[]),
];

/// The package of these rules spells out what they forbid.
const OWN: &str = "tests/tidy/";

/// Words that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 12] = [
    "common", "data", "helper", "helpers", "info", "manager", "managers", "misc", "process", "util", "utility", "utils",
];

fn forbidden(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    if file.path.starts_with(OWN) {
        return findings;
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (text, instead, places) in FORBIDDEN {
            let in_place = places.iter().any(|place| file.path.starts_with(place) || file.path.ends_with(place));
            if line.contains(text) && !in_place {
                findings.push(format!("{}:{number}: `{text}`: {instead}", file.path));
            }
        }
    }
    findings
}

fn badly_named(file: &File) -> Vec<String> {
    let path = file.path.trim_end_matches(".rs");
    let empty = path.split('/').flat_map(|name| name.split('_')).find(|word| EMPTY_NAMES.contains(word));
    let empty = empty.map(|word| format!("{}: `{word}` says nothing: name it for what it holds", file.path));
    let is_mod = path.ends_with("/mod").then(|| format!("{}: write foo.rs beside foo/", file.path));
    empty.into_iter().chain(is_mod).collect()
}

fn unopened(file: &File) -> Option<String> {
    let opened = file.text.starts_with("//! ") || is_test(&file.path);
    (!opened).then(|| format!("{}: begin with a line `//! …` on what it is for", file.path))
}

fn too_long(file: &File) -> Option<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_tests = |pair: &[&str]| matches!(pair, ["#[cfg(test)]", module] if module.starts_with("mod tests"));
    let own = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    let is_long = LINES_MAX < own && !is_test(&file.path);
    is_long.then(|| format!("{}: {own} lines, and {LINES_MAX} are the most: does it hold one thing?", file.path))
}

#[test]
fn nothing_forbidden_is_written() {
    let findings: Vec<String> = rust_files().iter().flat_map(forbidden).collect();
    assert_none("a file holds what none may:", &findings);
}

#[test]
fn files_are_named_for_what_they_hold() {
    let findings: Vec<String> = rust_files().iter().flat_map(badly_named).collect();
    assert_none("a file or folder has a name that tells nothing:", &findings);
}

#[test]
fn files_say_what_they_are_for() {
    let findings: Vec<String> = rust_files().iter().filter_map(unopened).collect();
    assert_none("a file does not say what it is for:", &findings);
}

#[test]
fn files_hold_one_thing() {
    let findings: Vec<String> = rust_files().iter().filter_map(too_long).collect();
    assert_none("a file is too long:", &findings);
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[track_caller]
fn check_text(path: &str, line: &str, expected: usize) {
    assert_eq!(forbidden(&file(path, &format!("//! A file.\n{line}\n"))).len(), expected, "{path}: {line}");
}

#[test]
fn what_is_forbidden_is_found_outside_its_place() {
    check_text("services/router/src/lib.rs", "    tokio::spawn(work);", 1);
    check_text("shared/chassis/src/tasks.rs", "    tokio::spawn(work);", 0);
    check_text("shared/chassis/src/tasks/tests.rs", "    tokio::spawn(work);", 0);
    check_text("services/router/src/keyword.rs", "let meter = global::meter(NAME);", 1);
    check_text("services/router/src/observe.rs", "let meter = global::meter(NAME);", 0);
    check_text("services/router/src/lib.rs", "#[allow(dead_code)]", 1);
    check_text("services/router/src/lib.rs", "#![allow(dead_code)]", 1);
    check_text("services/router/src/tests.rs", "#[ignore = \"slow\"]", 1);
    check_text("services/router/src/lib.rs", "todo!()", 1);
    check_text("services/router/src/lib.rs", "// A comment may say todo!() or tokio::spawn().", 0);
}

#[test]
fn an_empty_name_is_found() {
    let check = |path: &str, expected| assert_eq!(badly_named(&file(path, "")).len(), expected, "{path}");
    check("services/router/src/util.rs", 1);
    check("services/router/src/http_utils/parse.rs", 1);
    check("services/router/src/keyword/mod.rs", 1);
    check("services/router/src/keyword.rs", 0);
    check("services/router/src/model.rs", 0);
}

#[test]
fn a_file_without_its_first_line_or_with_too_many_is_found() {
    assert!(unopened(&file("shared/a/src/lib.rs", "use std::fmt;\n")).is_some());
    assert!(unopened(&file("shared/a/src/lib.rs", "//! What it is for.\n")).is_none());
    let long = "line\n".repeat(LINES_MAX + 1);
    assert!(too_long(&file("shared/a/src/lib.rs", &long)).is_some());
    assert!(too_long(&file("shared/a/src/a/tests.rs", &long)).is_none());
    let tested = format!("line\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert!(too_long(&file("shared/a/src/lib.rs", &tested)).is_none());
}
