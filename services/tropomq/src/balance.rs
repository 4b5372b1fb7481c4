//! `tropomq balance`: the account, and whether it adds up.

mod gather;
mod management;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use chassis::config::{ConfigError, duration};
use chassis::exit::{self, Ended};
use journal::balance::{Finding, Look, Prefetch, Verdict, judge, verdict};
use messaging::{BoxFuture, Environment};
use protocol::BackendName;
use serde_json::Value;
use store::Accounts;

use crate::output::{print, say};
use crate::settings::Settings;
use gather::Source;
pub(crate) use gather::{Counter, Patience, take};
use report::Report;

/// What does not add up is looked at again and again for so long, unless a longer wait was asked for. A message that
/// goes from one queue to another while they are counted may be in neither count; one that is lost is in none of any
/// look.
const LOOK_FOR: Duration = Duration::from_secs(3);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// `tropomq balance`
#[derive(Debug, clap::Args)]
pub(crate) struct Balance {
    /// The account of one backend alone
    #[arg(long)]
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
        let settings = Settings::load(file)?;
        settings.check()?;
        let environment = Environment::system();
        let balanced = self.ask(&settings, &environment).await;
        let (look, findings) = balanced.map_err(|error| {
            if error.chain().any(<dyn std::error::Error>::is::<ConfigError>) {
                return error;
            }
            anyhow::Error::new(Ended { code: exit::UNAVAILABLE, told: format!("{error:#}") })
        })?;
        if let Some(backend) = self.backend.as_ref().filter(|name| !is_known(name, &look, &settings)) {
            bail!("there is no backend {backend}, nor was there");
        }
        let (backend, settle) = (self.backend.as_ref(), self.settle);
        let report = Report { look: &look, findings: &findings, backend, settle };
        print(&if self.json { report.json() } else { report.words() });
        let ended = |code, told: &str| Err(anyhow::Error::new(Ended { code, told: told.to_owned() }));
        match verdict(&findings) {
            Verdict::Balanced => Ok(()),
            Verdict::Unbalanced => ended(exit::FAILURE, "the account does not add up"),
            Verdict::Undecided => ended(exit::UNDECIDED, "whether the account adds up cannot be told now"),
        }
    }

    /// Looks until it adds up, or time is over.
    async fn ask(&self, settings: &Settings, environment: &Environment) -> anyhow::Result<(Look, Vec<Finding>)> {
        let source = Source::open(settings).await?;
        let look =
            || -> BoxFuture<'_, anyhow::Result<Look>> { Box::pin(source.look(settings, self.settle, environment)) };
        let tell = |findings: &[Finding]| {
            if self.wait.is_some() && !self.json {
                say(&format!("It does not add up yet: {}", report::first(findings)));
            }
        };
        let wait = self.wait.unwrap_or_default().max(LOOK_FOR);
        let looked = look_until(&look, self.backend.as_ref(), settings, wait, environment, &tell).await;
        source.close().await;
        looked
    }
}

/// The account as `tropomq balance --json` prints it, for the process that has bus and database at hand.
///
/// # Errors
/// It cannot be told now.
pub(crate) async fn tell(
    settings: &Settings,
    counter: &Counter,
    accounts: &dyn Accounts,
    backend: Option<&BackendName>,
    settle: Duration,
    environment: &Environment,
) -> anyhow::Result<Value> {
    let backends: Vec<_> = settings.backends.keys().cloned().collect();
    let patience = Patience { settle, result: settings.egress.result_timeout };
    let look = || -> BoxFuture<'_, anyhow::Result<Look>> {
        Box::pin(take(accounts, &backends, patience, environment, counter))
    };
    let (look, findings) = look_until(&look, backend, settings, LOOK_FOR, environment, &|_| {}).await?;
    Ok(Report { look: &look, findings: &findings, backend, settle }.value())
}

/// Looks until it adds up, or the wait is over.
async fn look_until<'a>(
    look: &(dyn Fn() -> BoxFuture<'a, anyhow::Result<Look>> + Sync),
    backend: Option<&BackendName>,
    Settings { router, egress, journal, .. }: &Settings,
    wait: Duration,
    environment: &Environment,
    tell: &(dyn Fn(&[Finding]) + Sync),
) -> anyhow::Result<(Look, Vec<Finding>)> {
    let prefetch = Prefetch { texts: router.prefetch, messages: egress.prefetch, events: journal.prefetch };
    let over = tokio::time::Instant::now() + wait;
    loop {
        let look = look().await?;
        let findings = judge(&look, backend, prefetch);
        if findings.is_empty() || over <= tokio::time::Instant::now() {
            return Ok((look, findings));
        }
        tell(&findings);
        environment.clock.sleep(PAUSE).await;
    }
}

fn is_known(name: &BackendName, look: &Look, settings: &Settings) -> bool {
    look.account.contains_key(name) || settings.backends.contains_key(name)
}
