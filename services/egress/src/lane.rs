//! A backend's lane: one attempt to get a message to Tropo.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use messaging::{Context, Disposition, Handler, Outgoing, Settle, trace};
use protocol::{
    BackendName, Envelope, Event, EventId, FailureReason, Head, MessageExpired, MessageFailed, MessageLaunched,
    MessageReleased, MessageSend, SessionId, Timestamp,
};
use store::{LedgerError, Record, Release, Why};
use tropo::launch::{Launched, Refusal};
use tropo::ticket::Ticket;

use crate::pace::Pace;
use crate::pending::Ended;
use crate::{Backend, ClientError, Egress, OnUnconfirmed, delay, end, observe, patience};

/// How far the clocks of two replicas may be apart. A message is given up only when no ticket of it can be valid by
/// any replica's clock.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);

/// So many messages in a row are given up because Tropo refused them. What it refuses after that waits: then it is not
/// about a message, but about the token, or about something between us and Tropo, and nobody gains by a whole backlog
/// among the dead letters.
const REFUSALS_MAX: u32 = 5;

/// How long it waits.
const REFUSED_WAIT: Duration = Duration::from_mins(1);

/// How long after its launch a session may come for its message. One that never comes is launched anew long before;
/// one that comes later than this gets nothing, and the next launch does.
const TICKET_LIFETIME: Duration = Duration::from_mins(15);

/// The longest ticket, in bytes, so that its call-back passes every limit on the way. The longest text, of characters
/// that need no escapes, makes one of 60 KiB.
const TICKET_BYTES_MAX: usize = 128 * 1024;

/// Handles what one backend shall send.
pub struct Lane {
    pub(crate) egress: Arc<Egress>,
    name: BackendName,
    backend: Backend,
    pace: Option<Pace>,
    /// How many refusals came since Tropo last created a session.
    refusals: AtomicU32,
}

/// Why a message is not released yet.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The ledger gives no answer: nothing may be launched without knowing whether it was released.
    #[error("the release ledger does not say whether it was released")]
    Ledger(#[source] LedgerError),
    /// No session could be created.
    #[error(transparent)]
    Client(ClientError),
    /// A session was created, and did not call back.
    #[error("the session did not call back within {timeout:?}")]
    NoCallBack {
        /// How long it was waited for.
        timeout: Duration,
        /// The session, where Tropo named it.
        session_id: Option<SessionId>,
    },
    /// Tropo will never take it as things are: the token is wrong, say.
    #[error("Tropo rejected the message for good: {detail}")]
    Rejected {
        /// Why, in Tropo's words or ours.
        detail: String,
        /// What to tell the others.
        failed: Box<Envelope<MessageFailed>>,
    },
    /// The command is on the lane of one backend and names another.
    #[error("the command names backend {found}, and came on the lane of {lane}")]
    OtherBackend {
        /// The backend that it names.
        found: BackendName,
        /// The lane that it came on.
        lane: BackendName,
    },
    /// Its time to live ran out.
    #[error("the message expired before any session took it")]
    Expired {
        /// What to tell the others.
        expired: Box<Envelope<MessageExpired>>,
    },
}

impl Settle for SendError {
    fn disposition(&self) -> Disposition {
        match self {
            // What is on record of this one message is damaged, and stays so.
            Self::Ledger(LedgerError::Unreadable(_)) => Disposition::DeadLetter,
            Self::Ledger(LedgerError::Unavailable(_) | LedgerError::Denied(_) | LedgerError::Corrupt(_))
            | Self::NoCallBack { .. } => Disposition::Retry { after: None },
            Self::Client(ClientError::Build(_) | ClientError::Unreachable(_)) => Disposition::Retry { after: None },
            Self::Client(ClientError::Refused { refusal, .. }) => match refusal {
                Refusal::Throttled { retry_after } => Disposition::Retry { after: *retry_after },
                Refusal::Unavailable { .. } | Refusal::Unreadable => Disposition::Retry { after: None },
                Refusal::Rejected { .. } => Disposition::Retry { after: Some(REFUSED_WAIT) },
            },
            Self::Rejected { .. } | Self::OtherBackend { .. } | Self::Expired { .. } => Disposition::DeadLetter,
        }
    }

    fn outgoing(&self) -> Vec<Outgoing> {
        match self {
            Self::Rejected { failed, .. } => vec![Outgoing::new(failed)],
            Self::Expired { expired } => vec![Outgoing::new(expired)],
            Self::Ledger(_) | Self::Client(_) | Self::NoCallBack { .. } | Self::OtherBackend { .. } => Vec::new(),
        }
    }
}

impl Handler for Lane {
    type Event = MessageSend;
    type Error = SendError;

