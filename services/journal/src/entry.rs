//! An event, or a dead letter, as the journal keeps it.

use std::time::Duration;

use messaging::Delivery;
use messaging::headers::{ATTEMPT, DEAD_AT, ERROR, QUEUE, REASON};
use protocol::{EventId, Timestamp};
use serde_json::json;
use store::{DEAD_LETTER, JournalEntry, JournalEvent, Mark, Subject};

use crate::told::Told;

/// How far a publisher's clock may be ahead of ours. What claims to be of later would stay on top of the log, and be kept
/// for ever.
const AHEAD_MAX: Duration = Duration::from_mins(5);

/// The longest that is kept of a header, in bytes.
const HEADER_BYTES_MAX: usize = 2048;

/// An event, and what it means for the log.
pub(crate) fn of_event(told: &Told, marks: Vec<(Subject, EventId, Mark)>, now: Timestamp) -> JournalEntry {
    let at = told.time.unwrap_or(now);
    let event = event(told, told.id, told.kind.clone(), bounded(at, now), told.data.to_string());
    JournalEntry { event, marks, content: told.content() }
}

/// A dead letter: where it was, why it is dead, and nothing of what it says.
pub(crate) fn of_dead_letter(
    told: &Told,
    delivery: &Delivery,
    marks: Vec<(Subject, EventId, Mark)>,
    now: Timestamp,
) -> JournalEntry {
    let header = |name| delivery.properties.headers.get(name).map(String::as_str).map(shortened);
    let dead_at: Option<Timestamp> = header(DEAD_AT).and_then(|written| written.parse().ok());
    let body = json!({
        "queue": header(QUEUE),
        "reason": header(REASON),
        "attempts": header(ATTEMPT).and_then(|written| written.parse::<u32>().ok()),
        "error": header(ERROR),
        "time": dead_at,
    });
    let at = bounded(dead_at.or(told.time).unwrap_or(now), now);
    let event = event(told, told.id.of_death(dead_at), DEAD_LETTER.to_owned(), at, body.to_string());
    JournalEntry { event, marks, content: None }
}

fn event(told: &Told, id: EventId, kind: String, at: Timestamp, body: String) -> JournalEvent {
    JournalEvent {
        id,
        kind,
        at,
        backend: told.backend.clone(),
        correlation_id: told.correlation_id.clone(),
        session_id: told.session_id(),
        of: told.subject(),
        body,
    }
}

/// In whole microseconds, not of the future, and not of a time that no clock tells and not every database can write.
fn bounded(at: Timestamp, now: Timestamp) -> Timestamp {
    let is_ahead = now.saturating_add(AHEAD_MAX).is_ok_and(|latest| latest < at);
    let at = if is_ahead { now } else { at.max(Timestamp::UNIX_EPOCH) };
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn shortened(header: &str) -> &str {
    header.get(..header.floor_char_boundary(HEADER_BYTES_MAX)).unwrap_or(header)
}

#[cfg(test)]
mod tests;
