//! Starts the console, and tells it about the process that it runs in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::Health;
use console::{Application, Backend, Console, Finding, House};
use messaging::{BoxFuture, Bus};
use protocol::BackendName;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Running;
use super::balance::Books;
use crate::settings::Settings;

/// The process around the console.
struct Process {
    settings: Settings,
    health: Health,
    books: Books,
}

impl Running {
    /// Starts the console. The database is handed to it by what is returned, once it is there.
    ///
    /// # Errors
    /// Its configuration cannot be.
    pub(super) fn console(&self, bus: &Arc<dyn Bus>, listener: TcpListener) -> anyhow::Result<console::Database> {
        let config = self.settings.console.clone();
        let limits = config.limits.clone();
        let database = console::Database::default();
        let backends = self.settings.backends.iter();
        let shown = backends.map(|(name, backend)| {
            let on_unconfirmed = match backend.on_unconfirmed {
                egress::OnUnconfirmed::Hold => "hold",
                egress::OnUnconfirmed::Resend => "resend",
            };
            let webhook = format!("http://{}/tropo/{name}", self.settings.ingress.listen);
            let is_guarded = !backend.is_open();
            let (number, rate) = (backend.number.clone(), backend.rate);
            (name.clone(), Backend { number, rate, on_unconfirmed, is_guarded, webhook })
        });
        let (bus, environment) = (Arc::clone(bus), self.environment.clone());
        let books = Books::new(&self.settings, Arc::clone(&bus), Arc::clone(&database), environment.clone())?;
        let house = Arc::new(Process { settings: self.settings.clone(), health: self.health.clone(), books });
        let console = Console::new(config, shown.collect(), bus, Arc::clone(&database), house, environment);
        let console = console.context("start the console (configuration table console)")?;
        self.listen("console", listener, Arc::clone(&console).routes(), limits);
        self.work("watch the journal", console.run(self.tasks.shutdown().token().clone()));
        Ok(database)
    }
}

impl House for Process {
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn readiness(&self) -> (String, Value) {
        // Our own types have string keys: they are always written.
        let report = serde_json::to_value(self.health.report()).unwrap_or_default();
        ("this process".to_owned(), report)
    }

    fn applications(&self) -> Vec<Application> {
        let router = &self.settings.router;
        let kind = |name: &str| {
            let is = |mut names: Box<dyn Iterator<Item = &BackendName> + '_>| names.any(|known| known.as_str() == name);
            if is(Box::new(router.http.keys())) {
                "http"
            } else if is(Box::new(router.amqp.keys())) {
                "amqp"
            } else if is(Box::new(router.rapidsms.keys())) {
                "rapidsms"
            } else {
                "built in"
            }
        };
        router.applications.iter().map(|name| Application { name: name.clone(), kind: kind(name) }).collect()
    }

    fn configuration(&self) -> Vec<Finding> {
        let refused = self.settings.check().err();
        refused.into_iter().map(|error| Finding { key: None, is_error: true, told: error.to_string() }).collect()
    }

    fn balance<'a>(
        &'a self,
        backend: Option<&'a BackendName>,
        settle: Duration,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let told = self.books.balance(backend, settle).await.map_err(|error| format!("{error:#}"))?;
            serde_json::to_value(told).map_err(|error| error.to_string())
        })
    }
}
