//! The flow probe: every few seconds a text of our own goes the whole way, as a person's does, so that it is known whether
//! texts flow.
//!
//! ```text
//! phone of the simulator ──► ingress ──► bus ──► router: application probe ──► bus ──► egress ──► the same phone
//! ```
//!
//! Each console has phones of its own, one for each shard of people, and takes them in turn; the one whose text did not
//! come round is tried again, until one does.
//!
//! Invariant: each console has one text on its way at most, and none is worth an answer for longer than [`LIFE`]. So nothing
//! piles up while the way is blocked.

mod flow;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging::{BoxFuture, Chance, Environment};
use protocol::probe::{LIFE, Nonce};
use protocol::topology::{SHARDS, shard};
use protocol::{Address, BackendName, Network, SessionId, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::ProbeConfig;
use crate::explain::{Answer, Sought};
use crate::simulated::{PhoneMessage, SimulatedError, Texted, Texting};
use crate::{Backend, Console, observe};
pub use flow::{Flow, FlowState, ProbeOutcome, Probed, Stuck};

/// How long to wait before the phone is looked at again when that went wrong, or told nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest wait for what is known of a text.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(5);

/// How many numbers are drawn to find one for each shard.
const DRAWS_MAX: u32 = 2000;

/// What a text of the probe goes through, as far as the console reaches it.
pub(crate) trait Path: Send + Sync {
    /// A phone sends a text.
    fn text<'a>(&'a self, phone: &'a Address, texting: &'a Texting) -> BoxFuture<'a, Result<Texted, SimulatedError>>;

    /// What a phone received after an index, as soon as there is anything.
    fn messages<'a>(
        &'a self,
        phone: &'a Address,
        after: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<PhoneMessage>, SimulatedError>>;

    /// How far the text of a session came, as far as that is on record; `None`: nothing is known to be amiss.
    fn stuck<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Option<Stuck>>;
}

/// Sends texts round, and remembers what became of them.
pub(crate) struct Prober {
    config: ProbeConfig,
    number: Address,
    phones: Vec<Address>,
    environment: Environment,
    flow: Mutex<Flow>,
}

/// A phone, and the last of its messages that was read.
struct Phone {
    number: Address,
    after: u64,
}

/// A text on its way.
struct Sent {
    at: Timestamp,
    began: Instant,
    nonce: Nonce,
    session_id: SessionId,
}

impl Console {
    /// Whether texts are sent round: there is a backend for it, and a simulator.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.prober.is_some()
    }

    /// Sends texts round until shutdown is requested, and tells of each change what it means.
    pub async fn probe(self: Arc<Self>, shutdown: CancellationToken, tell: impl Fn(&Flow) + Send + Sync) {
        let Some(prober) = &self.prober else { return };
        shutdown.run_until_cancelled(prober.run(&*self, &tell)).await;
    }

    /// Whether texts flow.
    pub(crate) fn flow(&self) -> Flow {
        self.prober.as_ref().map(Prober::flow).unwrap_or_default()
    }

    /// The backends whose texts are the probe's, and nobody's: only who asks for them by name sees those.
    pub(crate) fn probed(&self) -> Vec<BackendName> {
        self.backends.iter().filter(|(_, backend)| backend.is_probe).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a backend is for the probe alone.
    pub(crate) fn is_for_the_probe(&self, backend: &BackendName) -> bool {
        self.backends.get(backend).is_some_and(|backend| backend.is_probe)
    }
}

impl Path for Console {
    fn text<'a>(&'a self, phone: &'a Address, texting: &'a Texting) -> BoxFuture<'a, Result<Texted, SimulatedError>> {
        Box::pin(async move {
            match &self.simulated {
                Some(simulated) => simulated.text(phone, texting).await,
                None => Err(SimulatedError::Away("none is configured".into())),
            }
        })
    }

    fn messages<'a>(
        &'a self,
        phone: &'a Address,
        after: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<PhoneMessage>, SimulatedError>> {
        Box::pin(async move {
            match &self.simulated {
                Some(simulated) => simulated.messages(phone, after, wait).await,
                None => Err(SimulatedError::Away("none is configured".into())),
            }
        })
    }

    fn stuck<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Option<Stuck>> {
        Box::pin(async move {
            let explanation = self.explained(&Sought::Id(session.clone()), false).await.ok()?;
            let question = explanation.questions.into_iter().find(|question| question.answer != Answer::Yes)?;
            let told = format!("{} {}", question.question, question.because);
            Some(Stuck { session_id: Some(session.clone()), question: Some(question.number), told })
        })
    }
}

impl Prober {
    /// A prober, where there is a backend for it.
    pub(crate) fn new(
        config: ProbeConfig,
        backends: &BTreeMap<BackendName, Backend>,
        environment: Environment,
    ) -> Option<Self> {
        let (name, backend) = backends.iter().find(|(_, backend)| backend.is_probe)?;
        let ours: BTreeSet<&Address> = backends.values().map(|backend| &backend.number).collect();
        let phones = phones(name, &ours, &*environment.chance);
        let flow = Mutex::new(Flow::starting(environment.now()));
        Some(Self { config, number: backend.number.clone(), phones, environment, flow })
    }

