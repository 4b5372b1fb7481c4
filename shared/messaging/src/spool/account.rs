//! How much the spool holds, and which way the next message goes. Knows neither file nor bus.

use std::time::Duration;

use protocol::Timestamp;
use tokio::time::Instant;

use crate::Message;

/// What a message takes beside its body, about: its properties, and its place in the file.
const PLACE_BYTES: u64 = 512;

/// How long there is no further switch-over after one that did not come to its end.
const SWITCH_PAUSE: Duration = Duration::from_secs(5);

/// What a message counts for, by the length of its body.
pub(super) fn size(body: usize) -> u64 {
    u64::try_from(body).unwrap_or(u64::MAX).saturating_add(PLACE_BYTES)
}

/// Why the spool takes no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the spool is full: it holds {bytes} bytes, and may hold {bytes_max}")]
    Full { bytes: u64, bytes_max: u64 },
    #[error("the oldest message in the spool has waited for {} s, and may wait for {} s", age.as_secs(), age_max.as_secs())]
    Old { age: Duration, age_max: Duration },
}

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// To the bus.
    Direct,
    /// Nowhere yet: the last of the spool are being confirmed.
    Held,
    /// Into the spool.
    Spool,
}

/// What is in the spool, or on its way into it.
///
/// While that is anything at all, nothing goes to the bus directly: so no message overtakes an earlier one. The spool
/// gets empty under any load because, when little is left, new messages are held until that little is confirmed.
#[derive(Clone, Debug)]
pub(super) struct Account {
    bytes_max: u64,
    age_max: Duration,
    messages: u64,
    bytes: u64,
    /// When the first message in it was made.
    oldest: Option<Timestamp>,
    /// From the first message that goes in until the bus has the last.
    is_spooling: bool,
    is_switching: bool,
    switch_next: Option<Instant>,
}

impl Account {
    /// With so many messages, whose bodies have so many bytes, already there.
    pub(super) fn new(bytes_max: u64, age_max: Duration, messages: u64, bodies: u64) -> Self {
        let bytes = bodies.saturating_add(messages.saturating_mul(PLACE_BYTES));
        let is_spooling = 0 < messages;
        Self { bytes_max, age_max, messages, bytes, oldest: None, is_spooling, is_switching: false, switch_next: None }
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the oldest has waited. None where there is none; a clock that was set back makes it zero.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        self.oldest.map(|oldest| Duration::try_from(now.duration_since(oldest)).unwrap_or_default())
    }

    pub(super) fn way(&self, bus_is_ready: bool) -> Way {
        match self.messages {
            0 if bus_is_ready => Way::Direct,
            0 => Way::Spool,
            _ if self.is_switching => Way::Held,
            _ => Way::Spool,
        }
    }

    /// A message went to the bus directly.
    pub(super) fn went_direct(&mut self) {
        self.is_spooling &= 0 < self.messages;
    }

    /// Why no more is taken; `None` where more is.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        let Self { bytes, bytes_max, age_max, .. } = *self;
        if bytes_max <= bytes {
            return Some(Refusal::Full { bytes, bytes_max });
        }
        self.age(now).filter(|age| age_max < *age).map(|age| Refusal::Old { age, age_max })
    }

    /// Counts a message that is about to be written. Ends a switch-over.
    pub(super) fn enter(&mut self, message: &Message, now: Timestamp, instant: Instant) -> Result<Entered, Refusal> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        let entered = Entered { is_first: !self.is_spooling, ended_switch: self.is_switching };
        self.is_spooling = true;
        if self.is_switching {
            self.is_switching = false;
            self.switch_next = Some(instant + SWITCH_PAUSE);
        }
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size(message.body.len()));
        Ok(entered)
    }

    /// Takes off a message that the bus has confirmed, where `oldest` is the first now. Whether none is left.
    pub(super) fn passed(&mut self, body: usize, oldest: Option<Timestamp>) -> bool {
        self.oldest = oldest.or(self.oldest);
        let is_empty = self.leave(body);
        self.is_spooling &= !is_empty;
        is_empty
    }

    /// Takes off a message that could not be written. Whether none is left.
    pub(super) fn leave(&mut self, body: usize) -> bool {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size(body));
        let is_empty = self.messages == 0;
        if is_empty {
            (self.bytes, self.oldest, self.is_switching) = (0, None, false);
        }
        is_empty
    }

    /// Says when the first message was made.
    pub(super) fn begins_with(&mut self, oldest: Option<Timestamp>) {
        self.oldest = oldest;
    }

    /// The bus confirms what it is given: begins the switch-over, if no more is left than may be on its way at once.
    pub(super) fn switch_over(&mut self, window: usize, now: Instant) {
        let may_switch = self.switch_next.is_none_or(|next| next <= now);
        self.is_switching |= may_switch && 0 < self.messages && self.messages <= window as u64;
    }
}

/// What it meant that a message entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entered {
    /// Before it, messages went to the bus.
    pub(super) is_first: bool,
    /// There was a switch-over.
    pub(super) ended_switch: bool,
}

#[cfg(test)]
mod tests;
