//! A replica of a service: a process with everything that runs in it, which may die between any two steps, and its
//! successors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ConnectInfo;
use chassis::shutdown::Shutdown;
use egress::Egress;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ingress::Ingress;
use messaging::{BoxFuture, Bus, Consumer, Environment, Handler, Publisher, RetryPolicy, consume};
use protocol::topology::QueueName;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt;

use crate::broker::Broker;
use crate::bus::{Link, Watched};
use crate::ledger::Remote;
use crate::network::{Network, ToEgress, Visit};
use crate::planted::{self, Plant};
use crate::settings::Settings;
use crate::tropo::{SessionClient, Tropo};
use crate::world::World;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Service {
    Ingress,
    Router,
    Egress,
}

/// What a replica stands among.
pub(crate) struct Replica {
    pub(crate) service: Service,
    pub(crate) number: usize,
    pub(crate) world: Arc<World>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) network: Arc<Network>,
    pub(crate) tropo: Arc<Tropo>,
    pub(crate) database: store::Opened,
    pub(crate) settings: Arc<Settings>,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Crashed,
    Stopped,
}

impl Replica {
    /// One process after another, until the run ends.
    pub(crate) async fn live(self) {
        loop {
            let connection = self.broker.connect(&format!("{:?} {}", self.service, self.number));
            let Self { service, number, world, .. } = &self;
            world.note(format_args!("-- {service:?} {number} starts, as #{connection}"));
            let mut process = self.start(connection);
            let ended = (&mut process).await;
            world.note(format_args!("-- {service:?} {number}, #{connection}: {ended:?}"));
            self.network.close(*service, *number);
            if ended == Ended::Stopped {
                process.bus.close().await;
            }
            self.broker.disconnect(connection);
            drop(process);
            world.rest(if world.dice.falls(0.3) { 15_000 } else { 1000 }).await;
        }
    }

    fn start(&self, connection: u64) -> Process {
        let link: Arc<dyn Bus> = Arc::new(Link::new(Arc::clone(&self.broker), connection));
        let bus = planted::bus(&self.world, link);
        let mut process = Process {
            world: Arc::clone(&self.world),
            bus: Arc::clone(&bus),
            fate: Arc::default(),
            stop: Shutdown::new(),
            work: FuturesUnordered::new(),
            visited: FuturesUnordered::new(),
            timers: FuturesUnordered::new(),
            visits: None,
            routes: axum::Router::new(),
        };
        process.draw_fate();
        let publisher = |name| Publisher::new(Arc::clone(&bus), name);
        let environment = self.world.environment();
        match self.service {
            Service::Ingress => self.ingress(&mut process, publisher("ingress"), environment),
            Service::Router => self.router(&mut process, connection, &publisher("router"), &environment),
            Service::Egress => self.egress(&mut process, connection, publisher("egress"), environment),
        }
        process
    }

    fn ingress(&self, process: &mut Process, publisher: Publisher, environment: Environment) {
        let backends = self.settings.backends.keys().map(|name| (name.clone(), ingress::Backend::default())).collect();
        let (config, keyring) = (self.settings.ingress.clone(), self.settings.keyring.clone());
        let call_backs = Arc::new(ToEgress(Arc::clone(&self.network)));
        let ingress = Ingress::new(config, backends, publisher, keyring, call_backs, environment);
        process.routes = ingress.routes();
        process.visits = Some(self.network.open(Service::Ingress, self.number));
        process.work(idle(process.stop.clone()));
    }

    fn router(&self, process: &mut Process, connection: u64, publisher: &Publisher, environment: &Environment) {
        let router = router::Router::new(&self.settings.router, BTreeSet::new(), self.remote()).unwrap();
        let retry =
            RetryPolicy { first: Duration::from_millis(500), longest: Duration::from_mins(1), attempts_max: Some(10) };
        let consumers = QueueName::texts().map(|queue| {
            let ordered = queue != QueueName::received();
            self.consumer(queue, 8, retry, ordered)
        });
        if self.world.plant == Plant::RandomIds {
            let router = Arc::new(planted::RandomIds(router));
            for consumer in consumers {
                self.consume(process, connection, publisher.clone(), consumer, &router, environment.clone());
            }
        } else {
            let router = Arc::new(router);
            for consumer in consumers {
                self.consume(process, connection, publisher.clone(), consumer, &router, environment.clone());
            }
        }
    }

