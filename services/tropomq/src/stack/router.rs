//! Router, on the queues of texts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging::{Bus, RetryPolicy, Seating};
use protocol::topology::QueueName;

use super::{Running, Work};

impl Running {
    /// Handles what people text: each shard by itself, shared out among all routers.
    pub(super) fn router(&self, bus: &Arc<dyn Bus>) -> anyhow::Result<()> {
        let router =
            ::router::Router::new(&self.settings.router, self.settings.own_numbers()).context("start router")?;
        let prefetch = self.settings.router.prefetch;
        let retry =
            RetryPolicy { first: Duration::from_millis(500), longest: Duration::from_mins(1), attempts_max: Some(10) };
        let (router, seating) = (Arc::new(router), Seating::default());
        let unsharded = Work { queue: QueueName::received(), prefetch, retry, ordered: false, share: None };
        self.consume(bus, "router", unsharded, Arc::clone(&router));
        for (queue, number) in QueueName::shards().zip(0..) {
            let work = Work { queue, prefetch, retry, ordered: true, share: Some(seating.share(number)) };
            self.consume(bus, "router", work, Arc::clone(&router));
        }
        // Whoever runs a router consumes this queue.
        let (environment, token) = (self.environment.clone(), self.tasks.shutdown().token().clone());
        self.work("seat", seating.keep(Arc::clone(bus), QueueName::received(), environment, token));
        Ok(())
    }
}
