//! `tropomq consent`: who may be texted, for operators.

use std::path::PathBuf;

use anyhow::{Context, bail};
use messaging::Environment;
use protocol::{Address, BackendName, EventId, Timestamp};
use secrecy::ExposeSecret;
use store::{Choice, Consent as Known, ConsentChange, Consents, HISTORY_MAX};

use crate::development;
use crate::output::print;
use crate::send::number;
use crate::settings::Settings;

/// How many people are asked for at once.
const PAGE: u32 = 500;

/// `tropomq consent`
#[derive(Debug, clap::Args)]
pub(crate) struct Consent {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List who opted out
    List {
        /// Those of one backend alone
        #[arg(long)]
        backend: Option<BackendName>,
    },
    /// Show what is on record of a person, oldest first
    Show(Person),
    /// Record that a person is not to be texted
    Out(Change),
    /// Record that a person may be texted again
    ///
    /// A person who opted out by text has to ask for this.
    In(Change),
}

#[derive(Debug, clap::Args)]
struct Person {
    /// Their number, with its country code
    #[arg(value_parser = person)]
    number: Address,
    /// The backend; may be left out while there is but one
    #[arg(long)]
    backend: Option<BackendName>,
}

#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    person: Person,
    /// Who records it
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
}

/// A number, or the name that a person has on another network.
fn person(written: &str) -> Result<Address, String> {
    if written.contains('@') {
        return written.parse().map_err(|error: protocol::AddressError| error.to_string());
    }
    number(written)
}

impl Consent {
    /// Does what is asked.
    ///
    /// # Errors
    /// The configuration is wrong, or the database does not answer.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let settings = Settings::load(file)?;
        settings.check()?;
        let store = store::Settings { connections_max: settings.store.connections_max };
        let opened = store::open_existing(settings.store.url.expose_secret(), store).await;
        let consents = opened.context("open the database (configuration key store.url)")?.consents;
        match self.action {
            Action::List { backend } => list(&*consents, backend.as_ref()).await,
            Action::Show(person) => {
                let (backend, number) = person.resolved(&settings)?;
                show(&*consents, &backend, &number).await
            }
            Action::Out(change) => change.record(&*consents, Choice::Out, &settings).await,
            Action::In(change) => change.record(&*consents, Choice::In, &settings).await,
        }
    }
}

impl Person {
    fn resolved(self, settings: &Settings) -> anyhow::Result<(BackendName, Address)> {
        let backend = match (self.backend, settings.backends.keys().collect::<Vec<_>>().as_slice()) {
            (Some(backend), _) => backend,
            (None, [only]) => (*only).clone(),
            (None, []) => development::backend(),
            (None, _) => bail!("there are several backends: name one with --backend"),
        };
        Ok((backend, self.number))
    }
}

impl Change {
    async fn record(self, consents: &dyn Consents, choice: Choice, settings: &Settings) -> anyhow::Result<()> {
        let environment = Environment::system();
        let (backend, person) = self.person.resolved(settings)?;
        let change = ConsentChange {
            cause: EventId::from(environment.chance.uuid()),
            backend: backend.clone(),
            person: person.clone(),
            choice: Some(choice),
            word: format!("operator {}", self.by),
            reply: None,
            at: environment.now(),
        };
        consents.change(change).await.context("record it")?;
        show(consents, &backend, &person).await
    }
}

async fn list(consents: &dyn Consents, backend: Option<&BackendName>) -> anyhow::Result<()> {
    let mut after: Option<(BackendName, Address)> = None;
    loop {
        let from = after.as_ref().map(|(backend, person)| (backend, person));
        let page = consents.opted_out(from, PAGE).await.context("read who opted out")?;
        for Known { backend: of, person, since, word, .. } in &page {
            if backend.is_none_or(|backend| backend == of) {
                print(&format!("{}  {of}  {}  {word:?}\n", seconds(*since), person.as_str()));
            }
        }
        match page.last() {
            Some(last) => after = Some((last.backend.clone(), last.person.clone())),
            None => return Ok(()),
        }
    }
}

async fn show(consents: &dyn Consents, backend: &BackendName, person: &Address) -> anyhow::Result<()> {
    let (history, known) = tokio::try_join!(consents.history(backend, person), consents.consent(backend, person))
        .context("read what is on record")?;
    if u32::try_from(history.len()).is_ok_and(|shown| HISTORY_MAX <= shown) {
        print(&format!("The latest {HISTORY_MAX} changes:\n"));
    }
    for ConsentChange { at, choice, word, cause, .. } in &history {
        let choice = choice.map_or("help", Choice::as_str);
        print(&format!("{}  {choice:<4}  {word:?}  {cause}\n", seconds(*at)));
    }
    print(match known.map(|known| known.choice) {
        Some(Choice::Out) => "Nothing is sent to this person.\n",
        Some(Choice::In) => "This person is sent messages.\n",
        None => "This person made no choice, and is sent messages.\n",
    });
    Ok(())
}

fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}
