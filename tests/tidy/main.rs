//! Keeps the rules of the house that no compiler and no lint knows.
//!
//! Each rule is a row of a table: to change a rule, change its row, and say why in an ADR (`docs/adr/`).
#![expect(clippy::panic, reason = "in a test a panic is the report")]

mod crates;
mod documents;
mod errors;
mod layering;
mod licences;
mod materials;
mod sources;
mod tree;

/// Fails with all that a rule found, so that one run tells everything.
#[track_caller]
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
