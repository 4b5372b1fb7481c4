//! What the log of the process says of the simulator: ids and outcomes. What people said is the debugger's.

use std::error::Error;
use std::time::Duration;

use protocol::SessionId;
use tracing::{debug, info, warn};

use crate::application::Application;
use crate::sessions::State;
use crate::state::StateError;
use crate::webhook::PostError;

/// An application was added.
pub(crate) fn added(application: &Application) {
    info!(application.name = application.name, "application {} is there", application.name);
}

/// An application was changed.
pub(crate) fn changed(application: &Application) {
    info!(application.name = application.name, "application {} was changed", application.name);
}

/// An application was removed.
pub(crate) fn removed(application: &Application) {
    info!(application.name = application.name, "application {} is gone", application.name);
}

/// An application of an earlier process lost a number or a token to one of the configuration.
pub(crate) fn yielded(name: &str) {
    warn!(application.name = name, "application {name} lost a number or a token that is configured for another");
}

/// The state was not written. It will be tried again.
pub(crate) fn not_saved(error: &StateError) {
    warn!(error = %chain(error), "simulator.state was not written; trying again");
}

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
