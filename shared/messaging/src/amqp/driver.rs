//! Keeps the publishing connection going, and alone publishes on it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::{Channel, Confirmation, Connection, Event};
use protocol::topology::Topology;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::broker::{Broker, Connected};
use super::wire::Publication;
use super::{CLOSE_MAX, observe, topology};
use crate::{BusState, PublishError};

/// How many messages may be unconfirmed at a time: half of that costs rate, and more only adds waiting.
const WINDOW: usize = 256;
/// The longest wait for a confirm.
pub(super) const CONFIRM_MAX: Duration = Duration::from_secs(10);
/// The longest wait until everything is declared; on an empty broker that is two dozen queues, each with a log.
const DECLARE_MAX: Duration = Duration::from_secs(60);
/// How often an idle connection is looked at: lapin tells nobody that it was lost.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A message to publish, and where to say what came of it.
pub(super) struct Request {
    pub(super) publication: Publication,
    pub(super) reply: oneshot::Sender<Result<(), PublishError>>,
}

impl Request {
    fn refuse(self, reason: &str) {
        // Whoever asked may have gone meanwhile.
        let _ = self.reply.send(Err(PublishError::Unavailable(reason.to_owned())));
    }
}

/// A connection to publish on, with everything declared and its channel in confirm mode.
struct Link {
    connection: Connected,
    channel: Channel,
}

/// What came of one publication, as far as it concerns the others.
enum Outcome {
    /// The broker answered for it.
    Answered,
    /// Nobody asked any more, and it was not published.
    Forgone,
    /// No confirm came in time for what was published at this moment.
    Late(Instant),
    /// The channel is of no more use.
    Lost(String),
}

pub(super) struct Driver {
    broker: Arc<Broker>,
    topology: Arc<Topology>,
    requests: mpsc::Receiver<Request>,
    state: watch::Sender<BusState>,
    closing: CancellationToken,
}

impl Driver {
    pub(super) fn new(
        broker: Arc<Broker>,
        topology: Arc<Topology>,
        requests: mpsc::Receiver<Request>,
        state: watch::Sender<BusState>,
        closing: CancellationToken,
    ) -> Self {
        Self { broker, topology, requests, state, closing }
    }

    /// Ends when the bus is closed, or nobody holds it any more.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            let (broker, topology) = (Arc::clone(&self.broker), Arc::clone(&self.topology));
            let Some(linked) = self.refusing(link(&broker, &topology)).await else { break };
            let reason = match linked {
                Ok(link) => {
                    observe::ready();
                    self.state.send_replace(BusState::Ready);
                    let started = Instant::now();
                    let Some(reason) = self.serve(&link).await else {
                        close(&link.connection).await;
                        break;
                    };
                    backoff.served(started.elapsed());
                    reason
                }
                Err(reason) => reason,
            };
            let wait = backoff.next();
            self.away(reason, wait);
            if self.refusing(tokio::time::sleep(wait)).await.is_none() {
                break;
            }
        }
    }

    fn away(&self, reason: String, again_in: Duration) {
        let known = matches!(&*self.state.borrow(), BusState::Away(known) if *known == reason);
        if known {
            observe::still_away(&reason, again_in);
        } else {
            observe::away(&reason, again_in);
        }
        self.state.send_replace(BusState::Away(reason));
    }

    /// Does something else while there is no connection: who wants to publish meanwhile learns so at once.
    /// `None` when the bus is closed.
    async fn refusing<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return None,
                done = &mut work => return Some(done),
                request = self.requests.recv() => match request {
                    Some(request) => request.refuse("the connection was lost"),
                    None => return None,
                }
            }
        }
    }

    /// Publishes what is asked for until the connection is lost, and says why. `None` when the bus is closed, and all
    /// that was asked for before is answered.
    ///
    /// What is outstanding when it returns is dropped, so its askers learn that they cannot know.
    async fn serve(&mut self, link: &Link) -> Option<String> {
        let mut events = pin!(link.connection.events_listener());
        if link.connection.status().blocked() {
            self.blocked("the broker is short of memory or disk");
        }
        let mut outstanding = FuturesUnordered::new();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut taking, mut closing) = (true, false);
        let mut last_answer = Instant::now();
        while taking || !outstanding.is_empty() {
            let is_blocked = matches!(*self.state.borrow(), BusState::Blocked(_));
            tokio::select! {
                Some(outcome) = outstanding.next() => match outcome {
                    Outcome::Answered => last_answer = Instant::now(),
                    Outcome::Forgone => {}
                    // The broker lives, and confirms what it has once it is no longer blocked.
                    Outcome::Late(_) if is_blocked => {}
                    // The broker answers for others: one queue has no leader, say, and the other queues go on.
                    Outcome::Late(published) if published < last_answer => observe::one_is_late(CONFIRM_MAX),
                    Outcome::Late(_) => return Some(format!("no confirm came within {CONFIRM_MAX:?}")),
                    Outcome::Lost(reason) => return Some(reason),
                },
                request = self.requests.recv(), if taking && outstanding.len() < WINDOW => match request {
                    Some(request) if is_blocked => request.refuse("the broker is blocked"),
                    Some(request) => outstanding.push(publish(&link.channel, request)),
                    None => taking = false,
                },
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => self.blocked(&reason),
                    Some(Event::ConnectionUnblocked) => self.unblocked(),
                    Some(Event::Error(error)) => return Some(error.to_string()),
                    Some(_) => {}
                    None => return Some("the connection has ended".to_owned()),
                },
                () = self.closing.cancelled(), if !closing => {
                    closing = true;
                    self.requests.close();
                }
                _ = look.tick() => if !link.is_up() {
                    return Some("the connection was lost".to_owned());
                },
            }
        }
        None
    }

    fn blocked(&self, reason: &str) {
        observe::blocked(reason);
        self.state.send_replace(BusState::Blocked(reason.to_owned()));
    }

    fn unblocked(&self) {
        observe::unblocked();
        self.state.send_replace(BusState::Ready);
    }
}

