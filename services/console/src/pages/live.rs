//! What happens, as it happens: every event, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use store::Numbered;

use super::layout::{Page, Place};
use super::pieces::{self, Column};
use super::{address, kinds};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Caller, Scope, Visitor};
use crate::problem::Problem;
use crate::shown::ShownEvent;

/// How many of the latest events are looked at.
const LATEST: u32 = 500;

/// The columns of the list.
const COLUMNS: [Column; 5] = [Column("When"), Column("What"), Column("Backend"), Column("About"), Column("Says")];

/// What is shown.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shown {
    backend: String,
    kind: String,
    /// The number of the event after which those come that are wanted.
    after: Option<i64>,
}

impl Shown {
    /// What the flow probe causes is shown to who chose its backend.
    fn has(&self, event: &Numbered, console: &Console) -> bool {
        let Numbered { event, .. } = event;
        (if self.backend.is_empty() {
            !console.is_for_the_probe(&event.backend)
        } else {
            event.backend.as_str() == self.backend
        }) && (self.kind.is_empty() || event.kind == self.kind)
    }
}

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    shown: Result<Asked<Shown>, Problem>,
) -> Response {
    let page = Page::new(&console, &visitor, Place::Live, "Live").script("live.js");
    match shown {
        Ok(Asked(shown)) => {
            let events = events(&console, &visitor.caller, &shown).await;
            page.above(form(&console, &shown)).shows(events)
        }
        Err(problem) => page.above(form(&console, &Shown::default())).shows(Err(problem)),
    }
}

async fn events(console: &Console, caller: &Caller, shown: &Shown) -> Result<Markup, Problem> {
    caller.may(Scope::Read)?;
    let journal = &console.database()?.journal;
    let last = journal.last_number().await?;
    let earliest = last.saturating_sub(LATEST.into());
    // A number that no event has yet is of another journal.
    let asked = shown.after.filter(|after| *after <= last);
    let after = asked.unwrap_or(earliest).max(earliest);
    let found = journal.events_after(after, LATEST).await?;
    let read_up_to = found.last().map_or(last, |last| last.number);
    let missed = asked.filter(|after| *after < earliest).map(|after| earliest - after);
    let rows: Vec<Markup> =
        found.into_iter().rev().filter(|event| shown.has(event, console)).map(|event| row(event, caller)).collect();
    let pulse = address::with("/pulse", &[("backend", Some(&shown.backend))]);
    Ok(html! {
        div #live data-pulse=(pulse) data-own data-number=(read_up_to) data-missed=[missed] data-max=(LATEST) {
            @if rows.is_empty() {
                (pieces::empty("Nothing happened lately.", html! {
                    "What happens from now on is shown here. Send a text with the " a href="/tester" { "tester" } " to see something."
                }))
            } @else {
                (pieces::rows_table("Events, the newest first", &COLUMNS, &rows))
            }
        }
        p.soft { "The latest " (LATEST) " events are looked at. Older ones are on the page of their text or message." }
    })
}

fn row(event: Numbered, caller: &Caller) -> Markup {
    let Numbered { number, event } = event;
    let ShownEvent { kind, at, backend, session_id, subject_id, data, .. } = ShownEvent::of(event, caller);
    let (name, tone) = kinds::told(&kind);
    html! {
        tr #{ "e-" (number) } {
            td data-label="When" { (pieces::time(at)) }
            td data-label="What" { (pieces::badge(tone, name, &kind)) }
            td data-label="Backend" { (backend) }
            td data-label="About" {
                @if let Some(id) = subject_id { a.mono.id href=(address::message(id)) { (beginning(&id.to_string())) } }
                @else if let Some(session) = session_id { a.mono.id href=(address::message(&session)) { (beginning(session.as_str())) } }
                @else { span.soft { "–" } }
            }
            td data-label="Says" { (pieces::words(&says(&data))) }
        }
    }
}

/// As much of an id as tells it apart at a glance.
fn beginning(id: &str) -> String {
    id.chars().take(8).collect()
}

/// What of an event's data is worth a line.
fn says(data: &Value) -> String {
    let parts = ["from", "to", "text", "outcome", "reason", "status", "detail", "error", "queue"].into_iter();
    let written = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let said = parts.filter_map(|part| written(data.get(part)?));
    said.collect::<Vec<_>>().join(" · ")
}

fn form(console: &Console, shown: &Shown) -> Markup {
    let any = ("", "any");
    let backends = console.backends.keys().map(|name| (name.as_str(), name.as_str()));
    let backends: Vec<(&str, &str)> = std::iter::once(any).chain(backends).collect();
    let kinds: Vec<(&str, &str)> = std::iter::once(any).chain(kinds::all()).collect();
    html! {
        form.bar action="/live" {
            (pieces::choice("Backend", "backend", &backends, &shown.backend))
            (pieces::choice("What", "kind", &kinds, &shown.kind))
            button.main type="submit" { "Show" }
            (pieces::pause())
        }
    }
}
