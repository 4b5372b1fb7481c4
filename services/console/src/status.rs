//! How everything is doing: processes, queues, backends, the journal.

mod amiss;
mod backends;
mod watched;

use std::time::Duration;

use chassis::config::duration;
use messaging::Depths;
use protocol::topology::QueueName;
use protocol::{BackendName, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::Console;
use crate::guard::{Caller, Scope};
use crate::probe::Flow;
use crate::problem::Problem;
pub use amiss::Amiss;
pub use backends::{BackendState, Failure, OptOuts, OptedOut};
pub(crate) use watched::client;
pub use watched::{Part, Process};

/// Over how long rates are counted.
const WINDOW: Duration = Duration::from_mins(5);

/// Of how many replies at most it is told how long they took.
const REPLIES_MAX: u32 = 1000;

/// How long something may be on its way before it is looked for, unless said.
const SETTLE: Duration = Duration::from_secs(10);

/// The longest that may be said.
const SETTLE_MAX: Duration = Duration::from_hours(24);

/// How everything is doing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The version of the console.
    pub version: String,
    /// Whether everything that was looked at is well.
    pub is_well: bool,
    /// Whether texts flow.
    pub flow: Flow,
    /// What is not.
    pub amiss: Vec<Amiss>,
    /// This process, and those that `console.watch` names.
    pub processes: Vec<Process>,
    /// How many messages the queues hold; `null` while the bus does not tell.
    pub queues: Option<Queues>,
    /// Each backend.
    pub backends: Vec<BackendState>,
    /// How long replies took lately, from the text to the release of the message.
    pub replies: Option<Replies>,
    /// The journal; `null` while the database is away.
    pub journal: Option<Kept>,
}

/// How many messages the queues hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Queues {
    /// Texts that wait for the router.
    pub texts: Waiting,
    /// Messages that wait for egress, of all backends.
    pub messages: Waiting,
    /// Results and delivery reports that wait for egress.
    pub reports: Waiting,
    /// Events that wait for the journal.
    pub journal: Waiting,
    /// Dead letters.
    pub dead: u64,
    /// What no queue was bound for.
    pub unrouted: u64,
}

/// What waits on a queue, or on several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// Ready to be handed out.
    pub ready: u64,
    /// In the hands of consumers, where the bus tells.
    pub in_hand: Option<u64>,
    /// Waiting to be tried again, where the bus tells.
    pub delayed: Option<u64>,
    /// Who consumes.
    pub consumers: u64,
}

/// How long replies took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replies {
    /// How many were counted: the latest of the last minutes.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ms: u64,
    /// Of twenty, nineteen took no longer.
    pub p95_ms: u64,
    /// Of a hundred, ninety-nine took no longer.
    pub p99_ms: u64,
}

/// How much the journal keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    /// Events.
    pub events: u64,
    /// Bytes of what they say.
    pub bytes: u64,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
}

impl Waiting {
    /// What waits on all of these queues that are there.
    fn on(depths: &Depths, queues: impl IntoIterator<Item = QueueName>) -> Self {
        let there = queues.into_iter().filter_map(|queue| depths.get(&queue));
        there.fold(Self::default(), |all, depth| Self {
            ready: all.ready + depth.ready,
            in_hand: depth.in_hand.map(|more| all.in_hand.unwrap_or_default() + more),
            delayed: depth.delayed.map(|more| all.delayed.unwrap_or_default() + more),
            consumers: all.consumers + depth.consumers,
        })
    }

    /// All of it, as far as it is told.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.ready + self.in_hand.unwrap_or_default() + self.delayed.unwrap_or_default()
    }
}

