//! The conversation with one person.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use protocol::{Address, BackendName};
use serde::Deserialize;

use super::address;
use super::chat::{self, Part};
use super::layout::{Page, Place};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Scope, Visitor};
use crate::problem::Problem;

/// Whose conversation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    backend: BackendName,
    person: Address,
    #[serde(default)]
    cursor: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    whose: Result<Asked<Whose>, Problem>,
) -> Response {
    let (title, main) = match whose {
        Ok(Asked(whose)) => {
            (format!("Conversation with {}", whose.person.as_str()), main(&console, &visitor, whose).await)
        }
        Err(problem) => ("Conversation".to_owned(), Err(problem)),
    };
    Page::new(&console, &visitor, Place::Messages, &title).shows(main)
}

async fn main(console: &Console, visitor: &Visitor, whose: Whose) -> Result<Markup, Problem> {
    let Whose { backend, person, cursor } = whose;
    let is_latest = cursor.is_none();
    let chat = chat::with(console, &visitor.caller, &backend, &person, Part::Page(cursor)).await?;
    let asked = [("backend", Some(backend.as_str())), ("person", Some(person.as_str()))];
    let tester = address::with("/tester", &[("backend", Some(backend.as_str())), ("from", Some(person.as_str()))]);
    Ok(html! {
        p.row {
            span { "Through " b { (backend) } }
            a href=(address::with("/messages", &asked)) { "As a list" }
            @if visitor.caller.has(Scope::Send) { a href=(tester) { "Text as this person" } }
            @if !is_latest { a href=(address::with("/conversation", &asked)) { "To the end of it" } }
        }
        (chat)
    })
}
