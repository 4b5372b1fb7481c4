//! `tropomq send`: has a message sent, or a file of them.

mod many;
mod rows;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use chassis::config::duration;
use chassis::exit::Ended;
use console::{Taken, Wanted};
use messaging::Environment;
use protocol::{Address, BackendName, EventId, MessageText, Network, PhoneNumber};
use serde_json::json;

use crate::backends;
use crate::client::{ApiError, Client, Reach, again};
use crate::output::print;

/// `tropomq send`
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    #[command(flatten)]
    reach: Reach,
    /// The backend to send through; may be left out while there is but one
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,
    /// The number to send to, with its country code
    #[arg(long, value_name = "NUMBER", value_parser = number, required_unless_present = "file")]
    to: Option<Address>,
    /// The number to send from [default: the backend's]
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    from: Option<Address>,
    /// How long it is worth sending, as in 30m [default: as configured]
    #[arg(long, value_name = "DURATION", value_parser = human_duration)]
    expires_in: Option<Duration>,
    /// The id of the message, to send again what was not confirmed: the same id is sent once [default: a fresh one]
    #[arg(long, value_name = "UUID")]
    id: Option<EventId>,
    /// A key of your own: as long as the console remembers it (console.retention), the same key is sent once
    #[arg(long, value_parser = key)]
    key: Option<String>,
    /// Send every message of a file, `-` for standard input: CSV with a line of names first, or a JSON object a line
    ///
    /// The names are to, text, backend, from, network, expires_in_s and id; what is left out is as on the command line. A
    /// message that cannot be sent keeps no other from it, and is told with its line at the end.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "id", "text"])]
    file: Option<PathBuf>,
    /// Print one JSON object for each message
    #[arg(long)]
    json: bool,
    /// The words
    #[arg(required_unless_present = "file")]
    text: Option<MessageText>,
}

/// Somebody on the telephone network, which these messages travel on.
pub(crate) fn number(written: &str) -> Result<Address, String> {
    let address: Address = written.parse().map_err(|error: protocol::AddressError| error.to_string())?;
    if address.is_dialable() {
        return Ok(address);
    }
    Err(PhoneNumber::parse(written).err().map(|error| error.to_string()).unwrap_or_default())
}

/// The most characters of a key: the console wants to add to it.
const KEY_MAX: usize = 200;

fn key(written: &str) -> Result<String, String> {
    let is_key = (1..=KEY_MAX).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_graphic());
    if is_key { Ok(written.to_owned()) } else { Err(format!("must be 1 to {KEY_MAX} visible ASCII characters")) }
}

fn human_duration(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 30s, 10m or 2h".to_owned())
}

impl Send {
    /// Sends, and prints the id of the message.
    ///
    /// # Errors
    /// Nobody confirmed that it is kept.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        let expires_in_s = self.expires_in.map(|time| u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX));
        let expires_in_s = expires_in_s.and_then(NonZeroU32::new);
        let backend = self.backend;
        if let Some(messages) = self.file {
            let usual = many::Usual { backend, from: self.from, expires_in_s };
            return many::send(&client, &messages, usual, self.key, self.json).await;
        }
        let (Some(to), Some(text)) = (self.to, self.text) else { bail!("say --to and the words, or --file") };
        let backend = backends::meant(&client, backend).await?;
        // Of its own, so that it can be asked for again. A key stands for the id that the console gave it.
        let id = self.id.or_else(|| self.key.is_none().then(|| Environment::system().chance.uuid().into()));
        let wanted = Wanted { id, backend, to, text, from: self.from, network: Network::sms(), expires_in_s };
        let key = self.key.as_deref();
        let ask = async || client.post_once::<Taken>(&["v1", "messages"], key, &wanted).await;
        let is_passing = |error: &ApiError| error.may_pass() && !error.is_away();
        let asked = again(ask, |asked| asked.as_ref().is_err_and(is_passing)).await;
        let Taken { id } = asked.map_err(|error| told(error, id, key))?;
        print(&if self.json { format!("{}\n", json!({ "id": id })) } else { format!("{id}\n") });
        Ok(())
    }
}

/// What to do when nobody can know.
fn told(error: ApiError, id: Option<EventId>, key: Option<&str>) -> anyhow::Error {
    if !error.is_uncertain() {
        return error.into();
    }
    let same = id.map(|id| format!("--id {id}")).or_else(|| key.map(|key| format!("--key {key}")));
    let told = format!(
        "not confirmed, so it may or may not be sent; to be sure, send it again with {}: {error}",
        same.unwrap_or_default()
    );
    Ended { code: error.code(), told }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_stand_in_a_header() {
        assert_eq!(key("order-17").as_deref(), Ok("order-17"));
        for written in ["", "two words", "ключ", "a\n", &"x".repeat(201)] {
            assert!(key(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_message_goes_to_a_number_alone() {
        assert_eq!(number("+1-555-555-0177").unwrap().as_str(), "+15555550177");
        assert_eq!(number("12345").unwrap().as_str(), "12345");
        for written in ["alice@example.net", "0712345678", "unknown", ""] {
            assert!(number(written).is_err(), "{written}");
        }
    }
}
