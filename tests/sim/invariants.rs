//! What must be true at the end of a run, by the books of all: the broker's, the ledger's, Tropo's.

use std::collections::{BTreeMap, BTreeSet};

use messaging::Message;
use messaging::headers::REASON;
use protocol::{BackendName, Envelope, EventId, Kind, SessionId};
use serde_json::Value;
use store::{Ledger, Outcome, Release};

use crate::broker::Broker;
use crate::ledger::wait;
use crate::tropo::{Launch, State, Taken, Text};
use crate::world::{World, lock};

type Event = Envelope<Value>;

/// The books of a run.
pub(crate) struct Books<'a> {
    world: &'a World,
    ledger: &'a dyn Ledger,
    tropo: State,
    /// Every event that was kept, those kept twice as well; every dead letter.
    events: Vec<Event>,
    dead: Vec<Message>,
    unrouted: usize,
}

impl<'a> Books<'a> {
    pub(crate) fn new(world: &'a World, broker: &Broker, ledger: &'a dyn Ledger, tropo: State) -> Self {
        let state = lock(&broker.state);
        let events = state.journal.iter().map(|message| Envelope::any_from_body(&message.body).unwrap()).collect();
        Self { world, ledger, tropo, events, dead: state.dead.clone(), unrouted: state.unrouted.len() }
    }

    /// Says everything that is wrong.
    pub(crate) fn check(&self) {
        if self.unrouted != 0 {
            self.wrong(format!("{} events were bound for no queue", self.unrouted));
        }
        self.equal_causes_have_equal_ids();
        for (session, text) in &self.tropo.texts {
            self.text_ends(&session.parse().unwrap(), text);
        }
        for launch in self.tropo.launches.values() {
            if let Some((to, words)) = &launch.texted {
                self.was_asked_for(to, words);
            }
        }
        for dead in &self.dead {
            let id: EventId = dead.properties.message_id.as_deref().unwrap_or_default().parse().unwrap();
            if !dead.properties.headers.contains_key(REASON) {
                self.wrong(format!("{id} is dead without a reason"));
            }
            if !self.tropo.rejected.contains(&id) {
                self.wrong(format!("{id} is dead, and Tropo never rejected it: {:?}", dead.properties.headers));
            }
        }
    }

