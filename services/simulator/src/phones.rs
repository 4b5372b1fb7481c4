//! The virtual phones: what each has received and sent.

mod message;
mod saved;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use protocol::{Address, SessionId};
use serde::Serialize;
use tokio::sync::Notify;

pub(crate) use self::message::Delivery;
pub use self::message::{Direction, PhoneMessage};
pub(crate) use self::saved::SavedPhones;
use crate::changes::Changes;

/// All messages that went one way may hold so many bytes of text together.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many phones there may be. Those that have had no message are forgotten first, then those used longest ago.
const PHONES_MAX: usize = 100_000;

/// Phones share the bells that wake whoever waits for their messages. More bells, fewer false alarms.
const BELLS: usize = 256;

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

/// Shows the counts.
impl fmt::Debug for PhoneSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, sent, received, .. } = self;
        let mut shown = f.debug_struct("PhoneSummary");
        shown.field("number", number).field("sent", sent).field("received", received).finish_non_exhaustive()
    }
}

/// All phones. A number becomes one when it first texts, is texted, or is switched on.
pub(crate) struct Phones {
    shelf: Mutex<Shelf>,
    bells: Vec<Notify>,
    messages_max: usize,
    changes: Changes,
    ear: OnceLock<Box<Ear>>,
}

/// Hears of each message as its phone receives it.
pub(crate) type Ear = dyn Fn(&PhoneMessage) + Send + Sync;

#[derive(Default)]
struct Shelf {
    phones: HashMap<Address, Phone>,
    /// The phones in the order in which they are forgotten.
    places: BTreeMap<Place, Address>,
    /// How often a phone was used.
    uses: u64,
    last_index: u64,
    received: Order,
    /// What phones sent is bounded by itself, so that it costs none of what they received.
    sent: Order,
}

/// The messages of all phones that went one way, in order. Their phones may be gone.
#[derive(Default)]
struct Order {
    messages: VecDeque<(u64, Address)>,
    bytes: usize,
}

/// Where a phone stands: whether it has had a message, then its last use.
type Place = (bool, u64);

#[derive(Default)]
struct Phone {
    place: Place,
    received: Log,
    sent: Log,
}

/// What a phone received, or what it sent.
#[derive(Default)]
struct Log {
    count: u64,
    messages: VecDeque<Arc<PhoneMessage>>,
}

impl Phones {
    /// None yet. What becomes of them is told to `changes`.
    pub(crate) fn new(messages_max: usize, changes: Changes) -> Self {
        let bells = (0..BELLS).map(|_| Notify::new()).collect();
        Self { shelf: Mutex::default(), bells, messages_max, changes, ear: OnceLock::new() }
    }

    /// Has someone hear of each message that a phone receives from now on; who hears already stays the only one.
    pub(crate) fn hear(&self, ear: Box<Ear>) {
        let _ = self.ear.set(ear);
    }

    /// A number is a phone from now on. That of one that is on already is a use, and no change to keep.
    pub(crate) fn switch_on(&self, number: &Address) {
        let mut shelf = self.lock();
        let is_new = !shelf.phones.contains_key(number);
        shelf.touch(number);
        drop(shelf);
        if is_new {
            self.changes.made();
        }
    }

    /// Whether a number is a phone already.
    pub(crate) fn knows(&self, number: &Address) -> bool {
        self.lock().phones.contains_key(number)
    }

    /// A phone sent a message; its index.
    pub(crate) fn sent(&self, delivery: Delivery) -> u64 {
        self.keep(Direction::Sent, delivery)
    }

    /// Another session has what a phone sent at an index.
    pub(crate) fn reassign(&self, number: &Address, index: u64, session: &SessionId) {
        if let Some(phone) = self.lock().phones.get_mut(number) {
            let messages = &mut phone.sent.messages;
            let at = messages.partition_point(|message| message.index < index);
            if let Some(message) = messages.get_mut(at).filter(|message| message.index == index) {
                Arc::make_mut(message).session_id = Some(session.clone());
            }
        }
        self.changes.made();
    }

    /// A phone receives a message; its index.
    pub(crate) fn deliver(&self, delivery: Delivery) -> u64 {
        self.keep(Direction::Received, delivery)
    }

    fn keep(&self, direction: Direction, delivery: Delivery) -> u64 {
        let phone = match direction {
            Direction::Received => delivery.to.clone(),
            Direction::Sent => delivery.from.clone(),
        };
        let mut shelf = self.lock();
        shelf.last_index += 1;
        let index = shelf.last_index;
        let message = Arc::new(PhoneMessage::new(index, direction, delivery));
        let heard = (direction == Direction::Received && self.ear.get().is_some()).then(|| Arc::clone(&message));
        let order = shelf.order(direction);
        order.bytes += message.bytes();
        order.messages.push_back((index, phone.clone()));
        let log = shelf.phone(&phone).log(direction);
        log.count += 1;
        log.messages.push_back(message);
        shelf.touch(&phone);
        shelf.shrink(direction, self.messages_max);
        drop(shelf);
        self.changes.made();
        if let Some((ear, message)) = self.ear.get().zip(heard) {
            ear(&message);
        }
        if let Some(bell) = self.bell(&phone) {
            bell.notify_waiters();
        }
        index
    }

    /// All phones, in order of number.
    pub(crate) fn all(&self) -> Vec<PhoneSummary> {
        let shelf = self.lock();
        let mut all: Vec<_> = shelf.phones.iter().map(|(number, phone)| phone.summary(number)).collect();
        drop(shelf);
        all.sort_by(|one, other| one.number.cmp(&other.number));
        all
    }

