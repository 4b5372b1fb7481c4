//! Delivery reports: what became of a text after Tropo took it.

use std::sync::Arc;

use messaging::{Context, Handler, Outgoing};
use protocol::{DeliveryReported, Envelope, FailureReason, MessageDelivered, MessageFailed};
use store::{Ledger, Outcome};

use crate::record::{self, ReportError};
use crate::{observe, patience};

/// Handles delivery reports. They name the session alone; the ledger knows its message.
pub struct Reports {
    ledger: Arc<dyn Ledger>,
}

impl Reports {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }
}

/// What a carrier's word means; `None` for a word that says nothing final. Tropo's full list is not on record; US long
/// codes report `accepted`.
fn outcome(status: &str) -> Option<Outcome> {
    match status.to_ascii_lowercase().as_str() {
        "accepted" | "delivered" | "success" | "ok" => Some(Outcome::Delivered),
        "failed" | "failure" | "undelivered" | "undeliverable" | "rejected" | "expired" | "error" => {
            Some(Outcome::Failed)
        }
        _ => None,
    }
}

impl Handler for Reports {
    type Event = DeliveryReported;
    type Error = ReportError;

    async fn handle(
        &self,
        report: Envelope<DeliveryReported>,
        context: &Context,
    ) -> Result<Vec<Outgoing>, ReportError> {
        let Envelope { mut head, data } = report;
        let DeliveryReported { session_id, status } = data;
        let environment = &context.environment;
        let finding = patience::answer(environment, || self.ledger.find_by_session(&head.backend, &session_id));
        let releases = finding.await.map_err(ReportError::Ledger)?;
        // A session holds one message of ours: a document of egress has no more.
        let (Some(release), Some(outcome)) = (releases.into_iter().next(), outcome(&status)) else {
            observe::stray_result(&head);
            return Ok(Vec::new());
        };
        let now = environment.now();
        let message_id = release.message_id;
        if !record::outcome(&*self.ledger, &head, (message_id, &session_id), outcome, environment).await? {
            return Ok(Vec::new());
        }
        // From here on it belongs to the conversation, not to the second session alone.
        head.correlation_id = release.correlation_id.or(head.correlation_id);
        let event = if outcome == Outcome::Delivered {
            Outgoing::new(&Envelope::caused_by(&head, 0, now, MessageDelivered { message_id, session_id, status }))
        } else {
            let detail = format!("the carrier reported {status:?}");
            let reason = FailureReason::Undelivered;
            let data = MessageFailed { message_id, session_id: Some(session_id), reason, detail };
            Outgoing::new(&Envelope::caused_by(&head, 0, now, data))
        };
        Ok(vec![event])
    }
}
