//! The load: numbered texts at a steady rate, whatever becomes of them, and the replies that reach the phones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::shutdown::Shutdown;
use chassis::tasks::Crowd;
use messaging::Environment;
use protocol::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::tropo::{Message, Texted, Tropo};

/// How many texts may be on their way to Tropo at once. Tropo takes one in a moment unless it is frozen.
const UNDER_WAY_MAX: usize = 20_000;

/// How long what is on its way at the end may take.
const END_MAX: Duration = Duration::from_secs(60);

/// How long between two looks at the phones.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A schedule that the load is further behind than this was not kept.
pub(super) const LAG_MAX: Duration = Duration::from_secs(1);

/// A text that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Timestamp,
    pub(super) texted: Texted,
}

/// The texts so far and their replies. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tropo: Tropo,
    environment: Environment,
    /// Stands in every text, so that nothing of another drill is taken for one of this.
    seed: u64,
    phones: u64,
    begun: AtomicU64,
    longest_lag_ms: AtomicU64,
    texts: Mutex<HashMap<u64, Sent>>,
    heard: Mutex<Heard>,
}

/// What the phones have.
#[derive(Debug, Default)]
struct Heard {
    /// When replies to a text came, by its number.
    replies: HashMap<u64, Vec<Timestamp>>,
    /// The index of the last message that was read, by phone.
    last_index: HashMap<u64, u64>,
    stray: u64,
}

