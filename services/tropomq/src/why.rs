//! `tropomq why`: why a text was answered as it was, for operators.

mod words;

use std::iter;
use std::path::PathBuf;

use anyhow::{Context, bail};
use protocol::{EventId, SessionId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::{Explanation, Explanations, LedgerError, Sought};

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
        let explanations = opened.context("open the database (configuration key store.url)")?.explanations;
        let found = find(&*explanations, &self.id).await.context("read what is on record")?;
        if found.is_empty() {
            let hours = settings.journal.retention.as_secs() / 3600;
            bail!(
                "nothing is on record of {}: it is on record a moment after a router handled the text, while a journal runs \
                 (`tropomq balance` tells whether events wait for one), and forgotten after journal.retention ({hours}h)",
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

/// What is on record of a session, a text, or a message that answers one. The id of a session may look like that of an
/// event.
async fn find(explanations: &dyn Explanations, id: &SessionId) -> Result<Vec<Explanation>, LedgerError> {
    let event: Option<EventId> = id.as_str().parse().ok();
    let of_event = event.into_iter().flat_map(|event| [Sought::Text(event), Sought::Message(event)]);
    for sought in iter::once(Sought::Session(id.clone())).chain(of_event) {
        let found = explanations.find(&sought).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
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
