//! What went back and forth with one person, as a chat: for the page of a conversation, and below the tester.

use maud::{Markup, html};
use protocol::{Address, BackendName};
use store::Choice;

use super::{address, pieces};
use crate::guard::{Caller, Scope};
use crate::log::Query;
use crate::problem::Problem;
use crate::shown::Direction;
use crate::{Console, Message};

/// How many are shown below the tester.
const LATEST: u32 = 20;

/// Which part of a chat is shown.
pub(super) enum Part {
    /// A page of it as it was said, the last one or that before a cursor; whoever is at its end stays there.
    Page(Option<String>),
    /// The latest, the newest first: so that an answer is seen without a move.
    Latest,
}

/// The chat of a person with a backend, for who may see people: that there is one tells of the person as well.
pub(super) async fn with(
    console: &Console,
    caller: &Caller,
    backend: &BackendName,
    person: &Address,
    part: Part,
) -> Result<Markup, Problem> {
    caller.may(Scope::People)?;
    let (cursor, limit, is_upside_down) = match part {
        Part::Page(cursor) => (cursor, None, false),
        Part::Latest => (None, Some(LATEST.to_string()), true),
    };
    let is_latest = cursor.is_none();
    let query = Query {
        person: Some(person.as_str().to_owned()),
        backend: Some(backend.as_str().to_owned()),
        cursor,
        limit,
        ..Query::default()
    };
    let mut found = console.log_page(caller, &query).await?;
    if !is_upside_down {
        found.messages.reverse();
    }
    let consent = console.database()?.consents.consent(backend, person).await?;
    let older = found.next.as_deref().map(|next| {
        let asked = [("backend", Some(backend.as_str())), ("person", Some(person.as_str())), ("cursor", Some(next))];
        address::with("/conversation", &asked)
    });
    let pulse = address::with("/pulse", &[("backend", Some(backend.as_str()))]);
    let older = html! { @if let Some(older) = older { p { a.button rel="next" href=(older) { "Older" } } } };
    Ok(html! {
        div #chat data-pulse=[is_latest.then_some(pulse)] data-follow[!is_upside_down] {
            @if let Some(consent) = consent.filter(|consent| consent.choice == Choice::Out) {
                p.note {
                    "This person opted out with “" bdi { (consent.word) } "” " (pieces::time(consent.since))
                    ": they get nothing until they opt in again."
                }
            }
            @if !is_upside_down { (older) }
            @if found.messages.is_empty() {
                (pieces::empty("Nothing went back or forth yet.", html! { "What this person texts, and what is sent to them, is shown here." }))
            } @else {
                ol.chat { @for message in &found.messages { (said(message)) } }
            }
            @if is_upside_down { (older) }
        }
    })
}

/// One text or message.
fn said(message: &Message) -> Markup {
    let Message { id, direction, state, at, text, application, .. } = message;
    let (side, who) = match direction {
        Direction::In => ("in", "They wrote"),
        Direction::Out => ("out", "We wrote"),
    };
    html! {
        li class=(side) {
            p.read-out { (who) }
            @if let Some(text) = text { p { (pieces::words(text)) } } @else { p { (pieces::withheld()) } }
            p.about {
                (pieces::time(*at)) " " (pieces::state(*state))
                @if let Some(application) = application { " from " (application) }
                " " a href=(address::message(id)) { "what happened" }
            }
        }
    }
}
