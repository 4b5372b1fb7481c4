//! When everything has come to rest: only then the texts can be counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::topology::QueueName;
use store::Ledger;

use super::account::Fate;
use super::config::SILENCE_MAX;
use super::evidence;
use super::load::Sent;
use super::plan::Shape;
use super::run::Run;
use super::stage::VHOST;
use super::tropo::Texted;
use crate::rig::blocking;

/// How long nothing may change where every text has its reply or its end on record: a reply too many would have come.
const QUIET: Duration = Duration::from_secs(5);

/// How long between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How things stand.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    replies: usize,
    /// The accepted texts without a reply or an end on record.
    open: Vec<u64>,
    /// What waits on queues of the broker.
    queued: u64,
    /// What waits in the spool of ingress; `None` where ingress does not say.
    spooled: Option<u64>,
}

impl Standing {
    /// How long nothing may change until everything has come to rest; `None` while it cannot have.
    fn silence(&self) -> Option<Duration> {
        if self.queued != 0 || self.spooled != Some(0) {
            return None;
        }
        // What is open may still be told its end, after the longest of all waits.
        Some(if self.open.is_empty() { QUIET } else { SILENCE_MAX })
    }
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
            } else if standing.silence().is_some_and(|silence| silence <= since.elapsed()) {
                return Ok(true);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if let Some(Standing { open, queued, spooled, .. }) = last {
            let spooled = spooled.map_or_else(|| "an unknown number".to_owned(), |count| count.to_string());
            self.tell(&format!(
                "NOT AT REST after {:?}: {} texts without an end, {queued} messages on queues, {spooled} in the spool",
                self.drill.settle,
                open.len(),
            ));
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
        // The spool first: what leaves it meanwhile is on a queue by then.
        let spooled = self.spooled().await;
        Ok(Standing { replies: self.load.replies_count(), open, queued: self.queued()?, spooled })
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
        let releases = match ledger {
            Some(ledger) => evidence::releases(&**ledger, &ids).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        messages.retain(|(_, id)| evidence::end_of(releases.get(id).copied(), None).is_none());
        Ok(messages.into_iter().map(|(number, _)| number).collect())
    }

    /// How much waits on the broker. What waits on an embedded bus shows in its texts alone.
    fn queued(&self) -> anyhow::Result<u64> {
        let Some(servers) = self.stage.servers.as_ref().filter(|_| self.shape() == Shape::Services) else {
            return Ok(0);
        };
        Ok(waiting(&blocking(|| servers.broker.queues(VHOST))?))
    }

    /// How much waits in the spool of ingress. The embedded bus has none.
    async fn spooled(&self) -> Option<u64> {
        match self.shape() {
            Shape::Services => in_spool(&self.stage.metrics("ingress").await?),
            Shape::OneProcess => Some(0),
        }
    }
}

/// How many messages are on queues that do not keep what they have.
fn waiting(queues: &[(String, u64)]) -> u64 {
    let kept = [QueueName::dead(), QueueName::unrouted(), QueueName::journal(), QueueName::journal_dead()];
    let is_kept = |name: &str| kept.iter().any(|queue| queue.as_str() == name);
    queues.iter().filter(|(name, _)| !is_kept(name)).map(|(_, messages)| messages).sum()
}

/// How many messages are in the spool, by what its process counts.
fn in_spool(metrics: &str) -> Option<u64> {
    let samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let mut samples = samples.filter(|(key, _)| key.split('{').next() == Some("tropomq_spool_messages"));
    samples.next()?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_a_dead_letter_wait_for_nobody() {
        let queue = |name: &str, messages| (name.to_owned(), messages);
        let kept = ["tropomq.dead", "tropomq.unrouted", "journal.events", "journal.dead"].map(|name| queue(name, 7));
        assert_eq!(waiting(&kept), 0);
        let work = [queue("router.message.received", 2), queue("tropomq.retry.500ms", 3), queue("journal.events", 7)];
        assert_eq!(waiting(&work), 5);
    }

    #[test]
    fn nothing_is_at_rest_while_anything_waits_on_a_queue_or_in_the_spool() {
        let standing = Standing { replies: 9, open: Vec::new(), queued: 0, spooled: Some(0) };
        assert_eq!(standing.silence(), Some(QUIET));
        assert_eq!(Standing { open: vec![3], ..standing.clone() }.silence(), Some(SILENCE_MAX));
        assert_eq!(Standing { queued: 1, ..standing.clone() }.silence(), None);
        assert_eq!(Standing { spooled: Some(1), ..standing.clone() }.silence(), None);
        assert_eq!(Standing { spooled: None, ..standing }.silence(), None, "ingress does not say");
    }

    #[test]
    fn what_is_in_the_spool_is_read_from_the_metrics() {
        let metrics = "# HELP tropomq_spool_messages Messages in the spool\n# TYPE tropomq_spool_messages gauge\n\
                       tropomq_spool_size_bytes 99\ntropomq_spool_messages{otel_scope_name=\"tropomq\"} 12\n";
        assert_eq!(in_spool(metrics), Some(12));
        assert_eq!(in_spool("tropomq_spool_messages 3\n"), Some(3));
        assert_eq!(in_spool("tropomq_spool_messages_total 3\n"), None);
        assert_eq!(in_spool(""), None);
    }
}
