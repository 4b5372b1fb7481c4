//! What the console tells: the only file of this service that names a metric.

use protocol::chain;
use serde_json::Value;
use store::LedgerError;
use tracing::warn;

/// The database did not answer.
pub(crate) fn database_away(error: &LedgerError) {
    warn!("the console has no answer from the database: {}", chain(error));
}

/// The journal could not be followed.
pub(crate) fn not_followed(error: &LedgerError) {
    warn!("those who watch wait: {}", chain(error));
}

/// Somebody was not let in.
pub(crate) fn login_refused(why: &'static str) {
    warn!("somebody could not sign in: {why}");
}

/// What somebody does is not on record, because the database is away.
pub(crate) fn not_on_record(who: &str, action: &str, detail: &Value) {
    warn!(user.name = who, action, detail = %detail, "{who} does {action}, which is on record here alone: {detail}");
}

/// What is old could not be forgotten.
pub(crate) fn not_forgotten(error: &LedgerError) {
    warn!("what is old is kept for now: {}", chain(error));
}
