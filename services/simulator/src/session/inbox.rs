//! What comes to a session from outside while it is under way: texts, signals, and that the phone hung up.
//!
//! A session takes part in the conversation of a phone and a number once it has put a question there, until it can ask no
//! more. A text of that phone to that number goes to the session whose question is open, or else to the one that asked
//! last. What a session leaves unread goes to whoever still takes part, or begins a session: no text is lost, unless the
//! simulator stops, which the debugger tells of each.

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

/// What a text takes beside its words, in bytes: those without words are bounded, too.
const TEXT_COST: usize = 512;

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
    /// A question of it is open, and no text waits that answers it.
    listens: bool,
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
    pub(crate) origin: Origin,
}

/// Where a text that waits came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The session began with it: it needs no other.
    First,
    /// It came since; the phone sent it at this index.
    Since(u64),
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
    /// All sessions together have too much to read.
    NoMemory,
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
        inbox.texts.push_back(Waiting { delivery, origin: Origin::First });
    }

    /// A session puts a question: what that phone texts from now on is its. Whether a text waits already that answers it.
    pub(crate) fn ask(&self, id: &SessionId, leg: &Leg) -> bool {
        let mut registry = self.lock();
        registry.take_part(id, Conversation::of(leg));
        let Some(inbox) = registry.sessions.get_mut(id) else { return false };
        let is_answered = inbox.texts.iter().any(|waiting| waiting.is_in(leg));
        inbox.listens = !is_answered;
        is_answered
    }

    /// The question of a session is open no more; it may put another.
    pub(crate) fn rest(&self, id: &SessionId) {
        if let Some(inbox) = self.lock().sessions.get_mut(id) {
            inbox.listens = false;
        }
    }

    /// A phone texts in a conversation. `record` is told whose the text is, before that session hears of it, and gives the
    /// index that the phone sent it at.
    pub(crate) fn text(&self, delivery: &Delivery, record: impl FnOnce(&SessionId) -> u64) -> Texted {
        let mut registry = self.lock();
        let Some(id) = registry.asker(&Conversation::with(delivery)) else { return Texted::Free };
        let has_memory = registry.text_bytes + TEXT_COST + delivery.bytes() <= TEXT_BYTES_MAX;
        let Some(inbox) = registry.sessions.get_mut(&id) else { return Texted::Free };
        if TEXTS_MAX <= inbox.texts.len() {
            return Texted::Full;
        }
        if !has_memory {
            return Texted::NoMemory;
        }
        let waiting = Waiting { delivery: delivery.clone(), origin: Origin::Since(record(&id)) };
        let cost = waiting.cost();
        inbox.texts.push_back(waiting);
        inbox.listens = false;
        inbox.bell.notify_one();
        registry.text_bytes += cost;
        Texted::Taken(id)
    }

    /// A session follows one that has ended, and has what that one left unread.
    pub(crate) fn inherit(&self, id: &SessionId, leg: &Leg, unread: impl IntoIterator<Item = Waiting>) {
        let mut registry = self.lock();
        let Some(inbox) = registry.sessions.get_mut(id) else { return };
        let before = inbox.texts.len();
        inbox.texts.extend(unread);
        let costs: usize = inbox.texts.iter().skip(before).map(Waiting::cost).sum();
        registry.text_bytes += costs;
        if 0 < costs {
            // What is texted now comes after them.
            registry.take_part(id, Conversation::of(leg));
        }
    }

    /// The text that has waited longest in a conversation of the session.
    pub(crate) fn take_text(&self, id: &SessionId, leg: &Leg) -> Option<Waiting> {
        let mut registry = self.lock();
        let inbox = registry.sessions.get_mut(id)?;
        let at = inbox.texts.iter().position(|waiting| waiting.is_in(leg))?;
        let waiting = inbox.texts.remove(at)?;
        registry.text_bytes -= waiting.cost();
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

    /// A session can ask no more; the texts that came to it and that it has not read.
    pub(crate) fn part(&self, id: &SessionId) -> Vec<Waiting> {
        let mut registry = self.lock();
        registry.leave(id);
        let Some(inbox) = registry.sessions.get_mut(id) else { return Vec::new() };
        let texts = std::mem::take(&mut inbox.texts);
        registry.text_bytes -= texts.iter().map(Waiting::cost).sum::<usize>();
        texts.into_iter().filter(|waiting| waiting.origin != Origin::First).collect()
    }

    /// A session has ended; what [`Inboxes::part`] gives.
    pub(crate) fn close(&self, id: &SessionId) -> Vec<Waiting> {
        let unread = self.part(id);
        self.lock().sessions.remove(id);
        unread
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

    /// What it counts for in the memory of all inboxes. The text that a session began with is part of that session.
    fn cost(&self) -> usize {
        match self.origin {
            Origin::First => 0,
            Origin::Since(_) => TEXT_COST + self.delivery.bytes(),
        }
    }
}

impl Registry {
    /// Whose a text is: the latest of those whose question is open, or else of those who asked.
    fn asker(&self, conversation: &Conversation) -> Option<SessionId> {
        let askers = self.askers.get(conversation)?;
        let listens = |id: &&SessionId| self.sessions.get(*id).is_some_and(|inbox| inbox.listens);
        askers.iter().rev().find(listens).or_else(|| askers.last()).cloned()
    }

    /// A session is the latest in a conversation, and in no other; not when its phone hung up.
    fn take_part(&mut self, id: &SessionId, conversation: Conversation) {
        self.leave(id);
        let Some(inbox) = self.sessions.get_mut(id).filter(|inbox| !inbox.has_hung_up) else { return };
        inbox.asks_in = Some(conversation.clone());
        self.askers.entry(conversation).or_default().push(id.clone());
    }

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
