//! The virtual phones: what each has received.

mod saved;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::{Address, MessageText, Network, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub(crate) use self::saved::SavedPhones;
use crate::state::Changes;

/// All messages together may hold so many bytes of text.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many phones there may be; the one that came first is forgotten first.
const PHONES_MAX: usize = 100_000;

/// Phones share the bells that wake whoever waits for their messages. More bells, fewer false alarms.
const BELLS: usize = 256;

/// A message that a phone received.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneMessage {
    /// Its place among the messages of all phones; those of one phone ascend, with gaps.
    pub index: u64,
    /// Who it came from.
    pub from: Address,
    /// What it says.
    pub text: MessageText,
    /// The network it came over.
    pub network: Network,
    /// The session that sent it.
    pub session_id: SessionId,
    /// When it came.
    pub at: Timestamp,
}

/// A phone, as `GET /phones` lists it.
#[derive(Clone, PartialEq, Serialize)]
pub struct PhoneSummary {
    /// Its number.
    pub number: Address,
    /// How many texts it has sent.
    pub sent: u64,
    /// How many messages it has received.
    pub received: u64,
    /// The index of the last one that is kept; 0 where there is none.
    pub last_index: u64,
}

/// Shows where it stands, and nobody's words.
impl fmt::Debug for PhoneMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, session_id, .. } = self;
        f.debug_struct("PhoneMessage").field("index", index).field("session_id", session_id).finish_non_exhaustive()
    }
}

/// Shows the counts.
impl fmt::Debug for PhoneSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, sent, received, .. } = self;
        let mut shown = f.debug_struct("PhoneSummary");
        shown.field("number", number).field("sent", sent).field("received", received).finish_non_exhaustive()
    }
}

/// All phones. A number becomes one when it first texts or is texted.
pub(crate) struct Phones {
    shelf: Mutex<Shelf>,
    bells: Vec<Notify>,
    messages_max: usize,
    changes: Changes,
}

#[derive(Default)]
struct Shelf {
    phones: HashMap<Address, Phone>,
    /// The phones in order of their first use.
    came: VecDeque<Address>,
    /// The messages in order, whose phones may be gone.
    order: VecDeque<(u64, Address)>,
    last_index: u64,
    text_bytes: usize,
}

#[derive(Default)]
struct Phone {
    sent: u64,
    received: u64,
    messages: VecDeque<PhoneMessage>,
}

/// A message on its way to a phone.
pub(crate) struct Delivery {
    pub(crate) from: Address,
    pub(crate) text: MessageText,
    pub(crate) network: Network,
    pub(crate) session_id: SessionId,
}

impl Phones {
    /// None yet. What becomes of them is told to `changes`.
    pub(crate) fn new(messages_max: usize, changes: Changes) -> Self {
        let bells = (0..BELLS).map(|_| Notify::new()).collect();
        Self { shelf: Mutex::default(), bells, messages_max, changes }
    }

    /// A phone sent a text.
    pub(crate) fn texted(&self, number: &Address) {
        self.lock().phone(number).sent += 1;
        self.changes.made();
    }

    /// Whether a number is a phone already.
    pub(crate) fn knows(&self, number: &Address) -> bool {
        self.lock().phones.contains_key(number)
    }

    /// A phone receives a message.
    pub(crate) fn deliver(&self, to: &Address, delivery: Delivery) {
        let Delivery { from, text, network, session_id } = delivery;
        let mut shelf = self.lock();
        shelf.last_index += 1;
        let index = shelf.last_index;
        shelf.text_bytes += text.as_str().len();
        shelf.order.push_back((index, to.clone()));
        let phone = shelf.phone(to);
        phone.received += 1;
        phone.messages.push_back(PhoneMessage { index, from, text, network, session_id, at: Timestamp::now() });
        shelf.shrink(self.messages_max);
        drop(shelf);
        self.changes.made();
        if let Some(bell) = self.bell(to) {
            bell.notify_waiters();
        }
    }

    /// All phones, in order of number.
    pub(crate) fn all(&self) -> Vec<PhoneSummary> {
        let shelf = self.lock();
        let mut all: Vec<_> = shelf.phones.iter().map(|(number, phone)| phone.summary(number)).collect();
        drop(shelf);
        all.sort_by(|one, other| one.number.cmp(&other.number));
        all
    }

    /// The messages of a phone after an index, at most `limit`.
    pub(crate) fn messages(&self, number: &Address, after: u64, limit: usize) -> Vec<PhoneMessage> {
        let shelf = self.lock();
        let Some(phone) = shelf.phones.get(number) else { return Vec::new() };
        let seen = phone.messages.partition_point(|message| message.index <= after);
        phone.messages.iter().skip(seen).take(limit).cloned().collect()
    }

    /// The same, as soon as there is one. Waits for ever: give it a deadline.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken from the phone.
    pub(crate) async fn next_messages(&self, number: &Address, after: u64, limit: usize) -> Vec<PhoneMessage> {
        loop {
            // The bell is listened to before the shelf is looked at, so that nothing comes unheard in between.
            let rung = self.bell(number).map(Notify::notified);
            let messages = self.messages(number, after, limit);
            if !messages.is_empty() {
                return messages;
            }
            match rung {
                Some(rung) => rung.await,
                None => return messages,
            }
        }
    }

    fn bell(&self, number: &Address) -> Option<&Notify> {
        let mut hasher = DefaultHasher::new();
        number.hash(&mut hasher);
        let bells = u64::try_from(self.bells.len()).ok()?;
        self.bells.get(usize::try_from(hasher.finish().checked_rem(bells)?).ok()?)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how much there is.
impl fmt::Debug for Phones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phones").field("phones", &self.lock().phones.len()).finish_non_exhaustive()
    }
}

impl Shelf {
    /// The phone of that number, which may be new.
    fn phone(&mut self, number: &Address) -> &mut Phone {
        if !self.phones.contains_key(number) {
            if PHONES_MAX <= self.phones.len()
                && let Some(oldest) = self.came.pop_front()
                && let Some(gone) = self.phones.remove(&oldest)
            {
                self.text_bytes -= gone.messages.iter().map(PhoneMessage::text_bytes).sum::<usize>();
            }
            self.came.push_back(number.clone());
        }
        self.phones.entry(number.clone()).or_default()
    }

    /// Forgets the oldest messages until there is room.
    fn shrink(&mut self, messages_max: usize) {
        while (messages_max < self.order.len() || TEXT_BYTES_MAX < self.text_bytes)
            && let Some((index, number)) = self.order.pop_front()
        {
            let Some(phone) = self.phones.get_mut(&number) else { continue };
            // A phone that was forgotten and came again has begun anew.
            if phone.messages.front().is_some_and(|message| message.index == index)
                && let Some(gone) = phone.messages.pop_front()
            {
                self.text_bytes -= gone.text_bytes();
            }
        }
    }
}

impl Phone {
    fn summary(&self, number: &Address) -> PhoneSummary {
        PhoneSummary {
            number: number.clone(),
            sent: self.sent,
            received: self.received,
            last_index: self.messages.back().map_or(0, |message| message.index),
        }
    }
}

impl PhoneMessage {
    fn text_bytes(&self) -> usize {
        self.text.as_str().len()
    }
}

#[cfg(test)]
mod tests;
