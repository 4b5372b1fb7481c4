//! Tropo's log, of one session or of all: what its Application Debugger says.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use protocol::SessionId;
use serde::Deserialize;

use super::address;
use super::layout::{Page, Place};
use super::pieces::{self, Column};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Caller, Scope, Visitor};
use crate::problem::Problem;
use crate::simulated::{Lines, TropoLine};

/// How many of the latest lines are looked at.
const LINES: u32 = 300;

/// How often the page is fetched again, in seconds.
const REFRESH_S: u32 = 2;

/// The columns of the log.
const COLUMNS: [Column; 3] = [Column("When"), Column("Session"), Column("Line")];

/// Which lines are shown.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shown {
    session: String,
    /// Words that occur in them, in any case.
    q: String,
    /// The number of the line after which those come that are wanted.
    after: Option<u64>,
}

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    shown: Result<Asked<Shown>, Problem>,
) -> Response {
    let page = Page::new(&console, &visitor, Place::Debugger, "Tropo's log").script("live.js");
    match shown {
        Ok(Asked(shown)) => {
            let log = log(&console, &visitor.caller, &shown).await;
            page.above(form(&shown)).shows(log)
        }
        Err(problem) => page.above(form(&Shown::default())).shows(Err(problem)),
    }
}

async fn log(console: &Console, caller: &Caller, shown: &Shown) -> Result<Markup, Problem> {
    // It quotes what went back and forth.
    caller.may(Scope::People)?;
    let Some(simulated) = &console.simulated else {
        return Ok(pieces::empty(
            "Tropo's own log is at Tropo.",
            "Look for the id of a session in Tropo's Application Debugger. A simulator in Tropo's place shows its log here: \
             set console.simulator.",
        ));
    };
    let session = shown.session.trim();
    let session = if session.is_empty() { None } else { Some(session.parse::<SessionId>()) };
    let session = session.transpose().map_err(|error| Problem::bad_request(format!("session: {error}")))?;
    let lines = simulated.lines(session.as_ref(), Lines::Last(LINES)).await?;
    let sought = shown.q.trim().to_lowercase();
    let last = lines.last().map_or(0, |line| line.line);
    // A number that no line has yet is of another run of the simulator.
    let after = shown.after.filter(|after| *after <= last);
    let is_new = |line: &TropoLine| after.is_none_or(|after| after < line.line);
    let is_sought = |line: &&TropoLine| is_new(line) && line.text.to_lowercase().contains(&sought);
    let rows: Vec<Markup> = lines.iter().rev().filter(is_sought).map(row).collect();
    Ok(html! {
        div #lines data-refresh=(REFRESH_S) data-own data-number=(last) data-max=(LINES) {
            @if rows.is_empty() {
                (pieces::empty("No line fits.", html! {
                    "The latest " (LINES) " lines are looked at. Send a text with the " a href="/tester" { "tester" } " to see some."
                }))
            } @else { (pieces::rows_table("Lines of Tropo's log, the newest first", &COLUMNS, &rows)) }
        }
    })
}

fn row(line: &TropoLine) -> Markup {
    let TropoLine { line: number, session_id, at, text } = line;
    html! {
        tr #{ "line-" (number) } {
            td data-label="When" { (pieces::time(*at)) }
            td data-label="Session" {
                @if let Some(session) = session_id {
                    a.mono href=(address::message(session)) title="What happened in this session" { (session) }
                    " " a href=(address::with("/debugger", &[("session", Some(session.as_str()))])) { "alone" }
                } @else { span.soft { "–" } }
            }
            td.mono data-label="Line" { (pieces::words(text)) }
        }
    }
}

fn form(shown: &Shown) -> Markup {
    let session = html! {
        input #session name="session" value=(shown.session) size="34" autocomplete="off" spellcheck="false";
    };
    let sought = html! { input #q name="q" value=(shown.q) autocomplete="off"; };
    html! {
        form.bar action="/debugger" role="search" {
            (pieces::field("Session", "session", session))
            (pieces::field("Says", "q", sought))
            button.main type="submit" { "Show" }
            a.button href="/debugger" { "All sessions" }
            (pieces::pause())
        }
    }
}
