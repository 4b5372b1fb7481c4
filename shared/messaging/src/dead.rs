//! Dead letters: looked at, put back to be handled again, or removed. The same for what no queue was bound for.
//!
//! Everything is read through a subscription, on either bus: a letter that is kept stays unsettled until the end, and
//! then goes back to its place. A letter that is replayed is published, confirmed, and only then acknowledged: whatever
//! ends the work in between, the letter is still there, and what was published twice has the same id.

mod browse;
mod edit;
mod filter;
mod group;
mod letter;
mod replay;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use protocol::topology::QueueName;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Bus, Delivery, DepthError, Environment, PublishError, SubscribeError, observe, until_it_publishes};
use browse::{Browse, Next};
pub use edit::{Data, editable};
pub use filter::Filter;
pub use letter::{Detail, Letter};
use replay::Replay;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// What to do.
    pub action: Action,
    /// Where the letters are.
    pub place: Place,
    /// Which of them are meant.
    pub filter: Filter,
    /// At most so many of those.
    pub limit: Option<u64>,
    /// How much is told of each.
    pub detail: Detail,
}

/// What to do with letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Look at them.
    Look,
    /// Find out which could be replayed.
    Rehearse,
    /// Put them back on the queues that they came from, at most so many a second.
    Replay {
        /// How many.
        rate: NonZeroU32,
    },
    /// Put the oldest that is meant back on its queue, saying something else. The filter names one id.
    Edit {
        /// What it says then.
        data: Data,
    },
    /// Remove them for good.
    Drop,
}

/// Where letters are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// What is beyond retry.
    Dead,
    /// What no queue was bound for.
    Unrouted,
}

impl Place {
    fn queue(self) -> QueueName {
        match self {
            Self::Dead => QueueName::dead(),
            Self::Unrouted => QueueName::unrouted(),
        }
    }
}

/// What is told while the work goes on, and at its end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// A letter that is meant, and what became of it.
    Letter {
        /// The letter.
        letter: Box<Letter>,
        /// What became of it.
        outcome: Outcome,
    },
    /// The work is done.
    Done(Summary),
    /// The work ended early. Nothing is lost: what was not settled is where it was.
    Failed {
        /// Why, with its causes.
        error: String,
        /// What was done before.
        summary: Summary,
    },
}

/// What became of a letter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is where it was.
    Kept,
    /// It could be replayed.
    Replayable,
    /// It is back on its queue.
    Replayed,
    /// It is removed.
    Dropped,
    /// It is where it was, because it cannot be replayed; the reason.
    NotReplayable(String),
}

/// What was done in all.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// How many letters were looked at.
    pub seen: u64,
    /// How many of them were meant.
    pub matched: u64,
    /// How many were replayed; for a rehearsal, could be.
    pub replayed: u64,
    /// How many were removed.
    pub dropped: u64,
    /// How many were to be replayed and could not be.
    pub failed: u64,
    /// How many of those that were seen stay where they were.
    pub kept: u64,
    /// How many could not be looked at, because somebody else has them in hand.
    pub elsewhere: u64,
    /// Whether there are more than can be gone through at a time.
    pub more: bool,
    /// The ids that were asked for, and not found.
    pub missing: BTreeSet<String>,
}