    /// What is known by now.
    pub(crate) fn flow(&self) -> Flow {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends one text after the other round, for ever.
    ///
    /// # Cancel safety
    /// What is on its way then is nobody's any more, and ends by itself.
    pub(crate) async fn run(&self, path: &dyn Path, tell: &(dyn Fn(&Flow) + Send + Sync)) {
        observe::probes();
        let Environment { clock, chance } = &self.environment;
        let phone = |number: &Address| Phone { number: number.clone(), after: 0 };
        let mut phones: VecDeque<Phone> = self.phones.iter().map(phone).collect();
        // Consoles that start together do not go on together.
        clock.sleep(self.config.interval.mul_f64(chance.unit())).await;
        while let Some(phone) = phones.front_mut() {
            let outcome = self.round(path, phone, tell).await;
            if outcome == ProbeOutcome::Ok {
                phones.rotate_left(1);
            }
            clock.sleep(self.config.interval.mul_f64(0.8 + 0.4 * chance.unit())).await;
        }
    }

    /// Sends one text round, until it is back or worth nothing any more.
    async fn round(&self, path: &dyn Path, phone: &mut Phone, tell: &(dyn Fn(&Flow) + Send + Sync)) -> ProbeOutcome {
        let sent = match self.send(path, phone).await {
            Ok(sent) => sent,
            Err((at, told)) => {
                self.fails(at, Stuck { session_id: None, question: Some(1), told });
                return self.ended(at, ProbeOutcome::Refused, None, None, tell);
            }
        };
        let Sent { at, began, ref session_id, .. } = sent;
        let until_late = began + self.config.timeout;
        let outcome = if self.comes_round(path, phone, &sent, until_late).await {
            ProbeOutcome::Ok
        } else {
            self.fails(at, self.explained(path, session_id, self.config.timeout).await);
            tell(&self.flow());
            if self.comes_round(path, phone, &sent, began + LIFE).await {
                ProbeOutcome::Late
            } else {
                self.fails(at, self.explained(path, session_id, LIFE).await);
                ProbeOutcome::Lost
            }
        };
        let took = (outcome != ProbeOutcome::Lost).then(|| began.elapsed());
        if let (ProbeOutcome::Late, Some(took)) = (outcome, took) {
            let told = format!("one took {took:.1?}");
            self.fails(at, Stuck { session_id: Some(session_id.clone()), question: None, told });
        }
        self.ended(at, outcome, took, Some(session_id.clone()), tell)
    }

    /// # Errors
    /// When it was to be sent, and why nobody took it.
    async fn send(&self, path: &dyn Path, phone: &Phone) -> Result<Sent, (Timestamp, String)> {
        let nonce = Nonce::of(self.environment.chance.bits());
        let texting = Texting { to: self.number.clone(), text: nonce.words(), network: Network::sms() };
        let (at, began) = (self.environment.now(), Instant::now());
        match path.text(&phone.number, &texting).await {
            Ok(Texted { session_id: Some(session_id) }) => Ok(Sent { at, began, nonce, session_id }),
            Ok(Texted { session_id: None }) => {
                Err((at, "the simulator has no application with the number of the probe's backend".to_owned()))
            }
            Err(error) => Err((at, error.to_string())),
        }
    }

    /// Waits until a text is back, or until then; whether it is.
    async fn comes_round(&self, path: &dyn Path, phone: &mut Phone, sent: &Sent, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let messages = path.messages(&phone.number, phone.after, left).await.unwrap_or_default();
            // Not the greatest that there was: the indexes of a simulator that was started anew are small again.
            phone.after = messages.last().map_or(phone.after, |last| last.index);
            if messages.iter().any(|message| Nonce::read(&message.text) == Some(sent.nonce)) {
                return true;
            }
            self.environment.clock.sleep(PAUSE.min(left)).await;
        }
    }

    /// What is known of a text that did not come round in that time.
    async fn explained(&self, path: &dyn Path, session: &SessionId, waited: Duration) -> Stuck {
        let stuck = tokio::select! {
            biased;
            stuck = path.stuck(session) => stuck,
            () = self.environment.clock.sleep(EXPLAINED_WITHIN) => None,
        };
        stuck.unwrap_or_else(|| {
            let told = format!("one had no answer after {waited:.1?}");
            Stuck { session_id: Some(session.clone()), question: None, told }
        })
    }

    fn fails(&self, at: Timestamp, stuck: Stuck) {
        let told = stuck.told.clone();
        let is_news = self.flow.lock().unwrap_or_else(PoisonError::into_inner).fails(at, stuck);
        observe::fails();
        if is_news {
            observe::stands_still(&told);
        }
    }

    fn ended(
        &self,
        at: Timestamp,
        outcome: ProbeOutcome,
        took: Option<Duration>,
        session_id: Option<SessionId>,
        tell: &(dyn Fn(&Flow) + Send + Sync),
    ) -> ProbeOutcome {
        observe::probed(outcome, took);
        let took_ms = took.map(flow::milliseconds);
        let (was_still, flow) = {
            let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
            let was_still = !flow.is_well();
            if outcome == ProbeOutcome::Ok {
                flow.flows(at);
            }
            flow.ended(Probed { at, outcome, took_ms, session_id });
            (was_still, flow.clone())
        };
        if outcome == ProbeOutcome::Ok {
            observe::flows();
            if was_still {
                observe::flows_again();
            }
        }
        tell(&flow);
        outcome
    }
}

/// Numbers of nobody, one for each shard of people: of the range that is kept for stories (+1 AAA 555 0100 to 0199).
fn phones(backend: &BackendName, ours: &BTreeSet<&Address>, chance: &dyn Chance) -> Vec<Address> {
    let mut of_shards = BTreeMap::new();
    for _ in 0..DRAWS_MAX {
        let bits = chance.bits();
        let (area, last) = (200 + (bits >> 64) % 700, bits % 100);
        let number = format!("+1{area}55501{last:02}").parse::<Address>();
        if let Some(number) = number.ok().filter(|number| !ours.contains(number)) {
            of_shards.entry(shard(backend, &number)).or_insert(number);
        }
        if usize::from(SHARDS) <= of_shards.len() {
            break;
        }
    }
    of_shards.into_values().collect()
}

#[cfg(test)]
mod tests;
