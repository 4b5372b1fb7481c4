//! A bus that is away, silent, or lost at random, as a broker with one connection is.

use std::collections::BTreeSet;

use super::*;

/// Keeps what it confirmed, and what it may not have.
#[derive(Debug)]
pub(super) struct Broker {
    state: watch::Sender<BusState>,
    link: Mutex<Link>,
}

#[derive(Debug)]
struct Link {
    taken: Vec<Message>,
    /// Counts connections: what was published on an earlier one is not confirmed any more.
    connection: u64,
    is_silent: bool,
    /// Of a connection that is lost by chance.
    seed: Option<u64>,
    failures: u32,
    /// The bodies that it never confirms, as of a queue without a leader, or that it has no right to publish. With each,
    /// it gives up the connection, and has a new one at once.
    poison: BTreeSet<u32>,
}

fn away() -> BusState {
    BusState::Away("away".to_owned())
}

impl Broker {
    fn new(state: BusState, is_silent: bool, seed: Option<u64>) -> Self {
        let link = Link { taken: Vec::new(), connection: 0, is_silent, seed, failures: 0, poison: BTreeSet::new() };
        Self { state: watch::Sender::new(state), link: Mutex::new(link) }
    }

    pub(super) fn ready() -> Self {
        Self::new(BusState::Ready, false, None)
    }

    pub(super) fn away() -> Self {
        Self::new(away(), false, None)
    }

    /// Takes everything, and confirms nothing.
    pub(super) fn silent() -> Self {
        Self::new(BusState::Ready, true, None)
    }

    /// Loses its connection at every hundredth message, by chance.
    pub(super) fn failing(seed: u64) -> Self {
        Self::new(BusState::Ready, false, Some(seed))
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap()
    }

    /// What is on its way is not confirmed any more.
    pub(super) fn lose_connection(&self) {
        let mut link = self.link();
        link.connection += 1;
        link.failures += 1;
        self.state.send_replace(away());
    }

    pub(super) fn come_back(&self) {
        self.link().is_silent = false;
        self.state.send_replace(BusState::Ready);
    }

    /// From now on it never takes these; what is not among them it does.
    pub(super) fn never_takes(&self, bodies: impl IntoIterator<Item = u32>) {
        self.link().poison = bodies.into_iter().collect();
    }

    pub(super) fn bodies(&self) -> Vec<u32> {
        self.link().taken.iter().map(number).collect()
    }

    /// What it got, each once.
    pub(super) fn first_occurrences(&self) -> Vec<u32> {
        let mut seen = BTreeSet::new();
        self.bodies().into_iter().filter(|body| seen.insert(*body)).collect()
    }

    pub(super) fn first(&self) -> Message {
        self.link().taken[0].clone()
    }

    pub(super) fn failures(&self) -> u32 {
        self.link().failures
    }

    /// Takes a message, or loses the connection before or after it; the connection that it is to be confirmed on.
    fn take(&self, message: Message) -> Result<u64, PublishError> {
        if *self.state.borrow() != BusState::Ready {
            return Err(PublishError::Unavailable("away".to_owned()));
        }
        let mut link = self.link();
        if link.poison.contains(&number(&message)) {
            drop(link);
            self.lose_connection();
            self.state.send_replace(BusState::Ready);
            return Err(PublishError::Unknown("poison".to_owned()));
        }
        let chance = link.seed.as_mut().map_or(1, |seed| random(seed) % 200);
        if chance != 0 {
            link.taken.push(message);
        }
        let connection = link.connection;
        drop(link);
        if chance == 0 || chance == 100 {
            self.lose_connection();
        }
        Ok(connection)
    }
}

fn number(message: &Message) -> u32 {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

/// A step of SplitMix64.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Bus for Broker {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            let connection = self.take(message)?;
            let mut state = self.state.subscribe();
            while self.link().is_silent && self.link().connection == connection {
                let _ = state.changed().await;
            }
            // The confirm is on its way; a connection that is lost tells so at once, before there is another.
            if self.link().connection == connection {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                    _ = state.changed() => {}
                }
            }
            let is_same = self.link().connection == connection;
            if is_same { Ok(()) } else { Err(PublishError::Unknown("connection lost".to_owned())) }
        })
    }

    fn subscribe<'a>(
        &'a self,
        _queue: &'a QueueName,
        _prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        let subscription: Box<dyn Subscription> = Box::new(Silent);
        Box::pin(async { Ok(subscription) })
    }

    fn depths<'a>(&'a self, _queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Ok(Depths::new()) })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    fn system(&self) -> &'static str {
        "model"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Silent;

impl Subscription for Silent {
    fn next(&mut self) -> BoxFuture<'_, Option<crate::Delivery>> {
        Box::pin(std::future::pending())
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
