//! Wires services into one process, and runs them until they are asked to stop. Holds no logic of theirs.

mod balance;
mod console;
mod journal;
mod ledger;
mod listeners;
mod reload;
mod routing;
mod services;
mod spool;
mod watch;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::health::Health;
use chassis::http::{self, Limits};
use chassis::shutdown::{self, Shutdown};
use chassis::tasks::{OnEnd, Tasks};
use chassis::telemetry::{self, Telemetry};
use chassis::{admin, config::ConfigError, files};
use futures::FutureExt;
use messaging::{Bus, BusUrl, Consumer, ConsumerState, Environment, Publisher, RetryPolicy, Share, consume};
use protocol::topology::QueueName;
use tracing::info;
use tropo::ticket::Keyring;

use crate::development;
use crate::observe;
use crate::output::print;
use crate::settings::Settings;
pub(crate) use listeners::Listeners;
pub(crate) use reload::{Source, TABLE as RELOADED};
pub(crate) use services::Services;

/// What is in hand when a stop is requested gets this long beyond the bus's own drain, before tasks are dropped.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long simulated sessions may go on once a stop was requested.
const SESSIONS_GRACE: Duration = Duration::from_secs(2);

/// `tropomq SERVICE`: runs one service until it is asked to stop.
pub(crate) async fn serve(file: Option<PathBuf>, services: Services) -> anyhow::Result<()> {
    let (settings, source) = Settings::load_edition(file)?;
    settings.check()?;
    if let BusUrl::Embedded(_) = settings.bus.url
        && services != Services::SIMULATOR
    {
        let told = "is the embedded bus, which is for one process: run `tropomq up`, or set it to amqp://…";
        return Err(ConfigError::of_key("bus.url", told).into());
    }
    settings.check_for(services)?;
    if services.ingress || services.egress {
        settings.ticket.keyring()?;
    }
    run(settings, source, services, |_| Ok(())).await
}

/// `tropomq up`: runs everything until it is asked to stop.
pub(crate) async fn up(file: Option<PathBuf>) -> anyhow::Result<()> {
    let (settings, source) = Settings::load_edition(file)?;
    settings.check()?;
    settings.check_for(Services::ALL)?;
    let environment = Environment::system();
    settings.ticket.make_key_file(&environment)?;
    settings.ticket.keyring()?;
    let simulated = settings.backends.is_empty();
    let has_simulator = !settings.simulator.applications.is_empty() || settings.simulator.state.is_some();
    let services = if simulated || has_simulator { Services::ALL } else { Services::MISSION };
    run(settings, source, services, |settings| {
        // Whatever egress listens on, it is in this process.
        settings.ingress.egress = development::address(settings.egress.listen, "")?;
        if services.simulator && settings.console.simulator.is_none() {
            settings.console.simulator = Some(development::address(settings.simulator.listen, "")?);
        }
        if simulated {
            let phone = development::add_backend(settings, &environment)?;
            development::add_probe(settings, &environment)?;
            print(&development::guide(settings, &phone));
        }
        Ok(())
    })
    .await
}

/// Runs services until they are asked to stop. `bound` completes the settings once they say the addresses that were had.
async fn run(
    mut settings: Settings,
    source: Source,
    services: Services,
    bound: impl FnOnce(&mut Settings) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let telemetry = telemetry::init(services.name(), &settings.telemetry);
    observe::allocations();
    let version = chassis::build::version();
    info!(service.version = version, "{} {version} starts", services.name());
    files::raise_limit();
    let shutdown = shutdown::on_signal(settings.admin.stop_delay).context("listen for signals")?;
    let listeners = Listeners::bind(&mut settings, services).await?;
    bound(&mut settings)?;
    let (kept, source) = (telemetry.clone(), Some(source));
    let stack = Stack { settings, source, services, listeners, shutdown, telemetry: kept, bus: BusWrap::None };
    let ended = stack.run().await;
    telemetry.shutdown();
    ended
}

/// What is put around the bus before the services get it.
pub(crate) enum BusWrap {
    None,
    Around(Box<Wrap>),
}

