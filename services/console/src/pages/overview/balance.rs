//! Whether every text and message is where it can be, as the first page shows it.

use maud::{Markup, Render, html};
use serde::Deserialize;
use serde_json::Value;

use crate::pages::pieces::{self, Tone};
use crate::problem::Problem;

/// What the account says, or why it says nothing.
pub(super) struct Balance(Result<Told, Problem>);

/// What of the account is shown.
#[derive(Deserialize)]
struct Told {
    verdict: String,
    findings: Vec<Finding>,
}

/// Something that does not add up, or may not.
#[derive(Deserialize)]
struct Finding {
    told: String,
    remedy: String,
}

impl Balance {
    /// Reads what `tropomq balance --json` would print.
    pub(super) fn of(told: Result<Value, Problem>) -> Self {
        let read = |told| serde_json::from_value(told);
        Self(told.and_then(|told| read(told).map_err(|_| Problem::unavailable("the account is of another version"))))
    }

    /// Whether something is missing for sure.
    pub(super) fn is_amiss(&self) -> bool {
        self.0.as_ref().is_ok_and(|told| told.verdict == "unbalanced")
    }
}

impl Render for Balance {
    fn render(&self) -> Markup {
        let Self(told) = self;
        html! {
            h2 #balance { "Balance" }
            @match told {
                Err(problem) => p { "It cannot be told now: " (problem.detail()) "." },
                Ok(Told { verdict, findings }) => {
                    p { (badge(verdict)) " Each text that was accepted and each message that was commanded stands somewhere." }
                    @if !findings.is_empty() {
                        ul { @for Finding { told, remedy } in findings { li { (told) @if !remedy.is_empty() { " " (remedy) } } } }
                    }
                }
            }
        }
    }
}

fn badge(verdict: &str) -> Markup {
    match verdict {
        "balanced" => pieces::badge(Tone::Good, "adds up", "Everything is where it can be."),
        "unbalanced" => pieces::badge(Tone::Bad, "does not add up", "Something is missing."),
        _ => pieces::badge(Tone::Doubtful, "not decided", "It cannot be told now: look again in a moment."),
    }
}
