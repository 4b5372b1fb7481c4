//! The consume loop: handle, publish, wait for the confirms, acknowledge. In that order, whatever happens.

mod failure;
mod receive;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use protocol::TraceContext;
use protocol::topology::QueueName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field, info_span};

use crate::headers::{ATTEMPT, REPLAYED_AT, ROUTING_KEY, TRACEPARENT, TRACESTATE};
use crate::observe::{self, Settled};
use crate::share::Leaving;
use crate::{
    BoxFuture, BusState, Context, Delivery, Environment, Handler, Message, Outgoing, Progress, PublishError, Publisher,
    RetryPolicy, Share, Subscription, Witness, trace,
};
use failure::{Decision, Failure};
use receive::{Handling, Receive, Witnessing};

/// How often the consequences of one delivery are offered to a bus that does not confirm them, before the delivery
/// is given back to be handled again.
const PUBLISH_TRIES: u32 = 5;

/// The wait between two of them; doubles up to the longest.
const PUBLISH_FIRST: Duration = Duration::from_millis(200);
const PUBLISH_LONGEST: Duration = Duration::from_secs(2);

/// The wait before a subscription is asked for again; doubles up to [`SUBSCRIBE_LONGEST`].
const SUBSCRIBE_FIRST: Duration = Duration::from_millis(100);
const SUBSCRIBE_LONGEST: Duration = Duration::from_secs(1);

/// How a queue is consumed.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// The queue.
    pub queue: QueueName,
    /// How many deliveries are handled at once, at most.
    pub prefetch: u16,
    /// When what failed is tried again.
    pub retry: RetryPolicy,
    /// Whether the queue has a single active consumer. Its place is then kept until what is in hand is finished, so that
    /// no other consumer overtakes it.
    pub ordered: bool,
    /// Which process is to have the queue, where several share such queues.
    pub share: Option<Share>,
    /// How long what is in hand may take once shutdown was requested, or the queue is left to another process; the rest
    /// goes back to the bus.
    pub drain: Duration,
}

/// Whether a consumer gets what is on its queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConsumerState {
    /// It does.
    Subscribed,
    /// It does not at present. The text names the queue and says why; it asks again by itself.
    Waiting(String),
}

/// Consumes a queue with a handler until shutdown is requested, and tells every change of its state: for readiness.
///
/// Never ends by itself: a subscription that ends or cannot be had is asked for again.
pub async fn consume<H: Handler>(
    publisher: Publisher,
    consumer: Consumer,
    handler: Arc<H>,
    environment: Environment,
    shutdown: CancellationToken,
    tell: impl Fn(ConsumerState) + Send + Sync + 'static,
) {
    let tell = Box::new(tell);
    let receiver = Handling { handler, system: publisher.bus().system() };
    Consuming { publisher, consumer, receiver, environment, tell }.run(&shutdown).await;
}

/// Shows a queue to a witness until shutdown is requested, and tells every change of its state.
///
/// As [`consume`], but for the spans: who keeps a record is no part of a conversation, nor of its trace.
pub async fn witness<W: Witness>(
    publisher: Publisher,
    consumer: Consumer,
    witness: W,
    environment: Environment,
    shutdown: CancellationToken,
    tell: impl Fn(ConsumerState) + Send + Sync + 'static,
) {
    let tell = Box::new(tell);
    Consuming { publisher, consumer, receiver: Witnessing(witness), environment, tell }.run(&shutdown).await;
}

struct Consuming<R> {
    publisher: Publisher,
    consumer: Consumer,
    receiver: R,
    environment: Environment,
    tell: Box<dyn Fn(ConsumerState) + Send + Sync>,
}

impl<R: Receive> Consuming<R> {
    async fn run(&self, shutdown: &CancellationToken) {
        observe::consumes(self.publisher.bus().system(), &self.consumer.queue);
        let mut leaving = Leaving::new(self.consumer.share.clone());
        while let Some(subscription) = self.subscribe(shutdown).await {
            self.serve(subscription, &mut leaving, shutdown).await;
            // A subscription that ends as soon as it begins is no reason to ask without a pause.
            shutdown.run_until_cancelled(self.environment.clock.sleep(SUBSCRIBE_FIRST)).await;
        }
    }

