//! What the process is, and what it takes of the machine: the metrics that every process has.
//!
//! The names as Prometheus sees them are those of its own client libraries. Linux alone tells: elsewhere they are missing.

use std::fs;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::build;

/// How many ticks of `/proc/self/stat` a second has, for whoever is no kernel.
const TICKS_PER_SECOND: f64 = 100.0;

/// Tells them from now on.
pub(super) fn tell(meter: &Meter) {
    let build = [KeyValue::new("version", build::version()), KeyValue::new("commit", build::commit())];
    meter
        .u64_observable_gauge("tropomq.build.info")
        .with_description("1, of the build that this is")
        .with_callback(move |gauge| gauge.observe(1, &build))
        .build();
    meter
        .f64_observable_counter("process.cpu")
        .with_unit("s")
        .with_description("Time on the processor, user and system")
        .with_callback(|counter| {
            if let Some(spent) = Stat::read().map(|stat| stat.cpu) {
                counter.observe(spent.as_secs_f64(), &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.resident_memory")
        .with_unit("By")
        .with_description("Memory in use")
        .with_callback(|gauge| {
            if let Some(bytes) = resident_bytes() {
                gauge.observe(bytes, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.open_fds")
        .with_description("Open files and sockets")
        .with_callback(|gauge| {
            if let Some(count) = open_files() {
                gauge.observe(count, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.max_fds")
        .with_description("How many files and sockets may be open")
        .with_callback(|gauge| {
            if let Ok(most) = rlimit::Resource::NOFILE.get_soft() {
                gauge.observe(most, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.threads")
        .with_description("Threads")
        .with_callback(|gauge| {
            if let Some(threads) = Stat::read().map(|stat| stat.threads) {
                gauge.observe(threads, &[]);
            }
        })
        .build();
    let started_at = started_at();
    meter
        .f64_observable_gauge("process.start_time")
        .with_unit("s")
        .with_description("When it was started, in seconds since 1970")
        .with_callback(move |gauge| {
            if let Some(started_at) = started_at {
                gauge.observe(started_at, &[]);
            }
        })
        .build();
}

/// What is read from `/proc/self/stat`.
#[derive(PartialEq, Debug)]
struct Stat {
    cpu: Duration,
    threads: u64,
    /// How long after the machine.
    started: Duration,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The second field is the name of the program in parentheses, and may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = |number| Some(Duration::from_secs_f64(field(number)? as f64 / TICKS_PER_SECOND));
        Some(Self { cpu: ticks(14)? + ticks(15)?, threads: field(20)?, started: ticks(22)? })
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?;
    Some(kilobytes.trim().parse::<u64>().ok()? * 1024)
}

/// Without the one by which they are counted.
fn open_files() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count).ok()?.checked_sub(1)
}

fn started_at() -> Option<f64> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted_at: u64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some((Duration::from_secs(booted_at) + Stat::read()?.started).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1234 5678 90 1844";
        let stat = Stat::parse(text).unwrap();
        let started = Duration::from_millis(12_340);
        assert_eq!(stat, Stat { cpu: Duration::from_secs(3), threads: 9, started });
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(Stat::parse("7 (a) S 1 2"), None);
    }

    #[test]
    fn this_process_is_alive_since_a_while() {
        assert!(0 < Stat::read().unwrap().threads);
        assert!(1 << 20 < resident_bytes().unwrap());
        assert!(2 < open_files().unwrap());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - started_at().unwrap();
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
