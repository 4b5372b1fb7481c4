//! Clock and chance, injected: so that the consume loop and the handlers can run in a simulation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::Timestamp;
use uuid::Uuid;

use crate::BoxFuture;

/// Tells the time, and waits.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Where chance comes from.
pub trait Chance: fmt::Debug + Send + Sync {
    /// 128 random bits.
    fn bits(&self) -> u128;

    /// A number from 0, included, to 1, excluded.
    fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
        let unit = (self.bits() >> 75) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// A fresh id for what nothing caused.
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bits().to_be_bytes()).into_uuid()
    }
}

/// The clock and the chance that a service runs with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The chance.
    pub chance: Arc<dyn Chance>,
}

impl Environment {
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(System), chance: Arc::new(System) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The real world.
#[derive(Debug)]
struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        // Milliseconds are what Tropo writes, and enough: an event then reads back exactly as it was.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Chance for System {
    fn bits(&self) -> u128 {
        // Two, because six bits of a UUIDv4 are fixed.
        let (high, low) = (Uuid::new_v4().as_u128(), Uuid::new_v4().as_u128());
        (high << 64) ^ low ^ (low >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_from_zero_to_one() {
        let chance = Environment::system().chance;
        let units: Vec<f64> = (0..1000).map(|_| chance.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(units.iter().any(|unit| *unit < 0.25) && units.iter().any(|unit| 0.75 <= *unit));
    }
}
