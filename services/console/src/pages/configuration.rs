//! The configuration as it stands in its file and environment now: what is wrong with it, or worth a look.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Place};
use super::pieces::{self, Tone};
use crate::guard::{Scope, Visitor};
use crate::{Console, Finding};

/// The page.
pub(super) async fn show(State(console): State<Arc<Console>>, visitor: Visitor) -> Response {
    let main = visitor.caller.may(Scope::Read).map(|()| findings(&console.house.configuration()));
    Page::new(&console, &visitor, Place::Configuration, "Configuration").shows(main)
}

fn findings(findings: &[Finding]) -> Markup {
    let is_refused = findings.iter().any(|finding| finding.is_error);
    html! {
        p {
            "This is what " code { "tropomq check" } " says of the configuration as it stands in its file and environment now. "
            "A running process keeps what it began with until it is told to read it again, or is started anew."
        }
        @if findings.is_empty() {
            p.said.done { (pieces::badge(Tone::Good, "in order", "")) " There is nothing to mend." }
        } @else {
            @if is_refused {
                p.said.failed { (pieces::badge(Tone::Bad, "cannot be used", "")) " With this the stack would not start." }
            } @else {
                p.said.done { (pieces::badge(Tone::Good, "can be used", "")) " The stack starts with it. Something is worth a look." }
            }
            ul.findings { @for finding in findings { (self::finding(finding)) } }
        }
    }
}

fn finding(Finding { key, is_error, told }: &Finding) -> Markup {
    html! {
        li {
            p.row {
                @if *is_error { (pieces::badge(Tone::Bad, "wrong", "")) } @else { (pieces::badge(Tone::Doubtful, "worth a look", "")) }
                @if let Some(key) = key { code { (key) } }
            }
            p { (told) }
        }
    }
}
