//! How much the spool holds, and which way the next message goes. Knows neither file nor bus.

use std::time::Duration;

use protocol::Timestamp;
use tokio::time::Instant;

use crate::Message;
use crate::embedded::Totals;

/// What a message takes beside its body, about: its properties, and its place in the file.
const PLACE_BYTES: u64 = 512;

/// How long there is no further switch-over after one that did not come to its end.
const SWITCH_PAUSE: Duration = Duration::from_secs(5);

/// How many messages may wait to be written. More come together only where the disk hangs, and they are in memory.
pub(super) const UNWRITTEN_MAX: u64 = 4096;

/// The drain gets on, if the bus confirmed a message no longer ago than this: longer than a bus takes to give one up.
const PROGRESS_MAX: Duration = Duration::from_secs(30);

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
    #[error("the disk of the spool is too slow: {unwritten} messages wait to be written")]
    Slow { unwritten: u64 },
}

/// A moment, and the state of the bus at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) instant: Instant,
    pub(super) bus_is_ready: bool,
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
/// gets empty under any load because, when little is left, new messages are held until that little is confirmed. What is
/// set aside, because the bus took others and not it, is in the file, and holds up nothing.
#[derive(Clone, Debug)]
pub(super) struct Account {
    bytes_max: u64,
    age_max: Duration,
    /// Without those set aside.
    messages: u64,
    aside: u64,
    /// Of those that are in it, how many are not written yet.
    unwritten: u64,
    bytes: u64,
    /// When the first message in it was made.
    oldest: Option<Timestamp>,
    /// From the first message that goes in until the bus has the last.
    is_spooling: bool,
    is_switching: bool,
    switch_next: Option<Instant>,
    /// When the bus confirmed the last message of the spool.
    passed_at: Option<Instant>,
}

impl Account {
    /// With this already there.
    pub(super) fn new(bytes_max: u64, age_max: Duration, held: Totals) -> Self {
        let Totals { messages, bytes } = held;
        Self {
            bytes_max,
            age_max,
            messages,
            aside: 0,
            unwritten: 0,
            bytes: bytes.saturating_add(messages.saturating_mul(PLACE_BYTES)),
            oldest: None,
            is_spooling: 0 < messages,
            is_switching: false,
            switch_next: None,
            passed_at: None,
        }
    }

    /// How many are in it, without those set aside.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// How many are set aside.
    pub(super) fn aside(&self) -> u64 {
        self.aside
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

    /// Why no more is taken; `None` where more is. How old the oldest is says nothing while the bus takes what there is.
    pub(super) fn refusal(&self, Moment { now, instant, bus_is_ready }: Moment) -> Option<Refusal> {
        let Self { bytes, bytes_max, age_max, unwritten, .. } = *self;
        if bytes_max <= bytes {
            return Some(Refusal::Full { bytes, bytes_max });
        }
        if UNWRITTEN_MAX <= unwritten {
            return Some(Refusal::Slow { unwritten });
        }
        let is_recent = |passed_at: Instant| instant.saturating_duration_since(passed_at) <= PROGRESS_MAX;
        if bus_is_ready && self.passed_at.is_some_and(is_recent) {
            return None;
        }
        self.age(now).filter(|age| age_max < *age).map(|age| Refusal::Old { age, age_max })
    }

    /// Counts a message that is about to be written. Ends a switch-over.
    pub(super) fn enter(&mut self, message: &Message, moment: Moment) -> Result<Entered, Refusal> {
        if let Some(refusal) = self.refusal(moment) {
            return Err(refusal);
        }
        let is_first = !self.is_spooling;
        self.is_spooling = true;
        let entered = Entered { is_first, ended_switch: self.switch_failed(moment.instant) };
        self.unwritten = self.unwritten.saturating_add(1);
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size(message.body.len()));
        Ok(entered)
    }

    /// A message that entered was written.
    pub(super) fn written(&mut self) {
        self.unwritten = self.unwritten.saturating_sub(1);
    }

    /// Takes off a message that could not be written. Whether none is left.
    pub(super) fn leave(&mut self, body: usize) -> bool {
        self.written();
        self.take_off(body)
    }

    /// Takes off a message that the bus has confirmed, where `oldest` is the first now. Whether none is left.
    pub(super) fn passed(&mut self, body: usize, oldest: Option<Timestamp>, instant: Instant) -> bool {
        (self.oldest, self.passed_at) = (oldest.or(self.oldest), Some(instant));
        self.take_off(body)
    }

    fn take_off(&mut self, body: usize) -> bool {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size(body));
        self.ended()
    }

    /// So many messages are set aside, where `oldest` is the first of the others. Whether none of those is left.
    pub(super) fn set_aside(&mut self, messages: u64, oldest: Option<Timestamp>) -> bool {
        self.messages = self.messages.saturating_sub(messages);
        self.aside = self.aside.saturating_add(messages);
        self.oldest = oldest;
        self.ended()
    }

    /// What was set aside is in its row again.
    pub(super) fn take_back(&mut self) {
        self.messages = self.messages.saturating_add(self.aside);
        self.aside = 0;
        self.is_spooling |= 0 < self.messages;
    }

    /// Whether no message is left that others would have to wait for.
    fn ended(&mut self) -> bool {
        let is_empty = self.messages == 0;
        if is_empty {
            (self.oldest, self.is_spooling, self.is_switching) = (None, false, false);
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

    /// Ends a switch-over that does not come to its end. Whether there was one.
    pub(super) fn switch_failed(&mut self, now: Instant) -> bool {
        if self.is_switching {
            self.switch_next = Some(now + SWITCH_PAUSE);
        }
        std::mem::take(&mut self.is_switching)
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
