//! Records what is published on a bus, in passing.

use std::sync::Arc;
use std::time::Duration;

use messaging::{
    BoxFuture, Bus, BusState, DepthError, Depths, Destination, Environment, Message, PublishError, SubscribeError,
    Subscription,
};
use protocol::topology::QueueName;
use protocol::{Envelope, EventType, Kind, Timestamp};
use tokio::sync::watch;

/// What was published, in the order of its confirms.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    hops: watch::Sender<Vec<Hop>>,
    environment: Environment,
}

/// One event on the bus.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// When the bus had confirmed it.
    pub(super) confirmed: Timestamp,
    /// Who published it: the AMQP property `app_id`.
    pub(super) app_id: String,
    /// Kind and version: the AMQP property `type`.
    pub(super) event_type: EventType,
    /// The AMQP property `correlation_id`.
    pub(super) correlation_id: Option<String>,
    /// The event.
    pub(super) event: Envelope<serde_json::Value>,
}

impl Recorder {
    pub(super) fn new(environment: Environment) -> Self {
        Self { hops: watch::Sender::new(Vec::new()), environment }
    }

    /// The same bus, with everything that is published on it recorded here.
    pub(super) fn around(&self, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
        Arc::new(Recorded { bus, recorder: self.clone() })
    }

    /// What was recorded so far.
    pub(super) fn hops(&self) -> Vec<Hop> {
        self.hops.borrow().clone()
    }

    /// Waits until an event of that kind was published, but no longer than the timeout.
    pub(super) async fn wait_for(&self, kind: Kind, timeout: Duration) {
        let mut hops = self.hops.subscribe();
        let came = hops.wait_for(|hops| hops.iter().any(|hop| hop.event_type.kind == kind));
        // The timeline shows what is missing.
        let _came_or_not = tokio::time::timeout(timeout, came).await;
    }

    fn record(&self, message: &Message) {
        let Ok(event) = Envelope::any_from_body(&message.body) else { return };
        let properties = &message.properties;
        let hop = Hop {
            confirmed: self.environment.now(),
            app_id: properties.app_id.clone().unwrap_or_default(),
            event_type: event.head.event_type,
            correlation_id: properties.correlation_id.clone(),
            event,
        };
        self.hops.send_modify(|hops| hops.push(hop));
    }
}

/// A bus whose publications are recorded.
#[derive(Debug)]
struct Recorded {
    bus: Arc<dyn Bus>,
    recorder: Recorder,
}

impl Bus for Recorded {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            let published = self.bus.publish(message.clone()).await;
            if published.is_ok() && matches!(message.destination, Destination::Topic { .. }) {
                self.recorder.record(&message);
            }
            published
        })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        self.bus.subscribe(queue, prefetch)
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        self.bus.depths(queues)
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.bus.state()
    }

    fn system(&self) -> &'static str {
        self.bus.system()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close()
    }
}
