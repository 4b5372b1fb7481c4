//! Watches the configuration, and gives the router what has changed for it, without a restart.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use chassis::config::{ConfigError, Edition};
use protocol::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::Running;
use crate::observe;
use crate::settings::{self, Backends, Settings};

/// How often the configuration is looked at. What has changed counts once it is the same twice: a file may be half
/// written.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long between the two looks when it is asked for.
const SETTLING: Duration = Duration::from_millis(250);

/// The part that is taken without a restart.
pub(crate) const TABLE: &str = "router";

/// Where a configuration was read from, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file, where there was one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) edition: Edition,
}

/// What there is to tell of the configuration.
#[derive(Clone, Serialize)]
struct Told {
    /// The edition of the applications that texts are handled with.
    revision: String,
    applied_at: Timestamp,
    applications: Vec<String>,
    /// Why what stands in the file now is not taken.
    refused: Option<Refused>,
    /// The tables that say something else now, which counts after a restart.
    waits_for_restart: Vec<String>,
}

#[derive(Clone, Serialize)]
struct Refused {
    at: Timestamp,
    reason: String,
}

/// What the admin listener shows of it.
#[derive(Clone)]
pub(super) struct Shown(Arc<Mutex<Told>>);

impl Shown {
    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The applications that texts are handled with, in the order in which they are asked.
    pub(super) fn applications(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).applications.clone()
    }

    /// `GET /configuration`: names and times, nothing that is secret.
    pub(super) fn routes(&self) -> Router {
        let shown =
            async |State(Self(told)): State<Self>| Json(told.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Router::new().route("/configuration", get(shown)).with_state(self.clone())
    }
}

impl Running {
    /// What is told of the configuration at first.
    pub(super) fn shown_configuration(&self, source: &Source) -> Shown {
        Shown(Arc::new(Mutex::new(Told {
            revision: source.edition.revision(TABLE),
            applied_at: self.environment.now(),
            applications: self.settings.router.applications.clone(),
            refused: None,
            waits_for_restart: Vec::new(),
        })))
    }

    /// Gives the router every good change of the configuration, and says what is wrong with a bad one. At SIGHUP it looks
    /// at once, and says what it finds even if it said so before.
    pub(super) fn watch_configuration(&self, source: Source, router: Arc<router::Router>, shown: Shown) {
        observe::configuration_watched();
        let environment = self.environment.clone();
        let shutdown = self.tasks.shutdown().clone();
        let (config, backends) = (self.settings.router.clone(), self.settings.backends.clone());
        self.work("watch configuration", async move {
            let hangup = signal(SignalKind::hangup()).ok();
            let mut hangup = hangup;
            let running = source.edition.clone();
            let mut watch =
                Watch { seen: running.clone(), running, source, config, backends, router, shown, failed: None };
            let mut before = watch.look();
            loop {
                let is_asked = tokio::select! {
                    () = shutdown.requested() => return,
                    () = environment.clock.sleep(INTERVAL) => false,
                    () = hung_up(&mut hangup) => true,
                };
                if is_asked {
                    watch.forget();
                    before = watch.look();
                    environment.clock.sleep(SETTLING).await;
                }
                let look = watch.look();
                if look.same_as(&before) {
                    watch.judge(look.clone(), environment.now());
                }
                before = look;
            }
        });
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

struct Watch {
    /// Where the configuration comes from, and the edition that the process began with.
    source: Source,
    /// The edition that was judged last.
    seen: Edition,
    /// The edition whose applications the router has.
    running: Edition,
    /// What the router has.
    config: router::Config,
    /// What the process has.
    backends: Backends,
    router: Arc<router::Router>,
    shown: Shown,
    /// What could not even be read, when it was judged last.
    failed: Option<String>,
}

/// One look at the configuration.
#[derive(Clone)]
enum Look {
    Read(Box<(Settings, Edition)>),
    Failed(String),
}

impl Look {
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read(one), Self::Read(other)) => one.1 == other.1,
            (Self::Failed(one), Self::Failed(other)) => one == other,
            (Self::Read(_), Self::Failed(_)) | (Self::Failed(_), Self::Read(_)) => false,
        }
    }
}