    /// The database as a process reaches it.
    fn remote(&self) -> Arc<Remote> {
        Arc::new(Remote { world: Arc::clone(&self.world), database: self.database.clone() })
    }

    fn egress(&self, process: &mut Process, connection: u64, publisher: Publisher, environment: Environment) {
        let Settings { egress: config, backends, keyring, .. } = &*self.settings;
        let backends: BTreeMap<_, _> = backends.iter().map(|(name, backend)| (name.clone(), backend.clone())).collect();
        let (ledger, consents) = (self.remote(), self.remote());
        let session_api = Arc::new(SessionClient(Arc::clone(&self.tropo)));
        let retry = RetryPolicy { first: config.retry.first, longest: config.retry.longest, attempts_max: None };
        let prefetch = config.prefetch;
        let egress = Egress::new(
            config.clone(),
            backends.clone(),
            session_api,
            ledger,
            consents,
            keyring.clone(),
            environment.clone(),
        );
        for (name, lane, prefetch) in egress.lanes() {
            let ordered = backends.get(name).is_some_and(|backend| backend.rate.is_some());
            let consumer = self.consumer(QueueName::lane(name), prefetch, retry, ordered);
            let (publisher, environment) = (publisher.clone(), environment.clone());
            if self.world.plant == Plant::DropInsteadOfRetry {
                let lane = Arc::new(planted::Dropping(lane));
                self.consume(process, connection, publisher, consumer, &lane, environment);
            } else {
                self.consume(process, connection, publisher, consumer, &Arc::new(lane), environment);
            }
        }
        let results = self.consumer(QueueName::results(), prefetch, retry, false);
        self.consume(process, connection, publisher.clone(), results, &Arc::new(egress.results()), environment.clone());
        let reports = self.consumer(QueueName::reports(), prefetch, retry, false);
        self.consume(process, connection, publisher.clone(), reports, &Arc::new(egress.reports()), environment);
        let token = || process.stop.token().clone();
        let (reconcile, sweep) =
            (Arc::clone(&egress).reconcile(token()), Arc::clone(&egress).sweep(publisher, token()));
        process.work(reconcile);
        process.work(sweep);
        process.routes = egress.callbacks();
        process.visits = Some(self.network.open(Service::Egress, self.number));
    }

    fn consumer(&self, queue: QueueName, prefetch: u16, retry: RetryPolicy, ordered: bool) -> Consumer {
        Consumer { queue, prefetch, retry, ordered, share: None, drain: self.settings.drain }
    }

    fn consume<H: Handler>(
        &self,
        process: &mut Process,
        connection: u64,
        publisher: Publisher,
        consumer: Consumer,
        handler: &Arc<H>,
        environment: Environment,
    ) {
        let handler = Arc::clone(handler);
        let handler = Arc::new(Watched { handler, broker: Arc::clone(&self.broker), connection });
        process.work(consume(publisher, consumer, handler, environment, process.stop.token().clone(), |_| {}));
    }
}

/// What goes on in a process that only listens.
async fn idle(stop: Shutdown) {
    stop.requested().await;
}

/// When a process dies.
#[derive(Debug)]
struct Fate {
    /// How many steps it takes until then.
    steps: AtomicU64,
    is_dead: AtomicBool,
}

impl Default for Fate {
    fn default() -> Self {
        Self { steps: AtomicU64::new(u64::MAX), is_dead: AtomicBool::new(false) }
    }
}

/// A part of a process: it takes no step once the process is dead.
struct Part {
    future: BoxFuture<'static, ()>,
    fate: Arc<Fate>,
    world: Arc<World>,
}

impl Future for Part {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.fate.steps.fetch_sub(1, Ordering::Relaxed) == 0 && !self.world.is_calm() {
            self.fate.is_dead.store(true, Ordering::Relaxed);
        }
        if self.fate.is_dead.load(Ordering::Relaxed) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.future.as_mut().poll(cx)
    }
}

