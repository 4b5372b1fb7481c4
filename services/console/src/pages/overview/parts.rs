//! The parts of the stack, as the first page shows them.

use maud::{Markup, html};

use crate::pages::pieces::{self, Column, Tone};
use crate::status::{BackendState, Part, Process, Status, Waiting};

/// The backends, shortly: their own page says more.
pub(super) fn backends(status: &Status) -> Markup {
    let columns =
        [Column("Backend"), Column("State"), Column("Waiting"), Column("Texts"), Column("Sent"), Column("Went wrong")];
    let of_people = status.backends.iter().filter(|backend| !backend.is_probe);
    let rows: Vec<Vec<Markup>> = of_people.map(backend).collect();
    html! {
        h2 { a href="/backends" { "Backends" } span.soft { ", the last five minutes" } }
        @if rows.is_empty() {
            (pieces::empty("There is no backend.", html! { "Add one to the configuration: " code { "[backends.NAME]" } "." }))
        } @else {
            (pieces::table("Backends", &columns, &rows))
        }
    }
}

fn backend(backend: &BackendState) -> Vec<Markup> {
    let recent = |kinds: &[&str]| pieces::known(backend.count(kinds));
    vec![
        html! { b { (backend.name) } },
        served(backend.is_served),
        waiting(backend.backlog.as_ref()),
        recent(&["message.received"]),
        recent(&["message.sent"]),
        recent(&["message.failed", "message.expired", "message.unconfirmed", store::DEAD_LETTER]),
    ]
}

/// Whether some egress takes the messages of a backend.
pub(in crate::pages) fn served(is_served: Option<bool>) -> Markup {
    match is_served {
        Some(true) => pieces::badge(Tone::Good, "served", "An egress sends its messages."),
        Some(false) => pieces::badge(Tone::Bad, "not served", "No egress takes its messages: they wait."),
        None => pieces::badge(Tone::Doubtful, "not known", "The bus does not tell."),
    }
}

/// How many wait.
pub(in crate::pages) fn waiting(waiting: Option<&Waiting>) -> Markup {
    let Some(waiting) = waiting else { return html! { span.soft { "not known" } } };
    html! {
        span {
            (waiting.all())
            @if let Some(delayed) = waiting.delayed.filter(|delayed| 0 < *delayed) { span.soft { ", " (delayed) " of them to be tried again" } }
        }
    }
}

/// The processes, and their parts.
pub(super) fn processes(status: &Status) -> Markup {
    html! {
        h2 #processes { "Processes" }
        ul.parts { @for process in &status.processes { (self::process(process)) } }
    }
}

fn process(process: &Process) -> Markup {
    let Process { name, is_ready, is_stopping, parts, error } = process;
    let state = match (is_ready, is_stopping) {
        (_, true) => pieces::badge(Tone::Doubtful, "stopping", "It is about to stop, and takes nothing new."),
        (true, false) => pieces::badge(Tone::Good, "ready", "It takes work."),
        (false, false) => pieces::badge(Tone::Bad, "not ready", "It takes no work."),
    };
    html! {
        li {
            p.row { b { (name) } (state) }
            @if let Some(error) = error { p { (error) } }
            @for part in parts.iter().filter(|part| !part.is_ready || part.reason.is_some()) { p { (self::part(part)) } }
            @if !parts.is_empty() {
                details #{ "parts-" (name) } {
                    summary { (parts.len()) @if parts.len() == 1 { " part" } @else { " parts" } }
                    ul { @for part in parts { li { (self::part(part)) } } }
                }
            }
        }
    }
}

fn part(Part { name, is_ready, reason }: &Part) -> Markup {
    html! {
        @if *is_ready { (pieces::badge(Tone::Good, "ready", "")) } @else { (pieces::badge(Tone::Bad, "not ready", "")) }
        " " (name)
        @if let Some(reason) = reason { ": " (reason) }
    }
}

/// How much the journal keeps, and how far it is behind.
pub(super) fn journal(status: &Status) -> Markup {
    html! {
        h2 { "Journal" }
        @match &status.journal {
            None => p { "The database does not answer." },
            Some(kept) => dl {
                dt { "Keeps" }
                dd { (kept.events) " events, " (bytes(kept.bytes)) }
                @if let Some(oldest) = kept.oldest { dt { "Since" } dd { (pieces::time(oldest)) } }
                @if let Some(queues) = &status.queues {
                    dt { "Behind by" }
                    dd { (queues.journal.all()) " events" }
                }
            },
        }
    }
}

/// An amount of bytes as people read it.
fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let in_unit = |unit: u64| bytes as f64 / unit as f64;
    let unit = UNITS.into_iter().find(|(_, unit)| *unit <= bytes);
    unit.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{:.1} {name}", in_unit(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_bytes_has_the_unit_that_it_fills() {
        let check = |amount, expected: &str| assert_eq!(bytes(amount), expected);
        check(0, "0 bytes");
        check(1023, "1023 bytes");
        check(1024, "1.0 KiB");
        check(5 * 1024 * 1024 / 2, "2.5 MiB");
        check(8 << 30, "8.0 GiB");
    }
}
