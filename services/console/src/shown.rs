//! Texts, messages and events as they are shown: with numbers and words masked from whoever may not see them.

mod event;

use protocol::{Address, BackendName, EventId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Logged, Standing, Subject};
use utoipa::ToSchema;

use crate::guard::{Caller, Scope};
pub use event::ShownEvent;
pub(crate) use event::masked;

/// A text that came in, or a message that goes out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id: that of the event `message.received` or `message.send`.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
    /// Which way it goes.
    pub direction: Direction,
    /// Its backend.
    #[schema(value_type = String)]
    pub backend: BackendName,
    /// Where it stands: `waiting`, `released`, `answered`, `ignored`, `dead`, `failed`, `expired`, `suppressed`,
    /// `unconfirmed`, `sent` or `delivered`.
    #[schema(value_type = String)]
    pub state: Option<Standing>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The time of the latest event about it.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// The person's number or name; masked from whoever may not see people.
    pub person: Option<String>,
    /// Our number, where it is told.
    pub number: Option<String>,
    /// The words; left out for whoever may not see people.
    pub text: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// The application that wants it sent.
    pub application: Option<String>,
    /// The text that it answers.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub cause: Option<EventId>,
    /// The Tropo session that began the conversation: the correlation id of its events.
    #[schema(value_type = Option<String>)]
    pub correlation_id: Option<SessionId>,
    /// The Tropo session that has it: of a message the second one, once there is one.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
}

/// Which way something goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a person: a text.
    In,
    /// To a person: a message.
    Out,
}

impl Message {
    /// A line of the log, as this caller may see it.
    pub(crate) fn of(logged: Logged, caller: &Caller) -> Self {
        Self::seen(logged, caller.has(Scope::People))
    }

    /// A line of the log; `plain`: with numbers and words.
    pub(crate) fn seen(logged: Logged, plain: bool) -> Self {
        let state = logged.standing();
        let Logged { subject, id, backend, correlation_id, session_id, begun_at, touched_at, content, .. } = logged;
        let direction = if subject == Subject::Message { Direction::Out } else { Direction::In };
        let (person, number, text, network, application, cause) = match content {
            Some(content) => (
                Some(person(&content.person, plain)),
                content.number.map(|number| number.as_str().to_owned()),
                plain.then(|| content.text.as_str().to_owned()),
                Some(content.network.as_str().to_owned()),
                content.application,
                content.cause,
            ),
            None => (None, None, None, None, None, None),
        };
        Self {
            id,
            direction,
            backend,
            state,
            at: begun_at,
            changed_at: touched_at,
            person,
            number,
            text,
            network,
            application,
            cause,
            correlation_id,
            session_id,
        }
    }
}

/// A person, plain or masked: the last two characters are left, so that two lines can be told apart.
pub(crate) fn person(address: &Address, plain: bool) -> String {
    let written = address.as_str();
    if plain {
        return written.to_owned();
    }
    let end: String = written.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
    format!("•••{end}")
}
