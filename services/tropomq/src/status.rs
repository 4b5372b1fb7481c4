//! `tropomq status`: how everything is doing.

mod words;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use chassis::exit::{self, Ended};
use console::Status as Told;

use crate::client::{ApiError, Client, Reach};
use crate::output::{print, say};
use crate::table::Ink;

/// Clears a terminal, and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// `tropomq status`
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    reach: Reach,
    /// Look again and again, until stopped: every 2s, or as often as is said
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "2s", value_parser = interval)]
    watch: Option<Duration>,
    /// Print one JSON object for each look
    #[arg(long)]
    json: bool,
}

fn interval(written: &str) -> Result<Duration, String> {
    let shortest = Duration::from_millis(100);
    let read = duration::parse(written).filter(|interval| shortest <= *interval);
    read.ok_or_else(|| "must be a time of 100ms at least, as in 2s".to_owned())
}

impl Status {
    /// Prints how everything is doing.
    ///
    /// # Errors
    /// Something is not well, or the console does not answer.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        let told = look(&client).await?;
        let Some(interval) = self.watch else {
            print(&self.written(&told)?);
            if told.is_well {
                return Ok(());
            }
            return Err(Ended { code: exit::FAILURE, told: "not everything is well".to_owned() }.into());
        };
        self.show(&told)?;
        loop {
            tokio::time::sleep(interval).await;
            match look(&client).await {
                Ok(told) => self.show(&told)?,
                Err(error) if error.may_pass() => say(&error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Prints a look in the place of the one before, where that can be.
    fn show(&self, told: &Told) -> anyhow::Result<()> {
        let written = self.written(told)?;
        let is_redrawn = !self.json && std::io::stdout().is_terminal();
        print(&if is_redrawn { format!("{CLEAR}{written}") } else { written });
        Ok(())
    }

    fn written(&self, told: &Told) -> anyhow::Result<String> {
        if self.json {
            return Ok(format!("{}\n", serde_json::to_string(told)?));
        }
        Ok(words::of(told, Ink::of_stdout()))
    }
}

async fn look(client: &Client) -> Result<Told, ApiError> {
    client.get(&["v1", "status"], &[]).await
}
