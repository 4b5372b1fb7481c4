//! The webhooks that were taken lately: a first filter against duplicates.
//!
//! Only a filter. A duplicate that comes to another replica, or after a restart, becomes an event with the same
//! derived id, and the release ledger decides.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use protocol::EventId;

/// How many events are remembered.
const EVENTS_MAX: u64 = 100_000;

/// How long. Tropo is not known to deliver a webhook twice; what retries is a proxy, within seconds.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

#[derive(Clone, Debug)]
pub(crate) struct Seen(Cache<EventId, ()>);

impl Default for Seen {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(EVENTS_MAX).time_to_live(REMEMBERED_FOR).build())
    }
}

impl Seen {
    /// Does `publish` unless it was done for this id already; of several at once, one does it and all get its result.
    /// A failure is not remembered.
    ///
    /// # Errors
    /// Those of `publish`.
    pub(crate) async fn once<E: Clone + Send + Sync + 'static>(
        &self,
        id: EventId,
        publish: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        self.0.try_get_with(id, publish).await.map_err(|error| Arc::unwrap_or_clone(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use protocol::Kind;

    use super::*;

    fn id(session: &str) -> EventId {
        EventId::of_webhook(&"b".parse().unwrap(), &session.parse().unwrap(), Kind::MessageReceived, "")
    }

    #[tokio::test]
    async fn of_several_at_once_one_publishes_and_a_failure_is_forgotten() {
        let (seen, published) = (Seen::default(), AtomicU32::new(0));
        let publish = async |result: Result<(), &'static str>| {
            tokio::task::yield_now().await;
            published.fetch_add(1, Ordering::Relaxed);
            result
        };
        assert_eq!(seen.once(id("s"), publish(Err("away"))).await, Err("away"));
        let both = tokio::join!(seen.once(id("s"), publish(Ok(()))), seen.once(id("s"), publish(Ok(()))));
        assert_eq!(both, (Ok(()), Ok(())));
        assert_eq!(seen.once(id("s"), publish(Ok(()))).await, Ok(()));
        assert_eq!(published.load(Ordering::Relaxed), 2);
        assert_eq!(seen.once(id("other"), publish(Ok(()))).await, Ok(()));
        assert_eq!(published.load(Ordering::Relaxed), 3);
    }
}
