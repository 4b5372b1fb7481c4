//! What a benchmark found: for people, and as JSON.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::figures::{Latency, Measured};
use crate::table::{Cell, Ink, Table};

/// What is known of the shape of the file. One that cannot be compared has another number.
const FORMAT: u32 = 1;

/// What a benchmark found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    format: u32,
    version: String,
    /// The processors that everything shared.
    cpus: usize,
    /// The first bus that was measured.
    #[serde(flatten)]
    pub(super) first: Run,
    /// The other one, if there was one.
    pub(super) embedded: Option<Run>,
}

/// What a file of every format has.
#[derive(Deserialize)]
struct Marked {
    format: u32,
}

/// What was found on one bus. The figures at the top are those that matter most; `tropomq` and `ceiling` hold all.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// `rabbitmq` or `embedded`.
    pub(super) bus: String,
    /// Of the closed loop.
    pub(super) conversations_per_s: f64,
    pub(super) services_cpu_ms_per_conversation: f64,
    pub(super) broker_cpu_ms_per_conversation: f64,
    pub(super) database_cpu_ms_per_conversation: f64,
    /// Of the first open loop.
    #[serde(flatten)]
    pub(super) latency: Latency,
    /// Conversations a second by those of the ceiling program.
    pub(super) ceiling_ratio: Option<f64>,
    /// The same by those of the ceiling program when it publishes as many messages as tropomq.
    pub(super) same_traffic_ceiling_ratio: Option<f64>,
    /// Webhooks a second of ingress alone by those of the ceiling program.
    pub(super) ingress_ceiling_ratio: Option<f64>,
    /// Latencies of the first open loop by those of the ceiling program.
    pub(super) p50_ceiling_ratio: Option<f64>,
    pub(super) p99_ceiling_ratio: Option<f64>,
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) tropomq: Measured,
    pub(super) ceiling: Option<Measured>,
    pub(super) same_traffic_ceiling: Option<Measured>,
}

/// What was found of the ceiling program.
#[derive(Clone, Debug, Default)]
pub(super) struct Ceilings {
    pub(super) least: Option<Measured>,
    /// When it publishes as many messages as tropomq.
    pub(super) same_traffic: Option<Measured>,
}

impl Run {
    pub(super) fn new(bus: &str, tropomq: Measured, ceilings: Ceilings) -> Self {
        let Ceilings { least: ceiling, same_traffic } = ceilings;
        let ratio_to = |ceiling: &Option<Measured>, figure: fn(&Measured) -> Option<f64>| {
            let (ours, ceiling) = (figure(&tropomq)?, figure(ceiling.as_ref()?)?);
            (0.0 < ceiling).then(|| ours / ceiling)
        };
        let ratio = |figure| ratio_to(&ceiling, figure);
        let conversations_per_s = |measured: &Measured| Some(measured.closed_loop.conversations_per_s);
        let latency = tropomq.open_loop.first().map(|open| open.latency).unwrap_or_default();
        Self {
            bus: bus.to_owned(),
            conversations_per_s: tropomq.closed_loop.conversations_per_s,
            services_cpu_ms_per_conversation: tropomq.closed_loop.cpu.services_cpu_ms_per_conversation,
            broker_cpu_ms_per_conversation: tropomq.closed_loop.cpu.broker_cpu_ms_per_conversation,
            database_cpu_ms_per_conversation: tropomq.closed_loop.cpu.database_cpu_ms_per_conversation,
            latency,
            ceiling_ratio: ratio(conversations_per_s),
            same_traffic_ceiling_ratio: ratio_to(&same_traffic, conversations_per_s),
            ingress_ceiling_ratio: ratio(|measured| measured.webhooks_per_s),
            p50_ceiling_ratio: ratio(|measured| Some(measured.open_loop.first()?.latency.p50_ms)),
            p99_ceiling_ratio: ratio(|measured| Some(measured.open_loop.first()?.latency.p99_ms)),
            lost: tropomq.lost,
            repeated: tropomq.repeated,
            tropomq,
            ceiling,
            same_traffic_ceiling: same_traffic,
        }
    }

    /// Who was measured, and what was found of them.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&'static str, &Measured)> {
        let ceilings = [("ceiling", &self.ceiling), ("same traffic", &self.same_traffic_ceiling)];
        let ceilings = ceilings.into_iter().filter_map(|(name, ceiling)| Some((name, ceiling.as_ref()?)));
        std::iter::once(("tropomq", &self.tropomq)).chain(ceilings)
    }
}

impl Report {
    pub(super) fn new(runs: Vec<Run>) -> anyhow::Result<Self> {
        let mut runs = runs.into_iter();
        let first = runs.next().context("no bus was to be measured")?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { format: FORMAT, version: chassis::build::version().to_owned(), cpus, first, embedded: runs.next() })
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        std::iter::once(&self.first).chain(&self.embedded)
    }

    /// How many texts were lost, and how many replies were too many.
    pub(super) fn faults(&self) -> (u64, u64) {
        self.runs().fold((0, 0), |(lost, repeated), run| (lost + run.lost, repeated + run.repeated))
    }

    /// Reads what [`Report::write`] wrote.
    ///
    /// # Errors
    /// The file is none of a benchmark, or of one whose figures mean something else.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let told = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let what = || format!("{} is no file that tropomq bench --json wrote", file.display());
        // Nothing but the format is sure before that is known.
        let Marked { format } = serde_json::from_str(&told).with_context(what)?;
        if format != FORMAT {
            bail!("{} has format {format}, and only format {FORMAT} can be compared", file.display());
        }
        serde_json::from_str(&told).with_context(what)
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("write the figures as JSON")?;
        text.push('\n');
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
    }

    /// The tables.
    pub(super) fn table(&self) -> String {
        let mut told = format!("tropomq {}, everything on {} processors\n", self.version, self.cpus);
        for run in self.runs() {
            told += &format!("\n{}\n", run.bus);
            for table in [run.closed(), run.open(), run.processes()] {
                told += "\n";
                told += &table;
            }
            told += "\n";
            told += &run.verdict();
        }
        told
    }
}

