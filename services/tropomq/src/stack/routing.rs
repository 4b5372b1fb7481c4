//! Starts the router: its consumers, what it forgets, and what it takes of a changed configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging::{Bus, RetryPolicy};
use protocol::topology::QueueName;

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
        source: Option<(Source, Shown)>,
    ) -> anyhow::Result<()> {
        let memories = Arc::clone(&opened.memories);
        let config = &self.settings.router;
        let router = router::Router::new(config, self.settings.own_numbers(), Arc::clone(&memories));
        let router = Arc::new(router.context("start router")?);
        let work = Work { queue: QueueName::received(), prefetch: config.prefetch, retry: RETRY, ordered: false };
        self.consume(bus, "router", work, Arc::clone(&router));
        let token = self.tasks.shutdown().token().clone();
        self.work("forget memories", router::forget(memories, config.retention, self.environment.clone(), token));
        if let Some((source, shown)) = source {
            self.watch_configuration(source, router, shown);
        }
        Ok(())
    }
}
