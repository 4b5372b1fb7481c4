//! What a strict platform refuses in a document that Tropo made the best of.

use tropo::document::{Action, Document};

use super::Run;
use super::perform::Ending;
use crate::debugger::wording;

impl Run {
    /// How a strict platform ends a document before it has begun, if it does. `is_garbled`: it names no charset, and
    /// is not ASCII.
    pub(super) fn refuse(&self, document: &Document, is_garbled: bool) -> Option<Ending> {
        if !self.simulator.control.is_strict() {
            return None;
        }
        let reason = if is_garbled {
            Some("it is not ASCII, and its Content-Type names no charset".to_owned())
        } else {
            document.actions.iter().find_map(unknown)
        };
        let reason = reason?;
        self.log(wording::ours(format_args!("The document is refused, {reason}: strict")));
        Some(Ending::Refused(reason))
    }
}

/// Why an action is none.
fn unknown(action: &Action) -> Option<String> {
    if let Action::Other(..) = action {
        Some("it has an action that Tropo does not know".to_owned())
    } else if let Action::Unreadable { reason, .. } = action {
        Some(reason.clone())
    } else {
        None
    }
}
