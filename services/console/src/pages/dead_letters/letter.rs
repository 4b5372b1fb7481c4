//! One letter: everything about it, and what it says, which can be edited.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use messaging::dead::{self, Data, Filter};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::working::{self, Meant};
use super::{Place, Query, new};
use crate::Console;
use crate::api::asked::{Asked, Named};
use crate::guard::{Form, Scope, Visitor};
use crate::letters::Letter;
use crate::pages::layout::Said;
use crate::pages::{address, pieces};
use crate::problem::Problem;

/// What a field is called, by the member of the event.
const NAMES: [(&str, &str); 5] = [
    ("to", "To"),
    ("text", "Words"),
    ("from", "From (our number; left empty: the backend's own)"),
    ("network", "Network"),
    ("expires_at", "Not worth sending after (UTC; left empty: the backend's time to live)"),
];

/// The address of a letter.
pub(super) fn path(id: &str, place: Place, group: Option<Uuid>) -> String {
    with(id, place, group, None)
}

/// The same, where one is asked whether it shall be removed.
pub(super) fn path_to_drop(id: &str, query: &Query) -> String {
    with(id, query.place, query.group, Some("ask"))
}

fn with(id: &str, place: Place, group: Option<Uuid>, drop: Option<&str>) -> String {
    let path = format!("{}/{}", super::PATH, utf8_percent_encode(id, NON_ALPHANUMERIC));
    let group = group.map(|group| group.to_string());
    address::with(&path, &[("place", Some(place.as_str())), ("group", group.as_deref()), ("drop", drop)])
}

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    id: Result<Named<String>, Problem>,
    query: Result<Asked<Query>, Problem>,
) -> Response {
    match (id, query) {
        (Ok(Named(id)), Ok(Asked(query))) => page(&console, &visitor, &query, id, None, None).await,
        (Err(problem), _) | (_, Err(problem)) => new(&console, &visitor, Place::Dead).shows(Err(problem)),
    }
}

/// What the form of a letter says: the members that may change.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Edited {
    place: Place,
    group: Option<Uuid>,
    to: Option<String>,
    text: Option<String>,
    from: Option<String>,
    network: Option<String>,
    expires_at: Option<String>,
}

