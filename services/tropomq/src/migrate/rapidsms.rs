//! `tropomq migrate rapidsms`: what the settings of a RapidSMS project with the backend rapidsms-tropo become here.

mod backends;
mod written;

use std::path::PathBuf;

use anyhow::{Context, bail};
use messaging::Environment;
use protocol::BackendName;
use url::Url;

use crate::output::{print, say};
use written::{BackendError, Plan, Tropo};

/// `tropomq migrate rapidsms`
#[derive(Debug, clap::Args)]
pub(crate) struct RapidSms {
    /// The project's settings, as in myproject/settings.py
    settings: PathBuf,
    /// The backend of RapidSMS that takes the place of rapidsms-tropo
    #[arg(long, value_enum, default_value_t = Format::Vumi)]
    format: Format,
    /// The address of the project, as router reaches it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000/")]
    project: Url,
    /// The address of router, as the project reaches it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8082/")]
    router: Url,
}

/// A backend of RapidSMS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    /// rapidsms.backends.vumi: replies say which text they answer, so choose it where nothing speaks against it
    Vumi,
    /// rapidsms.backends.kannel
    Kannel,
    /// rapidsms.backends.http, which only receives; sends by rapidsms.backends.vumi
    Http,
}

impl RapidSms {
    /// Reads the settings, prints the configuration, and tells what is to be changed.
    ///
    /// # Errors
    /// What cannot be read or understood, with its line.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let file = self.settings.display();
        let bytes = std::fs::read(&self.settings).with_context(|| format!("read {file}"))?;
        let text = String::from_utf8(bytes).ok().with_context(|| format!("{file} is not UTF-8"))?;
        let found = backends::find(&text).with_context(|| format!("read {file}"))?;
        for doubt in found.doubts {
            say(&format!("{file}, {doubt}"));
        }
        let mut ours = Vec::new();
        for (name, settings) in &found.backends {
            match Tropo::read(name, settings) {
                Ok(Some(tropo)) => ours.push(tropo),
                Ok(None) => say(&format!("{file}: the backend {name:?} is not Tropo's, and stays as it is.")),
                Err(error @ (BackendError::NotADictionary { .. } | BackendError::Engine { .. })) => {
                    say(&format!("{file}: the backend {name:?} is left out: {error}."));
                }
                Err(error @ (BackendError::Setting { .. } | BackendError::Name)) => {
                    bail!("{file}: backend {name:?}: {error}");
                }
            }
        }
        if ours.is_empty() {
            bail!("{file}: no backend has the engine rtropo.outgoing.TropoBackend, so there is nothing to migrate");
        }
        let chance = Environment::system().chance;
        let secret = || chance.uuid().simple().to_string();
        let (format, password) = (self.format, secret());
        let plan = Plan { format, project: &self.project, router: &self.router, password: &password };
        let mut names: Vec<BackendName> = Vec::new();
        let mut configuration = written::applications(&ours);
        for tropo in &ours {
            if names.contains(&tropo.backend) {
                bail!("{file}: two backends would be called {}: rename one of them", tropo.backend);
            }
            names.push(tropo.backend.clone());
            configuration += &plan.configuration(tropo, &secret());
            say(&plan.advice(tropo));
        }
        print(&configuration);
        say("What was printed holds secrets: keep it in a file that only tropomq's user can read (chmod 600).");
        Ok(())
    }
}
