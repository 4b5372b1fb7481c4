//! `tropomq log`: texts and messages, listed and searched.

use std::path::PathBuf;

use clap::ValueEnum;
use console::{Direction, Listed, Message};
use protocol::BackendName;
use serde::Serialize;
use store::Standing;

use crate::client::{Client, Reach};
use crate::output::print;
use crate::table::{Cell, Ink, Table, Tone};

/// How many are asked for at once.
const PAGE: usize = 500;

/// `tropomq log`
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[command(flatten)]
    reach: Reach,
    /// Whatever you have: the id of a message, text or session, a number in any writing, its last digits, or words
    #[arg(value_name = "SOUGHT")]
    sought: Vec<String>,
    /// Those of this person: a number in any writing, or a name
    #[arg(long, value_name = "NUMBER", help_heading = "Filters")]
    person: Option<String>,
    /// Those of this backend
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    backend: Option<BackendName>,
    /// Texts that came in, or messages that go out
    #[arg(long, help_heading = "Filters")]
    direction: Option<Way>,
    /// Those that stand there: waiting, released, answered, ignored, dead, failed, expired, suppressed, unconfirmed, sent
    /// or delivered
    #[arg(long, value_name = "WORD", help_heading = "Filters")]
    state: Option<String>,
    /// Those that this application wants sent
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    application: Option<String>,
    /// Those that began then or later: 2026-11-23T09:30:00Z, 2026-11-23, or how long ago, as in 2h
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    since: Option<String>,
    /// Those that began before
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    until: Option<String>,
    /// Those of the conversation that this Tropo session began
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    session: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Which way something goes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    In,
    Out,
}

impl Log {
    /// Prints what fits, the newest first.
    ///
    /// # Errors
    /// The console does not answer, or cannot make sense of what is looked for.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        let sought = self.sought.join(" ");
        let given = self.given(&sought);
        let mut left = if self.all { usize::MAX } else { self.limit };
        let (mut table, mut cursor) = (table(Ink::of_stdout()), None::<String>);
        while 0 < left {
            let limit = left.min(PAGE).to_string();
            let mut asked = given.clone();
            asked.push(("limit", &limit));
            asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let Listed { messages, next } = client.get(&["v1", "messages"], &asked).await?;
            left = left.saturating_sub(messages.len());
            print(&self.written(&messages, &mut table)?);
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        Ok(())
    }

    /// What is asked for, as the API has it.
    fn given<'a>(&'a self, sought: &'a str) -> Vec<(&'static str, &'a str)> {
        let direction = self.direction.map(|way| match way {
            Way::In => "in",
            Way::Out => "out",
        });
        let given = [
            ("q", Some(sought).filter(|sought| !sought.is_empty())),
            ("person", self.person.as_deref()),
            ("backend", self.backend.as_ref().map(BackendName::as_str)),
            ("direction", direction),
            ("state", self.state.as_deref()),
            ("application", self.application.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("session", self.session.as_deref()),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn written(&self, messages: &[Message], table: &mut Table<7>) -> anyhow::Result<String> {
        if self.json {
            let lines = messages.iter().map(|message| Ok(format!("{}\n", serde_json::to_string(message)?)));
            return lines.collect();
        }
        messages.iter().for_each(|message| table.add(row(message)));
        Ok(table.written())
    }
}

fn table(ink: Ink) -> Table<7> {
    Table::new(["TIME", "WAY", "BACKEND", "STATE", "PERSON", "ID", "TEXT"], ink)
}

fn row(message: &Message) -> [Cell; 7] {
    let Message { id, direction, backend, state, at, person, text, .. } = message;
    let way = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let tone = state.map_or(Tone::Plain, tone);
    [
        Cell::new(format!("{at:.3}")),
        Cell::new(way),
        Cell::new(backend.as_str()),
        Cell::new(state.as_ref().map(word).unwrap_or_default()).toned(tone),
        Cell::new(person.as_deref().unwrap_or_default()),
        Cell::new(id.to_string()),
        Cell::new(text.as_deref().unwrap_or_default()),
    ]
}

fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::Answered | Standing::Sent | Standing::Delivered => Tone::Good,
        Standing::Waiting | Standing::Released | Standing::Ignored | Standing::Suppressed => Tone::Plain,
        Standing::Unconfirmed | Standing::Expired => Tone::Doubtful,
        Standing::Dead | Standing::Failed => Tone::Bad,
    }
}

/// How one of our own words is written in JSON.
fn word(value: &impl Serialize) -> String {
    let written = serde_json::to_value(value).unwrap_or_default();
    written.as_str().unwrap_or_default().to_owned()
}
