//! Asks the applications for an answer to what people text, and publishes it.
//!
//! ```text
//! message.received ──► filter ──► parse ──► handle ──► default ──► cleanup ──► outgoing ──► message.send …
//!                        │ takes it           │ takes it                                  └► message.routed
//!                        └────────────────────┴──────────────────► cleanup
//! ```
//!
//! Applications are asked in the order of the configuration; who takes a text is the last to be asked to. A person's
//! texts take turns: none is asked about before the one before it has come to its end.
//!
//! Invariant: what changes anything, or might be answered otherwise the next time, is on record before anything of it is
//! published. So a text that comes again publishes the same messages, with the same ids.

mod amqp;
pub mod api;
pub mod application;
mod applications;
mod config;
mod crowd;
#[cfg(test)]
mod fake;
mod fold;
mod forget;
mod http;
mod matching;
mod observe;
pub mod participant;
mod pipeline;
pub mod rapidsms;
mod routed;
pub mod signature;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use messaging::{Context, Disposition, Environment, Handler, Outgoing, RetryPolicy, Settle, Turns};
use protocol::{Address, BackendName, Envelope, IgnoredReason, MessageReceived, Timestamp};
use store::{LedgerError, Memories};

pub use amqp::{AmqpConfig, OfferedIn};
use application::Text;
pub use applications::built_in;
pub use config::{
    Again, AnswerRange, Config, ConfigError, Dialogue, DialogueStep, Group, KeywordHelp, KeywordRule, NextStep,
    Options, Phrases, Poll, Recipient, RecipientError,
};
use crowd::Crowd;
pub use forget::forget;
pub use http::{HttpConfig, OnError};
use pipeline::{Away, Pipeline, Stopped};
use rapidsms::Projects;
use routed::Routed;

/// How long a text waits, in hand, before the applications are asked about it again. While it waits, so do the person's
/// other texts.
const AGAIN: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(250), longest: Duration::from_secs(15), attempts_max: None };

/// How long a text waits at least for an application that is away, however many others are in hand.
const CROWDED_WAIT: Duration = Duration::from_secs(10);

/// How long a text waits at least once its turn has come, however long it waited for that; and how long it is in hand at most.
/// RabbitMQ takes back what is in hand for 30 minutes.
const TURN_WAIT: Duration = Duration::from_secs(30);
const IN_HAND_MAX: Duration = Duration::from_mins(25);

/// How often the applications are asked anew because what is remembered was changed meanwhile. Others have come to an end
/// each time; so many cannot have.
const STALE_MAX: u32 = 50;

/// Handles what people text.
pub struct Router {
    pipeline: RwLock<Arc<Pipeline>>,
    probe: Probe,
    own_numbers: BTreeSet<Address>,
    memories: Arc<dyn Memories>,
    turns: Turns<(BackendName, Address)>,
    crowd: Crowd,
    projects: Projects,
}

/// Who handles what the flow probe texts, and through which backends it does.
struct Probe {
    backends: BTreeSet<BackendName>,
    pipeline: Arc<Pipeline>,
}

/// Why a text is not answered.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// An application was away for too long, or will never answer.
    #[error("{because}")]
    GivenUp {
        /// Who, and why.
        because: String,
        /// What to tell the others.
        told: Vec<Outgoing>,
    },
    /// What is on record of it cannot be understood.
    #[error("what is on record of the text or its person cannot be understood")]
    Unreadable(#[source] serde_json::Error),
    /// The database is damaged, or not of the expected form.
    #[error("what is remembered of the person cannot be read")]
    Memories(#[source] LedgerError),
}

impl Settle for RouteError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::GivenUp { .. } | Self::Unreadable(_) => Disposition::DeadLetter,
            // What is on record of this one person is damaged, and stays so.
            Self::Memories(LedgerError::Unreadable(_)) => Disposition::DeadLetter,
            Self::Memories(LedgerError::Unavailable(_) | LedgerError::Denied(_) | LedgerError::Corrupt(_)) => {
                Disposition::Retry { after: None }
            }
        }
    }

    fn outgoing(&self) -> Vec<Outgoing> {
        match self {
            Self::GivenUp { told, .. } => told.clone(),
            Self::Unreadable(_) | Self::Memories(_) => Vec::new(),
        }
    }
}

