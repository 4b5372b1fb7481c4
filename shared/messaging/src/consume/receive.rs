//! What a delivery is given to: a handler of one kind of event, or a witness of all.

use std::sync::Arc;

use protocol::Envelope;

use super::failure::Failure;
use crate::{Context, Delivery, Handler, Outgoing, Witness, observe};

/// Takes a delivery, and returns what it causes.
pub(super) trait Receive: Send + Sync {
    /// Whether the trace of an event goes on here.
    const IS_TRACED: bool;

    fn receive(
        &self,
        delivery: &Delivery,
        context: &Context,
    ) -> impl Future<Output = Result<Vec<Outgoing>, Failure>> + Send;
}

pub(super) struct Handling<H> {
    pub(super) handler: Arc<H>,
    pub(super) system: &'static str,
}

impl<H: Handler> Receive for Handling<H> {
    const IS_TRACED: bool = true;

    async fn receive(&self, delivery: &Delivery, context: &Context) -> Result<Vec<Outgoing>, Failure> {
        let envelope: Envelope<H::Event> =
            Envelope::from_body(&delivery.body).map_err(|error| Failure::unreadable(&error))?;
        if !context.redelivered {
            let waited = context.environment.now().duration_since(envelope.head.time);
            observe::waited(self.system, &delivery.queue, waited.as_secs_f64());
        }
        self.handler.handle(envelope, context).await.map_err(|error| Failure::of(&error))
    }
}

pub(super) struct Witnessing<W>(pub(super) W);

impl<W: Witness> Receive for Witnessing<W> {
    const IS_TRACED: bool = false;

    async fn receive(&self, delivery: &Delivery, context: &Context) -> Result<Vec<Outgoing>, Failure> {
        self.0.note(delivery, context).await;
        Ok(Vec::new())
    }
}