/// A process while it runs: all its parts, in one place, to be dropped at once.
struct Process {
    world: Arc<World>,
    bus: Arc<dyn Bus>,
    fate: Arc<Fate>,
    stop: Shutdown,
    /// What consumes, and goes on beside it; requests in hand; what decides over its end.
    work: FuturesUnordered<Part>,
    visited: FuturesUnordered<Part>,
    timers: FuturesUnordered<BoxFuture<'static, ()>>,
    visits: Option<mpsc::UnboundedReceiver<Visit>>,
    routes: axum::Router,
}

impl Process {
    fn part(&self, future: impl Future<Output = ()> + Send + 'static) -> Part {
        Part { future: Box::pin(future), fate: Arc::clone(&self.fate), world: Arc::clone(&self.world) }
    }

    fn work(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.work.push(self.part(future));
    }

    fn draw_fate(&self) {
        let (world, dice) = (Arc::clone(&self.world), &self.world.dice);
        if world.hit(world.faults.crash_by_step) {
            let longest = [30, 200, 1000].get(usize::try_from(dice.below(3)).unwrap()).copied().unwrap();
            self.fate.steps.store(dice.below(longest), Ordering::Relaxed);
        }
        if world.hit(world.faults.crash_by_time) {
            let (fate, world, after) = (Arc::clone(&self.fate), Arc::clone(&world), dice.up_to_ms(20_000));
            self.timers.push(Box::pin(async move {
                tokio::time::sleep(after).await;
                if !world.is_calm() {
                    fate.is_dead.store(true, Ordering::Relaxed);
                }
            }));
        }
        if world.hit(world.faults.stop) {
            let (stop, after) = (self.stop.clone(), dice.up_to_ms(20_000));
            self.timers.push(Box::pin(async move {
                tokio::time::sleep(after).await;
                if !world.is_calm() {
                    world.note(format_args!("-- a process is asked to stop"));
                    stop.request();
                }
            }));
        }
    }

    /// Handles a request; its client may go away, and then it is dropped, or not.
    fn visit(&self, Visit { mut request, mut answer }: Visit) {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let routes = self.routes.clone();
        let handling = async move {
            let response = routes.oneshot(request).await.unwrap();
            let status = response.status();
            (status, axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap())
        };
        let is_dropped_with_client = self.world.dice.falls(0.5);
        self.visited.push(self.part(async move {
            if is_dropped_with_client {
                tokio::select! {
                    biased;
                    () = closed(&mut answer) => {}
                    answered = handling => drop(answer.send(answered)),
                }
            } else {
                let answered = handling.await;
                drop(answer.send(answered));
            }
        }));
    }
}

async fn closed<T>(answer: &mut oneshot::Sender<T>) {
    answer.closed().await;
}

impl Future for Process {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        loop {
            while let Poll::Ready(Some(())) = this.timers.poll_next_unpin(cx) {}
            if this.fate.is_dead.load(Ordering::Relaxed) {
                return Poll::Ready(Ended::Crashed);
            }
            let mut has_visitor = false;
            while let Some(Poll::Ready(Some(visit))) = this.visits.as_mut().map(|visits| visits.poll_recv(cx)) {
                this.visit(visit);
                has_visitor = true;
            }
            let worked = this.work.poll_next_unpin(cx);
            let served = this.visited.poll_next_unpin(cx);
            if this.fate.is_dead.load(Ordering::Relaxed) {
                return Poll::Ready(Ended::Crashed);
            }
            if let Poll::Ready(None) = worked {
                // What worked has stopped: nobody is let in any more, and those inside are served.
                this.visits = None;
                if let Poll::Ready(None) = served {
                    return Poll::Ready(Ended::Stopped);
                }
            }
            let has_moved = |polled: &Poll<Option<()>>| matches!(polled, Poll::Ready(Some(())));
            if !has_visitor && !has_moved(&worked) && !has_moved(&served) {
                return Poll::Pending;
            }
        }
    }
}
