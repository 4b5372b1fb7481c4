//! What the console tells: the only file of this service that names a metric.

use protocol::chain;
use serde_json::Value;
use store::LedgerError;
use tracing::{debug, info, warn};

/// The database did not answer.
pub(crate) fn database_away(error: &LedgerError) {
    warn!("the console has no answer from the database: {}", chain(error));
}

/// The journal could not be followed.
pub(crate) fn not_followed(error: &LedgerError) {
    warn!("those who watch wait: {}", chain(error));
}

/// The journal can be followed again.
pub(crate) fn followed_again() {
    info!("the journal is followed again");
}

/// Somebody did not know the password.
pub(crate) fn not_signed_in() {
    warn!("somebody could not sign in: the name or the password is wrong");
}

/// Somebody had tried too often: whoever goes on fills no log.
pub(crate) fn not_tried() {
    debug!("somebody could not sign in: there were too many attempts");
}

/// What somebody does is not on record, because the database is away.
pub(crate) fn not_on_record(who: &str, action: &str, detail: &Value) {
    warn!(user.name = who, action, detail = %detail, "{who} does {action}, which is on record here alone: {detail}");
}

/// What is old could not be forgotten.
pub(crate) fn not_forgotten(error: &LedgerError) {
    warn!("what is old is kept for now: {}", chain(error));
}
