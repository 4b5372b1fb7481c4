//! What is sent and answered, member by member.

use maud::{Markup, html};
use serde_json::Value;

use super::{items, marked, members, text};
use crate::pages::pieces::{self, Column};

const MEMBERS: [Column; 3] = [Column("Member"), Column("Kind"), Column("What it is")];

/// A schema of the document, under its name.
pub(super) fn described(name: &str, schema: &Value) -> Markup {
    let needed: Vec<&str> = items(schema, "/required").filter_map(Value::as_str).collect();
    let row = |(member, schema): (&str, &Value)| {
        let is_needed = needed.contains(&member);
        vec![
            html! { code { (member) } @if !is_needed { " (may be left out)" } },
            kind(schema),
            html! { (marked(text(schema, "/description"))) },
        ]
    };
    let rows: Vec<Vec<Markup>> = members(schema, "/properties").map(row).collect();
    html! {
        section.card id=(anchor(name)) {
            h3 { (name) }
            p { (marked(text(schema, "/description"))) }
            @if rows.is_empty() { p { (kind(schema)) } } @else { (pieces::table(name, &MEMBERS, &rows)) }
        }
    }
}

/// What a value of a schema is, in words.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next()) {
        return html! { a href={ "#" (anchor(name)) } { (name) } };
    }
    let words: Vec<&str> = items(schema, "/enum").filter_map(Value::as_str).collect();
    if !words.is_empty() {
        return html! { @for (at, word) in words.iter().enumerate() { @if 0 < at { ", " } code { (word) } } };
    }
    let choices: Vec<&Value> = items(schema, "/oneOf").chain(items(schema, "/anyOf")).collect();
    if !choices.is_empty() {
        return html! { @for (at, choice) in choices.iter().enumerate() { @if 0 < at { " or " } (kind(choice)) } };
    }
    if let Some(of) = schema.get("items") {
        return html! { "list of " (kind(of)) };
    }
    let one = schema.get("type").and_then(Value::as_str);
    let types: Vec<&str> = one.into_iter().chain(items(schema, "/type").filter_map(Value::as_str)).collect();
    let format = schema.get("format").and_then(Value::as_str).filter(|format| !format.contains("int"));
    html! {
        @if types.is_empty() { "anything" } @else { (types.join(" or ")) }
        @if let Some(format) = format { " (" (format) ")" }
    }
}

fn anchor(name: &str) -> String {
    format!("schema-{name}")
}