/// Puts something around a bus.
pub(crate) type Wrap = dyn FnOnce(Arc<dyn Bus>) -> Arc<dyn Bus> + Send;

/// Services about to run in one process.
pub(crate) struct Stack {
    pub(crate) settings: Settings,
    /// Where they came from; `None`: they do not change.
    pub(crate) source: Option<Source>,
    pub(crate) services: Services,
    pub(crate) listeners: Listeners,
    pub(crate) shutdown: Shutdown,
    pub(crate) telemetry: Telemetry,
    pub(crate) bus: BusWrap,
}

/// What the services of one process share while it runs.
struct Running {
    settings: Settings,
    /// What consumes, and goes on beside it. It stops first.
    tasks: Tasks,
    /// What listens. Call-backs for what is in hand still come in while the former stops.
    doors: Tasks,
    health: Health,
    environment: Environment,
    /// Whether it only shows what there is, and is ready while that is away.
    only_looks: bool,
}

/// A queue to be consumed.
struct Work {
    queue: QueueName,
    prefetch: u16,
    retry: RetryPolicy,
    ordered: bool,
    share: Option<Share>,
}

impl Stack {
    /// Runs until shutdown is requested, then stops: not ready, nothing new, what is in hand finished, the rest given
    /// back, the bus closed last.
    ///
    /// # Errors
    /// What made a service impossible to start, or the failure of one that it cannot go on without.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self { settings, source, services, listeners, shutdown, telemetry, bus: wrap } = self;
        let running = Running {
            tasks: Tasks::new(shutdown.clone()),
            doors: Tasks::new(shutdown.later()),
            health: Health::new(shutdown.clone()),
            environment: Environment::system(),
            only_looks: services.only_looks(),
            settings,
        };
        let Listeners { ingress, router, egress, console, simulator, admin: admin_listener } = listeners;
        let mut admin_routes = admin::router(running.health.clone(), &telemetry);
        let has_database = services.router || services.egress || services.journal || services.console;
        let bus_work = if services.ingress || has_database {
            let (bus, bus_tasks) = running.bus(wrap)?;
            let spool = if services.ingress { running.open_spool(&bus, &bus_tasks)? } else { None };
            match &spool {
                Some(spool) => running.watch_spool(spool, services),
                None => running.watch_bus(&bus),
            }
            Some((bus, bus_tasks, spool))
        } else {
            None
        };
        let edition = source.clone();
        let shown = source.filter(|_| services.router).map(|source| {
            let shown = running.shown_configuration(&source);
            (source, shown)
        });
        if let Some((_, shown)) = &shown {
            admin_routes = admin_routes.merge(shown.routes());
        }
        // Registered before anybody can ask: egress is not ready while its ledger is not there.
        let ledger = has_database.then(|| running.health.component("ledger"));
        if let Some(component) = &ledger
            && running.only_looks
        {
            component.ready_though("starting");
        }
        running.listen("admin", admin_listener, admin_routes, Limits::default());
        if let Some(listener) = simulator {
            running.simulator(listener)?;
        }
        if let Some((bus, _, spool)) = &bus_work {
            if let Some(listener) = ingress {
                let spooled = spool.clone().map(|spool| -> Arc<dyn Bus> { spool });
                running.ingress(&spooled.unwrap_or_else(|| Arc::clone(bus)), listener)?;
            }
            // At once: who looks for what is wrong finds it while the database is away, too.
            let database = match console {
                Some(listener) => {
                    let applications = shown.as_ref().map(|(_, shown)| shown.clone());
                    Some(running.console(bus, listener, edition, applications)?)
                }
                None => None,
            };
            if let Some(component) = ledger
                && let Some(opened) = running.open_ledger(&component).await?
            {
                if let Some(listener) = router {
                    running.router(bus, &opened, listener, shown)?;
                }
                if let Some(listener) = egress {
                    running.egress(bus, &opened, listener)?;
                }
                if services.journal {
                    running.journal(bus, &opened);
                }
                if let Some(database) = database {
                    // Set once: there is one console.
                    let _ = database.set(opened.clone());
                }
                // Not before everything that readiness depends on is known.
                running.watch_ledger(opened.ledger, component);
            }
        }
        running.ends_with("listeners", &running.doors);
        running.stop(bus_work.map(|(bus, tasks, _)| (bus, tasks))).await
    }
}

