//! `tropomq why`: why a text was answered as it was, for operators.

mod words;

use std::path::PathBuf;

use anyhow::{Context, bail};
use protocol::{EventId, SessionId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::{Explanation, LedgerError, Opened, Record, Sought};

use crate::output::print;
use crate::settings::Settings;

/// `tropomq why`
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// The id of the session that carried the text, of the text (a `message.received`), or of a message that answers it
    #[arg(value_name = "ID")]
    id: SessionId,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Why {
    /// Prints what is on record.
    ///
    /// # Errors
    /// Nothing is on record, the configuration is wrong, or the database does not answer.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let settings = Settings::load(file)?;
        settings.check()?;
        let store = store::Settings { connections_max: settings.store.connections_max };
        let opened = store::open_existing(settings.store.url.expose_secret(), store).await;
        let opened = opened.context("open the database (configuration key store.url)")?;
        let found = find(&opened, &self.id).await.context("read what is on record")?;
        if found.is_empty() {
            let retention = settings.journal.retention;
            bail!(
                "nothing is on record of {}: it is on record a moment after a router handled the text, while a journal runs \
                 (`tropomq balance` tells whether events wait for one), and forgotten after journal.retention ({retention:?})",
                self.id
            );
        }
        for explanation in &found {
            let data: Value = serde_json::from_str(&explanation.body).context("understand what is on record")?;
            print(&if self.json { line(explanation, &data) } else { words::of(explanation, &data) });
        }
        Ok(())
    }
}

/// What is on record of a session, a text, or the text that a message answers. The id of a session may look like that of
/// a text.
async fn find(opened: &Opened, id: &SessionId) -> Result<Vec<Explanation>, LedgerError> {
    let explanations = &opened.explanations;
    let found = explanations.find(&Sought::Session(id.clone())).await?;
    let event: Option<EventId> = id.as_str().parse().ok();
    let Some(event) = event.filter(|_| found.is_empty()) else { return Ok(found) };
    let found = explanations.find(&Sought::Text(event)).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let conversation = match opened.ledger.look_up(event).await? {
        Some(Record::Released(release)) => release.correlation_id,
        Some(Record::GivenUp(given_up)) => given_up.correlation_id,
        Some(Record::Open) | None => None,
    };
    match conversation {
        Some(session) => explanations.find(&Sought::Session(session)).await,
        None => Ok(found),
    }
}

/// An explanation for programs: the event's head, and its data.
fn line(explanation: &Explanation, data: &Value) -> String {
    let Explanation { id, text, session_id: _, backend, at, body: _ } = explanation;
    let line = json!({
        "id": id,
        "text": text,
        "backend": backend,
        "time": at,
        "data": data,
    });
    format!("{line}\n")
}