impl Edited {
    /// What was filled in, by the member of the event.
    fn filled(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { to, text, from, network, expires_at, place: _, group: _ } = self;
        let filled = [("to", to), ("text", text), ("from", from), ("network", network), ("expires_at", expires_at)];
        filled.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The data of the event with what was filled in; what was left empty is left out.
    fn data(&self, mut before: Map<String, Value>) -> Data {
        for (name, value) in self.filled() {
            // A browser writes line breaks in its own way.
            let value = value.replace("\r\n", "\n");
            if value.is_empty() {
                before.remove(name);
            } else if before.get(name).is_none_or(|before| written(before) != value) {
                before.insert(name.to_owned(), Value::String(value));
            }
        }
        Data(before)
    }
}

/// Replays the letter with what the form says.
pub(super) async fn edit(
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Form { visitor, fields }: Form<Edited>,
) -> Response {
    let query = Query { place: fields.place, group: fields.group, drop: None };
    let replayed = async {
        visitor.caller.may(Scope::Operate)?;
        visitor.caller.may(Scope::People)?;
        let letter = console.letter(&visitor.caller, query.place.into(), id.clone()).await?;
        let before = data(&letter).cloned().ok_or_else(|| Problem::unprocessable("it has no data to be edited"))?;
        let filter = Filter { ids: BTreeSet::from([id.clone()]), queue: letter.queue, ..Filter::default() };
        let caller = visitor.caller.clone();
        let data = fields.data(before);
        Arc::clone(&console).replay_one(caller, query.place.into(), filter, Some(data)).await
    };
    match replayed.await {
        Ok(is_on_record) => {
            let told = if is_on_record {
                "The letter was edited and replayed."
            } else {
                "The letter was edited and replayed. The database is away: who did this is in the log of the console alone."
            };
            super::page(&console, &visitor, &query, Some(Said::Done(told.to_owned()))).await
        }
        Err(problem) => {
            let said = Said::Failed(problem.detail().to_owned());
            page(&console, &visitor, &query, id, Some(said), Some(&fields)).await
        }
    }
}

/// The page of a letter; with what was filled in where that could not be done.
async fn page(
    console: &Console,
    visitor: &Visitor,
    query: &Query,
    id: String,
    said: Option<Said>,
    filled: Option<&Edited>,
) -> Response {
    let page = new(console, visitor, query.place).says(said);
    let letter = console.letter(&visitor.caller, query.place.into(), id.clone()).await;
    page.shows(letter.map(|letter| whole(visitor, query, &id, &letter, filled)))
}

fn whole(visitor: &Visitor, query: &Query, id: &str, letter: &Letter, filled: Option<&Edited>) -> Markup {
    let Letter { time, kind, backend, queue, routing_key, reason, attempts, session, .. } = letter;
    let Letter { error, application, published, body_bytes, headers, payload, group, .. } = letter;
    let meant = Meant::One(id.to_owned());
    let group = query.group.unwrap_or(*group);
    let is_message = kind.as_deref().is_some_and(|kind| kind.starts_with("message."));
    html! {
        p { a href=(super::of(query.place, group)) { "All letters of this cause" } }
        h2 { (kind.as_deref().unwrap_or("A letter")) @if let Some(reason) = reason { ": " (reason) } }
        dl {
            dt { "Id" } dd.mono { @if is_message { a href=(address::message(id)) { (id) } } @else { (id) } }
            @if let Some(error) = error {
                dt { "Error" }
                dd { ol.causes { @for cause in error.split(": ") { li { (cause) } } } }
            }
            @if let Some(time) = time { dt { "Died" } dd { (pieces::time(*time)) } }
            @if let Some(attempts) = attempts { dt { "Attempts" } dd { (attempts) } }
            @if let Some(backend) = backend { dt { "Backend" } dd { (backend) } }
            @if let Some(queue) = queue { dt { "From the queue" } dd { (queue) } }
            dt { "Routing key" } dd { (routing_key) }
            @if let Some(application) = application { dt { "Published by" } dd { (application) } }
            @if let Some(published) = published { dt { "Published" } dd { (pieces::time(*published)) } }
            @if let Some(session) = session { dt { "Session" } dd.mono { (session) } }
            dt { "Body" } dd { (body_bytes) " bytes" }
        }
        @if query.drop.is_some() {
            (working::confirm(visitor, query, &meant))
        } @else {
            (working::form(visitor, query, &meant, "This letter"))
            (edit_form(visitor, query, id, letter, filled))
        }
        h2 { "What it says" }
        @if !visitor.caller.has(Scope::People) { p.soft { "Values are masked: to see them the scope “people” is needed." } }
        @if let Some(payload) = payload { pre tabindex="0" { (format!("{payload:#}")) } }
        details {
            summary { "Headers" }
            dl { @for (name, value) in headers { dt { (name) } dd { (value) } } }
        }
    }
}

/// The data of its event, where it has one that can be read.
fn data(letter: &Letter) -> Option<&Map<String, Value>> {
    letter.payload.as_ref()?.get("data")?.as_object()
}

fn edit_form(visitor: &Visitor, query: &Query, id: &str, letter: &Letter, filled: Option<&Edited>) -> Markup {
    let may_edit = visitor.caller.has(Scope::Operate) && visitor.caller.has(Scope::People);
    let kind = letter.kind.as_deref().and_then(|kind| kind.parse::<Kind>().ok());
    let editable = kind.map(dead::editable).unwrap_or_default();
    let Some(data) = data(letter).filter(|_| may_edit && !editable.is_empty()) else { return html! {} };
    let fields = NAMES.iter().filter(|(name, _)| editable.contains(name));
    html! {
        details.card #edit open[filled.is_some()] {
            summary { "Edit, then replay" }
            p { "It keeps its id: what was handed to Tropo already is not sent again. The log of texts and messages goes on \
                 showing what it said first." }
            form.tester method="post" action=(path(id, query.place, query.group)) {
                input type="hidden" name="csrf" value=(visitor.csrf);
                input type="hidden" name="place" value=(query.place.as_str());
                @if let Some(group) = query.group { input type="hidden" name="group" value=(group); }
                @for (name, label) in fields {
                    @let filled = filled.and_then(|filled| filled.filled().find(|(filled, _)| filled == name));
                    @let value = filled.map(|(_, value)| value.to_owned());
                    @let value = value.or_else(|| data.get(*name).map(written)).unwrap_or_default();
                    (pieces::field(label, &format!("edit-{name}"), field(name, &value)))
                }
                p { button.main type="submit" { "Replay as edited" } }
            }
        }
    }
}

fn field(name: &str, value: &str) -> Markup {
    let id = format!("edit-{name}");
    html! {
        @if name == "text" {
            textarea id=(id) name=(name) rows="3" dir="auto" { (value) }
        } @else {
            input id=(id) name=(name) value=(value) autocomplete="off";
        }
    }
}

/// A value as it stands in its field.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: &Value, filled: &str, expected: &Value) {
        let edited: Edited = serde_json::from_str(filled).unwrap();
        let Data(data) = edited.data(before.as_object().unwrap().clone());
        assert_eq!(&Value::Object(data), expected);
    }

    #[test]
    fn what_is_filled_in_takes_the_place_of_what_was_said() {
        let before = json!({ "to": "+15555550100", "text": "a\nb", "from": "+15555550111", "application": "x" });
        check(
            &before,
            r#"{"to":"+15555550101","text":"a\r\nc","from":"","network":"","expires_at":""}"#,
            &json!({ "to": "+15555550101", "text": "a\nc", "application": "x" }),
        );
        check(&before, r#"{"text":"a\r\nb"}"#, &before);
    }

    #[test]
    fn what_was_no_text_stays_unless_it_is_changed() {
        let before = json!({ "to": "+15555550100", "text": 5 });
        check(&before, r#"{"text":"5","to":"+15555550100"}"#, &before);
        check(&before, r#"{"text":"five"}"#, &json!({ "to": "+15555550100", "text": "five" }));
    }
}
