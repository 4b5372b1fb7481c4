//! Backends and applications: what is configured, and how it is doing.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use protocol::BackendName;
use serde::Deserialize;

use super::layout::{Page, Place};
use super::overview::parts;
use super::pieces::{self, Column, Tone};
use super::{address, chart, kinds};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Caller, Scope, Visitor};
use crate::problem::Problem;
use crate::status::{BackendState, Failure, OptOuts};

/// The page of all of them.
pub(super) async fn show(State(console): State<Arc<Console>>, visitor: Visitor) -> Response {
    let main = main(&console, &visitor.caller).await;
    Page::new(&console, &visitor, Place::Backends, "Backends and applications").shows(main)
}

async fn main(console: &Console, caller: &Caller) -> Result<Markup, Problem> {
    let status = console.status(caller).await?;
    Ok(html! {
        div #backends data-refresh="5" {
            @if status.backends.is_empty() {
                (pieces::empty("There is no backend.", html! { "Add one to the configuration: " code { "[backends.NAME]" } "." }))
            }
            @for backend in &status.backends { (self::backend(backend, caller)) }
            (applications(console))
        }
    })
}

fn backend(backend: &BackendState, caller: &Caller) -> Markup {
    let BackendState {
        name,
        number,
        rate,
        on_unconfirmed,
        is_guarded,
        webhook,
        is_probe,
        is_served,
        backlog,
        recent,
        last_failure,
        is_failure_known,
    } = backend;
    html! {
        section.card {
            h2 { (name) }
            p.row {
                (parts::served(*is_served))
                @if *is_probe { (pieces::badge(Tone::Plain, "flow probe", "It is for texts of our own that go round.")) }
                @if *is_guarded {
                    (pieces::badge(Tone::Good, "guarded", "Its webhook has a secret, or is limited to networks."))
                } @else {
                    (pieces::badge(Tone::Doubtful, "open", "Whoever reaches its webhook is believed: give it a secret, or limit it to Tropo's networks."))
                }
            }
            dl {
                dt { "Number" } dd { (number) }
                dt { "Webhook" } dd { code { (webhook) } }
                dt { "Rate limit" }
                dd { @match rate { Some(rate) => { (chart::number(*rate)) " messages a second" }, None => "none" } }
                dt { "No result in time" }
                dd { @if on_unconfirmed == "resend" { "sent again" } @else { "left alone, as unconfirmed" } }
                dt { "Waiting" } dd { (parts::waiting(backlog.as_ref())) }
                dt { "Last five minutes" }
                dd {
                    @match recent {
                        None => span.soft { "not known" },
                        Some(recent) if recent.is_empty() => span.soft { "nothing" },
                        Some(recent) => ul.inline { @for (kind, count) in recent { li { (kinds::told(kind).0) " " b { (count) } } } },
                    }
                }
                dt { "Last failure" } dd { @if *is_failure_known { (failure(last_failure.as_ref())) } @else { span.soft { "not known" } } }
            }
            p.row {
                a href=(address::with("/messages", &[("backend", Some(name.as_str()))])) { "Its messages" }
                a href=(address::with("/live", &[("backend", Some(name.as_str()))])) { "Live" }
                @if caller.has(Scope::Send) { a href=(address::with("/tester", &[("backend", Some(name.as_str()))])) { "Try it" } }
                @if caller.has(Scope::People) { a href={ "/backends/" (name) "/opt-outs" } { "Who opted out" } }
            }
        }
    }
}

fn failure(failure: Option<&Failure>) -> Markup {
    let Some(Failure { id, at, state, reason }) = failure else { return html! { span.soft { "none on record" } } };
    html! {
        a href=(address::message(id)) { (pieces::time(*at)) } " " (pieces::state(Some(*state)))
        @if let Some(reason) = reason { " " (reason) }
    }
}

/// The applications, in the order in which they are asked.
fn applications(console: &Console) -> Markup {
    let applications = console.house.applications();
    html! {
        h2 { "Applications" }
        @if applications.is_empty() {
            (pieces::empty("No application is asked: no text is answered.", html! { "Name some in the configuration: " code { "router.applications" } "." }))
        } @else {
            p { "A text is offered to them in this order." }
            ol.applications {
                @for application in &applications { li { b { (application.name) } span.soft { ", " (kind(application.kind)) } } }
            }
        }
    }
}

fn kind(kind: &str) -> &str {
    match kind {
        "http" => "asked over HTTP",
        "amqp" => "on the bus",
        "rapidsms" => "a RapidSMS project",
        other => other,
    }
}

/// Where the list goes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paged {
    #[serde(default)]
    cursor: Option<String>,
}

/// The page of those who opted out of one.
pub(super) async fn opt_outs(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    name: Result<Path<BackendName>, axum::extract::rejection::PathRejection>,
    page: Result<Asked<Paged>, Problem>,
) -> Response {
    let main = async {
        let Path(name) = name.map_err(|_| Problem::not_found("a backend cannot have this name"))?;
        let Asked(Paged { cursor }) = page?;
        let found = console.opt_outs(&visitor.caller, &name, cursor.as_deref()).await?;
        Ok(opted_out(&name, &found))
    };
    let main = main.await;
    Page::new(&console, &visitor, Place::Backends, "Who opted out").shows(main)
}

fn opted_out(name: &BackendName, OptOuts { opted_out, next }: &OptOuts) -> Markup {
    let columns = [Column("Person"), Column("Since"), Column("By")];
    let row = |person: &crate::status::OptedOut| {
        vec![
            html! { a href=(address::conversation(name.as_str(), &person.person)) { bdi { (person.person) } } },
            pieces::time(person.since),
            html! { bdi { (person.word) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = opted_out.iter().map(row).collect();
    let path = format!("/backends/{name}/opt-outs");
    let next = next.as_deref().map(|next| address::with(&path, &[("cursor", Some(next))]));
    html! {
        p { "They get nothing through " b { (name) } " until they opt in again, themselves or by " code { "tropomq consent" } "." }
        @if rows.is_empty() {
            (pieces::empty("Nobody opted out.", html! { "Whoever texts STOP is listed here." }))
        } @else {
            (pieces::table("People who opted out", &columns, &rows))
        }
        (pieces::pager(None, next.as_deref()))
        p { a href="/backends" { "All backends" } }
    }
}