/// However it ends, nothing can be published any more.
impl Drop for Driver {
    fn drop(&mut self) {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            request.refuse("the bus is closed");
        }
        observe::closed();
        self.state.send_replace(BusState::Closed);
    }
}

impl Link {
    fn is_up(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

/// Connects, declares everything, and asks for confirms.
async fn link(broker: &Broker, topology: &Topology) -> Result<Link, String> {
    let connection = broker.connect("tropomq publish").await?;
    let alone = Mutex::default();
    let declaring = async {
        topology::Declaring::on(&connection, &alone).await?.all(topology).await?;
        let channel = connection.create_channel().await.map_err(|error| error.to_string())?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(|error| error.to_string())?;
        Ok(channel)
    };
    let declared = timeout(DECLARE_MAX, declaring).await;
    let channel = declared.unwrap_or_else(|_| Err(format!("the topology was not declared within {DECLARE_MAX:?}")))?;
    Ok(Link { connection, channel })
}

/// Publishes one message and tells its asker. The first poll hands it to lapin, so what is pushed in order goes out in
/// order.
async fn publish(channel: &Channel, request: Request) -> Outcome {
    if !channel.status().connected() {
        request.refuse("the connection was lost");
        return Outcome::Lost("the connection was lost".to_owned());
    }
    let Request { publication, reply } = request;
    if reply.is_closed() {
        return Outcome::Forgone;
    }
    let started = Instant::now();
    let Publication { exchange, routing_key, properties, body } = publication;
    let options = BasicPublishOptions::default();
    let confirmed = timeout(CONFIRM_MAX, async {
        channel.basic_publish(exchange, routing_key, options, &body, properties).await?.await
    });
    let (result, outcome) = match confirmed.await {
        Ok(Ok(Confirmation::Ack(_))) => (Ok(()), Outcome::Answered),
        Ok(Ok(Confirmation::Nack(_))) => (Err(PublishError::Refused), Outcome::Answered),
        Ok(Ok(Confirmation::NotRequested)) => unknown("the channel is not in confirm mode"),
        Ok(Err(error)) => unknown(&error.to_string()),
        Err(_) => {
            // lapin still sends it if it can.
            let late = format!("no confirm came within {CONFIRM_MAX:?}");
            (Err(PublishError::Unknown(late)), Outcome::Late(started))
        }
    };
    // Whoever asked may have gone meanwhile.
    let _ = reply.send(result);
    outcome
}

fn unknown(reason: &str) -> (Result<(), PublishError>, Outcome) {
    (Err(PublishError::Unknown(reason.to_owned())), Outcome::Lost(reason.to_owned()))
}

/// Closes a connection, unless the other side does not answer.
pub(super) async fn close(connection: &Connection) {
    // It ends by being dropped then.
    let _ = timeout(CLOSE_MAX, connection.close(REPLY_SUCCESS, "closed".into())).await;
}
