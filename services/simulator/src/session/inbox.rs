//! What comes to a session from outside while it is under way: texts, signals, and that the phone hung up.
//!
//! A session takes part in the conversation of a phone and a number once it has put a question there. From then on a
//! text of that phone to that number is its, and whatever it leaves unread begins sessions of its own: no text is lost.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Address, MessageText, Network, SessionId};
use tokio::sync::Notify;
use tropo::signal::SignalStatus;

use super::Leg;

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
    askers: HashMap<Leg, Vec<SessionId>>,
    text_bytes: usize,
}

#[derive(Default)]
struct Inbox {
    /// Wakes the session; it alone waits for it.
    bell: Arc<Notify>,
    leg: Option<Leg>,
    /// The conversation that it asks in.
    asks_in: Option<Leg>,
    texts: VecDeque<Waiting>,
    signals: VecDeque<String>,
    has_hung_up: bool,
}

/// A text that waits for a question.
pub(crate) struct Waiting {
    pub(crate) leg: Leg,
    pub(crate) text: MessageText,
    /// The session began with it: it needs no other.
    is_first: bool,
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
    pub(crate) fn connect(&self, id: &SessionId, leg: &Leg, first: Option<&MessageText>) {
        let mut registry = self.lock();
        let Some(inbox) = registry.sessions.get_mut(id) else { return };
        inbox.leg = Some(leg.clone());
        let Some(text) = first.cloned() else { return };
        let bytes = text.as_str().len();
        inbox.texts.push_back(Waiting { leg: leg.clone(), text, is_first: true });
        registry.text_bytes += bytes;
    }

    /// A session puts a question: what that phone texts from now on is its.
    pub(crate) fn ask(&self, id: &SessionId, leg: &Leg) {
        let mut registry = self.lock();
        registry.leave(id);
        let Some(inbox) = registry.sessions.get_mut(id).filter(|inbox| !inbox.has_hung_up) else { return };
        inbox.asks_in = Some(leg.clone());
        registry.askers.entry(leg.clone()).or_default().push(id.clone());
    }

    /// A phone texts in a conversation.
    pub(crate) fn text(&self, leg: &Leg, text: &MessageText) -> Texted {
        let mut registry = self.lock();
        let Some(id) = registry.askers.get(leg).and_then(|askers| askers.last()).cloned() else { return Texted::Free };
        let has_room = registry.text_bytes + text.as_str().len() <= TEXT_BYTES_MAX;
        let Some(inbox) = registry.sessions.get_mut(&id) else { return Texted::Free };
        if !has_room || TEXTS_MAX <= inbox.texts.len() {
            return Texted::Full;
        }
        inbox.texts.push_back(Waiting { leg: leg.clone(), text: text.clone(), is_first: false });
        inbox.bell.notify_one();
        registry.text_bytes += text.as_str().len();
        Texted::Taken(id)
    }

    /// Whether a text waits in a conversation of the session.
    pub(crate) fn has_text(&self, id: &SessionId, leg: &Leg) -> bool {
        self.lock().sessions.get(id).is_some_and(|inbox| inbox.texts.iter().any(|waiting| waiting.leg == *leg))
    }

    /// The text that has waited longest in a conversation of the session.
    pub(crate) fn take_text(&self, id: &SessionId, leg: &Leg) -> Option<MessageText> {
        let mut registry = self.lock();
        let inbox = registry.sessions.get_mut(id)?;
        let at = inbox.texts.iter().position(|waiting| waiting.leg == *leg)?;
        let text = inbox.texts.remove(at)?.text;
        registry.text_bytes -= text.as_str().len();
        Some(text)
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
        let is_meant = |leg: &Leg| leg.us == *us && leg.them == *them && network.is_none_or(|it| *it == leg.network);
        let meant = |inbox: &Inbox| !inbox.has_hung_up && inbox.leg.as_ref().is_some_and(is_meant);
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
    pub(crate) fn close(&self, id: &SessionId) -> Vec<Waiting> {
        let mut registry = self.lock();
        registry.leave(id);
        let Some(inbox) = registry.sessions.remove(id) else { return Vec::new() };
        registry.text_bytes -= inbox.texts.iter().map(|waiting| waiting.text.as_str().len()).sum::<usize>();
        inbox.texts.into_iter().filter(|waiting| !waiting.is_first).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// What is texted is the session's no more.
    fn leave(&mut self, id: &SessionId) {
        let Some(leg) = self.sessions.get_mut(id).and_then(|inbox| inbox.asks_in.take()) else { return };
        if let Some(askers) = self.askers.get_mut(&leg) {
            askers.retain(|asker| asker != id);
            if askers.is_empty() {
                self.askers.remove(&leg);
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
