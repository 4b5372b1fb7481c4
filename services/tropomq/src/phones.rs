//! `tropomq phones`: the virtual phones of a simulated Tropo.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use chassis::exit::{self, Ended};
use console::{Phone, PhoneMessage, TextWanted, Texted, Way};
use protocol::{Address, BackendName, MessageText, Network};
use serde::Deserialize;

use crate::backends;
use crate::client::{ApiError, Client, Reach};
use crate::output::print;
use crate::table::{Cell, Ink, Table};

/// The longest that the console waits for a message at once.
const WAIT_AT_ONCE: Duration = Duration::from_secs(15);

/// `tropomq phones`
#[derive(Debug, clap::Args)]
pub(crate) struct Phones {
    #[command(flatten)]
    reach: Reach,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
    /// What to do: list them, where nothing is said
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the phones
    List,
    /// Show what a phone received
    Show(Show),
    /// Text one of our numbers from a phone
    Text(Text),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The number of the phone
    number: Address,
    /// Those after this index
    #[arg(long, value_name = "INDEX", default_value = "0")]
    after: u64,
    /// Wait for one, where there is none yet, for so long at most
    #[arg(long, value_name = "DURATION", value_parser = human_duration)]
    wait: Option<Duration>,
}

#[derive(Debug, clap::Args)]
struct Text {
    /// The number of the phone
    number: Address,
    /// The words
    #[arg(required = true)]
    words: Vec<String>,
    /// The backend that is texted; may be left out while there is but one
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,
    /// Wait for a reply for so long at most, and print it
    #[arg(long, value_name = "DURATION", value_parser = human_duration)]
    wait: Option<Duration>,
}

fn human_duration(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 30s, 10m or 2h".to_owned())
}

impl Phones {
    /// Does what is asked for, and prints it.
    ///
    /// # Errors
    /// There is no simulator, the console does not answer, or no reply came.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        match self.command {
            None | Some(Command::List) => list(&client, self.json).await,
            Some(Command::Show(show)) => show.run(&client, self.json).await,
            Some(Command::Text(text)) => text.run(&client, self.json).await,
        }
    }
}

async fn list(client: &Client, json: bool) -> anyhow::Result<()> {
    let phones = phones(client).await?;
    if json {
        return phones.iter().try_for_each(print_json);
    }
    let mut table = Table::new(["NUMBER", "SENT", "RECEIVED", "LAST INDEX"], Ink::of_stdout());
    for Phone { number, sent, received, last_index } in &phones {
        let (sent, received) = (Cell::number(sent), Cell::number(received));
        table.add([Cell::new(number.as_str()), sent, received, Cell::number(last_index)]);
    }
    print(&table.written());
    Ok(())
}

impl Show {
    async fn run(self, client: &Client, json: bool) -> anyhow::Result<()> {
        let messages = received(client, &self.number, self.after, self.wait.unwrap_or_default()).await?;
        print_messages(&messages, json)?;
        if messages.is_empty() && self.wait.is_some() { Err(nothing_came()) } else { Ok(()) }
    }
}

impl Text {
    async fn run(self, client: &Client, json: bool) -> anyhow::Result<()> {
        let Self { number, words, backend, wait } = self;
        let text: MessageText = words.join(" ").parse()?;
        let backend = backends::meant(client, backend).await?;
        let known = if wait.is_some() { phones(client).await? } else { Vec::new() };
        let before = known.iter().find(|phone| phone.number == number).map_or(0, |phone| phone.last_index);
        let wanted = TextWanted { backend, from: number.clone(), text, network: Network::sms(), way: Way::Simulator };
        let texted: Texted = client.post(&["v1", "texts"], &wanted).await?;
        if json {
            print_json(&texted)?;
        } else {
            print(&format!("{}\n", texted.id));
        }
        let Some(wait) = wait else { return Ok(()) };
        let messages = received(client, &number, before, wait).await?;
        print_messages(&messages, json)?;
        if messages.is_empty() { Err(nothing_came()) } else { Ok(()) }
    }
}

fn nothing_came() -> anyhow::Error {
    Ended { code: exit::FAILURE, told: "nothing came in that time".to_owned() }.into()
}

async fn phones(client: &Client) -> Result<Vec<Phone>, ApiError> {
    #[derive(Deserialize)]
    struct Phones {
        phones: Vec<Phone>,
    }
    let Phones { phones } = client.get(&["v1", "phones"], &[]).await?;
    Ok(phones)
}

/// What a phone received after an index; where there is nothing, as soon as there is something, until the wait is over.
async fn received(
    client: &Client,
    number: &Address,
    after: u64,
    wait: Duration,
) -> Result<Vec<PhoneMessage>, ApiError> {
    #[derive(Deserialize)]
    struct Received {
        messages: Vec<PhoneMessage>,
    }
    let over = tokio::time::Instant::now() + wait;
    loop {
        let left = over.saturating_duration_since(tokio::time::Instant::now());
        let (after, wait) = (after.to_string(), format!("{}ms", left.min(WAIT_AT_ONCE).as_millis()));
        let asked = [("number", number.as_str()), ("after", &after), ("wait", &wait)];
        let Received { messages } = client.get(&["v1", "phones", "messages"], &asked).await?;
        if !messages.is_empty() || left.is_zero() {
            return Ok(messages);
        }
    }
}

fn print_messages(messages: &[PhoneMessage], json: bool) -> anyhow::Result<()> {
    if json {
        return messages.iter().try_for_each(print_json);
    }
    if messages.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["INDEX", "TIME", "FROM", "TEXT"], Ink::of_stdout());
    for message in messages {
        let at = Cell::new(format!("{:.3}", message.at));
        let (from, text) = (Cell::new(message.from.as_str()), Cell::new(message.text.as_str()));
        table.add([Cell::number(&message.index), at, from, text]);
    }
    print(&table.written());
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string(value)?));
    Ok(())
}
