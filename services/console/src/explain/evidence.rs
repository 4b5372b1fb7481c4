//! What an answer rests on: events, lines of Tropo's log, and the configuration.

use protocol::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{JournalEvent, Logged};
use utoipa::ToSchema;

use super::tropo_log::Told;
use super::{Case, words};
use crate::simulated::TropoLine;
use crate::{masked, shown};

/// Something that is on record.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// When it was.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where it is on record.
    pub source: Source,
    /// What it is: the kind of the event, as in `message.sent`, or what the line is about.
    pub kind: String,
    /// It in a sentence, which says nothing of a person.
    pub words: String,
    /// The session that it is about.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// It, as it stands; without numbers and words for whoever may not see people.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Where something is on record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An event that the journal kept.
    Event,
    /// The journal's line of the text or message: the events themselves are forgotten, or did not come.
    Log,
    /// Tropo's Application Debugger.
    TropoLog,
    /// The configuration.
    Configuration,
}

impl Case {
    /// An event as evidence.
    pub(super) fn event(&self, event: &JournalEvent) -> Evidence {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        Evidence {
            at: event.at,
            source: Source::Event,
            kind: event.kind.clone(),
            words: words::of_event(&event.kind, &body),
            session_id: event.session_id.clone(),
            detail: if self.sees_people { body } else { shown::masked(body) },
        }
    }

    /// Events as evidence.
    pub(super) fn events_shown<'a>(&self, events: impl IntoIterator<Item = &'a JournalEvent>) -> Vec<Evidence> {
        events.into_iter().map(|event| self.event(event)).collect()
    }

    /// A line of Tropo's log as evidence.
    pub(super) fn line(&self, line: &TropoLine) -> Evidence {
        let told = Told::of(&line.text);
        let text = self.sees_people.then_some(&line.text);
        Evidence {
            at: line.at,
            source: Source::TropoLog,
            kind: "tropo.line".to_owned(),
            words: told.words(),
            session_id: line.session_id.clone(),
            detail: json!({ "line": line.line, "text": text }),
        }
    }

    /// The journal's own line as evidence.
    pub(super) fn log(&self, line: &Logged) -> Evidence {
        let standing = line.standing();
        let state = standing.and_then(|standing| serde_json::to_value(standing).ok()).unwrap_or_default();
        Evidence {
            at: line.touched_at,
            source: Source::Log,
            kind: "log".to_owned(),
            words: format!("The log has it as {}", state.as_str().unwrap_or("begun")),
            session_id: line.session_id.clone(),
            detail: json!({ "id": line.id, "state": state, "begun_at": line.begun_at, "released_at": line.released_at }),
        }
    }

    /// What the configuration has of the backend as evidence.
    pub(super) fn configured(&self) -> Option<Evidence> {
        let backend = self.backend.as_ref()?;
        let webhook = backend.webhook_told();
        Some(Evidence {
            at: self.now,
            source: Source::Configuration,
            kind: "backend".to_owned(),
            words: format!("Tropo's application has to post to {webhook}"),
            session_id: None,
            detail: json!({
                "webhook": backend.webhook, "is_guarded": backend.is_guarded, "rate": backend.rate,
                "on_unconfirmed": backend.on_unconfirmed,
            }),
        })
    }
}

/// Everything that is on record, in order: what Tropo did comes before what we made of it.
pub(super) fn timeline(case: &Case) -> Vec<Evidence> {
    let lines = case.lines.iter().map(|line| case.line(line));
    let mut timeline: Vec<_> = lines.chain(case.events_shown(&case.events)).collect();
    timeline.sort_by_key(|evidence| evidence.at);
    timeline
}
