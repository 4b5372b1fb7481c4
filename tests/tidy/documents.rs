//! What the documents say of the code, where it can be compared.

use crate::assert_none;
use crate::tree::read;

/// The names of the crates that the root manifest gives a version, which are not of the workspace itself.
fn declared(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("Cargo.toml: {error}"));
    let listed = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let listed = listed.and_then(toml::Value::as_table).unwrap_or_else(|| panic!("no [workspace.dependencies]"));
    listed.iter().filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name.clone()).collect()
}

/// The names that a table of the document explains: the first cell of each row, in backquotes.
fn explained(document: &str) -> Vec<String> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(name, _)| name.to_owned()).collect()
}

fn differences(declared: &[String], explained: &[String]) -> Vec<String> {
    let unexplained = declared.iter().filter_map(|name| {
        let lines = explained.iter().filter(|explained| *explained == name).count();
        (lines != 1).then(|| format!("{name} has {lines} lines in docs/dependencies.md, and one is wanted"))
    });
    let gone = explained.iter().filter(|name| !declared.contains(name));
    let gone = gone.map(|name| format!("{name} is in docs/dependencies.md, and no longer in Cargo.toml"));
    unexplained.chain(gone).collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let findings = differences(&declared(&read("Cargo.toml")), &explained(&read("docs/dependencies.md")));
    assert_none("the dependencies and their reasons differ:", &findings);
}

#[test]
fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found() {
    let manifest = "workspace.dependencies = { a = '1', b = { version = '1' }, own = { path = 'own' }, c = '1' }";
    let document = "| crate | why |\n| --- | --- |\n| `a` | x |\n| `c` | x |\n| `c` | x |\n| `d` | x |\n";
    let findings = differences(&declared(manifest), &explained(document));
    assert_eq!(
        findings,
        [
            "b has 0 lines in docs/dependencies.md, and one is wanted",
            "c has 2 lines in docs/dependencies.md, and one is wanted",
            "d is in docs/dependencies.md, and no longer in Cargo.toml",
        ]
    );
}
