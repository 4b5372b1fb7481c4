//! When everything has come to rest: only then the texts can be counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Ledger;

use super::account::Fate;
use super::config::SILENCE_MAX;
use super::evidence;
use super::load::Sent;
use super::plan::Shape;
use super::run::Run;
use super::stage::{VHOST, blocking};
use super::tropo::Texted;

/// How long nothing may change where every text has its reply or its end on record: a reply too many would have come.
const QUIET: Duration = Duration::from_secs(5);

/// How long between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The queues that keep what they have.
const KEPT: [&str; 3] = [protocol::topology::DEAD, protocol::topology::UNROUTED, "journal.events"];

/// How things stand.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    replies: usize,
    /// The accepted texts without a reply or an end on record.
    open: Vec<u64>,
    /// What waits on queues of the broker.
    queued: u64,
}

/// What is known already, and need not be asked again.
#[derive(Default)]
struct Known {
    fates: HashMap<u64, Fate>,
    ledger: Option<Arc<dyn Ledger>>,
}

impl Run<'_> {
    /// Waits until nothing changes any more, and says whether that came about in time.
    ///
    /// # Errors
    /// Tropo or the broker cannot be asked.
    pub(super) async fn settle(&self) -> anyhow::Result<bool> {
        let deadline = Instant::now() + self.drill.settle;
        let (mut known, mut last, mut since) = (Known::default(), None, Instant::now());
        while Instant::now() < deadline {
            let standing = self.standing(&mut known).await?;
            if last.as_ref() != Some(&standing) {
                (last, since) = (Some(standing), Instant::now());
            } else if standing.queued == 0 {
                // What is open may still be told its end, after the longest of all waits.
                let silence = if standing.open.is_empty() { QUIET } else { SILENCE_MAX };
                if silence <= since.elapsed() {
                    return Ok(true);
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(false)
    }

    async fn standing(&self, known: &mut Known) -> anyhow::Result<Standing> {
        let mut unanswered = self.load.texts();
        unanswered.retain(|(number, _)| self.load.replies(*number).is_empty());
        let mut unasked = unanswered.clone();
        unasked.retain(|(number, _)| !known.fates.contains_key(number));
        known.fates.extend(self.fates(&unasked).await?);
        // Tropo still brings what has no fate yet.
        unanswered.retain(|(number, _)| known.fates.get(number).is_none_or(|fate| *fate == Fate::Accepted));
        let open = self.open(&unanswered, &mut known.ledger).await?;
        Ok(Standing { replies: self.load.replies_count(), open, queued: self.queued()? })
    }

    /// Those of which the ledger tells no end. A ledger that does not answer tells none.
    async fn open(&self, texts: &[(u64, Sent)], ledger: &mut Option<Arc<dyn Ledger>>) -> anyhow::Result<Vec<u64>> {
        let mut messages = Vec::new();
        for (number, Sent { texted, .. }) in texts {
            if let Texted::Taken(session) = texted {
                messages.push((*number, evidence::answer_to(session)?));
            }
        }
        if ledger.is_none() {
            *ledger = store::open(&self.stage.store).await.ok();
        }
        let ids: Vec<_> = messages.iter().map(|(_, id)| *id).collect();
        let ends = match ledger {
            Some(ledger) => evidence::in_ledger(&**ledger, &ids).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        Ok(messages.into_iter().filter(|(_, id)| !ends.contains_key(id)).map(|(number, _)| number).collect())
    }

    /// How much waits on the broker. What waits on an embedded bus shows in its texts alone.
    fn queued(&self) -> anyhow::Result<u64> {
        let Some(servers) = self.stage.servers.as_ref().filter(|_| self.shape() == Shape::Services) else {
            return Ok(0);
        };
        let queues = blocking(|| servers.broker.queues(VHOST))?;
        let waiting = queues.into_iter().filter(|(name, _)| !KEPT.contains(&name.as_str()));
        Ok(waiting.map(|(_, messages)| messages).sum())
    }
}
