//! Starts the console, and tells it about the process that it runs in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::Health;
use chassis::tasks::OnEnd;
use console::{Application, Backend, Console, Finding, Flow, House};
use futures::FutureExt;
use messaging::{BoxFuture, Bus};
use protocol::BackendName;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

use super::Running;
use super::balance::Books;
use super::reload::{Shown, Source};
use crate::check;
use crate::settings::Settings;

/// The process around the console.
struct Process {
    settings: Settings,
    /// Where those came from; `None`: they do not change.
    source: Option<Source>,
    /// What the router of this process has, if there is one.
    applied: Option<Shown>,
    health: Health,
    books: Books,
}

impl Running {
    /// Starts the console. The database is handed to it by what is returned, once it is there.
    ///
    /// # Errors
    /// Its configuration cannot be.
    pub(super) fn console(
        &self,
        bus: &Arc<dyn Bus>,
        listener: TcpListener,
        source: Option<Source>,
        applied: Option<Shown>,
    ) -> anyhow::Result<console::Database> {
        let config = self.settings.console.clone();
        let limits = config.limits.clone();
        let database = console::Database::default();
        let backends = self.settings.backends.iter();
        let shown = backends.map(|(name, backend)| {
            let on_unconfirmed = match backend.on_unconfirmed {
                egress::OnUnconfirmed::Hold => "hold",
                egress::OnUnconfirmed::Resend => "resend",
            };
            let webhook = format!("/tropo/{name}");
            let is_guarded = !backend.is_open();
            let (number, rate) = (backend.number.clone(), backend.rate);
            let is_probe = backend.probe;
            (name.clone(), Backend { number, rate, on_unconfirmed, is_guarded, webhook, is_probe })
        });
        let (bus, environment) = (Arc::clone(bus), self.environment.clone());
        let books = Books::new(&self.settings, Arc::clone(&bus), Arc::clone(&database), environment.clone());
        let books = books.context("configuration key bus.management")?;
        let (settings, health) = (self.settings.clone(), self.health.clone());
        let house = Arc::new(Process { settings, source, applied, health, books });
        let console = Console::new(config, shown.collect(), bus, Arc::clone(&database), house, environment);
        let console = console.context("start the console (configuration table console)")?;
        self.listen("console", listener, Arc::clone(&console).routes(), limits);
        // Beside others it is a helper: what goes wrong here stops nobody's texts.
        let on_end = if self.only_looks { OnEnd::Essential } else { OnEnd::Helper };
        self.probe(&console, on_end);
        let run = console.run(self.tasks.shutdown().token().clone());
        self.tasks.spawn("watch the journal", on_end, run.map(Ok));
        Ok(database)
    }

    /// Sends texts of our own round. That they do not come back is shown by readiness, and changes nothing about it: who
    /// looks for the cause needs the console.
    fn probe(&self, console: &Arc<Console>, on_end: OnEnd) {
        if !console.is_probing() {
            return;
        }
        let component = self.health.component("flow");
        component.ready_though("no text has come round yet");
        let tell = move |flow: &Flow| match flow.amiss() {
            Some(told) => component.ready_though(told),
            None => component.ready(),
        };
        let probe = Arc::clone(console).probe(self.tasks.shutdown().token().clone(), tell);
        self.tasks.spawn("flow probe", on_end, probe.map(Ok));
    }
}

impl House for Process {
    fn version(&self) -> &'static str {
        chassis::build::version()
    }

    fn readiness(&self) -> (String, Value) {
        // Our own types have string keys: they are always written.
        let report = serde_json::to_value(self.health.report()).unwrap_or_default();
        ("this process".to_owned(), report)
    }

    fn applications(&self) -> Vec<Application> {
        // What is new in the file may be among them already, or soon.
        let now = self.source.as_ref().and_then(|source| block_in_place(|| Settings::load(source.file.clone())).ok());
        let router = now.as_ref().map_or(&self.settings.router, |now| &now.router);
        let names = self.applied.as_ref().map_or_else(|| router.applications.clone(), Shown::applications);
        let kind = |name: &str| {
            let is_among =
                |mut names: Box<dyn Iterator<Item = &BackendName> + '_>| names.any(|known| known.as_str() == name);
            if is_among(Box::new(router.http.keys())) {
                "http"
            } else if is_among(Box::new(router.amqp.keys())) {
                "amqp"
            } else if is_among(Box::new(router.rapidsms.keys())) {
                "rapidsms"
            } else {
                "built in"
            }
        };
        let application = |name: String| Application { kind: kind(&name), name };
        names.into_iter().map(application).collect()
    }

    fn configuration(&self) -> Vec<Finding> {
        block_in_place(|| self.source.as_ref().map(check::findings).unwrap_or_default())
    }

    fn balance<'a>(
        &'a self,
        backend: Option<&'a BackendName>,
        settle: Duration,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let told = self.books.balance(backend, settle).await;
            let told = told.map_err(|error| format!("the account cannot be drawn now: {error:#}"))?;
            serde_json::to_value(told).map_err(|error| error.to_string())
        })
    }
}