impl Running {
    /// The bus, and the tasks that keep it going. They outlive the services': what those publish last is still
    /// confirmed.
    fn bus(&self, wrap: BusWrap) -> anyhow::Result<(Arc<dyn Bus>, Tasks)> {
        let opened = messaging::open(&self.settings.bus.url, self.settings.topology()).context("open the bus")?;
        let bus = match wrap {
            BusWrap::None => opened.bus,
            BusWrap::Around(wrap) => wrap(opened.bus),
        };
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("bus", OnEnd::Essential, opened.driver.map(Ok));
        self.ends_with("bus", &tasks);
        Ok((bus, tasks))
    }

    /// Waits for the request to stop, and stops: what consumes first, then what listens, then the bus.
    async fn stop(self, bus_work: Option<(Arc<dyn Bus>, Tasks)>) -> anyhow::Result<()> {
        let Settings { bus, ingress, router, egress, console, simulator, .. } = &self.settings;
        let ended = self.tasks.join(bus.drain + STOP_GRACE).await;
        self.doors.shutdown().request();
        let limits = [&ingress.limits, &router.limits, &egress.limits, &console.limits, &simulator.limits];
        let drains = limits.map(|limits| limits.drain_timeout);
        let closed = self.doors.join(drains.into_iter().max().unwrap_or_default() + STOP_GRACE).await;
        if let Some((bus, tasks)) = bus_work {
            tasks.shutdown().request();
            bus.close().await;
            tasks.join(STOP_GRACE).await?;
        }
        // What failed first says more than what ended because of it.
        closed.and(ended)
    }

    fn ingress(&self, bus: &Arc<dyn Bus>, listener: tokio::net::TcpListener) -> anyhow::Result<()> {
        let config = self.settings.ingress.clone();
        let limits = config.limits.clone();
        let backends = self.settings.backends.iter();
        let backends = backends.map(|(name, backend)| (name.clone(), backend.for_ingress())).collect();
        let publisher = Publisher::new(Arc::clone(bus), "ingress");
        let call_backs = Arc::new(ingress::Forwarder::new(&config).context("start ingress")?);
        let ingress =
            ingress::Ingress::new(config, backends, publisher, self.keyring()?, call_backs, self.environment.clone());
        self.listen("ingress", listener, ingress.routes(), limits);
        Ok(())
    }

    fn egress(
        &self,
        bus: &Arc<dyn Bus>,
        opened: &store::Opened,
        listener: tokio::net::TcpListener,
    ) -> anyhow::Result<()> {
        let config = self.settings.egress.clone();
        let (limits, prefetch) = (config.limits.clone(), config.prefetch);
        let backends = self.settings.backends.iter();
        let backends = backends.map(|(name, backend)| Ok((name.clone(), backend.for_egress(&config)?)));
        let backends = backends.collect::<Result<BTreeMap<_, _>, egress::ClientError>>().context("start egress")?;
        // The time to live of a message ends its attempts, not their number.
        let retry = RetryPolicy { first: config.retry.first, longest: config.retry.longest, attempts_max: None };
        let session_api = Arc::new(egress::Client::new(&config).context("start egress")?);
        let (ledger, consents) = (Arc::clone(&opened.ledger), Arc::clone(&opened.consents));
        let (keyring, environment) = (self.keyring()?, self.environment.clone());
        let egress = egress::Egress::new(config, backends, session_api, ledger, consents, keyring, environment);
        let lanes: Vec<_> = egress.lanes().collect();
        for (backend, lane, prefetch) in lanes {
            let ordered = self.settings.backends.get(backend).is_some_and(|backend| backend.rate.is_some());
            let queue = QueueName::lane(backend);
            self.consume(bus, "egress", Work { queue, prefetch, retry, ordered, share: None }, Arc::new(lane));
        }
        let reported = |queue| Work { queue, prefetch, retry, ordered: false, share: None };
        self.consume(bus, "egress", reported(QueueName::results()), Arc::new(egress.results()));
        self.consume(bus, "egress", reported(QueueName::reports()), Arc::new(egress.reports()));
        let token = || self.tasks.shutdown().token().clone();
        // As long as call-backs come in: what is in hand may have been released by another replica.
        let (late, reconciled) = (self.doors.shutdown().token().clone(), Arc::clone(&egress));
        self.doors.spawn("reconcile", OnEnd::Essential, reconciled.reconcile(late).map(Ok));
        // Both may be dropped where they stand, and do not wait for a ledger that is away while the process stops.
        let sweep = Arc::clone(&egress).sweep(Publisher::new(Arc::clone(bus), "egress"), token());
        self.work("sweep", token().run_until_cancelled_owned(sweep).map(drop));
        self.work("prune", token().run_until_cancelled_owned(Arc::clone(&egress).prune(token())).map(drop));
        self.listen("egress", listener, egress.callbacks(), limits);
        Ok(())
    }