    /// One phone.
    pub(crate) fn summary(&self, number: &Address) -> Option<PhoneSummary> {
        self.lock().phones.get(number).map(|phone| phone.summary(number))
    }

    /// What a phone received after an index, at most `limit`. Where the index is from the future, as after a restart, all
    /// of it.
    pub(crate) fn messages(&self, number: &Address, after: u64, limit: usize) -> Vec<Arc<PhoneMessage>> {
        let shelf = self.lock();
        let after = if shelf.last_index < after { 0 } else { after };
        shelf
            .phones
            .get(number)
            .map(|phone| phone.received.after(after).take(limit).cloned().collect())
            .unwrap_or_default()
    }

    /// What it received and sent after an index, in order, at most `limit`. Where the index is from the future, as
    /// after a restart, all of it.
    pub(crate) fn history(&self, number: &Address, after: u64, limit: usize) -> Vec<Arc<PhoneMessage>> {
        let shelf = self.lock();
        let after = if shelf.last_index < after { 0 } else { after };
        let Some(phone) = shelf.phones.get(number) else { return Vec::new() };
        let [received, sent] = [&phone.received, &phone.sent].map(|log| log.after(after).take(limit));
        let mut messages: Vec<_> = received.chain(sent).cloned().collect();
        drop(shelf);
        messages.sort_by_key(|message| message.index);
        messages.truncate(limit);
        messages
    }

    /// What it received and sent last, in order.
    pub(crate) fn latest(&self, number: &Address, limit: usize) -> Vec<Arc<PhoneMessage>> {
        let shelf = self.lock();
        let Some(phone) = shelf.phones.get(number) else { return Vec::new() };
        let [received, sent] = [&phone.received, &phone.sent].map(|log| log.messages.iter().rev().take(limit));
        let mut messages: Vec<_> = received.chain(sent).cloned().collect();
        drop(shelf);
        messages.sort_by_key(|message| message.index);
        messages.split_off(messages.len().saturating_sub(limit))
    }

    /// What it received, as soon as there is something after an index. Waits for ever: give it a deadline.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken from the phone.
    pub(crate) async fn next_messages(&self, number: &Address, after: u64, limit: usize) -> Vec<Arc<PhoneMessage>> {
        self.next(number, || self.messages(number, after, limit)).await
    }

    /// What it received and sent, as soon as there is something after an index. Waits for ever.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken from the phone.
    pub(crate) async fn next_history(&self, number: &Address, after: u64, limit: usize) -> Vec<Arc<PhoneMessage>> {
        self.next(number, || self.history(number, after, limit)).await
    }

    async fn next(&self, number: &Address, look: impl Fn() -> Vec<Arc<PhoneMessage>>) -> Vec<Arc<PhoneMessage>> {
        loop {
            // The bell is listened to before the shelf is looked at, so that nothing comes unheard in between.
            let rung = self.bell(number).map(Notify::notified);
            let messages = look();
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
    /// The phone of that number, which may be new. Whoever changes it touches it then.
    fn phone(&mut self, number: &Address) -> &mut Phone {
        if !self.phones.contains_key(number)
            && PHONES_MAX <= self.phones.len()
            && let Some((_, last)) = self.places.pop_first()
            && let Some(gone) = self.phones.remove(&last)
        {
            self.received.bytes -= gone.received.bytes();
            self.sent.bytes -= gone.sent.bytes();
        }
        self.phones.entry(number.clone()).or_default()
    }

    /// A phone is used, and is the last to be forgotten of its kind.
    fn touch(&mut self, number: &Address) {
        self.uses += 1;
        let uses = self.uses;
        let phone = self.phone(number);
        let place = (0 < phone.sent.count + phone.received.count, uses);
        let left = std::mem::replace(&mut phone.place, place);
        self.places.remove(&left);
        self.places.insert(place, number.clone());
    }

    fn order(&mut self, direction: Direction) -> &mut Order {
        match direction {
            Direction::Received => &mut self.received,
            Direction::Sent => &mut self.sent,
        }
    }

    /// Forgets the oldest messages until there is room.
    fn shrink(&mut self, direction: Direction, messages_max: usize) {
        loop {
            let order = self.order(direction);
            if order.messages.len() <= messages_max && order.bytes <= TEXT_BYTES_MAX {
                return;
            }
            let Some((index, number)) = order.messages.pop_front() else { return };
            let Some(phone) = self.phones.get_mut(&number) else { continue };
            // A phone that was forgotten and came again has begun anew.
            let log = phone.log(direction);
            if log.messages.front().is_some_and(|message| message.index == index)
                && let Some(gone) = log.messages.pop_front()
            {
                self.order(direction).bytes -= gone.bytes();
            }
        }
    }
}

impl Phone {
    fn log(&mut self, direction: Direction) -> &mut Log {
        match direction {
            Direction::Received => &mut self.received,
            Direction::Sent => &mut self.sent,
        }
    }

    fn summary(&self, number: &Address) -> PhoneSummary {
        PhoneSummary {
            number: number.clone(),
            sent: self.sent.count,
            received: self.received.count,
            last_index: self.received.messages.back().map_or(0, |message| message.index),
        }
    }
}

impl Log {
    fn after(&self, index: u64) -> impl Iterator<Item = &Arc<PhoneMessage>> {
        let seen = self.messages.partition_point(|message| message.index <= index);
        self.messages.iter().skip(seen)
    }

    fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.bytes()).sum()
    }
}

#[cfg(test)]
mod tests;