    fn wrong(&self, what: String) {
        self.world.violation(what);
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.head.event_type.kind == kind)
    }

    /// Events of a kind that one cause had, each id once.
    fn caused(&self, cause: EventId, kind: Kind) -> BTreeSet<EventId> {
        self.of_kind(kind).filter(|event| event.head.causation_id == Some(cause)).map(|event| event.head.id).collect()
    }

    /// Whether an event of that kind about a message was kept.
    fn is_told(&self, kind: Kind, message: EventId) -> bool {
        let about = Value::String(message.to_string());
        self.of_kind(kind).any(|event| event.data.get("message_id") == Some(&about))
    }

    fn equal_causes_have_equal_ids(&self) {
        let mut ids: BTreeMap<(String, Kind), BTreeSet<EventId>> = BTreeMap::new();
        for event in &self.events {
            let head = &event.head;
            let kind = head.event_type.kind;
            // Each launched session is an event of its own, and each report of one.
            let part = match kind {
                // Where a message is sent again, each session that holds it is told of.
                Kind::MessageReleased | Kind::MessageUnconfirmed => format!("{:?}", event.data.get("session_id")),
                // Each attempt is one as well, and the next may come to the very same.
                Kind::MessageDelayed => format!("{} {}", head.time, event.data),
                Kind::MessageLaunched | Kind::DeliveryReported | Kind::SessionResult => event.data.to_string(),
                _ => String::new(),
            };
            let cause = head.causation_id.map(|id| id.to_string());
            let cause = cause.or(head.correlation_id.as_ref().map(ToString::to_string)).unwrap_or_default();
            ids.entry((cause + &part, kind)).or_default().insert(head.id);
        }
        for ((cause, kind), ids) in ids.iter().filter(|(_, ids)| 1 < ids.len()) {
            self.wrong(format!("{cause} caused one {kind} under several ids: {ids:?}"));
        }
    }

    /// Follows a text to its end.
    fn text_ends(&self, session: &SessionId, text: &Text) {
        let backend: BackendName = text.backend.parse().unwrap();
        let received = EventId::of_webhook(&backend, session, Kind::MessageReceived, "");
        let is_kept = self.of_kind(Kind::MessageReceived).any(|event| event.head.id == received);
        match (text.taken, is_kept) {
            (Taken::Yes, false) => return self.wrong(format!("text {session} was taken, and is not on the bus")),
            (Taken::No, true) => self.wrong(format!("text {session} was refused as not kept, and is on the bus")),
            (_, false) => return,
            (_, true) => {}
        }
        let ignored = self.caused(received, Kind::SessionIgnored);
        let sends = self.caused(received, Kind::MessageSend);
        let expected = if text.is_answered { (0, 1) } else { (1, 0) };
        if (ignored.len(), sends.len()) != expected {
            return self.wrong(format!("text {session} was ignored {} times, answered {}", ignored.len(), sends.len()));
        }
        for message in sends {
            self.message_ends(session, text, message);
            self.is_of_conversation(session, message);
        }
    }

    fn message_ends(&self, session: &SessionId, text: &Text, message: EventId) {
        let release = wait(self.ledger.find(&[message])).unwrap().pop();
        let is_dead = self.dead.iter().any(|dead| dead.properties.message_id == Some(message.to_string()));
        if self.is_told(Kind::MessageSuppressed, message) {
            let is_out = self.world.is_out(&text.backend.parse().unwrap(), &text.phone.parse().unwrap());
            if is_dead || release.is_some() || !is_out {
                self.wrong(format!("{message} is suppressed: dead {is_dead}, {release:?}, its person out {is_out}"));
            }
            return;
        }
        let Some(release) = release else {
            if !is_dead || !self.is_told(Kind::MessageFailed, message) {
                self.wrong(format!("the answer to {session}, {message}, was neither released nor given up"));
            }
            return;
        };
        if is_dead {
            self.wrong(format!("{message} was given up, and released to {}", release.session_id));
        }
        let holder = release.session_id.as_str();
        let Some(launch) = self.tropo.launches.get(holder) else {
            return self.wrong(format!("{message} was released to {holder}, which Tropo never had"));
        };
        if launch.message_id != message {
            self.wrong(format!("{message} was released to {holder}, which was launched for {}", launch.message_id));
        }
        if !self.is_told(Kind::MessageReleased, message) {
            self.wrong(format!("the release of {message} was not told"));
        }
        self.outcome_is_true(&release, launch);
    }

    /// What is on record is what happened.
    fn outcome_is_true(&self, release: &Release, launch: &Launch) {
        let (message, holder) = (release.message_id, release.session_id.as_str());
        let has_texted = launch.texted.is_some();
        let is_true = match release.outcome {
            None => false,
            Some(Outcome::Sent | Outcome::Delivered) => has_texted,
            Some(Outcome::Failed) => launch.reported.is_some_and(|(event, _)| event == "incomplete"),
            // Only what went wrong between Tropo and us excuses that nobody knows.
            Some(Outcome::Unconfirmed) => self.world.is_troubled(holder),
        };
        if !is_true {
            self.wrong(format!("{message} is {:?}, and session {holder} {launch:?}", release.outcome));
        }
        let told = match (launch.reported, release.outcome) {
            (Some((_, false)) | None, Some(Outcome::Unconfirmed)) => Some(Kind::MessageUnconfirmed),
            (Some((_, true)), Some(Outcome::Unconfirmed)) => {
                return self.wrong(format!("{message} is unconfirmed, and its result was taken"));
            }
            (Some((_, true)), Some(Outcome::Failed)) => Some(Kind::MessageFailed),
            (Some((_, true)), _) => Some(Kind::MessageSent),
            (Some((_, false)) | None, _) => None,
        };
        if let Some(kind) = told.filter(|kind| !self.is_told(*kind, message)) {
            self.wrong(format!("{message} is {:?}, and no {kind} was told", release.outcome));
        }
    }

    /// Every event about a message carries the session that began the conversation.
    fn is_of_conversation(&self, session: &SessionId, message: EventId) {
        let about = Value::String(message.to_string());
        for event in &self.events {
            let is_about = event.head.id == message || event.data.get("message_id") == Some(&about);
            if is_about && event.head.correlation_id.as_ref() != Some(session) {
                let (kind, of) = (event.head.event_type, &event.head.correlation_id);
                self.wrong(format!("a {kind} of conversation {session} is said to be of {of:?}"));
            }
        }
    }

    /// A phone rang because its owner had texted.
    fn was_asked_for(&self, to: &str, words: &str) {
        let asked =
            |text: &Text| text.is_answered && text.words.ends_with(&format!(" {words}")) && to.ends_with(&text.phone);
        if !self.tropo.texts.values().any(asked) {
            self.wrong(format!("{to} was texted {words:?}, and never asked"));
        }
    }
}
