//! An explanation, for people.

use std::fmt::Write;

use serde_json::Value;
use store::Explanation;

/// A head, a table of who was asked, and what came of it. A word that only a newer version knows is shown as it is.
pub(super) fn of(explanation: &Explanation, data: &Value) -> String {
    let Explanation { text, session_id, backend, at, .. } = explanation;
    let mut out = format!("{at:.0}  text {text}  session {session_id}  backend {backend}\n\n");
    let asked = data.get("asked").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !asked.is_empty() {
        row(&mut out, ["PHASE", "APPLICATION", "SAID", "TOOK", "BECAUSE"]);
    }
    for asked in asked {
        let took = took(number(asked, "took_us"));
        let [phase, application, said, because] =
            ["phase", "application", "said", "because"].map(|key| word(asked, key));
        row(&mut out, [&phase, &application, &said, &took, &because]);
    }
    if !asked.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "  {}\n", outcome(data));
    out
}

/// What came of it, in a line.
fn outcome(data: &Value) -> String {
    let by = match word(data, "application") {
        application if application.is_empty() => "nobody".to_owned(),
        application => application,
    };
    let replies = match number(data, "replies") {
        1 => "1 reply".to_owned(),
        replies => format!("{replies} replies"),
    };
    let mut told = match word(data, "outcome").as_str() {
        "answered" => format!("Answered by {by}, with {replies}."),
        "offered" => format!("Handed to {by} on the bus, which answers when it likes."),
        "taken" => format!("Taken by {by}, which had nothing to say."),
        "filtered" => format!("Ended by {by} in phase filter, without a word."),
        "unanswered" => "Not answered: no application took it.".to_owned(),
        "not_asked" => "Nobody was asked: nobody can be answered, or the sender is a number of our own.".to_owned(),
        "given_up" if by == "nobody" => "Given up: it went to the dead letters (`tropomq dead list`).".to_owned(),
        "given_up" => {
            format!("Given up, because {by} had no answer: it went to the dead letters (`tropomq dead list`).")
        }
        other => format!("{other}, by {by}, with {replies}."),
    };
    let attempts = number(data, "attempts");
    if 1 < attempts {
        let _ = write!(told, " The applications were asked {attempts} times from the beginning.");
    }
    told
}

fn row(out: &mut String, [phase, application, said, took, because]: [&str; 5]) {
    let row = format!("  {phase:<8}  {application:<20}  {said:<9}  {took:>10}  {because}");
    let _ = writeln!(out, "{}", row.trim_end());
}

/// A word of the event, without what would move the cursor of a terminal: a reason may come from another program.
fn word(of: &Value, key: &str) -> String {
    let word = of.get(key).and_then(Value::as_str).unwrap_or_default();
    word.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// A time that an application took.
fn took(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{}.{} s", microseconds / 1_000_000, microseconds / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests;