    /// A subscription, however long it takes; `None` once shutdown is requested.
    async fn subscribe(&self, shutdown: &CancellationToken) -> Option<Box<dyn Subscription>> {
        let Consumer { queue, prefetch, .. } = &self.consumer;
        let (mut wait, mut last) = (SUBSCRIBE_FIRST, None);
        loop {
            let subscribed = shutdown.run_until_cancelled(self.publisher.bus().subscribe(queue, *prefetch)).await?;
            match subscribed {
                Ok(subscription) => {
                    observe::subscribed(queue, *prefetch);
                    (self.tell)(ConsumerState::Subscribed);
                    return Some(subscription);
                }
                Err(error) => {
                    observe::not_subscribed(&error, wait, last.as_ref() == Some(&error.reason));
                    (self.tell)(ConsumerState::Waiting(error.to_string()));
                    last = Some(error.reason);
                }
            }
            let jittered = wait.mul_f64(0.5 + 0.5 * self.environment.chance.unit());
            shutdown.run_until_cancelled(self.environment.clock.sleep(jittered)).await?;
            wait = (wait * 2).min(SUBSCRIBE_LONGEST);
        }
    }

    /// Handles what a subscription delivers until it ends, the queue is left to another process, or shutdown is
    /// requested.
    ///
    /// What is in hand when the subscription ends by itself is abandoned, as in a crash: it will come again.
    async fn serve(
        &self,
        mut subscription: Box<dyn Subscription>,
        leaving: &mut Leaving,
        shutdown: &CancellationToken,
    ) {
        let (progress, mut reported) = mpsc::unbounded_channel();
        let mut in_hand = FuturesUnordered::new();
        let mut progressing = FuturesUnordered::new();
        loop {
            tokio::select! {
                // What is in hand goes before what is new: prefetch bounds both.
                biased;
                () = shutdown.cancelled() => break,
                Some(settled) = in_hand.next() => {
                    // All that is in hand comes again with it: or what is behind it would overtake it.
                    if self.consumer.ordered && settled == Settled::Returned {
                        let queue = &self.consumer.queue;
                        return (self.tell)(ConsumerState::Waiting(format!("a delivery was given back to {queue}")));
                    }
                }
                Some(made) = reported.recv() => progressing.push(self.report(made)),
                Some(()) = progressing.next() => {}
                delivery = subscription.next() => match delivery {
                    Some(delivery) => {
                        in_hand.push(self.process(delivery, progress.clone()));
                        if leaving.is_due(self.environment.now()) {
                            observe::left(&self.consumer.queue);
                            break;
                        }
                    }
                    None => {
                        observe::subscription_ended(&self.consumer.queue);
                        let queue = &self.consumer.queue;
                        return (self.tell)(ConsumerState::Waiting(format!("the subscription to {queue} has ended")));
                    }
                },
            }
        }
        drop(progress);
        let finish = async {
            if !self.consumer.ordered {
                subscription.cancel().await;
            }
            while in_hand.next().await.is_some() {}
            reported.close();
            while let Some(made) = reported.recv().await {
                self.report(made).await;
            }
            while progressing.next().await.is_some() {}
        };
        tokio::select! {
            biased;
            () = finish => {}
            () = self.environment.clock.sleep(self.consumer.drain) => {}
        }
    }

    async fn report(&self, Progress { outgoing, span }: Progress) {
        if let Err(error) = self.publisher.publish(&outgoing).instrument(span).await {
            observe::progress_lost(&error);
        }
    }

    /// Handles one delivery, and settles it.
    async fn process(&self, delivery: Delivery, progress: mpsc::UnboundedSender<Progress>) -> Settled {
        let system = self.publisher.bus().system();
        observe::delivered(system, &delivery.queue);
        let queue = delivery.queue.clone();
        let started = Instant::now();
        let span = if R::IS_TRACED { process_span(system, &delivery) } else { Span::none() };
        let settled = self.handle_and_settle(delivery, progress).instrument(span.clone()).await;
        span.record("tropomq.outcome", settled.as_str());
        if let Settled::Retried | Settled::Dead | Settled::Returned = settled {
            span.record("error.type", settled.as_str()).record("otel.status_code", "error");
        }
        observe::settled(system, &queue, started.elapsed(), settled);
        settled
    }

