//! Whether texts flow, as the first page shows it.

use std::time::Duration;

use maud::{Markup, html};
use protocol::Timestamp;

use crate::pages::address;
use crate::pages::pieces::{self, Tone};
use crate::{Flow, FlowState, ProbeOutcome, Probed, Stuck};

/// The card: how it stands, and what became of the latest.
pub(super) fn card(flow: &Flow, now: Timestamp) -> Markup {
    let Flow { state, since, last_ok, latest, stuck } = flow;
    html! {
        h2 #flow { "Flow" }
        @match state {
            FlowState::NotConfigured => p {
                (pieces::badge(Tone::Plain, "not probed", "No text of our own goes round."))
                " Whether texts go the whole way is not tried: it needs a simulator, and a backend with "
                code { "probe = true" } "."
            },
            FlowState::Starting => p { (pieces::badge(Tone::Open, "starting", "")) " The first text is about to go round." },
            FlowState::Flows => p {
                (pieces::badge(Tone::Good, "texts flow", "The last text of our own came round in time."))
                @if let Some(last) = last_ok { " The last took " (took(last)) ", " (ago(last.at, now)) "." }
            },
            FlowState::Fails => {
                p.row {
                    (pieces::badge(Tone::Bad, "texts do not flow", "The last text of our own did not come round in time."))
                    @if let Some(since) = since { span { "Since " (pieces::time(*since)) "." } }
                    @if let Some(last) = last_ok { span.soft { "The last that did took " (took(last)) ", " (ago(last.at, now)) "." } }
                }
                @if let Some(stuck) = stuck { (self::stuck(stuck)) }
            },
        }
        @if !latest.is_empty() { p.soft { (outcomes(latest)) } }
    }
}

fn stuck(Stuck { session_id, question, told }: &Stuck) -> Markup {
    html! {
        p {
            @if let Some(question) = question { b { "Question " (question) ". " } }
            (told) " "
            @if let Some(session) = session_id { a href=(address::message(session)) { "What happened to it" } }
        }
    }
}

fn took(probed: &Probed) -> String {
    probed.took_ms.map_or_else(|| "an unknown time".to_owned(), |took| format!("{took}\u{a0}ms"))
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let ago = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    format!("{}\u{a0}s ago", ago.as_secs())
}

/// How many of the latest ended how.
fn outcomes(latest: &[Probed]) -> String {
    let counted = [
        (ProbeOutcome::Ok, "in time"),
        (ProbeOutcome::Late, "late"),
        (ProbeOutcome::Lost, "lost"),
        (ProbeOutcome::Refused, "refused"),
    ];
    let count = |outcome| latest.iter().filter(|probed| probed.outcome == outcome).count();
    let told: Vec<String> = counted
        .into_iter()
        .map(|(outcome, word)| (count(outcome), word))
        .filter(|(count, _)| 0 < *count)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("Of the last {}: {}.", latest.len(), told.join(", "))
}