impl Load {
    pub(super) fn new(tropo: Tropo, environment: Environment, seed: u64, phones: u64) -> Self {
        let shared = Shared {
            tropo,
            environment,
            seed,
            phones: phones.max(1),
            begun: AtomicU64::new(0),
            longest_lag_ms: AtomicU64::new(0),
            texts: Mutex::default(),
            heard: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sends so many texts a second until it is asked to stop, and waits until each has gone out.
    ///
    /// The schedule does not wait for anything: what is late is sent at once, and the lag is remembered.
    pub(super) async fn run(&self, rate: f64, stop: Shutdown) {
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let crowd = Crowd::default();
        let began = Instant::now();
        for number in 0_u64.. {
            #[expect(clippy::cast_precision_loss, reason = "a drill has fewer texts than an f64 can count")]
            let due = began + Duration::from_secs_f64(number as f64 / rate);
            let permit = tokio::select! {
                biased;
                () = stop.requested() => break,
                permit = async {
                    tokio::time::sleep_until(due).await;
                    Arc::clone(&under_way).acquire_owned().await
                } => permit,
            };
            let lag = u64::try_from(due.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.shared.longest_lag_ms.fetch_max(lag, Ordering::Relaxed);
            self.shared.begun.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&self.shared);
            crowd.spawn(async move {
                shared.send(number).await;
                drop(permit);
            });
        }
        // What has not gone out by then counts as unknown to Tropo.
        crowd.drain(END_MAX).await;
    }

    /// Reads the phones, again and again, until it is asked to stop.
    pub(super) async fn listen(&self, stop: Shutdown) {
        loop {
            // A simulator that is frozen, or that a fault holds back, is asked again.
            let _again = self.look().await;
            tokio::select! {
                biased;
                () = stop.requested() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// Reads what has come to the phones since the last look.
    ///
    /// # Errors
    /// The simulator does not answer.
    pub(super) async fn look(&self) -> anyhow::Result<()> {
        for phone in 0..self.shared.phones.min(self.begun()) {
            loop {
                let after = self.shared.heard().last_index.get(&phone).copied().unwrap_or_default();
                let messages = self.shared.tropo.inbox(&number_of(phone), after).await?;
                if messages.is_empty() {
                    break;
                }
                let mut heard = self.shared.heard();
                for message in messages {
                    heard.take(phone, after, &message, self.shared.seed, self.shared.phones);
                }
            }
        }
        Ok(())
    }

    /// How many texts were begun.
    pub(super) fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// How many texts have a reply.
    pub(super) fn answered(&self) -> u64 {
        u64::try_from(self.shared.heard().replies.len()).unwrap_or(u64::MAX)
    }

    /// How many messages came to the phones that answer no text of theirs.
    pub(super) fn stray(&self) -> u64 {
        self.shared.heard().stray
    }

    /// How far it was behind its schedule at worst.
    pub(super) fn longest_lag(&self) -> Duration {
        Duration::from_millis(self.shared.longest_lag_ms.load(Ordering::Relaxed))
    }

    /// When the first reply came to a text that was sent at `from` or later.
    pub(super) fn first_reply_since(&self, from: Timestamp) -> Option<Timestamp> {
        let texts = self.shared.texts();
        let heard = self.shared.heard();
        let since =
            texts.iter().filter(|(_, sent)| from <= sent.at).filter_map(|(number, _)| heard.replies.get(number));
        since.filter_map(|replies| replies.first().copied()).min()
    }

    /// Every text that was begun, by number. One that has not gone out, or whose end nobody saw, is unknown.
    pub(super) fn texts(&self) -> Vec<(u64, Sent)> {
        let texts = self.shared.texts();
        let mut all: Vec<_> = texts.iter().map(|(number, sent)| (*number, sent.clone())).collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }

    /// The replies to a text.
    pub(super) fn replies(&self, number: u64) -> Vec<Timestamp> {
        self.shared.heard().replies.get(&number).cloned().unwrap_or_default()
    }

    /// How many replies there are, of all texts.
    pub(super) fn replies_count(&self) -> usize {
        self.shared.heard().replies.values().map(Vec::len).sum()
    }
}

impl Shared {
    async fn send(&self, number: u64) {
        let (phone, at) = (number % self.phones, self.environment.now());
        // On record before it goes out, so that its reply finds it.
        self.texts().insert(number, Sent { at, texted: Texted::Unknown });
        let words = format!("echo {}", words(self.seed, phone, number));
        let texted = self.tropo.text(&number_of(phone), &words).await;
        self.texts().insert(number, Sent { at, texted });
    }

    fn texts(&self) -> MutexGuard<'_, HashMap<u64, Sent>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Takes a message that a phone has, unless another look took it meanwhile.
    fn take(&mut self, phone: u64, after: u64, message: &Message, seed: u64, phones: u64) {
        let last = self.last_index.entry(phone).or_insert(after);
        if message.index <= *last {
            return;
        }
        *last = message.index;
        match number_in(&message.text, seed, phone).filter(|number| number % phones == phone) {
            Some(number) => self.replies.entry(number).or_default().push(message.at),
            None => self.stray += 1,
        }
    }
}

/// The telephone number of a phone.
fn number_of(phone: u64) -> String {
    format!("+1555{:07}", 6_000_000 + phone % 1_000_000)
}

/// What a text asks to be answered with.
fn words(seed: u64, phone: u64, number: u64) -> String {
    format!("{seed} {phone} {number}")
}

/// The number of the text that these words answer, if they answer one of this phone.
fn number_in(answer: &str, seed: u64, phone: u64) -> Option<u64> {
    let number = answer.rsplit(' ').next()?.parse().ok()?;
    (answer == words(seed, phone, number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_its_text_and_anything_else_is_stray() {
        let mut heard = Heard::default();
        let at = Timestamp::from_millisecond(5).unwrap();
        let mut take = |index, text: &str| {
            heard.take(3, 0, &Message { index, text: text.to_owned(), at }, 42, 10);
            (heard.replies.get(&13).map_or(0, Vec::len), heard.stray)
        };
        assert_eq!(take(1, "42 3 13"), (1, 0));
        assert_eq!(take(1, "42 3 13"), (1, 0), "the same message, read twice");
        assert_eq!(take(2, "42 3 13"), (2, 0), "the same words, said twice");
        for (index, stray) in ["43 3 13", "42 4 14", "42 3 14", "42 3 13 ", "42 3 +13", "hello", ""].iter().zip(1..) {
            assert_eq!(take(10 + stray, index), (2, stray), "{index:?}");
        }
    }

    #[test]
    fn every_phone_has_a_number_of_its_own() {
        let numbers: std::collections::HashSet<_> = (0..1000).map(number_of).collect();
        assert_eq!(numbers.len(), 1000);
        assert!(numbers.iter().all(|number| protocol::PhoneNumber::parse(number).is_ok()));
    }
}
