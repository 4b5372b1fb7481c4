//! The phones as they outlive the process.

use protocol::Address;
use serde::{Deserialize, Serialize};

use super::{Phone, PhoneMessage, Phones};

/// All phones, in order of their first use.
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
    messages: Vec<PhoneMessage>,
}

impl Phones {
    /// All of them, to be kept.
    pub(crate) fn saved(&self) -> SavedPhones {
        let shelf = self.lock();
        let phones = shelf.came.iter().filter_map(|number| {
            let Phone { sent, received, messages } = shelf.phones.get(number)?;
            let messages = messages.iter().cloned().collect();
            Some(SavedPhone { number: number.clone(), sent: *sent, received: *received, messages })
        });
        SavedPhones { last_index: shelf.last_index, phones: phones.collect() }
    }

    /// Takes in those of an earlier life, as many of their messages as there is room for.
    pub(crate) fn restore(&self, saved: SavedPhones) {
        let mut shelf = self.lock();
        shelf.last_index = saved.last_index;
        let mut order = Vec::new();
        for SavedPhone { number, sent, received, messages } in saved.phones {
            order.extend(messages.iter().map(|message| (message.index, number.clone())));
            shelf.text_bytes += messages.iter().map(PhoneMessage::text_bytes).sum::<usize>();
            *shelf.phone(&number) = Phone { sent, received, messages: messages.into() };
        }
        order.sort_unstable_by_key(|(index, _)| *index);
        shelf.order = order.into();
        shelf.shrink(self.messages_max);
    }
}