    async fn handle(&self, command: Envelope<MessageSend>, context: &Context) -> Result<Vec<Outgoing>, SendError> {
        let Envelope { head, data } = command;
        let attempted = self.attempt(&head, data, context).await;
        let delayed = attempted.as_ref().err().and_then(|error| delay::of(&head, error, context));
        delayed.into_iter().for_each(|delayed| context.progress(delayed));
        match attempted {
            Err(ended @ (SendError::Expired { .. } | SendError::Rejected { .. })) if self.backend.is_probe => {
                Ok(ended.outgoing())
            }
            attempted => attempted,
        }
    }
}

impl Lane {
    pub(crate) fn new(egress: Arc<Egress>, name: BackendName, backend: Backend) -> Self {
        let pace = backend.rate.map(Pace::new);
        Self { egress, name, backend, pace, refusals: AtomicU32::new(0) }
    }

    async fn attempt(&self, head: &Head, data: MessageSend, context: &Context) -> Result<Vec<Outgoing>, SendError> {
        if head.backend != self.name {
            return Err(SendError::OtherBackend { found: head.backend.clone(), lane: self.name.clone() });
        }
        // Before anything else is waited for: the order of the queue is the order of the turns.
        let _turn = match &self.pace {
            Some(pace) => Some(pace.people.turn(&data.to).await),
            None => None,
        };
        let expires_at = self.expires_at(head, &data, context);
        match self.known(head, context).await? {
            Some(Record::Released(release)) => return Ok(vec![released(head, &release)]),
            Some(Record::GivenUp(given_up)) => return end::of(head, &given_up, expires_at),
            Some(Record::Open) | None => {}
        }
        let attempts_before = context.attempt.saturating_sub(1);
        if !self.is_permitted(head, &data, context).await? {
            return self.give_up(head, Why::OptedOut, attempts_before, expires_at, context).await;
        }
        if let Some(pace) = &self.pace {
            pace.wait(&context.environment).await;
        }
        let now = context.environment.now();
        if let Some(detail) = unsendable(&data) {
            return Ok(vec![Outgoing::new(&failed(head, now, detail))]);
        }
        if expires_at.saturating_add(CLOCK_SKEW_MAX).is_ok_and(|given_up_at| given_up_at <= now) {
            return self.give_up(head, Why::Expired, attempts_before, expires_at, context).await;
        }
        let ticket = self.ticket(head, data, expires_at, context);
        if TICKET_BYTES_MAX < ticket.len() {
            return Ok(vec![Outgoing::new(&failed(head, now, "the text is too long with its escapes"))]);
        }
        match self.launch_and_wait(head, ticket, context).await {
            // Unless everything is refused: then it waits.
            Err(SendError::Client(ClientError::Refused { refusal: refusal @ Refusal::Rejected { .. }, .. }))
                if self.refusals.fetch_add(1, Ordering::Relaxed) < REFUSALS_MAX =>
            {
                let why = Why::Refused { detail: refusal.to_string() };
                self.give_up(head, why, context.attempt, expires_at, context).await
            }
            launched => match launched? {
                Ended::Released(release) => Ok(vec![released(head, &release)]),
                Ended::GivenUp(given_up) => end::of(head, &given_up, expires_at),
            },
        }
    }

    /// How the wait of a message ends, by what is on record.
    async fn find(&self, head: &Head) -> Result<Option<Ended>, SendError> {
        let Egress { ledger, environment, .. } = &*self.egress;
        let found = patience::answer(environment, || ledger.look_up(head.id)).await.map_err(SendError::Ledger)?;
        Ok(match found {
            Some(Record::Released(release)) => Some(Ended::Released(release)),
            Some(Record::GivenUp(given_up)) => Some(Ended::GivenUp(given_up)),
            Some(Record::Open) | None => None,
        })
    }

    /// Whether the person may be sent the message, for all that is known before its launch.
    async fn is_permitted(&self, head: &Head, data: &MessageSend, context: &Context) -> Result<bool, SendError> {
        let consents = &self.egress.consents;
        let asking = patience::answer(&context.environment, || consents.permits(head.id, &self.name, &data.to));
        asking.await.map_err(SendError::Ledger)
    }

    fn expires_at(&self, head: &Head, data: &MessageSend, context: &Context) -> Timestamp {
        let after = |began: Timestamp, duration| began.saturating_add(duration).unwrap_or(Timestamp::MAX);
        let config = &self.egress.config;
        // A producer whose clock is ahead must not have its message outlive what the ledger remembers.
        let commanded_at = head.time.min(context.environment.now());
        // Whoever replays a command wants it sent from then on. But not later than the ledger remembers what became of
        // it the first time: it may have been released, and nobody would know any more.
        let began = context.replayed_at.map_or(commanded_at, |replayed_at| commanded_at.max(replayed_at));
        // Some replica's clock may be ahead, and forget that much sooner.
        let forgotten_at = after(commanded_at, config.retention.saturating_sub(CLOCK_SKEW_MAX * 2));
        data.expires_at.unwrap_or_else(|| after(began, config.time_to_live)).min(forgotten_at)
    }

