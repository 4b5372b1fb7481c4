//! Goes through a queue once, and leaves there what is not settled.

use std::time::Duration;

use futures::FutureExt;
use protocol::topology::QueueName;

use super::{DeadError, ready};
use crate::{Bus, Delivery, Environment, Subscription};

/// So many deliveries of one subscription are unsettled at a time. It bounds what waits in memory; what is kept stays
/// unsettled, so another subscription is opened behind one that is full.
const WINDOW: u16 = 500;

/// So many subscriptions, so that at most 50 000 letters are unsettled: a channel of RabbitMQ for each, of 2047.
const WINDOWS_MAX: usize = 100;

/// The longest wait for a letter that was counted. One that does not come is in somebody else's hand.
const PATIENCE: Duration = Duration::from_secs(10);

/// RabbitMQ takes back what a channel held a little after the channel is closed, and of two that are closed together in
/// any order. So often is looked whether it has, in all.
const RETURN_LOOKS: u32 = 500;

/// How long between two looks.
const RETURN_PAUSE: Duration = Duration::from_millis(10);

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
        let left = ready(bus, &queue).await?.unwrap_or_default();
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

    /// Gives back what was not settled, in its order, and returns once it is there again, for whoever looks next.
    ///
    /// # Errors
    /// [`DeadError::Lost`]: not all that was acknowledged may be settled.
    pub(super) async fn end(mut self) -> Result<(), DeadError> {
        let Some(last) = self.windows.len().checked_sub(1) else { return Ok(()) };
        self.assert_alive().await?;
        // Nothing of what is given back is handed to those that still have room.
        for window in &mut self.windows {
            window.cancel().await;
        }
        let mut expected = ready(self.bus, &self.queue).await?.unwrap_or_default();
        let mut looks = RETURN_LOOKS;
        for (at, window) in std::mem::take(&mut self.windows).into_iter().enumerate() {
            drop(window);
            expected += u64::from(if at == last { self.kept } else { WINDOW });
            // Somebody else may take them at once, so it is not waited for long.
            while 0 < looks && ready(self.bus, &self.queue).await?.is_some_and(|ready| ready < expected) {
                looks -= 1;
                self.environment.clock.sleep(RETURN_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Deliveries that wait in memory outlive their connection, and to acknowledge them then does nothing. What was
    /// acknowledged before the bus answered is settled, if the subscriptions are alive after that.
    async fn assert_alive(&mut self) -> Result<(), DeadError> {
        ready(self.bus, &self.queue).await?;
        for window in &mut self.windows {
            while let Some(came) = window.next().now_or_never() {
                // One that came meanwhile stays where it is.
                let _newer = came.ok_or(DeadError::Lost)?;
            }
        }
        Ok(())
    }
}
