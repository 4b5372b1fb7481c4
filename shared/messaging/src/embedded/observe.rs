//! What the embedded bus tells in the log.

use std::error::Error;
use std::path::Path;

use protocol::topology::QueueName;
use tracing::{error, info, warn};

pub(super) fn opened(what: &str, file: &Path, messages: u64) {
    info!(file = %file.display(), messages, "opened the {what}, which holds {messages} messages");
}

pub(super) fn closed(what: &str) {
    info!("closed the {what}");
}

/// Nothing can be kept at present.
pub(super) fn troubled(what: &str, reason: &str) {
    error!("the {what} takes no messages: {reason}");
}

pub(super) fn recovered(what: &str) {
    info!("the {what} takes messages again");
}

pub(super) fn not_checkpointed(what: &str, error: &dyn Error) {
    warn!("the {what} was closed with its write-ahead log left to the next start: {error}");
}

/// A message was given back too often.
pub(super) fn buried(queue: &QueueName, id: &str) {
    error!(queue = %queue, event.id = id, "event {id} goes to the dead letters: it was never settled");
}

/// The properties of a row are not what any tropomq writes.
pub(super) fn unreadable(seq: i64, error: &dyn Error) {
    error!(seq, "message at {seq} is delivered without its properties, which are unreadable: {error}");
}