    fn ticket(&self, head: &Head, data: MessageSend, expires_at: Timestamp, context: &Context) -> String {
        let now = context.environment.now();
        let lifetime = now.saturating_add(TICKET_LIFETIME).unwrap_or(Timestamp::MAX);
        self.egress.keyring.seal(&Ticket {
            message_id: head.id,
            backend: self.name.clone(),
            attempt: context.attempt,
            correlation_id: head.correlation_id.clone(),
            to: data.to,
            from: data.from,
            text: data.text,
            network: data.network,
            trace: trace::current(),
            worth_until: (self.backend.on_unconfirmed == OnUnconfirmed::Resend).then_some(expires_at),
            expires_at: expires_at.min(lifetime),
        })
    }

    /// Creates a session, and waits for its call-back.
    async fn launch_and_wait(&self, head: &Head, ticket: String, context: &Context) -> Result<Ended, SendError> {
        let environment = &context.environment;
        // Before the session is created: its call-back may come before the create reply.
        let mut wait = self.egress.pending.wait_for(head.id);
        let mut session_id = None;
        // A copy of the same message, after a lost connection say, has a session on its way already: one is enough.
        if !wait.joined {
            let asked_at = environment.now();
            let session_api = self.backend.session_api.as_ref().unwrap_or(&self.egress.session_api);
            let created = session_api.create(&self.backend.messaging_token, ticket, environment).await;
            let took = environment.now().duration_since(asked_at).try_into().unwrap_or_default();
            observe::asked(&self.name, &created, took);
            match created {
                Ok(launched) => {
                    session_id.clone_from(&launched.session_id);
                    self.launched(head, launched, asked_at, context);
                }
                // Whatever the create reply says, a session that called back has the message, here or elsewhere.
                Err(error) => {
                    return match wait.now() {
                        Some(ended) => Ok(ended),
                        None => self.find(head).await?.ok_or(SendError::Client(error)),
                    };
                }
            }
        }
        let timeout = self.egress.config.callback_timeout;
        match wait.within(timeout, environment).await {
            Some(ended) => Ok(ended),
            // The call-back may have come to another replica a moment ago.
            None => self.find(head).await?.ok_or(SendError::NoCallBack { timeout, session_id }),
        }
    }

    fn launched(&self, head: &Head, launched: Launched, asked_at: Timestamp, context: &Context) {
        observe::launched(head, context.attempt);
        self.refusals.store(0, Ordering::Relaxed);
        let Some(session_id) = launched.session_id else { return };
        let (attempt, now) = (context.attempt, context.environment.now());
        // A clock that was set back meanwhile tells nothing.
        let took_us = u64::try_from(now.duration_since(asked_at).as_micros()).ok();
        let data = MessageLaunched { message_id: head.id, session_id: session_id.clone(), attempt, took_us };
        let mut event = Envelope::caused_by(head, attempt, now, data);
        // Of this very session: the same attempt may create another after a crash.
        event.head.id = EventId::of_webhook(&self.name, &session_id, MessageLaunched::KIND, "");
        context.progress(Outgoing::new(&event.correlated(&session_id)));
    }
}

/// Why a message can never be sent.
fn unsendable(data: &MessageSend) -> Option<&'static str> {
    if !data.to.is_reachable() {
        return Some("there is nobody to send it to: the address is withheld");
    }
    // A number that is written too oddly to be read would pass what its owner chose about being texted.
    if !data.to.is_reachable_on(&data.network) {
        return Some("to is neither a telephone number nor a short code: write it as in +1-555-555-0100");
    }
    data.text.as_str().is_empty().then_some("the text is empty")
}

/// What nothing would mend.
fn failed(head: &Head, now: Timestamp, detail: &str) -> Envelope<MessageFailed> {
    let reason = FailureReason::Unsendable;
    let data = MessageFailed { message_id: head.id, session_id: None, reason, detail: detail.to_owned() };
    Envelope::caused_by(head, 0, now, data)
}

/// That it is released, told as often as it is asked.
pub(crate) fn released(head: &Head, release: &Release) -> Outgoing {
    observe::released(head, release);
    let data = MessageReleased {
        message_id: head.id,
        session_id: release.session_id.clone(),
        released_at: release.released_at,
    };
    // The time of the release itself, so that a redelivery says the same again.
    let event = Envelope::caused_by(head, release.life, release.released_at, data);
    Outgoing::new(&event.correlated(&release.session_id))
}
