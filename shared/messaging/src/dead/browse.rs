//! Goes through a queue once, and leaves there what is not settled.

use std::time::Duration;

use protocol::topology::QueueName;

use super::DeadError;
use crate::{Bus, Delivery, Environment, Subscription};

/// So many deliveries of one subscription are unsettled at a time. It bounds what waits in memory; what is kept stays
/// unsettled, so another subscription is opened behind one that is full.
const WINDOW: u16 = 500;

/// So many subscriptions, so that at most 50 000 letters are unsettled: a channel of RabbitMQ for each, of 2047.
const WINDOWS_MAX: usize = 100;

/// The longest wait for a letter that was counted. One that does not come is in somebody else's hand.
const PATIENCE: Duration = Duration::from_secs(10);

/// RabbitMQ takes back what a channel held a little after the channel is closed. So often is looked whether it has.
const RETURN_LOOKS: u32 = 50;

/// How long between two looks.
const RETURN_PAUSE: Duration = Duration::from_millis(20);

/// What comes next.
pub(super) enum Next {
    /// A letter. It stays where it is unless it is settled.
    Letter(Box<Delivery>),
    /// Everything that was there at the beginning was seen.
    End,
    /// So many that were there at the beginning are in somebody else's hand.
    Elsewhere(u64),
    /// There are more than are kept at a time.
    Full,
}

/// A way through a queue, from its head to what was its end at the beginning. Nothing that is published behind that end
/// is waited for, so that what is replayed and dies again is not replayed again.
///
/// Dropping it gives back all that was not settled, from the first on.
pub(super) struct Browse<'a> {
    bus: &'a dyn Bus,
    environment: &'a Environment,
    queue: QueueName,
    windows: Vec<Box<dyn Subscription>>,
    /// How many deliveries of the last window stay unsettled.
    kept: u16,
    /// How many are still to be seen.
    left: u64,
}

impl<'a> Browse<'a> {
    pub(super) async fn new(
        bus: &'a dyn Bus,
        environment: &'a Environment,
        queue: QueueName,
    ) -> Result<Self, DeadError> {
        let left = bus.depth(&queue).await?.unwrap_or_default();
        Ok(Self { bus, environment, queue, windows: Vec::new(), kept: WINDOW, left })
    }

    pub(super) async fn next(&mut self) -> Result<Next, DeadError> {
        if self.left == 0 {
            return Ok(Next::End);
        }
        if self.kept == WINDOW {
            if self.windows.len() == WINDOWS_MAX {
                return Ok(Next::Full);
            }
            self.windows.push(self.bus.subscribe(&self.queue, WINDOW).await?);
            self.kept = 0;
        }
        let Some(window) = self.windows.last_mut() else { return Ok(Next::End) };
        tokio::select! {
            biased;
            delivery = window.next() => match delivery {
                Some(delivery) => {
                    self.left -= 1;
                    Ok(Next::Letter(Box::new(delivery)))
                }
                None => Err(DeadError::Lost),
            },
            () = self.environment.clock.sleep(PATIENCE) => Ok(Next::Elsewhere(self.left)),
        }
    }

    /// The last letter stays where it is.
    pub(super) fn keep(&mut self) {
        self.kept += 1;
    }

    /// Gives back what was not settled, in its order: nothing of it is handed to the last subscriptions meanwhile.
    /// Returns once it is there again, for whoever looks next.
    pub(super) async fn end(mut self) {
        let Some(full) = self.windows.len().checked_sub(1) else { return };
        let kept = full as u64 * u64::from(WINDOW) + u64::from(self.kept);
        for window in &mut self.windows {
            window.cancel().await;
        }
        self.windows.clear();
        // Somebody else may have taken them at once, so it is not waited for long.
        for _ in 0..RETURN_LOOKS {
            match self.bus.depth(&self.queue).await {
                Ok(Some(depth)) if depth < kept => self.environment.clock.sleep(RETURN_PAUSE).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}