/// Why the work ended early.
#[derive(Debug, thiserror::Error)]
enum DeadError {
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Depth(#[from] DepthError),
    #[error("nothing was put back, and every letter is where it was: run it again once the bus is ready")]
    Away(#[source] PublishError),
    #[error("the connection to the bus was lost, and letters that were settled last may be there still: run it again")]
    Lost,
    #[error("letter {id} was not confirmed on its queue, and is kept: run it again")]
    Publish {
        id: String,
        #[source]
        source: PublishError,
    },
    #[error("one letter is edited at a time: say which by its id")]
    NotOne,
    #[error("nobody listens any more")]
    Unheard,
    #[error("stopped before the end: run it again for the rest")]
    Stopped,
}

/// The longest wait for a bus that takes what is published.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what is asked for with every letter that is there now, in their order, and tells it as it goes: the last that
/// is told is [`Told::Done`] or [`Told::Failed`]. Letters that come meanwhile are left alone.
///
/// Once `stop` is cancelled it finishes the letter in hand, and tells [`Told::Failed`] with what was done until then.
///
/// # Cancel safety
/// Dropping it ends it early, as a lost connection does: nothing is lost, and a letter that was just being replayed
/// may be replayed again, with the same id. So does dropping the receiver of what is told.
pub async fn work(
    bus: &dyn Bus,
    environment: &Environment,
    order: &Order,
    stop: &CancellationToken,
    told: mpsc::Sender<Told>,
) {
    let summary = Summary { missing: order.filter.ids.clone(), ..Summary::default() };
    let mut work = Work { bus, environment, order, stop, told: &told, record: Record { order, summary } };
    let ended = work.all().await;
    let summary = work.record.summary.clone();
    drop(work);
    let last = match ended {
        Ok(()) => Told::Done(summary),
        Err(error) => Told::Failed { error: protocol::chain(&error), summary },
    };
    // Whoever asked may have gone; the log has it.
    let _ = told.send(last).await;
}

/// How many letters are ready on a queue; `None` when there is no such queue.
async fn ready(bus: &dyn Bus, queue: &QueueName) -> Result<Option<u64>, DepthError> {
    let depths = bus.depths(std::slice::from_ref(queue)).await?;
    Ok(depths.get(queue).map(|depth| depth.ready))
}

/// The work under way.
struct Work<'a> {
    bus: &'a dyn Bus,
    environment: &'a Environment,
    order: &'a Order,
    stop: &'a CancellationToken,
    told: &'a mpsc::Sender<Told>,
    record: Record<'a>,
}

/// What was done so far. The log gets it however the work ends: who looks for a letter must find who took it.
struct Record<'a> {
    order: &'a Order,
    summary: Summary,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let Order { action, place, filter, .. } = self.order;
        let queue = place.queue();
        match action {
            Action::Look | Action::Rehearse => {}
            Action::Replay { .. } => observe::replayed(&queue, filter, &self.summary),
            Action::Edit { .. } => observe::edited(&queue, filter, &self.summary),
            Action::Drop => observe::removed(&queue, filter, &self.summary),
        }
    }
}

impl Work<'_> {
    async fn all(&mut self) -> Result<(), DeadError> {
        let limit = match self.order.action {
            Action::Edit { .. } if self.order.filter.ids.len() != 1 => return Err(DeadError::NotOne),
            Action::Edit { .. } => Some(1),
            Action::Look | Action::Rehearse | Action::Replay { .. } | Action::Drop => self.order.limit,
        };
        if matches!(self.order.action, Action::Replay { .. } | Action::Edit { .. }) {
            let able = until_it_publishes(self.bus, self.environment, PATIENCE);
            let able = self.stop.run_until_cancelled(able).await.ok_or(DeadError::Stopped)?;
            able.map_err(DeadError::Away)?;
        }
        let mut browse = Browse::new(self.bus, self.environment, self.order.place.queue()).await?;
        let mut replay = Replay::new(self.bus, self.environment, self.order.place);
        while limit.is_none_or(|limit| self.record.summary.matched < limit) {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    // What was acknowledged is settled, or its loss is told.
                    browse.end().await?;
                    return Err(DeadError::Stopped);
                }
                next = browse.next() => next?,
            };
            match next {
                Next::Letter(delivery) => self.one(*delivery, &mut browse, &mut replay).await?,
                Next::End => break,
                Next::Elsewhere(count) => {
                    self.record.summary.elsewhere = count;
                    break;
                }
                Next::Full => {
                    self.record.summary.more = true;
                    break;
                }
            }
        }
        browse.end().await
    }

    async fn one(
        &mut self,
        delivery: Delivery,
        browse: &mut Browse<'_>,
        replay: &mut Replay<'_>,
    ) -> Result<(), DeadError> {
        let letter = Letter::of(&delivery, self.order.detail);
        self.record.summary.seen += 1;
        if !self.order.filter.fits(&letter) {
            self.record.summary.kept += 1;
            browse.keep();
            return Ok(());
        }
        self.record.summary.matched += 1;
        if let Some(id) = &letter.id {
            self.record.summary.missing.remove(id);
        }
        let outcome = match &self.order.action {
            Action::Look => Outcome::Kept,
            Action::Rehearse => replay.rehearse(&delivery).await?,
            Action::Replay { rate } => replay.publish(&delivery, *rate).await?,
            Action::Edit { data } => replay.publish_edited(&delivery, data).await?,
            Action::Drop => Outcome::Dropped,
        };
        let Summary { replayed, dropped, failed, kept, .. } = &mut self.record.summary;
        match &outcome {
            Outcome::Kept => *kept += 1,
            Outcome::Replayable => {
                *replayed += 1;
                *kept += 1;
            }
            Outcome::NotReplayable(_) => {
                *failed += 1;
                *kept += 1;
            }
            Outcome::Replayed => *replayed += 1,
            Outcome::Dropped => *dropped += 1,
        }
        match &outcome {
            Outcome::Kept | Outcome::Replayable | Outcome::NotReplayable(_) => browse.keep(),
            Outcome::Replayed | Outcome::Dropped => delivery.settler.ack().await,
        }
        let told = Told::Letter { letter: Box::new(letter), outcome };
        self.told.send(told).await.map_err(|_| DeadError::Unheard)
    }
}
