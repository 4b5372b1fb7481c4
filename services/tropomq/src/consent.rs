//! `tropomq consent`: who may be texted, for operators.

use std::collections::BTreeSet;
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
            Action::List { backend } => {
                if let Some(backend) = &backend {
                    check_backend(backend, None, &*consents, &settings).await?;
                }
                list(&*consents, backend.as_ref()).await
            }
            Action::Show(person) => {
                let (backend, number) = person.resolved(&*consents, &settings).await?;
                show(&*consents, &backend, &number).await
            }
            Action::Out(change) => change.record(&*consents, Choice::Out, &settings).await,
            Action::In(change) => change.record(&*consents, Choice::In, &settings).await,
        }
    }
}

impl Person {
    async fn resolved(self, consents: &dyn Consents, settings: &Settings) -> anyhow::Result<(BackendName, Address)> {
        let of_people = settings.backends.iter().filter(|(_, backend)| !backend.probe).map(|(name, _)| name);
        let backend = match (self.backend, of_people.collect::<Vec<_>>().as_slice()) {
            (Some(backend), _) => {
                check_backend(&backend, Some(&self.number), consents, settings).await?;
                backend
            }
            (None, [only]) => (*only).clone(),
            (None, []) => development::backend(),
            (None, _) => bail!("there are several backends: name one with --backend"),
        };
        Ok((backend, self.number))
    }
}

/// A number as an operator writes it, or the name that a person has on another network. A number without a `+` may lack
/// its country code, and then be that of somebody else.
fn person(written: &str) -> Result<Address, String> {
    if written.contains('@') {
        return written.parse().map_err(|error: protocol::AddressError| error.to_string());
    }
    match number(written)? {
        Address::Phone(_) if !written.trim().starts_with('+') => {
            Err("write the number with + and its country code, as in +1-555-555-0100".to_owned())
        }
        address => Ok(address),
    }
}

/// Whether there is that backend: in the configuration, or on record, of this person or of anybody who is out.
async fn check_backend(
    backend: &BackendName,
    person: Option<&Address>,
    consents: &dyn Consents,
    settings: &Settings,
) -> anyhow::Result<()> {
    let mut exist: BTreeSet<BackendName> = settings.backends.keys().cloned().collect();
    if exist.is_empty() {
        exist.insert(development::backend());
    }
    if exist.contains(backend) {
        return Ok(());
    }
    if let Some(person) = person
        && !consents.history(backend, person).await.context("read what is on record")?.is_empty()
    {
        return Ok(());
    }
    let mut after = None;
    while let Some(page) = next_page(consents, &mut after).await? {
        exist.extend(page.into_iter().map(|known| known.backend));
    }
    if exist.contains(backend) {
        return Ok(());
    }
    let exist = exist.iter().map(BackendName::as_str).collect::<Vec<_>>().join(", ");
    bail!("there is no backend {backend}, neither in the configuration nor on record; there are: {exist}")
}

/// The next people who opted out; `None`: these were all.
async fn next_page(
    consents: &dyn Consents,
    after: &mut Option<(BackendName, Address)>,
) -> anyhow::Result<Option<Vec<Known>>> {
    let from = after.as_ref().map(|(backend, person)| (backend, Some(person)));
    let page = consents.opted_out(from, PAGE).await.context("read who opted out")?;
    let Some(last) = page.last() else { return Ok(None) };
    *after = Some((last.backend.clone(), last.person.clone()));
    Ok(Some(page))
}

impl Change {
    async fn record(self, consents: &dyn Consents, choice: Choice, settings: &Settings) -> anyhow::Result<()> {
        let environment = Environment::system();
        let (backend, person) = self.person.resolved(consents, settings).await?;
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
    let mut after = None;
    while let Some(page) = next_page(consents, &mut after).await? {
        for Known { backend: of, person, since, word, .. } in &page {
            if backend.is_none_or(|backend| backend == of) {
                print(&format!("{}  {of}  {}  {word:?}\n", seconds(*since), person.as_str()));
            }
        }
    }
    Ok(())
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
    let who = format!("{} on {backend}", person.as_str());
    print(&match known.map(|known| known.choice) {
        Some(Choice::Out) => format!("Nothing is sent to {who}.\n"),
        Some(Choice::In) => format!("{who} is sent messages.\n"),
        None => format!("{who} made no choice, and is sent messages.\n"),
    });
    Ok(())
}

fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_with_its_country_code() {
        for (written, read) in [
            ("+1-555-555-1020", Some("+15555551020")),
            (" +15555551020", Some("+15555551020")),
            ("12345", Some("12345")),
            ("alice@example.net", Some("alice@example.net")),
            ("5555551020", None),
            ("15555551020", None),
            ("555-O123", None),
        ] {
            let address = person(written).map(|address| address.as_str().to_owned());
            assert_eq!(address.ok().as_deref(), read, "{written}");
        }
    }

    #[tokio::test]
    async fn a_backend_is_in_the_configuration_or_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("consents.db").display());
        let opened = store::open_all(&url, store::Settings { connections_max: 1 }).await.unwrap();
        let consents = &*opened.consents;
        let settings = Settings::defaults().unwrap();
        let [old, gone]: [BackendName; 2] = ["old", "gone"].map(|name| name.parse().unwrap());
        let [number, other]: [Address; 2] = ["+15555551020", "+15555551021"].map(|number| number.parse().unwrap());
        for (backend, choice) in [(&old, Choice::Out), (&gone, Choice::In)] {
            let environment = Environment::system();
            let change = ConsentChange {
                cause: EventId::from(environment.chance.uuid()),
                backend: backend.clone(),
                person: number.clone(),
                choice: Some(choice),
                word: "a word".to_owned(),
                reply: None,
                at: environment.now(),
            };
            consents.change(change).await.unwrap();
        }
        let refused = async |backend: &str, person: Option<&Address>| {
            let checked = check_backend(&backend.parse().unwrap(), person, consents, &settings).await;
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(refused("simulated", Some(&other)).await, None);
        assert_eq!(refused("old", None).await, None);
        assert_eq!(refused("gone", Some(&number)).await, None);
        for person in [None, Some(&other)] {
            assert!(refused("gone", person).await.unwrap().ends_with("there are: old, simulated"));
        }
        assert!(refused("simulatd", Some(&number)).await.unwrap().contains("no backend simulatd"));
    }
}