impl Run {
    fn closed(&self) -> String {
        let head =
            ["CLOSED LOOP", "at once", "conv/s", "webhooks/s", "p50 ms", "p99 ms", "messages", "deliveries", "bytes"];
        let mut table = Table::new(head, Ink::Plain);
        for (name, Measured { closed_loop, webhooks_per_s, .. }) in self.subjects() {
            table.add([
                Cell::new(name),
                Cell::number(&closed_loop.at_once),
                figure(closed_loop.conversations_per_s, 0),
                known(*webhooks_per_s, 0),
                figure(closed_loop.latency.p50_ms, 1),
                figure(closed_loop.latency.p99_ms, 1),
                known(closed_loop.broker_messages_per_conversation, 2),
                known(closed_loop.broker_deliveries_per_conversation, 2),
                known(closed_loop.broker_bytes_per_conversation, 0),
            ]);
        }
        table.written()
    }

    fn open(&self) -> String {
        let head =
            ["OPEN LOOP", "texts/s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "lag ms", "services CPU ms"];
        let mut table = Table::new(head, Ink::Plain);
        for (name, Measured { open_loop, .. }) in self.subjects() {
            for open in open_loop {
                let Latency { p50_ms, p95_ms, p99_ms, p999_ms, max_ms } = open.latency;
                let [p50, p95, p99, p999, max] =
                    [p50_ms, p95_ms, p99_ms, p999_ms, max_ms].map(|latency| figure(latency, 2));
                let cpu = figure(open.cpu.services_cpu_ms_per_conversation, 3);
                let (rate, lag) = (figure(open.rate_per_s, 0), figure(open.longest_lag_ms, 1));
                table.add([Cell::new(name), rate, p50, p95, p99, p999, max, lag, cpu]);
            }
        }
        table.written()
    }

    /// What each process used: in the closed loop, for one conversation, and at rest.
    fn processes(&self) -> String {
        let head = ["PROCESS", "CPU ms/conv", "allocations/conv", "idle MiB", "warm MiB", "end MiB", "ready ms"];
        let mut table = Table::new(head, Ink::Plain);
        for (subject, measured) in self.subjects() {
            let Measured { closed_loop, ready_after_ms, idle_resident_mib, .. } = measured;
            let cpu = &closed_loop.cpu;
            for (name, spent) in &cpu.cpu_ms_per_conversation {
                // The ceiling is one process, whatever it publishes.
                let process = if subject == "same traffic" { format!("{name}, {subject}") } else { name.clone() };
                table.add([
                    Cell::new(process),
                    figure(*spent, 3),
                    known(closed_loop.allocations_per_conversation.get(name).copied(), 0),
                    known(idle_resident_mib.get(name).copied(), 1),
                    known(closed_loop.warm_resident_mib.get(name).copied(), 1),
                    known(closed_loop.resident_mib.get(name).copied(), 1),
                    known(ready_after_ms.get(name).copied(), 0),
                ]);
            }
            let others = [
                ("broker", cpu.broker_cpu_ms_per_conversation),
                ("database", cpu.database_cpu_ms_per_conversation),
                ("load", cpu.load_cpu_ms_per_conversation),
            ];
            for (name, spent) in others.into_iter().filter(|(_, spent)| 0.0 < *spent) {
                let name = Cell::new(format!("{name} of {subject}"));
                let [allocations, idle, warm, end, ready] = [(); 5].map(|()| Cell::new(""));
                table.add([name, figure(spent, 3), allocations, idle, warm, end, ready]);
            }
        }
        table.written()
    }

    fn verdict(&self) -> String {
        let ratios = [
            ("conversations/s", self.ceiling_ratio),
            ("conversations/s with as many messages", self.same_traffic_ceiling_ratio),
            ("webhooks/s of ingress", self.ingress_ceiling_ratio),
            ("p50", self.p50_ceiling_ratio),
            ("p99", self.p99_ceiling_ratio),
        ];
        let ratios = ratios.into_iter().filter_map(|(name, ratio)| Some(format!("{name} {:.2}", ratio?)));
        let ratios: Vec<_> = ratios.collect();
        let ratios = if ratios.is_empty() { String::new() } else { format!("Of the ceiling: {}\n", ratios.join(", ")) };
        let (services, broker) = (self.services_cpu_ms_per_conversation, self.broker_cpu_ms_per_conversation);
        let backlog = self.tropomq.backlog.as_ref().map_or_else(String::new, |backlog| {
            format!(
                "{} texts waited, taken at {:.0}/s: the first half was answered at {:.0}/s, the second at {:.0}/s; \
                 the broker held {:.0} MiB\n",
                backlog.texts,
                backlog.texts_per_s,
                backlog.first_half_per_s,
                backlog.second_half_per_s,
                backlog.broker_resident_mib
            )
        });
        format!(
            "{ratios}{backlog}CPU for 1000 conversations: services {services:.2} s, broker {broker:.2} s, database {:.2} s\n\
             Lost: {}; repeated: {}\n",
            self.database_cpu_ms_per_conversation, self.lost, self.repeated
        )
    }
}

fn figure(figure: f64, decimals: usize) -> Cell {
    Cell::number(&format!("{figure:.decimals$}"))
}

fn known(known: Option<f64>, decimals: usize) -> Cell {
    known.map_or_else(|| Cell::number(&"-"), |known| figure(known, decimals))
}
