//! What the console tells: the only file of this service that names a metric.

use protocol::chain;
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
