//! Has the console work on letters, and hears line by line how it goes.

use std::num::NonZeroU32;

use anyhow::bail;
use chassis::shutdown::Shutdown;
use messaging::dead::{Detail, Filter, Place, Told};
use serde::{Deserialize, Serialize};

use crate::client::{ApiError, Client};

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Order {
    /// What to do.
    #[serde(flatten)]
    pub(super) action: Action,
    /// Where the letters are.
    pub(super) place: Place,
    /// Which of them are meant.
    pub(super) filter: Filter,
    /// At most so many of those.
    pub(super) limit: Option<u64>,
    /// How much is told of each.
    pub(super) detail: Detail,
}

/// What to do with letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Action {
    /// Look at them.
    Look,
    /// Find out which could be replayed.
    Rehearse,
    /// Put them back on the queues that they came from, at most so many a second.
    Replay {
        /// How many.
        rate: NonZeroU32,
    },
    /// Remove them for good.
    Drop,
}

/// An order, as the console takes it.
#[derive(Serialize)]
struct Work<'a> {
    #[serde(flatten)]
    order: &'a Order,
    /// The console wants it said where no filter says which are meant.
    all: bool,
}

/// What the console says, one JSON object a line.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first.
    Begun { on_record: bool },
    /// Every other.
    #[serde(untagged)]
    Told(Told),
}

/// What is heard of the work.
pub(super) enum Heard {
    /// It goes on, and who does it is in the console's log alone.
    NotOnRecord,
    /// How it goes.
    Told(Told),
}

/// Has orders carried out, one after the other. One that fails is the last, as is the one during which a stop is requested.
///
/// # Errors
/// The console is not there, says no, or did not tell the end; or a stop was requested.
pub(super) async fn carry_out(
    client: &Client,
    orders: &[Order],
    shutdown: &Shutdown,
    mut hear: impl FnMut(Heard),
) -> anyhow::Result<()> {
    for order in orders {
        let working = hear_all(client, order, &mut hear);
        match shutdown.token().run_until_cancelled(working).await.transpose()? {
            Some(Some(End::Done)) => {}
            Some(Some(End::Failed)) => break,
            Some(None) => bail!("the connection ended before the work did. Nothing is lost: run it again"),
            // The console notices that nobody listens, and stops as well.
            None => bail!("stopped before the end: run it again for the rest"),
        }
    }
    Ok(())
}

/// How the work on one order ended.
enum End {
    Done,
    Failed,
}

/// Hears what the console tells of one order, and how it ended; `None`: that was not told.
async fn hear_all(client: &Client, order: &Order, mut hear: impl FnMut(Heard)) -> Result<Option<End>, ApiError> {
    let work = Work { order, all: order.filter.is_empty() };
    let mut lines = client.work(&["v1", "dead-letters", "work"], &work).await?;
    let mut end = None;
    while let Some(line) = lines.next().await? {
        // What does not fit is not quoted: it may be about a person.
        let line = serde_json::from_str(&line).map_err(|_| lines.stranger("a line about letters is unreadable"))?;
        match line {
            Line::Begun { on_record: true } => {}
            Line::Begun { on_record: false } => hear(Heard::NotOnRecord),
            Line::Told(told) => {
                end = match &told {
                    Told::Letter { .. } => None,
                    Told::Done(_) => Some(End::Done),
                    Told::Failed { .. } => Some(End::Failed),
                };
                hear(Heard::Told(told));
            }
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