/// What is wrong with a configuration, found without starting anything.
///
/// # Errors
/// [`ConfigError`] names the key that is wrong.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    applications::from_config(config, &Projects::default()).map(drop)
}

impl Router {
    /// A router with the configured applications. What comes from `own_numbers` is not answered: two backends of ours
    /// that texted each other would never stop.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is wrong.
    pub fn new(
        config: &Config,
        own_numbers: BTreeSet<Address>,
        memories: Arc<dyn Memories>,
    ) -> Result<Self, ConfigError> {
        let projects = Projects::default();
        let pipeline = RwLock::new(Arc::new(Pipeline::new(applications::from_config(config, &projects)?)));
        projects.configure(&config.rapidsms);
        let crowd = Crowd::new(config.prefetch);
        let probe = Probe { backends: BTreeSet::new(), pipeline: Arc::new(Pipeline::new(vec![applications::probe()])) };
        Ok(Self { pipeline, probe, own_numbers, memories, turns: Turns::default(), crowd, projects })
    }

    /// The same, and these backends are the flow probe's: no application sees their texts but its own.
    #[must_use]
    pub fn with_probe(mut self, backends: BTreeSet<BackendName>) -> Self {
        self.probe.backends = backends;
        self
    }

    /// Takes other applications from now on. Texts in hand end with those that they began with, unless they begin anew.
    ///
    /// # Errors
    /// [`ConfigError`]: the applications stay as they were.
    pub fn reconfigure(&self, config: &Config) -> Result<(), ConfigError> {
        let pipeline = Arc::new(Pipeline::new(applications::from_config(config, &self.projects)?));
        self.projects.configure(&config.rapidsms);
        *self.pipeline.write().unwrap_or_else(PoisonError::into_inner) = pipeline;
        Ok(())
    }

    /// Who handles the texts of a backend.
    fn pipeline_of(&self, backend: &BackendName) -> Arc<Pipeline> {
        if self.probe.backends.contains(backend) { Arc::clone(&self.probe.pipeline) } else { self.pipeline() }
    }

    fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why nobody is asked about a text.
    fn nobody(&self, received: &MessageReceived) -> Option<IgnoredReason> {
        if !received.from.is_reachable() {
            return Some(IgnoredReason::WithheldSender);
        }
        self.own_numbers.contains(&received.from).then_some(IgnoredReason::OwnNumber)
    }

