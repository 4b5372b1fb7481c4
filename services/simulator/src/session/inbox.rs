//! What comes to a session from outside while it is under way: texts, signals, and that the phone hung up.
//!
//! A session takes part in the conversation of a phone and a number once it has put a question there. From then on a
//! text of that phone to that number is its, and whatever it leaves unread begins sessions of its own: no text is lost.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Address, Network, SessionId};
use tokio::sync::Notify;
use tropo::signal::SignalStatus;

use super::Leg;
use crate::phones::Delivery;

/// How many texts wait for one session.
const TEXTS_MAX: usize = 100;

/// How many bytes of text wait for all sessions together.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many signals wait for one session.
const SIGNALS_MAX: usize = 100;

/// The longest name of a signal, in bytes.
const SIGNAL_BYTES_MAX: usize = 256;

/// The inboxes of all sessions under way.
#[derive(Default)]
pub(crate) struct Inboxes(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    sessions: HashMap<SessionId, Inbox>,
    /// Who asks in a conversation: whose question is the latest stands last, and has what is texted.
    askers: HashMap<Conversation, Vec<SessionId>>,
    text_bytes: usize,
}

#[derive(Default)]
struct Inbox {
    /// Wakes the session; it alone waits for it.
    bell: Arc<Notify>,
    conversation: Option<Conversation>,
    /// The conversation that it asks in.
    asks_in: Option<Conversation>,
    texts: VecDeque<Waiting>,
    signals: VecDeque<String>,
    has_hung_up: bool,
}

/// What a text belongs to: a number, a phone, and the network between them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Conversation {
    us: Address,
    them: Address,
    network: Network,
}

/// A text that waits for a question.
pub(crate) struct Waiting {
    pub(crate) delivery: Delivery,
    /// The session began with it: it needs no other.
    pub(crate) is_first: bool,
}

/// What became of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Texted {
    /// This session has it.
    Taken(SessionId),
    /// Nobody asks there: it begins a session.
    Free,
    /// Whoever asks there has not read what came before.
    Full,
}

impl Inboxes {
    /// Opens the inbox of a session; the bell rings whenever something comes.
    pub(crate) fn open(&self, id: &SessionId) -> Arc<Notify> {
        Arc::clone(&self.lock().sessions.entry(id.clone()).or_default().bell)
    }

    /// A session has somebody on the line. The text that it began with, if it did, answers its first question.
    pub(crate) fn connect(&self, id: &SessionId, leg: &Leg, first: Option<&Delivery>) {
        let mut registry = self.lock();
        let Some(inbox) = registry.sessions.get_mut(id) else { return };
        inbox.conversation = Some(Conversation::of(leg));
        let Some(delivery) = first.cloned() else { return };
        let bytes = delivery.bytes();
        inbox.texts.push_back(Waiting { delivery, is_first: true });
        registry.text_bytes += bytes;
    }

    /// A session puts a question: what that phone texts from now on is its.
    pub(crate) fn ask(&self, id: &SessionId, leg: &Leg) {
        let mut registry = self.lock();
        registry.leave(id);
        let Some(inbox) = registry.sessions.get_mut(id).filter(|inbox| !inbox.has_hung_up) else { return };
        inbox.asks_in = Some(Conversation::of(leg));
        registry.askers.entry(Conversation::of(leg)).or_default().push(id.clone());
    }

    /// A phone texts in a conversation.
    pub(crate) fn text(&self, delivery: &Delivery) -> Texted {
        let mut registry = self.lock();
        let Some(id) = registry.askers.get(&Conversation::with(delivery)).and_then(|askers| askers.last()).cloned()
        else {
            return Texted::Free;
        };
        let has_room = registry.text_bytes + delivery.bytes() <= TEXT_BYTES_MAX;
        let Some(inbox) = registry.sessions.get_mut(&id) else { return Texted::Free };
        if !has_room || TEXTS_MAX <= inbox.texts.len() {
            return Texted::Full;
        }
        inbox.texts.push_back(Waiting { delivery: delivery.clone(), is_first: false });
        inbox.bell.notify_one();
        registry.text_bytes += delivery.bytes();
        Texted::Taken(id)
    }

    /// Whether a text waits in a conversation of the session.
    pub(crate) fn has_text(&self, id: &SessionId, leg: &Leg) -> bool {
        self.lock().sessions.get(id).is_some_and(|inbox| inbox.texts.iter().any(|waiting| waiting.is_in(leg)))
    }

