//! Letters, and the work on them, as they are told.

use std::collections::{BTreeMap, BTreeSet};

use messaging::dead::{self, Outcome, Place, Summary, Told};
use messaging::headers::{
    ATTEMPT, CAUSATION_ID, DEAD_AT, EDITED_AT, ERROR, QUEUE, REASON, REPLAYED_AT, ROUTING_KEY, TRACEPARENT,
};
use protocol::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::advice::advice;

/// The headers that are ours.
const OURS: [&str; 10] =
    [CAUSATION_ID, TRACEPARENT, ATTEMPT, QUEUE, ROUTING_KEY, REASON, ERROR, REPLAYED_AT, DEAD_AT, EDITED_AT];

/// A dead letter, or a message that no queue was bound for.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(crate) struct Letter {
    /// When it was given up; for one that was not given up, when it was published.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) time: Option<Timestamp>,
    /// The id of the event.
    pub(crate) id: Option<String>,
    /// What it says, as in `message.send`.
    pub(crate) kind: Option<String>,
    /// The backend that it concerns.
    pub(crate) backend: Option<String>,
    /// The queue that it came from.
    pub(crate) queue: Option<String>,
    /// The routing key that it was first published with.
    pub(crate) routing_key: String,
    /// Why it is dead, in one word.
    pub(crate) reason: Option<String>,
    /// How many attempts were made.
    pub(crate) attempts: Option<u32>,
    /// The Tropo session that began its conversation.
    pub(crate) session: Option<String>,
    /// The chain of causes, outermost first; the first of them alone for whoever may not see people.
    pub(crate) error: Option<String>,
    /// Who published it.
    pub(crate) application: Option<String>,
    /// When it was published.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) published: Option<Timestamp>,
    /// How long its body is.
    pub(crate) body_bytes: usize,
    /// Every header that it has, or for whoever may not see people, every one that is ours; left out where only a line was
    /// asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body, if that was asked for; the values in it masked from whoever may not see people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    /// The group of letters with the same cause.
    pub(crate) group: Uuid,
}

impl Letter {
    /// A letter, as somebody may see it who may see people, or may not: then without the words of others.
    pub(super) fn seen(mut letter: dead::Letter, sees_people: bool) -> Self {
        let group = letter.group();
        if !sees_people {
            // What follows the first link is an answer of somebody, or what was wrong with their words.
            letter.error = letter.error.is_some().then(|| first_link(&letter.cause()).to_owned());
            letter.headers.retain(|name, _| OURS.contains(&name.as_str()));
            if let (Some(error), Some(header)) = (&letter.error, letter.headers.get_mut(ERROR)) {
                header.clone_from(error);
            }
        }
        let dead::Letter { time, id, kind, backend, queue, routing_key, reason, attempts, .. } = letter;
        let dead::Letter { session, error, application, published, body_bytes, headers, payload, .. } = letter;
        Self {
            time,
            id,
            kind,
            backend,
            queue,
            routing_key,
            reason,
            attempts,
            session,
            error,
            application,
            published,
            body_bytes,
            headers,
            payload,
            group,
        }
    }
}

/// The first of a chain of causes.
fn first_link(cause: &str) -> &str {
    cause.split_once(": ").map_or(cause, |(first, _)| first)
}

/// Letters that died of the same cause.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    /// Its id, to filter by.
    pub(crate) id: Uuid,
    /// The queue that they came from.
    pub(crate) queue: Option<String>,
    /// The backend that they concern.
    pub(crate) backend: Option<String>,
    /// What they say, as in `message.send`.
    pub(crate) kind: Option<String>,
    /// Why they are dead, in one word.
    pub(crate) reason: Option<String>,
    /// The chain of causes, without ids, numbers and addresses.
    pub(crate) cause: String,
    /// How many they are.
    pub(crate) count: u64,
    /// When the first of them was given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) first: Option<Timestamp>,
    /// When the last of them was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last: Option<Timestamp>,
    /// The id of one of them.
    pub(crate) example: Option<String>,
    /// What to do.
    pub(crate) advice: &'static str,
}

impl Group {
    /// The group of a letter.
    pub(super) fn of(place: Place, letter: &dead::Letter) -> Self {
        Self {
            id: letter.group(),
            queue: letter.queue.clone(),
            backend: letter.backend.clone(),
            kind: letter.kind.clone(),
            reason: letter.reason.clone(),
            cause: letter.cause(),
            count: 1,
            first: letter.time,
            last: letter.time,
            example: letter.id.clone(),
            advice: advice(place, letter),
        }
    }

    /// One more of them.
    pub(super) fn add(&mut self, letter: &dead::Letter) {
        self.count += 1;
        self.first = self.first.into_iter().chain(letter.time).min();
        self.last = self.last.max(letter.time);
        if self.example.is_none() {
            self.example.clone_from(&letter.id);
        }
    }
}

/// What is told while work goes on, one JSON object a line.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// The first: it is about to begin.
    Begun {
        /// Whether it is on record who does it. If not, the database is away, and the log has it alone.
        on_record: bool,
    },
    /// A letter that is meant, and what became of it.
    Letter {
        /// The letter.
        letter: Box<Letter>,
        /// What became of it: `kept`, `replayable`, `replayed`, `dropped`, or `{"not_replayable": "why"}`, and then it is
        /// where it was.
        #[schema(value_type = Value)]
        outcome: Outcome,
    },
    /// The last: all is done.
    Done(Worked),
    /// The last: it ended early. Nothing is lost: what was not settled is where it was.
    Failed {
        /// Why, with its causes.
        error: String,
        /// What was done before.
        summary: Worked,
    },
}

impl Progress {
    /// What is told to somebody who may see people, or may not.
    pub(super) fn seen(told: Told, sees_people: bool) -> Self {
        match told {
            Told::Letter { letter, outcome } => {
                Self::Letter { letter: Box::new(Letter::seen(*letter, sees_people)), outcome }
            }
            Told::Done(summary) => Self::Done(summary.into()),
            Told::Failed { error, summary } => Self::Failed { error, summary: summary.into() },
        }
    }

    /// What is on record of its end beside what was ordered, if it is one.
    pub(super) fn end(&self, ordered: &Value) -> Option<Value> {
        match self {
            Self::Begun { .. } | Self::Letter { .. } => None,
            Self::Done(summary) => Some(json!({ "ordered": ordered, "summary": summary })),
            Self::Failed { error, summary } => {
                Some(json!({ "ordered": ordered, "summary": summary, "ended_early": error }))
            }
        }
    }
}

/// What was done in all.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, ToSchema)]
pub(crate) struct Worked {
    /// How many letters were looked at.
    pub(crate) seen: u64,
    /// How many of them were meant.
    pub(crate) matched: u64,
    /// How many were replayed; for a rehearsal, could be.
    pub(crate) replayed: u64,
    /// How many were removed.
    pub(crate) dropped: u64,
    /// How many were to be replayed and could not be.
    pub(crate) failed: u64,
    /// How many of those that were seen stay where they were.
    pub(crate) kept: u64,
    /// How many could not be looked at, because somebody else has them in hand.
    pub(crate) elsewhere: u64,
    /// Whether there are more than can be gone through at a time.
    pub(crate) more: bool,
    /// The ids that were asked for, and not found.
    pub(crate) missing: BTreeSet<String>,
}

impl From<Summary> for Worked {
    fn from(summary: Summary) -> Self {
        let Summary { seen, matched, replayed, dropped, failed, kept, elsewhere, more, missing } = summary;
        Self { seen, matched, replayed, dropped, failed, kept, elsewhere, more, missing }
    }
}