    async fn handle_and_settle(&self, delivery: Delivery, progress: mpsc::UnboundedSender<Progress>) -> Settled {
        let replayed_at = delivery.properties.headers.get(REPLAYED_AT).and_then(|at| at.parse().ok());
        let environment = self.environment.clone();
        let handled = (attempt(&delivery), delivery.redelivered || 1 < attempt(&delivery) || replayed_at.is_some());
        let context = Context::of(handled, replayed_at, delivery.queue.clone(), environment, progress);
        let (outgoing, decision) = match self.handle(&delivery, &context).await {
            Ok(outgoing) => (outgoing, None),
            Err(failure) => {
                let decision = failure.decide(&delivery, &context, &self.consumer.retry);
                (failure.outgoing, Some(decision))
            }
        };
        let published = self.insist(&delivery, || Box::pin(self.publisher.publish_all(&outgoing))).await;
        let settled = match (&decision, published) {
            (_, false) => Settled::Returned,
            (None, true) => Settled::Handled,
            (Some(Decision::Drop), true) => Settled::Dropped,
            (Some(Decision::Move { message, settled }), true) => {
                let moved = self.insist(&delivery, || self.publisher.bus().publish(Message::clone(message))).await;
                if moved { *settled } else { Settled::Returned }
            }
        };
        match settled {
            Settled::Returned => delivery.settler.requeue().await,
            Settled::Handled | Settled::Retried | Settled::Dead | Settled::Dropped => delivery.settler.ack().await,
        }
        settled
    }

    async fn handle(&self, delivery: &Delivery, context: &Context) -> Result<Vec<Outgoing>, Failure> {
        // A handler that panics must not take the others down with it; whatever state it leaves is behind its own
        // `Arc`, and it is called again as after a crash.
        let received = AssertUnwindSafe(self.receiver.receive(delivery, context)).catch_unwind().await;
        received.unwrap_or_else(|_| Err(Failure::panicked()))
    }

    /// Publishes until the bus confirms; whether it did.
    ///
    /// While the bus is away or blocked the delivery stays in hand: given back, it would only come again, and be dead
    /// after as many rounds as the broker allows. What the bus refuses or does not confirm is tried a few times.
    async fn insist<'a>(
        &self,
        delivery: &Delivery,
        publish: impl Fn() -> BoxFuture<'a, Result<(), PublishError>>,
    ) -> bool {
        let mut state = self.publisher.bus().state();
        let (mut tries, mut wait) = (0, PUBLISH_FIRST);
        loop {
            match publish().await {
                Ok(()) => return true,
                Err(error) => {
                    observe::not_published(&delivery.queue, id(delivery), &error);
                    tries += u32::from(!matches!(error, PublishError::Unavailable(_)));
                }
            }
            if tries == PUBLISH_TRIES {
                return false;
            }
            self.environment.clock.sleep(wait).await;
            wait = (wait * 2).min(PUBLISH_LONGEST);
            let ready = state.wait_for(|state| matches!(state, BusState::Ready | BusState::Closed)).await;
            if ready.is_ok_and(|state| *state == BusState::Closed) {
                return false;
            }
        }
    }
}

/// The message's own id, for logs.
fn id(delivery: &Delivery) -> &str {
    delivery.properties.message_id.as_deref().unwrap_or("without id")
}

/// Which attempt this is, from 1.
fn attempt(delivery: &Delivery) -> u32 {
    delivery.properties.headers.get(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1).max(1)
}

/// The span of one delivery: a child of the span that published it, across the bus.
fn process_span(system: &'static str, delivery: &Delivery) -> Span {
    let Delivery { queue, routing_key, properties, .. } = delivery;
    let routing_key = properties.headers.get(ROUTING_KEY).unwrap_or(routing_key);
    let span = info_span!(
        "process",
        otel.name = format_args!("process {queue}"),
        otel.kind = "consumer",
        messaging.system = system,
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = %queue,
        messaging.message.id = properties.message_id,
        messaging.message.conversation_id = properties.correlation_id,
        messaging.rabbitmq.destination.routing_key = routing_key,
        messaging.message.body.size = delivery.body.len(),
        tropomq.attempt = attempt(delivery),
        tropomq.outcome = field::Empty,
        error.type = field::Empty,
        otel.status_code = field::Empty,
    );
    let header = |name| properties.headers.get(name).map(String::as_str);
    if let Some(context) = header(TRACEPARENT).and_then(|parent| TraceContext::from_headers(parent, header(TRACESTATE)))
    {
        trace::adopt(&span, &context);
    }
    span
}

#[cfg(test)]
mod tests;
