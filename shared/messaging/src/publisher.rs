//! Publishes events: with a span, the trace context in the headers, and the confirm waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::future::try_join_all;
use tracing::{Instrument, info_span};

use crate::headers::{CAUSATION_ID, TRACEPARENT, TRACESTATE};
use crate::{Bus, Destination, Message, Outgoing, Properties, PublishError, observe, trace};

/// Publishes events in the name of a service.
#[derive(Clone, Debug)]
pub struct Publisher {
    bus: Arc<dyn Bus>,
    app_id: &'static str,
}

impl Publisher {
    /// A publisher on `bus`; `app_id` names the service in every message.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, app_id: &'static str) -> Self {
        Self { bus, app_id }
    }

    /// The bus that it publishes on.
    #[must_use]
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Publishes an event, and returns once the bus has confirmed it.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish(&self, outgoing: &Outgoing) -> Result<(), PublishError> {
        let kind = outgoing.head.event_type.kind.as_str();
        let span = info_span!(
            "send",
            otel.name = format_args!("send tropomq:{kind}"),
            otel.kind = "producer",
            messaging.system = self.bus.system(),
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.destination.name = format_args!("tropomq:{kind}"),
            messaging.rabbitmq.destination.routing_key = outgoing.routing_key,
            messaging.message.id = %outgoing.head.id,
            messaging.message.conversation_id = outgoing.head.correlation_id.as_ref().map(tracing::field::display),
            messaging.message.body.size = outgoing.body.len(),
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let message = span.in_scope(|| self.message(outgoing));
        let started = Instant::now();
        let result = self.bus.publish(message).instrument(span.clone()).await;
        if let Err(error) = &result {
            span.record("error.type", observe::error_type(error)).record("otel.status_code", "error");
        }
        observe::published(self.bus.system(), kind, started.elapsed(), &result);
        result
    }

    /// Publishes all of them at once, and returns once each is confirmed.
    ///
    /// # Errors
    /// The first error; the others may or may not be on the bus.
    pub async fn publish_all(&self, outgoing: &[Outgoing]) -> Result<(), PublishError> {
        try_join_all(outgoing.iter().map(|event| self.publish(event))).await.map(drop)
    }

    /// The event as a message, with the context of the current span in its headers.
    fn message(&self, outgoing: &Outgoing) -> Message {
        let head = &outgoing.head;
        let mut headers = BTreeMap::new();
        if let Some(cause) = head.causation_id {
            headers.insert(CAUSATION_ID.to_owned(), cause.to_string());
        }
        if let Some(context) = trace::current() {
            headers.insert(TRACEPARENT.to_owned(), context.traceparent);
            if !context.tracestate.is_empty() {
                headers.insert(TRACESTATE.to_owned(), context.tracestate);
            }
        }
        Message {
            destination: Destination::Topic { routing_key: outgoing.routing_key.clone() },
            properties: Properties {
                message_id: Some(head.id.to_string()),
                correlation_id: head.correlation_id.as_ref().map(|id| id.as_str().to_owned()),
                message_type: Some(head.event_type.to_string()),
                app_id: Some(self.app_id.to_owned()),
                timestamp: u64::try_from(head.time.as_second()).ok(),
                headers,
            },
            body: outgoing.body.clone(),
        }
    }
}