    fn simulator(&self, listener: tokio::net::TcpListener) -> anyhow::Result<()> {
        let config = self.settings.simulator.clone();
        let limits = config.limits.clone();
        let shutdown = self.doors.shutdown().clone();
        let simulator = simulator::Simulator::new(config, shutdown.clone()).context("start the simulator")?;
        // What a request in hand still changes is written, too: the last write is behind all of them.
        let end = Shutdown::new();
        let kept = Arc::clone(&simulator).keep_state(end.clone());
        self.doors.spawn("simulator state", OnEnd::Essential, async { kept.await.context("write simulator.state") });
        let careless = http::serve_careless(listener, Arc::clone(&simulator).routes(), limits, shutdown.clone());
        let stopped = async move {
            shutdown.requested().await;
            simulator.stop(SESSIONS_GRACE).await;
            Ok(())
        };
        self.doors.spawn("listen simulator", OnEnd::Essential, async move {
            let served = tokio::try_join!(careless, stopped);
            end.request();
            served.map(drop)
        });
        Ok(())
    }

    /// Handles a queue with `handler` until shutdown is requested.
    fn consume<H: messaging::Handler>(
        &self,
        bus: &Arc<dyn Bus>,
        service: &'static str,
        Work { queue, prefetch, retry, ordered, share }: Work,
        handler: Arc<H>,
    ) {
        let publisher = Publisher::new(Arc::clone(bus), service);
        let name = format!("consume {queue}");
        let consumer = Consumer { queue, prefetch, retry, ordered, share, drain: self.settings.bus.drain };
        let (environment, token) = (self.environment.clone(), self.tasks.shutdown().token().clone());
        // Readiness follows each consumer: a bus that is there does not mean that every queue can be had.
        let component = self.health.component(name.clone());
        let tell = move |state| match state {
            ConsumerState::Subscribed => component.ready(),
            ConsumerState::Waiting(reason) => component.not_ready(reason),
        };
        self.work(name, consume(publisher, consumer, handler, environment, token, tell));
    }

    /// Work that the process cannot do without, and that ends by itself once shutdown is requested.
    fn work(&self, name: impl Into<Cow<'static, str>>, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(name, OnEnd::Essential, async move {
            work.await;
            Ok(())
        });
    }

    /// The process stops, and fails, if those tasks stop before it was asked to.
    fn ends_with(&self, name: &'static str, others: &Tasks) {
        let (ended, shutdown) = (others.shutdown().clone(), self.tasks.shutdown().clone());
        self.tasks.spawn(format!("watch {name}"), OnEnd::Essential, async move {
            tokio::select! {
                () = ended.requested() => bail!("the {name} ended"),
                () = shutdown.requested() => Ok(()),
            }
        });
    }

    fn listen(&self, name: &'static str, listener: tokio::net::TcpListener, routes: axum::Router, limits: Limits) {
        let shutdown = self.doors.shutdown().clone();
        self.doors.spawn(format!("listen {name}"), OnEnd::Essential, http::serve(listener, routes, limits, shutdown));
    }

    fn keyring(&self) -> Result<Keyring, ConfigError> {
        self.settings.ticket.keyring()
    }
}
