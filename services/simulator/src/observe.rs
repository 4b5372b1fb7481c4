//! What the log of the process says of the simulator: ids and outcomes. What people said is the debugger's.

use std::time::Duration;

use protocol::SessionId;
use tracing::{debug, info};

use crate::application::Application;
use crate::sessions::State;
use crate::webhook::PostError;

/// An application was added.
pub(crate) fn added(application: &Application) {
    info!(application.name = application.name, "application {} is there", application.name);
}

/// A session ended.
pub(crate) fn ended(id: &SessionId, state: State, documents: u64, took: Duration) {
    debug!(
        session.id = %id,
        session.state = ?state,
        session.documents = documents,
        duration_ms = took.as_millis(),
        "session {id} ended"
    );
}

/// The second delivery of a webhook, which a knob asked for, found no success.
pub(crate) fn duplicate_failed(error: &PostError) {
    debug!(%error, "the second delivery of a webhook failed");
}
