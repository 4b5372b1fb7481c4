//! The phones as they outlive the process.

use std::sync::Arc;

use protocol::Address;
use serde::{Deserialize, Serialize, Serializer};

use super::{Direction, Phone, PhoneMessage, Phones};

/// All phones, in the order in which they are forgotten.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SavedPhones {
    last_index: u64,
    phones: Vec<SavedPhone>,
}

#[derive(Serialize, Deserialize)]
struct SavedPhone {
    number: Address,
    sent: u64,
    received: u64,
    /// What it sent, and what it received.
    messages: Vec<Saved>,
}

/// A message, which the phones share with what is being written.
#[derive(Deserialize)]
#[serde(from = "PhoneMessage")]
struct Saved(Arc<PhoneMessage>);

impl From<PhoneMessage> for Saved {
    fn from(message: PhoneMessage) -> Self {
        Self(Arc::new(message))
    }
}

impl Serialize for Saved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl SavedPhones {
    /// So many more indexes are taken as given.
    pub(crate) fn reserve(&mut self, indexes: u64) {
        self.last_index += indexes;
    }
}

impl Phones {
    /// All of them, to be kept. Others wait meanwhile, so no message is copied.
    pub(crate) fn saved(&self) -> SavedPhones {
        let shelf = self.lock();
        let phones = shelf.places.values().filter_map(|number| {
            let Phone { sent, received, .. } = shelf.phones.get(number)?;
            let messages = sent.messages.iter().chain(&received.messages).cloned().map(Saved).collect();
            Some(SavedPhone { number: number.clone(), sent: sent.count, received: received.count, messages })
        });
        SavedPhones { last_index: shelf.last_index, phones: phones.collect() }
    }

    /// Takes in those of an earlier life, as many of their messages as there is room for.
    pub(crate) fn restore(&self, saved: SavedPhones) {
        let mut shelf = self.lock();
        shelf.last_index = saved.last_index;
        let mut orders = [(Direction::Sent, Vec::new()), (Direction::Received, Vec::new())];
        for SavedPhone { number, sent, received, mut messages } in saved.phones {
            messages.sort_by_key(|Saved(message)| message.index);
            let phone = shelf.phone(&number);
            (phone.sent.count, phone.received.count) = (sent, received);
            shelf.touch(&number);
            for Saved(message) in messages {
                let (direction, bytes) = (message.direction, message.bytes());
                for (_, order) in orders.iter_mut().filter(|(of, _)| *of == direction) {
                    order.push((message.index, number.clone()));
                }
                shelf.order(direction).bytes += bytes;
                shelf.phone(&number).log(direction).messages.push_back(message);
            }
        }
        for (direction, mut order) in orders {
            order.sort_unstable_by_key(|(index, _)| *index);
            shelf.order(direction).messages = order.into();
            shelf.shrink(direction, self.messages_max);
        }
    }
}
