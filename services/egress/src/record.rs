//! Records in the ledger how a message ended.

use messaging::{Disposition, Settle};
use protocol::{EventId, Head, SessionId, Timestamp};
use store::{Ledger, LedgerError, Outcome, Settled};

use crate::observe;

/// Why a report is not on record yet.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The ledger does not answer.
    #[error("the release ledger is not available")]
    Ledger(#[source] LedgerError),
}

impl Settle for ReportError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Ledger(_) => Disposition::Retry { after: None },
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
    now: Timestamp,
) -> Result<bool, ReportError> {
    let settled = ledger.settle(message_id, session_id, outcome, now).await.map_err(ReportError::Ledger)?;
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
