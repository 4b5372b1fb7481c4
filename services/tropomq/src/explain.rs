//! `tropomq explain`: what happened to a text or a message, in five questions.

mod words;

use std::path::PathBuf;

use console::Explanation;

use crate::client::{Client, Reach};
use crate::output::print;

/// `tropomq explain`
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The id of a text, of a message or of a Tropo session of its conversation; or a person's number, as in
    /// +15555550177: the latest text or message of theirs is meant
    #[arg(value_name = "ID|NUMBER")]
    sought: String,
    /// Of a person, the latest on this backend
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Print one JSON object, with all of the evidence
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Explain {
    /// Prints the answers.
    ///
    /// # Errors
    /// Nothing is on record, or the console does not answer.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        let explanation: Explanation = if self.sought.starts_with('+') {
            let backend = self.backend.as_deref().map(|backend| ("backend", backend));
            let asked: Vec<_> = [("person", self.sought.as_str())].into_iter().chain(backend).collect();
            client.get(&["v1", "explanation"], &asked).await?
        } else {
            client.get(&["v1", "messages", &self.sought, "explanation"], &[]).await?
        };
        if self.json {
            print(&format!("{}\n", serde_json::to_string(&explanation)?));
        } else {
            print(&words::of(&explanation));
        }
        Ok(())
    }
}
