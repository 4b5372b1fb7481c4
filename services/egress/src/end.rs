//! How a message ends that no session took: given up on record first, told second; and its return, when an operator
//! replays it.

use messaging::{Context, Outgoing};
use protocol::{
    Envelope, FailureReason, Head, MessageExpired, MessageFailed, MessageSuppressed, SuppressedReason, Timestamp,
};
use store::{GaveUp, GiveUp, GivenUp, Record, Why};

use crate::lane::{Lane, SendError, released};
use crate::{observe, patience};

impl Lane {
    /// What is on record about a message; a replay later than it was given up opens it again.
    pub(crate) async fn known(&self, head: &Head, context: &Context) -> Result<Option<Record>, SendError> {
        let (ledger, environment) = (&self.egress.ledger, &context.environment);
        let look_up = || patience::answer(environment, || ledger.look_up(head.id));
        let record = look_up().await.map_err(SendError::Ledger)?;
        let (Some(Record::GivenUp(given_up)), Some(replayed_at)) = (&record, context.replayed_at) else {
            return Ok(record);
        };
        if replayed_at <= given_up.at {
            // Of this very life: a crash brought the command back after its end was recorded.
            return Ok(record);
        }
        let now = environment.now();
        let replay = patience::answer(environment, || ledger.replay(head.id, replayed_at, now));
        replay.await.map_err(SendError::Ledger)?;
        // Another handling of the same replay may have been faster, and come to an end already.
        look_up().await.map_err(SendError::Ledger)
    }

    /// Gives a message up, and tells its end; but if a session was handed it meanwhile, it is released.
    pub(crate) async fn give_up(
        &self,
        head: &Head,
        why: Why,
        attempts: u32,
        expires_at: Timestamp,
        context: &Context,
    ) -> Result<Vec<Outgoing>, SendError> {
        let now = context.environment.now();
        let give_up = GiveUp {
            message_id: head.id,
            backend: head.backend.clone(),
            correlation_id: head.correlation_id.clone(),
            attempts,
            why,
            // Never before the replay that led here, whatever the operator's clock says: or that replay would open it again.
            at: context.replayed_at.map_or(now, |replayed_at| now.max(replayed_at)),
        };
        let ledger = &self.egress.ledger;
        let giving_up = patience::answer(&context.environment, || ledger.give_up(give_up.clone()));
        match giving_up.await.map_err(SendError::Ledger)? {
            GaveUp::Recorded(given_up) => {
                observe::given_up(&head.backend, &given_up);
                of(head, &given_up, expires_at)
            }
            GaveUp::Already(given_up) => of(head, &given_up, expires_at),
            GaveUp::Released(release) => Ok(vec![released(head, &release)]),
        }
    }
}

/// The end of a message that is given up: the same as often as it is told, and another in each life. What was suppressed
/// is settled by that; all else is an error, and its command a dead letter.
pub(crate) fn of(head: &Head, given_up: &GivenUp, expires_at: Timestamp) -> Result<Vec<Outgoing>, SendError> {
    let GivenUp { message_id, life, attempts, at, ref why } = *given_up;
    match why {
        Why::Expired => {
            let data = MessageExpired { message_id, attempts, expired_at: expires_at };
            Err(SendError::Expired { expired: Box::new(Envelope::caused_by(head, life, at, data)) })
        }
        Why::Refused { detail } => {
            let reason = FailureReason::Refused;
            let data = MessageFailed { message_id, session_id: None, reason, detail: detail.clone() };
            let failed = Box::new(Envelope::caused_by(head, life, at, data));
            Err(SendError::Rejected { detail: detail.clone(), failed })
        }
        Why::OptedOut => {
            let data = MessageSuppressed { message_id, reason: SuppressedReason::OptedOut };
            Ok(vec![Outgoing::new(&Envelope::caused_by(head, life, at, data))])
        }
    }
}
