//! `tropomq drill`: a load through everything while one part after the other fails, and an account of every text.

mod account;
mod config;
mod evidence;
mod faults;
mod load;
mod plan;
mod report;
mod run;
mod settle;
mod stage;
mod tropo;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::config::duration;
use chassis::shutdown;
use chassis::tasks::Tasks;
use chassis::{files, telemetry};
use messaging::Environment;
use parts::RabbitMq;

use crate::output::{print, say};
use crate::rig::{Servers, blocking};
use crate::settings::Settings;
use plan::Shape;
use report::Report;
use run::Run;
use stage::{Stage, VHOST};

/// How long the drill's own tasks may take to end.
const END_MAX: Duration = Duration::from_secs(5);

/// `tropomq drill`
#[derive(Debug, clap::Args)]
pub(crate) struct Drill {
    /// One process on the embedded bus, in place of services on a RabbitMQ and a PostgreSQL of the drill's own
    #[arg(long)]
    embedded: bool,
    /// Texts a second, whatever becomes of them
    #[arg(long, default_value_t = 200.0, value_parser = rate)]
    rate: f64,
    /// How many phones text
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    phones: u64,
    /// The faults, by name, with commas between them [default: all]
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    only: Vec<String>,
    /// Print the faults that there are, and do nothing
    #[arg(long)]
    list: bool,
    /// How often each fault is brought about
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How long a fault lasts before it is lifted
    #[arg(long, default_value = "3s", value_parser = time)]
    hold: Duration,
    /// How long the fault broker-away lasts, in place of --hold
    #[arg(long, default_value = "10s", value_parser = time)]
    away: Duration,
    /// How long nothing is wrong before the next fault, half more or less
    #[arg(long, default_value = "2s", value_parser = time)]
    gap: Duration,
    /// How long the recovery from a fault may take
    #[arg(long, default_value = "60s", value_parser = time)]
    recovery: Duration,
    /// How long everything may take to come to rest after the last fault
    #[arg(long, default_value = "2m", value_parser = time)]
    settle: Duration,
    /// A reply that takes longer is late
    #[arg(long, default_value = "5s", value_parser = time)]
    late: Duration,
    /// Draws the order and the moments of the faults [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Write the account to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn rate(written: &str) -> Result<f64, String> {
    let rate = written.parse::<f64>().ok().filter(|rate| (0.1..=100_000.0).contains(rate));
    rate.ok_or_else(|| "must be a number from 0.1 to 100000".to_owned())
}

fn time(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 500ms, 30s or 2m".to_owned())
}

impl Drill {
    /// Runs the drill, and prints the account.
    ///
    /// # Errors
    /// A text was lost, given up or said twice, a fault was not recovered from, not everything came to rest, or the
    /// drill could not be run.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let shape = if self.embedded { Shape::OneProcess } else { Shape::Services };
        if self.list {
            print(&plan::list(shape));
            return Ok(());
        }
        let faults = plan::chosen(shape, &self.only)?;
        let mut settings = Settings::defaults()?;
        settings.telemetry.log = "error".to_owned().try_into().context("the log of the drill")?;
        let telemetry = telemetry::init("tropomq-drill", &settings.telemetry);
        files::raise_limit();
        let shutdown = shutdown::on_signal(Duration::ZERO).context("listen for signals")?;
        let environment = Environment::system();
        let seed =
            self.seed.unwrap_or_else(|| u64::try_from(environment.chance.bits() & 0xffff_ffff).unwrap_or_default());
        let folder = tempfile::Builder::new().prefix("tropomq-drill-").tempdir().context("make a folder")?;
        let tasks = Tasks::new(shutdown.clone());
        say(&format!("Seed {seed}; {} faults; the parts log to {}", faults.len(), folder.path().display()));
        let steps = plan::draw(&faults, self.rounds, self.gap, seed);
        let told = tokio::select! {
            biased;
            () = shutdown.requested() => Err(anyhow::anyhow!("the drill was stopped before its end")),
            told = self.perform(shape, &steps, seed, folder.path(), &tasks, &environment) => told,
        };
        shutdown.request();
        let ended = tasks.join(END_MAX).await;
        telemetry.shutdown();
        // What failed first says more than what ended because of it.
        let verdict = match told {
            Ok(report) => self.judge(&report),
            Err(error) => Err(ended.err().unwrap_or(error)),
        };
        if verdict.is_err() {
            say(&format!("The logs of the parts are kept in {}", folder.keep().display()));
        }
        verdict
    }

    /// From the start of the parts to the account.
    async fn perform(
        &self,
        shape: Shape,
        steps: &[plan::Step],
        seed: u64,
        folder: &std::path::Path,
        tasks: &Tasks,
        environment: &Environment,
    ) -> anyhow::Result<Report> {
        let http = reqwest::Client::builder().no_proxy().build().context("make an HTTP client")?;
        let servers = match shape {
            Shape::Services => {
                say("Starting a RabbitMQ and a PostgreSQL …");
                let servers = blocking(|| Servers::start(RabbitMq::start))?;
                servers.broker.add_vhost(VHOST)?;
                Some(servers)
            }
            Shape::OneProcess => None,
        };
        let secret = format!("{:032x}", environment.chance.bits());
        let stage = Stage::start(servers, folder, secret, http)?;
        let mut run = Run::new(self, stage, environment.clone(), seed);
        let performed = run.perform(steps, tasks).await;
        if !performed.as_ref().is_ok_and(|report| report.passed) {
            run.keep_logs();
        }
        performed
    }

    /// Prints what was found.
    fn judge(&self, report: &Report) -> anyhow::Result<()> {
        print(&format!("\n{}", report.table()));
        if Duration::from_millis(report.longest_lag_ms) > load::LAG_MAX {
            let lag = Duration::from_millis(report.longest_lag_ms);
            say(&format!(
                "WARNING: the load was {lag:?} behind its schedule at worst: this machine does not keep --rate {}",
                self.rate
            ));
        }
        if let Some(file) = &self.json {
            report.write(file)?;
        }
        if !report.passed {
            bail!("the drill failed: {} (seed {})", report.failures().join(", "), report.seed);
        }
        print("\nNothing was lost, and nothing said twice.\n");
        Ok(())
    }
}
