//! `tropomq send`: puts a message on the bus.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::config::duration;
use messaging::{BusState, BusUrl, Environment, Opened, Outgoing, PublishError, Publisher};
use protocol::{
    Address, BackendName, Envelope, Event, EventId, EventType, Head, MessageSend, MessageText, Network, PhoneNumber,
};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::output::print;
use crate::settings::Settings;

/// What messages from the command line name as their sender.
pub(crate) const APP_ID: &str = "tropomq send";

/// How long the bus may take to be there.
const BUS_TIMEOUT: Duration = Duration::from_secs(10);

/// `tropomq send`
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// The backend to send through; may be left out while there is but one
    #[arg(long)]
    backend: Option<BackendName>,
    /// The number to send to, with its country code
    #[arg(long, value_parser = number)]
    to: Address,
    /// The number to send from [default: the backend's]
    #[arg(long, value_parser = number)]
    from: Option<Address>,
    /// How long it is worth sending, as in 30m [default: as configured]
    #[arg(long, value_parser = human_duration)]
    expires_in: Option<Duration>,
    /// The id of the message, to send again what was not confirmed: the same id is sent once [default: a fresh one]
    #[arg(long, value_name = "UUID")]
    id: Option<EventId>,
    /// The words
    text: MessageText,
}

/// Somebody on the telephone network, which these messages travel on.
pub(crate) fn number(written: &str) -> Result<Address, String> {
    let address: Address = written.parse().map_err(|error: protocol::AddressError| error.to_string())?;
    if address.is_dialable() {
        return Ok(address);
    }
    Err(PhoneNumber::parse(written).err().map(|error| error.to_string()).unwrap_or_default())
}

fn human_duration(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 30s, 10m or 2h".to_owned())
}

/// A message that somebody wants sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The id of the message: asking for the same id again sends it once.
    id: EventId,
    pub(crate) backend: BackendName,
    to: Address,
    text: MessageText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in_s: Option<u64>,
}

impl Wanted {
    /// Puts it on the bus.
    ///
    /// # Errors
    /// The bus did not confirm it.
    pub(crate) async fn publish(
        self,
        publisher: &Publisher,
        environment: &Environment,
    ) -> Result<EventId, PublishError> {
        let (id, time) = (self.id, environment.now());
        let expires_at = self.expires_in_s.and_then(|s| time.checked_add(Duration::from_secs(s)).ok());
        let event_type = EventType { kind: MessageSend::KIND, version: MessageSend::VERSION };
        let head = Head { id, event_type, backend: self.backend, correlation_id: None, causation_id: None, time };
        let data = MessageSend {
            to: self.to,
            text: self.text,
            from: self.from,
            network: Network::sms(),
            application: None,
            expires_at,
        };
        publisher.publish(&Outgoing::new(&Envelope { head, data })).await?;
        Ok(id)
    }
}

impl Send {
    /// Sends, and prints the id of the message.
    ///
    /// # Errors
    /// The message is not on the bus.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let settings = Settings::load(file)?;
        settings.check()?;
        let expires_in_s = self.expires_in.map(|time| time.as_secs().max(1));
        let id = self.id.unwrap_or_else(|| Environment::system().chance.uuid().into());
        let id = match &settings.bus.url {
            BusUrl::Embedded(_) => {
                // The process that has the bus knows its backends, simulated ones among them.
                let backend = match &self.backend {
                    Some(backend) => backend.clone(),
                    None if settings.backends.is_empty() => crate::development::backend(),
                    None => self.known_backend(&settings)?,
                };
                let Self { to, text, from, .. } = self;
                ask(&settings, &Wanted { id, backend, to, text, from, expires_in_s }).await?
            }
            BusUrl::Amqp(_) => {
                let backend = self.known_backend(&settings)?;
                let Self { to, text, from, .. } = self;
                publish(&settings, Wanted { id, backend, to, text, from, expires_in_s }).await?
            }
        };
        print(&format!("{id}\n"));
        Ok(())
    }

    fn known_backend(&self, settings: &Settings) -> anyhow::Result<BackendName> {
        let names = || settings.backends.keys().map(BackendName::as_str).collect::<Vec<_>>().join(", ");
        match &self.backend {
            Some(name) if settings.backends.contains_key(name) => Ok(name.clone()),
            Some(name) => bail!("there is no backend {name}; there are: {}", names()),
            None => only(settings).with_context(|| format!("say --backend; there are: {}", names())),
        }
    }
}

fn only(settings: &Settings) -> Option<BackendName> {
    let mut names = settings.backends.keys();
    names.next().filter(|_| names.next().is_none()).cloned()
}

async fn publish(settings: &Settings, wanted: Wanted) -> anyhow::Result<EventId> {
    let Opened { bus, driver } = messaging::open(&settings.bus.url, settings.topology()).context("open the bus")?;
    let mut state = bus.state();
    let publish = async {
        if tokio::time::timeout(BUS_TIMEOUT, state.wait_for(|state| *state == BusState::Ready)).await.is_err() {
            bail!("{} is not there: {:?}", settings.bus.url, *bus.state().borrow());
        }
        let id = wanted.id;
        let published = wanted.publish(&Publisher::new(bus.clone(), APP_ID), &Environment::system()).await;
        published.map_err(|error| match error {
            PublishError::Unknown(_) => anyhow::Error::new(error).context(uncertain(id)),
            PublishError::Unavailable(_) | PublishError::Refused | PublishError::NoRoom(_) => {
                anyhow::Error::new(error).context("nothing was sent")
            }
        })
    };
    let published_and_closed = async {
        let published = publish.await;
        bus.close().await;
        published
    };
    let (published, ()) = tokio::join!(published_and_closed, driver);
    published
}

/// What to do when nobody can know.
fn uncertain(id: EventId) -> String {
    format!("not confirmed, so it may or may not be sent; to be sure, send it again with --id {id}")
}

/// Asks the process that has the embedded bus.
async fn ask(settings: &Settings, wanted: &Wanted) -> anyhow::Result<EventId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Answer {
        Id(EventId),
        Error(String),
    }
    let url = crate::development::address(settings.admin.listen, "messages")?;
    let client = reqwest::Client::builder().timeout(BUS_TIMEOUT).no_proxy().build()?;
    let asked = client.post(url.clone()).json(wanted).send().await.map_err(reqwest::Error::without_url);
    let answer = asked.map_err(|error| {
        let told = if error.is_connect() {
            format!("ask {url}: the embedded bus belongs to `tropomq up`; is it running?")
        } else {
            uncertain(wanted.id)
        };
        anyhow::Error::new(error).context(told)
    })?;
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        bail!("{}: {}", uncertain(wanted.id), answer.text().await.unwrap_or_default());
    }
    let answer = answer.json::<Answer>().await.map_err(reqwest::Error::without_url);
    match answer.with_context(|| format!("{url} is not the admin address of `tropomq up` on an embedded bus"))? {
        Answer::Id(id) => Ok(id),
        Answer::Error(words) => bail!("{words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_to_a_number_alone() {
        assert_eq!(number("+1-555-555-0177").unwrap().as_str(), "+15555550177");
        assert_eq!(number("12345").unwrap().as_str(), "12345");
        for written in ["alice@example.net", "0712345678", "unknown", ""] {
            assert!(number(written).is_err(), "{written}");
        }
    }
}
