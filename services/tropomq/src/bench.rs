//! `tropomq bench`: how fast conversations are, what they cost, and how far that is from what the machine can do.

mod compare;
mod door;
mod figures;
mod growth;
mod load;
mod measure;
mod report;
mod stage;
mod threads;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::config::duration;
use chassis::shutdown;
use chassis::{files, telemetry};
use parts::RabbitMq;

use crate::output::{print, say};
use crate::rig::{Servers, blocking};
use crate::settings::Settings;
use growth::Growth;
use measure::Measure;
use report::{Ceilings, Report, Run};
use stage::Subject;

/// How long the benchmark's own tasks may take to end.
const END_MAX: Duration = Duration::from_secs(10);

/// `tropomq bench`
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// On which bus: rabbitmq, embedded, or both
    #[arg(long, value_name = "BUS", value_delimiter = ',', default_value = "rabbitmq,embedded")]
    bus: Vec<BusName>,
    /// The rates of the open loops, in texts a second, with commas between them
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_value = "100,500", value_parser = rate)]
    rates: Vec<f64>,
    /// How many conversations are under way at once in the closed loop
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    at_once: u16,
    /// How long each loop is measured
    #[arg(long, default_value = "20s", value_parser = time)]
    duration: Duration,
    /// How long each loop runs before it is measured
    #[arg(long, default_value = "5s", value_parser = time)]
    warm_up: Duration,
    /// Run the journal beside the three services, on RabbitMQ (the embedded bus has it always)
    #[arg(long)]
    journal: bool,
    #[command(flatten)]
    growth: Growth,
    /// Leave out the ceiling program, and with it the ratios
    #[arg(long)]
    no_ceiling: bool,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Set the figures beside those of an earlier run, as --json wrote them
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// A bus to measure on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum BusName {
    Rabbitmq,
    Embedded,
}

/// `tropomq ceiling`: the program that a benchmark is compared to.
#[derive(Debug, clap::Args)]
pub(crate) struct Ceiling {}

fn rate(written: &str) -> Result<f64, String> {
    let rate = written.parse::<f64>().ok().filter(|rate| (1.0..=100_000.0).contains(rate));
    rate.ok_or_else(|| "must be a number from 1 to 100000".to_owned())
}

fn time(written: &str) -> Result<Duration, String> {
    let time = duration::parse(written).filter(|time| (1..=3600).contains(&time.as_secs()));
    time.ok_or_else(|| "must be a time from 1s to 1h, as in 20s or 2m".to_owned())
}

impl Ceiling {
    /// Runs until it is ended.
    ///
    /// # Errors
    /// Whatever went wrong.
    pub(crate) async fn run(self, config: Option<PathBuf>) -> anyhow::Result<()> {
        let path = config.context("the ceiling is started by tropomq bench")?;
        let config = toml::from_str(&std::fs::read_to_string(path)?)?;
        let stopped = shutdown::on_signal(Duration::ZERO).context("listen for signals")?;
        tokio::select! {
            ended = ::ceiling::run(config) => ended,
            () = stopped.requested() => Ok(()),
        }
    }
}

impl Bench {
    /// Measures, and prints the figures.
    ///
    /// # Errors
    /// Something could not be run, or a text was lost or answered twice.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let earlier = self.compare.as_deref().map(Report::read).transpose()?;
        let mut settings = Settings::defaults()?;
        settings.telemetry.log = "error".to_owned().try_into().context("the log of the benchmark")?;
        let telemetry = telemetry::init("tropomq-bench", &settings.telemetry);
        files::raise_limit();
        let shutdown = shutdown::on_signal(Duration::ZERO).context("listen for signals")?;
        let folder = tempfile::Builder::new().prefix("tropomq-bench-").tempdir().context("make a folder")?;
        let told = tokio::select! {
            biased;
            () = shutdown.requested() => Err(anyhow::anyhow!("the benchmark was stopped before its end")),
            told = self.perform(folder.path()) => told,
        };
        telemetry.shutdown();
        let report = match told {
            Ok(report) => report,
            Err(error) => {
                say(&format!("The logs of the parts are kept in {}", folder.keep().display()));
                return Err(error);
            }
        };
        print(&report.table());
        if let Some(earlier) = &earlier {
            print(&compare::table(earlier, &report));
        }
        if let Some(file) = &self.json {
            report.write(file)?;
        }
        let (lost, repeated) = report.faults();
        if 0 < lost + repeated {
            bail!("{lost} texts were lost, and {repeated} replies came that were too many");
        }
        Ok(())
    }

    async fn perform(&self, folder: &Path) -> anyhow::Result<Report> {
        if cfg!(debug_assertions) {
            say("WARNING: this is a debug build: build with --release for figures that mean something");
        }
        let http = reqwest::Client::builder().no_proxy().build().context("make an HTTP client")?;
        let mut runs = Vec::new();
        if self.bus.contains(&BusName::Rabbitmq) {
            say("Starting a RabbitMQ and a PostgreSQL …");
            let servers = blocking(|| Servers::start(RabbitMq::start_for_load))?;
            let measure = Measure { bench: self, servers: Some(&servers), folder, http: http.clone() };
            let tropomq = measure.subject(Subject::Services { journal: self.journal }, Some(Subject::Ingress)).await?;
            let ceilings = match self.no_ceiling {
                true => Ceilings::default(),
                false => Ceilings {
                    least: Some(measure.subject(Subject::Ceiling { tells: false }, Some(Subject::CeilingDoor)).await?),
                    same_traffic: Some(measure.subject(Subject::Ceiling { tells: true }, None).await?),
                },
            };
            runs.push(Run::new("rabbitmq", tropomq, ceilings));
        }
        if self.bus.contains(&BusName::Embedded) {
            let measure = Measure { bench: self, servers: None, folder, http };
            runs.push(Run::new("embedded", measure.subject(Subject::OneProcess, None).await?, Ceilings::default()));
        }
        Report::new(runs)
    }
}

#[cfg(test)]
mod tests;
