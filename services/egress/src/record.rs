//! Records in the ledger how a message ended.

use messaging::{Disposition, Environment, Settle};
use protocol::{EventId, Head, SessionId};
use store::{Ledger, LedgerError, Outcome, Settled};

use crate::{observe, patience};

/// Why a report is not on record yet.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The ledger does not take it.
    #[error("the release ledger did not record it")]
    Ledger(#[source] LedgerError),
}

impl Settle for ReportError {
    fn disposition(&self) -> Disposition {
        match self {
            // What is on record of this one message is damaged, and stays so.
            Self::Ledger(LedgerError::Unreadable(_)) => Disposition::DeadLetter,
            Self::Ledger(LedgerError::Unavailable(_) | LedgerError::Denied(_) | LedgerError::Corrupt(_)) => {
                Disposition::Retry { after: None }
            }
        }
    }
}

/// Records what `report` says of a message, and whether the others are to be told.
///
/// They are told again when it stands there already: it may have been recorded by an attempt that died before it told
/// them, and the event has the same id. A delivery report may overtake the result; then the result is told all the
/// same.
pub(crate) async fn outcome(
    ledger: &dyn Ledger,
    report: &Head,
    (message_id, session_id): (EventId, &SessionId),
    outcome: Outcome,
    environment: &Environment,
) -> Result<bool, ReportError> {
    let now = environment.now();
    let settling = patience::answer(environment, || ledger.settle(message_id, session_id, outcome, now));
    let settled = settling.await.map_err(ReportError::Ledger)?;
    let told = match settled {
        Settled::Recorded(_) => true,
        Settled::Unchanged(release) => {
            release.outcome == Some(outcome)
                || (outcome == Outcome::Sent && release.outcome == Some(Outcome::Delivered))
        }
        Settled::NotHolder => false,
    };
    if told {
        observe::settled(report, outcome);
    } else {
        observe::stray_result(report);
    }
    Ok(told)
}