    /// Asks the applications until one has answered, or it was waited for long enough. `began`: when the text came in hand.
    async fn route(
        &self,
        received: &Envelope<MessageReceived>,
        began: Timestamp,
        context: &Context,
    ) -> Result<(Routed, u32), RouteError> {
        let Environment { clock, chance } = &context.environment;
        let turned = clock.now();
        let (mut attempt, mut stale) = (1, 0);
        loop {
            // What comes again may be on record, whoever is asked now.
            let is_again = context.redelivered || 1 < attempt;
            let text = text(received, clock.now());
            let stopped = match self.pipeline_of(&received.head.backend).route(text, is_again, &*self.memories).await {
                Ok(routed) => return Ok((routed, attempt)),
                Err(stopped) => stopped,
            };
            observe::stopped(&received.head, attempt, &stopped);
            let wait = AGAIN.delay(attempt, None, &**chance).unwrap_or(AGAIN.longest);
            match stopped {
                Stopped::Away(away) => {
                    if let Some(told) = self.wait_for(&away, wait, (began, turned), context).await {
                        let Away { application, because, trail, .. } = *away;
                        let because = format!("application {application} was away for {told}: {because}");
                        return Err(given_up(because, trail, received, attempt, context));
                    }
                }
                Stopped::Failed { application, because, trail } => {
                    let because = format!("application {application}: {because}");
                    return Err(given_up(because, *trail, received, attempt, context));
                }
                Stopped::Stale if stale == STALE_MAX => {
                    let because = "what is remembered of the person was changed each time".to_owned();
                    return Err(given_up(because, Routed::given_up(), received, attempt, context));
                }
                Stopped::Unreadable(error) => return Err(RouteError::Unreadable(error)),
                Stopped::Memories(error) if !error.is_away() => return Err(RouteError::Memories(error)),
                Stopped::Memories(_) => clock.sleep(wait).await,
                Stopped::Stale => {
                    stale += 1;
                    clock.sleep(wait).await;
                }
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Waits until an application that was away may be asked again; how long it was away, if that is too long.
    ///
    /// While it is surely not asked, those before it are not asked again either.
    async fn wait_for(
        &self,
        away: &Away,
        wait: Duration,
        (began, turned): (Timestamp, Timestamp),
        context: &Context,
    ) -> Option<String> {
        let clock = &context.environment.clock;
        let since = |moment| Duration::try_from(clock.now().duration_since(moment)).unwrap_or_default();
        let mut wait = away.retry_after.map_or(wait, |after| after.max(wait));
        loop {
            let waited = since(began);
            let is_over = away.give_up_after <= waited && TURN_WAIT.min(away.give_up_after) <= since(turned);
            if is_over || IN_HAND_MAX <= waited {
                return Some(format!("{waited:.0?}"));
            }
            if CROWDED_WAIT <= waited && self.crowd.is_crowded(&context.queue) {
                return Some(format!("{waited:.0?}, and too many texts wait"));
            }
            // No longer, whatever it asked for: there may be a crowd by then, or another configuration.
            let left = away.give_up_after.saturating_sub(waited).max(AGAIN.first);
            clock.sleep(wait.min(AGAIN.longest).min(left)).await;
            wait = self.pipeline().rests(&away.application)?.max(AGAIN.first);
        }
    }
}

/// The text of an event, as applications see it.
fn text(Envelope { head, data }: &Envelope<MessageReceived>, now: Timestamp) -> Text {
    Text {
        id: head.id,
        backend: head.backend.clone(),
        correlation_id: head.correlation_id.clone(),
        received_at: head.time,
        received: data.clone(),
        words: data.text.clone(),
        notes: BTreeMap::new(),
        now,
    }
}

fn given_up(
    because: String,
    trail: Routed,
    received: &Envelope<MessageReceived>,
    attempts: u32,
    context: &Context,
) -> RouteError {
    let told = trail.events(received, None, attempts, context);
    RouteError::GivenUp { because, told }
}

impl Handler for Router {
    type Event = MessageReceived;
    type Error = RouteError;

    async fn handle(
        &self,
        received: Envelope<MessageReceived>,
        context: &Context,
    ) -> Result<Vec<Outgoing>, RouteError> {
        if let Some(reason) = self.nobody(&received.data) {
            observe::ignored(&received.head, reason);
            return Ok(Routed::not_asked().events(&received, Some(reason), 0, context));
        }
        context.until_settled(self.crowd.enter(&context.queue));
        // The time in hand counts, more than the time since the turn came: a person's texts grow old together.
        let began = context.environment.now();
        // Before anything else is waited for: the order of the queue is the order of the turns.
        let person = (received.head.backend.clone(), received.data.from.clone());
        context.until_settled(self.turns.turn(&person).await);
        let (routed, attempts) = self.route(&received, began, context).await?;
        observe::routed(&received.head, &routed);
        Ok(routed.events(&received, None, attempts, context))
    }
}

#[cfg(test)]
mod tests;
