//! The log: every text and message, the newest first, and what it can be searched by.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use store::Standing;

use super::address;
use super::layout::{Page, Place};
use super::pieces::{self, Column};
use crate::api::asked::Asked;
use crate::guard::{Caller, Scope, Visitor};
use crate::log::Query;
use crate::problem::Problem;
use crate::shown::Direction;
use crate::{Console, Message};

/// The columns of the log.
const COLUMNS: [Column; 5] = [Column("When"), Column("Person"), Column("Words"), Column("Backend"), Column("State")];

/// What the states are chosen from, in the order in which one looks for them.
const STANDINGS: [Standing; 11] = [
    Standing::Failed,
    Standing::Dead,
    Standing::Expired,
    Standing::Unconfirmed,
    Standing::Suppressed,
    Standing::Ignored,
    Standing::Waiting,
    Standing::Released,
    Standing::Answered,
    Standing::Sent,
    Standing::Delivered,
];

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    query: Result<Asked<Query>, Problem>,
) -> Response {
    let page = Page::new(&console, &visitor, Place::Messages, "Messages").script("messages.js");
    let query = match query {
        Ok(Asked(query)) => query,
        Err(problem) => return page.above(form(&console, &visitor.caller, &Query::default())).shows(Err(problem)),
    };
    let found = listed(&console, &visitor.caller, &query).await;
    page.above(form(&console, &visitor.caller, &query)).shows(found)
}

/// The lines that were found, and the ways on from there.
async fn listed(console: &Console, caller: &Caller, query: &Query) -> Result<Markup, Problem> {
    let found = console.log_page(caller, query).await?;
    let is_first = query.cursor.as_deref().is_none_or(str::is_empty);
    let newest = (!is_first).then(|| place(query, None));
    let older = found.next.as_deref().map(|next| place(query, Some(next)));
    let rows: Vec<Markup> = found.messages.iter().map(|message| row(message, caller)).collect();
    Ok(html! {
        // A script says how many are new: nothing moves under the eyes of whoever reads.
        div #news role="status" aria-live="polite" { button.main type="button" hidden {} }
        div #log data-own data-pulse=[is_first.then(|| address::with("/pulse", &[("backend", query.backend.as_deref())]))] {
            @if rows.is_empty() { (nothing(query)) } @else { (pieces::rows_table("Texts and messages, the newest first", &COLUMNS, &rows)) }
            (pieces::pager(newest.as_deref(), older.as_deref()))
            @if !rows.is_empty() { (exports(query)) }
        }
    })
}

/// One text or message.
fn row(message: &Message, caller: &Caller) -> Markup {
    let Message { id, direction, backend, state, at, person, text, application, .. } = message;
    let (way, arrow) = match direction {
        Direction::In => ("Text from", "←"),
        Direction::Out => ("Message to", "→"),
    };
    let person = person.as_deref();
    html! {
        tr #{ "m-" (id) } {
            td data-label="When" { a href=(address::message(id)) { (pieces::time(*at)) } }
            td data-label="Person" {
                span.person { span aria-hidden="true" title=(way) { (arrow) } span.read-out { (way) } " "
                    @match person {
                        Some(person) if caller.has(Scope::People) => {
                            a href=(address::conversation(backend.as_str(), person)) { bdi { (person) } }
                        },
                        Some(person) => bdi { (person) },
                        None => span.soft { "not known" },
                    }
                }
            }
            td data-label="Words" { @if let Some(text) = text { (pieces::words(text)) } @else { (pieces::withheld()) } }
            td data-label="Backend" {
                span { (backend) @if let Some(application) = application { br; span.soft { "from " (application) } } }
            }
            td data-label="State" { (pieces::state(*state)) }
        }
    }
}

