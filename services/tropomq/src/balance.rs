//! `tropomq balance`: the account, and whether it adds up.

mod told;

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use chassis::exit::{self, Ended};
use journal::balance::Verdict;
use protocol::BackendName;
use tokio::time::Instant;

use crate::client::{ApiError, Client, Reach};
use crate::output::{print, say};
pub(crate) use told::Told;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// `tropomq balance`
#[derive(Debug, clap::Args)]
pub(crate) struct Balance {
    #[command(flatten)]
    reach: Reach,
    /// The account of one backend alone
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// Ask again until it adds up, for so long at most, as in 30s
    #[arg(long, value_name = "DURATION", value_parser = human_duration)]
    wait: Option<Duration>,
    /// How long something may be on its way before it is looked for
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = human_duration)]
    settle: Duration,
}

fn human_duration(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 30s, 10m or 2h".to_owned())
}

impl Balance {
    /// Prints the account.
    ///
    /// # Errors
    /// It does not add up, that cannot be told, or whoever could tell is not there: each with an exit code of its own.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let told = self.ask(&Client::open(&self.reach, file)?).await?;
        print(&if self.json { format!("{}\n", serde_json::to_string_pretty(&told)?) } else { told.words() });
        let ended = |code, told: &str| Err(anyhow::Error::new(Ended { code, told: told.to_owned() }));
        match told.verdict() {
            Verdict::Balanced => Ok(()),
            Verdict::Unbalanced => ended(exit::FAILURE, "the account does not add up"),
            Verdict::Undecided => ended(exit::UNDECIDED, "whether the account adds up cannot be told now"),
        }
    }

    /// Looks until it adds up, or time is over.
    async fn ask(&self, client: &Client) -> Result<Told, ApiError> {
        let settle = duration::write(self.settle);
        let backend = self.backend.as_ref().map(|backend| ("backend", backend.as_str()));
        let asked: Vec<_> = backend.into_iter().chain([("settle", settle.as_str())]).collect();
        let over = Instant::now() + self.wait.unwrap_or_default();
        loop {
            let told: Told = client.get(&["v1", "balance"], &asked).await?;
            let Some(first) = told.first().filter(|_| Instant::now() < over) else { return Ok(told) };
            if self.wait.is_some() && !self.json {
                say(&format!("It does not add up yet: {first}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