    /// The text that has waited longest in a conversation of the session.
    pub(crate) fn take_text(&self, id: &SessionId, leg: &Leg) -> Option<Waiting> {
        let mut registry = self.lock();
        let inbox = registry.sessions.get_mut(id)?;
        let at = inbox.texts.iter().position(|waiting| waiting.is_in(leg))?;
        let waiting = inbox.texts.remove(at)?;
        registry.text_bytes -= waiting.delivery.bytes();
        Some(waiting)
    }

    /// A signal for a session.
    pub(crate) fn signal(&self, id: &SessionId, signal: &str) -> SignalStatus {
        let mut registry = self.lock();
        let Some(inbox) = registry.sessions.get_mut(id) else { return SignalStatus::NotFound };
        if SIGNALS_MAX <= inbox.signals.len() || SIGNAL_BYTES_MAX < signal.len() {
            return SignalStatus::Failed;
        }
        inbox.signals.push_back(signal.to_owned());
        inbox.bell.notify_one();
        SignalStatus::Queued
    }

    /// The signal that has waited longest and is allowed; those before it are dropped (Tropo WebAPI: event queuing).
    pub(crate) fn take_signal(&self, id: &SessionId, is_allowed: impl Fn(&str) -> bool) -> Option<String> {
        let mut registry = self.lock();
        let signals = &mut registry.sessions.get_mut(id)?.signals;
        std::iter::from_fn(|| signals.pop_front()).find(|signal| is_allowed(signal))
    }

    /// The phone of a session hangs up; whether there is such a session.
    pub(crate) fn hang_up(&self, id: &SessionId) -> bool {
        self.lock().hang_up(id)
    }

    /// A phone hangs up on a number, on one network or on any; the sessions that hear of it.
    pub(crate) fn hang_up_on(&self, us: &Address, them: &Address, network: Option<&Network>) -> Vec<SessionId> {
        let mut registry = self.lock();
        let is_meant = |in_it: &Conversation| {
            in_it.us == *us && in_it.them == *them && network.is_none_or(|it| *it == in_it.network)
        };
        let meant = |inbox: &Inbox| !inbox.has_hung_up && inbox.conversation.as_ref().is_some_and(is_meant);
        let ids: Vec<_> =
            registry.sessions.iter().filter(|(_, inbox)| meant(inbox)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            registry.hang_up(id);
        }
        ids
    }

    pub(crate) fn has_hung_up(&self, id: &SessionId) -> bool {
        self.lock().sessions.get(id).is_some_and(|inbox| inbox.has_hung_up)
    }

    /// A session has ended; the texts that came to it and that it has not read.
    pub(crate) fn close(&self, id: &SessionId) -> Vec<Delivery> {
        let mut registry = self.lock();
        registry.leave(id);
        let Some(inbox) = registry.sessions.remove(id) else { return Vec::new() };
        registry.text_bytes -= inbox.texts.iter().map(|waiting| waiting.delivery.bytes()).sum::<usize>();
        inbox.texts.into_iter().filter(|waiting| !waiting.is_first).map(|waiting| waiting.delivery).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    fn of(leg: &Leg) -> Self {
        let Leg { us, them, network, .. } = leg;
        Self { us: us.clone(), them: them.clone(), network: network.clone() }
    }

    /// The one that a text of a phone belongs to.
    fn with(delivery: &Delivery) -> Self {
        let Delivery { from, to, network, .. } = delivery;
        Self { us: to.clone(), them: from.clone(), network: network.clone() }
    }
}

impl Waiting {
    fn is_in(&self, leg: &Leg) -> bool {
        Conversation::with(&self.delivery) == Conversation::of(leg)
    }
}

impl Registry {
    /// What is texted is the session's no more.
    fn leave(&mut self, id: &SessionId) {
        let Some(left) = self.sessions.get_mut(id).and_then(|inbox| inbox.asks_in.take()) else { return };
        if let Some(askers) = self.askers.get_mut(&left) {
            askers.retain(|asker| asker != id);
            if askers.is_empty() {
                self.askers.remove(&left);
            }
        }
    }

    fn hang_up(&mut self, id: &SessionId) -> bool {
        self.leave(id);
        let Some(inbox) = self.sessions.get_mut(id) else { return false };
        inbox.has_hung_up = true;
        inbox.bell.notify_one();
        true
    }
}

/// Shows how many there are.
impl fmt::Debug for Inboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inboxes").field("sessions", &self.lock().sessions.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
