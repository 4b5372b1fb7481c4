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

/// The chat of a person with a backend, the newest at the end; `cursor`: where an older page begins.
pub(super) async fn with(
    console: &Console,
    caller: &Caller,
    backend: &BackendName,
    person: &Address,
    cursor: Option<String>,
) -> Result<Markup, Problem> {
    let is_latest = cursor.is_none();
    let query = Query {
        person: Some(person.as_str().to_owned()),
        backend: Some(backend.as_str().to_owned()),
        cursor,
        ..Query::default()
    };
    let found = console.log_page(caller, &query).await?;
    let consent = console.database()?.consents.consent(backend, person).await?;
    let older = found.next.as_deref().map(|next| {
        let asked = [("backend", Some(backend.as_str())), ("person", Some(person.as_str())), ("cursor", Some(next))];
        address::with("/conversation", &asked)
    });
    let pulse = address::with("/pulse", &[("backend", Some(backend.as_str()))]);
    Ok(html! {
        div #chat data-pulse=[is_latest.then_some(pulse)] data-follow {
            @if let Some(consent) = consent.filter(|consent| consent.choice == Choice::Out) {
                p.note {
                    "This person opted out with “" bdi { (consent.word) } "” " (pieces::time(consent.since))
                    ": they get nothing until they opt in again."
                }
            }
            @if !caller.has(Scope::People) { p.note { "You may not see words: the scope “people” is needed." } }
            @if let Some(older) = older { p { a.button rel="next" href=(older) { "Older" } } }
            @if found.messages.is_empty() {
                (pieces::empty("Nothing went back or forth yet.", html! { "What this person texts, and what is sent to them, is shown here." }))
            } @else {
                ol.chat { @for message in found.messages.iter().rev() { (said(message)) } }
            }
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