impl Console {
    /// How everything is doing. What does not answer in time is told as such.
    ///
    /// # Errors
    /// The caller may not.
    pub(crate) async fn status(&self, caller: &Caller) -> Result<Status, Problem> {
        caller.may(Scope::Read)?;
        let at = self.environment.now();
        let (processes, depths, backends, replies, journal) =
            tokio::join!(self.processes(), self.depths(), self.recent(at), self.replies(at), self.kept());
        let backends = self.backend_states(depths.as_ref(), backends);
        let queues = depths.as_ref().map(|depths| self.queues(depths));
        let flow = self.flow();
        let amiss = amiss::amiss(&flow, &processes, queues.as_ref(), &backends, journal.as_ref());
        let is_well = amiss.is_empty();
        let version = self.house.version().to_owned();
        Ok(Status { at, version, is_well, flow, amiss, processes, queues, backends, replies, journal })
    }

    async fn depths(&self) -> Option<Depths> {
        let lanes = self.backends.keys().map(QueueName::lane);
        let shared = [
            QueueName::results(),
            QueueName::reports(),
            QueueName::journal(),
            QueueName::journal_dead(),
            QueueName::dead(),
            QueueName::unrouted(),
        ];
        let queues: Vec<_> = QueueName::texts().chain(lanes).chain(shared).collect();
        in_time(self.bus.depths(&queues)).await
    }

    fn queues(&self, depths: &Depths) -> Queues {
        let all = |queue| Waiting::on(depths, [queue]).all();
        Queues {
            texts: Waiting::on(depths, QueueName::texts()),
            messages: Waiting::on(depths, self.backends.keys().map(QueueName::lane)),
            reports: Waiting::on(depths, [QueueName::results(), QueueName::reports()]),
            journal: Waiting::on(depths, [QueueName::journal(), QueueName::journal_dead()]),
            dead: all(QueueName::dead()),
            unrouted: all(QueueName::unrouted()),
        }
    }

    async fn replies(&self, now: Timestamp) -> Option<Replies> {
        let since = now.checked_sub(WINDOW).ok()?;
        let latencies = in_time(self.database.get()?.journal.latencies(since, REPLIES_MAX)).await?;
        let of_people = latencies.iter().filter(|reply| !self.is_for_the_probe(&reply.backend));
        let took = of_people.map(|reply| {
            let took = reply.released_at.duration_since(reply.texted_at);
            u64::try_from(took.as_millis()).unwrap_or_default()
        });
        let mut took: Vec<u64> = took.collect();
        took.sort_unstable();
        let percentile = |percent: usize| took.get((took.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Replies {
            count: u64::try_from(took.len()).ok()?,
            p50_ms: percentile(50)?,
            p95_ms: percentile(95)?,
            p99_ms: percentile(99)?,
        })
    }

    async fn kept(&self) -> Option<Kept> {
        let size = in_time(self.database.get()?.journal.size()).await?;
        Some(Kept { events: size.events, bytes: size.bytes, oldest: size.oldest })
    }

    /// The account of every text and message, and whether it adds up, as `tropomq balance --json` prints it.
    ///
    /// # Errors
    /// The caller may not, or it cannot be told now.
    pub(crate) async fn balance(
        &self,
        caller: &Caller,
        backend: Option<&BackendName>,
        settle: Option<&str>,
    ) -> Result<serde_json::Value, Problem> {
        caller.may(Scope::Read)?;
        let settle = match settle {
            None => SETTLE,
            Some(written) => duration::parse(written)
                .filter(|settle| *settle <= SETTLE_MAX)
                .ok_or_else(|| Problem::bad_request("settle: must be a time, as in 30s, of a day at most"))?,
        };
        let told = self.house.balance(backend, settle).await.map_err(Problem::unavailable)?;
        let is_known = |name: &BackendName| {
            let was_heard_of = told.get("account").and_then(|account| account.get(name.as_str())).is_some();
            was_heard_of || self.backends.contains_key(name)
        };
        match backend {
            Some(name) if !is_known(name) => {
                Err(Problem::not_found(format!("there is no backend {name}, nor was there")))
            }
            Some(_) | None => Ok(told),
        }
    }
}

/// What answers in time.
async fn in_time<T, E>(answer: impl Future<Output = Result<T, E>>) -> Option<T> {
    timeout(watched::ANSWER_MAX, answer).await.ok()?.ok()
}
