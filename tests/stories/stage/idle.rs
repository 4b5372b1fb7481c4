//! When nothing is left to do: only then a story can say that nothing came twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DEADLINE, Metrics, Stage, until};

/// RabbitMQ's counts may be this old.
const COUNTS_LATE: Duration = Duration::from_millis(700);

/// The queues that keep messages for good: the records of all events and of the dead letters, and those themselves.
const RECORDS: [&str; 2] = ["journal.events", "journal.dead"];
const DEAD: &str = "tropomq.dead";

/// The work of the bus: the kind of an event, and where it is handled.
const WORK: [(&str, &str); 4] = [
    ("message.received", "router.message.received"),
    ("message.send", "egress.message.send."),
    ("session.result", "egress.session.result"),
    ("delivery.reported", "egress.delivery.reported"),
];

impl Stage {
    /// Waits until nothing is left to do: every session has ended, and no message waits on the bus.
    pub(crate) async fn settle(&self) {
        self.settle_with_dead(0).await;
    }

    /// The same, with so many dead letters.
    pub(crate) async fn settle_with_dead(&self, dead: u64) {
        let mut sessions = Sessions::default();
        loop {
            sessions.wait_for_end(self).await;
            if self.broker.is_none() && self.is_restarted {
                self.probe().await;
                sessions.wait_for_end(self).await;
            }
            let known = sessions.ended.len();
            match &self.broker {
                None => self.wait_for_embedded_bus(dead).await,
                Some(_) => self.wait_for_rabbitmq(dead).await,
            }
            // What was on the bus may have begun more sessions.
            sessions.wait_for_end(self).await;
            if sessions.ended.len() == known {
                return;
            }
        }
    }

    /// Waits until the queues of the virtual host are empty, for as long as their counts may be late.
    async fn wait_for_rabbitmq(&self, dead: u64) {
        let vhost = &self.broker.as_ref().expect("RabbitMQ").vhost;
        let (started, mut idle_since) = (Instant::now(), None::<Instant>);
        until(&format!("the queues are empty, with {dead} dead letters"), async || {
            let vhost = Arc::clone(vhost);
            let queues = tokio::task::spawn_blocking(move || vhost.queues()).await.unwrap().unwrap();
            let is_idle = queues.iter().all(|(name, messages)| match name.as_str() {
                name if RECORDS.contains(&name) => true,
                DEAD => *messages == dead,
                _ => *messages == 0,
            });
            // What a busy broker did not confirm at once comes by the spool of ingress.
            let is_idle = is_idle && self.metrics().await.sum("tropomq_spool_messages", &[]) == 0;
            if !is_idle {
                idle_since = None;
                let mut filled = queues;
                filled.retain(|(_, messages)| 0 < *messages);
                assert!(started.elapsed() < DEADLINE, "there is still work after {DEADLINE:?}: {filled:?}");
                return None;
            }
            (COUNTS_LATE <= idle_since.get_or_insert_with(Instant::now).elapsed()).then_some(())
        })
        .await;
    }

    /// Waits until the one process has settled all that was published.
    async fn wait_for_embedded_bus(&self, dead: u64) {
        until("the embedded bus is idle", async || {
            let metrics = self.metrics().await;
            let is_idle = WORK.into_iter().all(|(kind, queue)| {
                // What an earlier process published was not counted here: the probe went behind it.
                metrics.consumed(queue) == metrics.settled(queue, "")
                    && (self.is_restarted || offered(&metrics, kind, queue) == metrics.consumed(queue))
            });
            (is_idle && (self.is_restarted || metrics.settled("", "dead") == dead)).then_some(())
        })
        .await;
    }

    /// Sends a text through everything. Queues keep their order, so what was on them before it has been delivered.
    async fn probe(&self) {
        let phone = self.phone(9_999);
        let count = phone.inbox().await.len();
        phone.text("echo probe").await;
        phone.received(count + 1).await;
    }
}

/// How many deliveries of a queue there must be: what was published, and what was put back.
fn offered(metrics: &Metrics, kind: &str, queue: &str) -> u64 {
    metrics.published(kind)
        + metrics.replayed(queue)
        + metrics.settled(queue, "retried")
        + metrics.settled(queue, "returned")
}

/// The sessions that Tropo has had.
#[derive(Default)]
struct Sessions {
    last_line: u64,
    open: HashSet<String>,
    ended: HashSet<String>,
}

impl Sessions {
    async fn wait_for_end(&mut self, stage: &Stage) {
        until("all sessions end", async || {
            for line in stage.tropo.lines_after(self.last_line).await {
                self.last_line = line.line;
                self.open.extend(line.session_id.filter(|id| !self.ended.contains(id)));
            }
            for id in self.open.clone() {
                if stage.tropo.session(&id).await.has_ended() {
                    self.open.remove(&id);
                    self.ended.insert(id);
                }
            }
            self.open.is_empty().then_some(())
        })
        .await;
    }
}
