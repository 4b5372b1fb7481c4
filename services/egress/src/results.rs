//! What sessions report about the messages that they were given.

use std::sync::Arc;

use messaging::{Context, Handler, Outgoing};
use protocol::{Envelope, FailureReason, MessageFailed, MessageSent, ResultHandler, SessionResult};
use store::{Ledger, Outcome};

use crate::record::{self, ReportError};

/// Handles what sessions report: it is how we learn that Tropo took a message.
pub struct Results {
    ledger: Arc<dyn Ledger>,
}

impl Results {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }
}

impl Handler for Results {
    type Event = SessionResult;
    type Error = ReportError;

    async fn handle(&self, report: Envelope<SessionResult>, context: &Context) -> Result<Vec<Outgoing>, ReportError> {
        let Envelope { head, data } = report;
        let outcome = match data.handler {
            ResultHandler::Continue => Outcome::Sent,
            ResultHandler::Incomplete | ResultHandler::Error => Outcome::Failed,
        };
        let now = context.environment.now();
        let of = (data.message_id, &data.session_id);
        if !record::outcome(&*self.ledger, &head, of, outcome, &context.environment).await? {
            return Ok(Vec::new());
        }
        let SessionResult { message_id, session_id, handler, error, .. } = data;
        let failed = |reason, detail: &str| {
            let detail = error.clone().unwrap_or_else(|| detail.to_owned());
            let data = MessageFailed { message_id, session_id: Some(session_id.clone()), reason, detail };
            Outgoing::new(&Envelope::caused_by(&head, 0, now, data))
        };
        let event = match handler {
            ResultHandler::Continue => {
                let data = MessageSent { message_id, session_id: session_id.clone() };
                Outgoing::new(&Envelope::caused_by(&head, 0, now, data))
            }
            ResultHandler::Incomplete => failed(FailureReason::Incomplete, "the session could not send the message"),
            ResultHandler::Error => failed(FailureReason::SessionError, "the session ended with an error"),
        };
        Ok(vec![event])
    }
}
