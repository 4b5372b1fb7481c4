//! The HTTP API, described: its OpenAPI document as a page.

mod schema;

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, Render, html};
use serde_json::Value;

use super::layout::{Page, Place};
use super::pieces::{self, Column, Tone};
use crate::guard::{Scope, Visitor};
use crate::{Console, api};

const PARAMETERS: [Column; 3] = [Column("Parameter"), Column("In"), Column("What it is")];

const ANSWERS: [Column; 3] = [Column("Answer"), Column("With"), Column("What it is")];

/// What of the page is the same for everybody. It is made of what is compiled in, so it is made once.
static MAIN: LazyLock<Markup> = LazyLock::new(|| described(&api::document()));

/// An operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    told: &'a Value,
}

/// The page.
pub(super) async fn show(State(console): State<Arc<Console>>, visitor: Visitor) -> Response {
    let main = visitor.caller.may(Scope::Read).map(|()| MAIN.clone());
    Page::new(&console, &visitor, Place::Api, "API").shows(main)
}

fn described(document: &Value) -> Markup {
    let operations = operations(document);
    let of_tag = |tag: &str| operations.iter().filter(move |operation| operation.tag() == tag).collect::<Vec<_>>();
    html! {
        @for words in text(document, "/info/description").split("\n\n") { p { (marked(words)) } }
        p { "All of it for programs: " a href="/openapi.json" { "openapi.json" } " (OpenAPI 3.1)." }
        @for tag in items(document, "/tags") {
            h2 { (text(tag, "/name")) }
            p { (text(tag, "/description")) }
            @for operation in of_tag(text(tag, "/name")) { (operation) }
        }
        h2 { "What is sent and answered" }
        @for (name, schema) in members(document, "/components/schemas") { (schema::described(name, schema)) }
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, methods) in members(document, "/paths") {
        operations.extend(members(methods, "").map(|(method, told)| Operation { method, path, told }));
    }
    operations
}

impl Operation<'_> {
    fn tag(&self) -> &str {
        text(self.told, "/tags/0")
    }
}

impl Render for Operation<'_> {
    fn render(&self) -> Markup {
        let Self { method, path, told } = self;
        let method = method.to_ascii_uppercase();
        let parameters: Vec<Vec<Markup>> = items(told, "/parameters").map(parameter).collect();
        let answers: Vec<Vec<Markup>> = members(told, "/responses").map(answer).collect();
        let body = told.pointer("/requestBody/content/application~1json/schema");
        html! {
            details.card id=(text(told, "/operationId")) {
                summary { code { (method) " " (path) } " " (text(told, "/summary")) }
                p {
                    @for scope in items(told, "/security/0/token") {
                        (pieces::badge(Tone::Plain, scope.as_str().unwrap_or_default(), "the scope that is needed"))
                    }
                }
                p { (marked(text(told, "/description"))) }
                @if !parameters.is_empty() { (pieces::table("Parameters", &PARAMETERS, &parameters)) }
                @if let Some(schema) = body { p { "Body: " (schema::kind(schema)) ", as JSON." } }
                (pieces::table("Answers", &ANSWERS, &answers))
                pre tabindex="0" { code { (example(&method, path, told, body.is_some())) } }
            }
        }
    }
}

fn parameter(told: &Value) -> Vec<Markup> {
    let is_needed = told.get("required").and_then(Value::as_bool).unwrap_or_default();
    let example =
        told.get("example").map(|example| example.as_str().map_or_else(|| example.to_string(), str::to_owned));
    vec![
        html! { code { (text(told, "/name")) } @if is_needed { " (needed)" } },
        html! { (text(told, "/in")) },
        html! {
            (marked(text(told, "/description")))
            @if let Some(example) = example { " As in " code { (example) } "." }
        },
    ]
}

fn answer((status, told): (&str, &Value)) -> Vec<Markup> {
    // A problem is described once, for all operations.
    if told.get("$ref").is_some() {
        let problem = html! { a href="#schema-Problem" { "Problem" } };
        return vec![html! { code { (status) } }, problem, html! { "What is wrong, and what to do." }];
    }
    let with = members(told, "/content").map(|(written_as, content)| {
        let schema = content.get("schema").map(schema::kind);
        html! { @if let Some(schema) = schema { (schema) } " as " code { (written_as) } " " }
    });
    let with: Vec<Markup> = with.collect();
    vec![html! { code { (status) } }, html! { @for with in with { (with) } }, html! { (text(told, "/description")) }]
}

/// A request, as somebody types it.
fn example(method: &str, path: &str, told: &Value, has_body: bool) -> String {
    let query = items(told, "/parameters").filter(|parameter| text(parameter, "/in") == "query");
    let query = query.filter_map(|parameter| {
        let example = parameter.get("example")?.as_str()?;
        Some(format!(" --data-urlencode '{}={example}'", text(parameter, "/name")))
    });
    let query: String = query.collect();
    let get = if query.is_empty() { "" } else { " --get" };
    let body = if has_body { " --json @body.json" } else { "" };
    format!(
        "curl -X {method}{get} -H \"authorization: Bearer $TROPOMQ_TOKEN\"{query}{body} 'http://127.0.0.1:8088{path}'"
    )
}

/// Words, in which what stands between backticks is code.
fn marked(words: &str) -> Markup {
    html! {
        @for (at, part) in words.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}
