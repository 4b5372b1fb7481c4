//! Starts the router: its consumers, what it forgets, and what it takes of a changed configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging::{Bus, Publisher, RetryPolicy, Seating};
use protocol::topology::QueueName;
use tokio::net::TcpListener;

use super::reload::{Shown, Source};
use super::{Running, Work};

/// What failed otherwise than by an application that is away: a panic, say.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(500), longest: Duration::from_mins(1), attempts_max: Some(10) };

impl Running {
    /// # Errors
    /// The configuration of an application cannot be used.
    pub(super) fn router(
        &self,
        bus: &Arc<dyn Bus>,
        opened: &store::Opened,
        listener: TcpListener,
        source: Option<(Source, Shown)>,
    ) -> anyhow::Result<()> {
        let memories = Arc::clone(&opened.memories);
        let config = &self.settings.router;
        let router = router::Router::new(config, self.settings.own_numbers(), Arc::clone(&memories));
        let probed = self.settings.probed().map(|(name, _)| name.clone());
        let router = Arc::new(router.context("start router")?.with_probe(probed.into_iter().collect()));
        self.consume_texts(bus, &router);
        let publisher = Publisher::new(Arc::clone(bus), "router");
        // Applications text people, not the probe.
        let of_people = self.settings.backends.iter().filter(|(_, backend)| !backend.probe);
        let backends = of_people.map(|(name, _)| name.clone()).collect();
        let environment = || self.environment.clone();
        let routes = router::api::routes(Arc::clone(&router), backends, publisher.clone(), environment());
        let routes = routes.merge(router::rapidsms::routes(Arc::clone(&router), publisher, environment()));
        self.listen("router", listener, routes, config.limits.clone());
        let token = self.tasks.shutdown().token().clone();
        self.work("forget memories", router::forget(memories, config.retention, environment(), token));
        if let Some((source, shown)) = source {
            self.watch_configuration(source, router, shown);
        }
        Ok(())
    }

    /// Handles what people text: each shard by itself, shared out among all routers.
    fn consume_texts(&self, bus: &Arc<dyn Bus>, router: &Arc<router::Router>) {
        let (prefetch, seating) = (self.settings.router.prefetch, Seating::default());
        let unsharded = Work { queue: QueueName::received(), prefetch, retry: RETRY, ordered: false, share: None };
        self.consume(bus, "router", unsharded, Arc::clone(router));
        for (queue, number) in QueueName::shards().zip(0..) {
            let work = Work { queue, prefetch, retry: RETRY, ordered: true, share: Some(seating.share(number)) };
            self.consume(bus, "router", work, Arc::clone(router));
        }
        // Every router consumes this queue, and nobody else does.
        let (environment, token) = (self.environment.clone(), self.tasks.shutdown().token().clone());
        self.work("seat", seating.keep(Arc::clone(bus), QueueName::received(), environment, token));
    }
}