/// What stands there when nothing was found.
fn nothing(query: &Query) -> Markup {
    let asked = [&query.q, &query.person, &query.backend, &query.direction, &query.state, &query.application];
    let asked = asked.into_iter().chain([&query.since, &query.until, &query.session, &query.cursor]);
    if asked.flatten().any(|value| !value.trim().is_empty()) {
        pieces::empty(
            "Nothing fits what you look for.",
            html! {
                "A number can be written as you know it, or by its last four digits or more; a word is found by its "
                "beginning. What is not here may be " a href="/messages" { "in the whole log" }
                ", or never came: see " a href="/debugger" { "Tropo's log" } "."
            },
        )
    } else {
        pieces::empty(
            "No text or message yet.",
            html! {
                "Send one with the " a href="/tester" { "tester" } ", or text a number of one of your "
                a href="/backends" { "backends" } "."
            },
        )
    }
}

/// The box and the filters.
fn form(console: &Console, caller: &Caller, query: &Query) -> Markup {
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    let backends: Vec<&str> = console.backends.keys().map(protocol::BackendName::as_str).collect();
    let any = ("", "any");
    let backends: Vec<(&str, &str)> =
        std::iter::once(any).chain(backends.into_iter().map(|name| (name, name))).collect();
    let states = STANDINGS.into_iter().map(|standing| pieces::standing_words(standing).0);
    let states: Vec<(&str, &str)> = std::iter::once(any).chain(states.map(|word| (word, word))).collect();
    let ways = [any, ("in", "texts to us"), ("out", "messages from us")];
    let sinces = [any, ("1h", "the last hour"), ("24h", "the last day"), ("168h", "the last seven days")];
    let since = value(&query.since);
    let hint = if caller.has(Scope::People) { "number, last digits, word, or id" } else { "id" };
    html! {
        form.bar role="search" action="/messages" {
            div.field.grow {
                label for="q" { "Search: " (hint) }
                input #q name="q" type="search" value=(value(&query.q)) autocomplete="off";
            }
            (pieces::choice("Backend", "backend", &backends, &value(&query.backend)))
            (pieces::choice("Direction", "direction", &ways, &value(&query.direction)))
            (pieces::choice("State", "state", &states, &value(&query.state)))
            @if sinces.iter().any(|(known, _)| *known == since) {
                (pieces::choice("Since", "since", &sinces, &since))
            } @else {
                (pieces::field("Since", "since", html! { input #since name="since" value=(since); }))
            }
            @for (name, value) in [("person", &query.person), ("application", &query.application),
                ("until", &query.until), ("session", &query.session)] {
                @if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                    (pieces::field(heading(name), name, html! { input id=(name) name=(name) value=(value); }))
                }
            }
            button.main type="submit" { "Search" }
            a.button href="/messages" { "Clear" }
        }
    }
}

fn heading(name: &str) -> &'static str {
    match name {
        "person" => "Person",
        "application" => "Application",
        "until" => "Until",
        _ => "Session",
    }
}

/// The same search at another place of the log.
fn place(query: &Query, cursor: Option<&str>) -> String {
    asked("/messages", query, cursor)
}

/// The same search, elsewhere.
fn asked(path: &str, query: &Query, cursor: Option<&str>) -> String {
    let Query { q, person, backend, direction, state, application, since, until, session, limit, cursor: _ } = query;
    let asked = [
        ("q", q),
        ("person", person),
        ("backend", backend),
        ("direction", direction),
        ("state", state),
        ("application", application),
        ("since", since),
        ("until", until),
        ("session", session),
        ("limit", limit),
    ];
    let asked = asked.map(|(name, value)| (name, value.as_deref()));
    address::with(path, &[&asked[..], &[("cursor", cursor)]].concat())
}

/// What was found, all of it, as files.
fn exports(query: &Query) -> Markup {
    let export = |format| {
        let whole = asked("/v1/messages/export", query, None);
        let joined = if whole.contains('?') { '&' } else { '?' };
        format!("{whole}{joined}format={format}")
    };
    html! {
        p.soft {
            "All that was found, as a file: "
            a href=(export("csv")) download="messages.csv" { "CSV" } ", for spreadsheets, or "
            a href=(export("jsonl")) download="messages.jsonl" { "JSON lines" } ", for programs."
        }
    }
}