impl Watch {
    fn look(&self) -> Look {
        let read = Settings::load_edition(self.source.file.clone());
        match read {
            Ok((settings, Source { file, edition })) if file == self.source.file => {
                Look::Read(Box::new((settings, edition)))
            }
            Ok((_, Source { file: Some(file), .. })) => {
                Look::Failed(format!("{} was not there at the start: start again to use it", file.display()))
            }
            Ok((_, Source { file: None, .. })) => Look::Failed(format!("{} is gone", settings::USUAL_FILE)),
            Err(error) => Look::Failed(error.to_string()),
        }
    }

    /// Judges anew what was judged before.
    fn forget(&mut self) {
        (self.seen, self.failed) = (Edition::default(), None);
    }

    fn judge(&mut self, look: Look, now: Timestamp) {
        match look {
            Look::Failed(reason) if self.failed.as_ref() == Some(&reason) => {}
            Look::Failed(reason) => {
                self.failed = Some(reason.clone());
                self.refuse(reason, now);
            }
            Look::Read(read) => {
                let (settings, edition) = *read;
                if edition == self.seen && self.failed.is_none() {
                    return;
                }
                (self.seen, self.failed) = (edition.clone(), None);
                match self.apply(&settings, &edition) {
                    Ok(()) => self.applied(&settings.router, &edition, now),
                    Err(error) => self.refuse(error.to_string(), now),
                }
            }
        }
    }

    fn apply(&mut self, settings: &Settings, edition: &Edition) -> Result<(), ConfigError> {
        settings.check()?;
        // Backends that are new in the file are not there before a restart.
        Settings { backends: self.backends.clone(), ..settings.clone() }.check()?;
        let revision = edition.revision(TABLE);
        if revision == self.running.revision(TABLE) {
            return Ok(());
        }
        // A file that was cut off is good TOML as often as not.
        if Settings::without_file().is_ok_and(|(_, defaults)| revision == defaults.revision(TABLE)) {
            let told = "is not in the file any more: if that is meant, start router again";
            return Err(ConfigError::of_key(TABLE, told));
        }
        if let Some(key) = self.config.needs_restart(&settings.router) {
            let told = "cannot be changed while router runs: start it again, or undo the change";
            return Err(ConfigError::of_key(format!("{TABLE}.{key}"), told));
        }
        let reconfigured = self.router.reconfigure(&settings.router);
        reconfigured.map_err(|error| ConfigError::of_key(TABLE, error.to_string()))?;
        self.config = settings.router.clone();
        self.running = edition.clone();
        Ok(())
    }

    fn applied(&self, config: &router::Config, edition: &Edition, now: Timestamp) {
        let mut waiting = edition.changed_since(&self.source.edition);
        waiting.retain(|table| table != TABLE);
        if !waiting.is_empty() {
            let tables = waiting.join(", ");
            warn!(tables, "the configuration has changed in {tables}: that counts after a restart");
        }
        let (revision, applications) = (edition.revision(TABLE), config.applications.join(", "));
        self.shown.change(|told| {
            if told.revision != revision {
                told.applied_at = now;
            }
            told.revision.clone_from(&revision);
            told.applications.clone_from(&config.applications);
            (told.refused, told.waits_for_restart) = (None, waiting);
        });
        observe::configuration_applied();
        info!(revision, applications, "texts are handled with configuration {revision} from now on: {applications}");
    }

    fn refuse(&self, reason: String, now: Timestamp) {
        observe::configuration_refused();
        warn!(reason, "the configuration that is there now is refused, and the one before stays: {reason}");
        self.shown.change(|told| told.refused = Some(Refused { at: now, reason }));
    }
}
