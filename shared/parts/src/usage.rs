//! What processes use of the machine, as Linux counts it.

use std::fs;
use std::ops::{Add, Sub};
use std::time::Duration;

use crate::part;

/// The ticks in which `/proc` counts time: Linux shows 100 a second to every program, whatever its kernel counts in.
const TICKS_PER_SECOND: u64 = 100;

/// What a process and its children used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// The processor time since it started, with that of the children that have ended. In steps of 10 ms.
    pub cpu: Duration,
    /// The bytes of memory that it holds now. What several processes share is divided among them.
    pub resident_bytes: u64,
}

impl Usage {
    /// What this process uses, without its children.
    #[must_use]
    pub fn own() -> Self {
        Self::of(std::process::id()).unwrap_or_default()
    }

    /// What a process and all its descendants use; nothing where it is gone.
    #[must_use]
    pub fn of_tree(pid: u32) -> Self {
        let children = part::children(pid).into_iter().map(Self::of_tree);
        children.fold(Self::of(pid).unwrap_or_default(), Add::add)
    }

    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks = ticks(&stat)?;
        let cpu = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        Some(Self { cpu, resident_bytes: memory.as_deref().and_then(share_of_memory).unwrap_or_default() })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, resident_bytes: self.resident_bytes + other.resident_bytes }
    }
}

/// What was used since an earlier look: the time in between, and the memory as it is now.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), resident_bytes: self.resident_bytes }
    }
}

/// The user and system time of a process and of its children that were waited for, in ticks: the fields 14 to 17 of
/// `/proc/<pid>/stat`, of which the second is a name in brackets that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Option<Vec<u64>> = fields.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect();
    times.filter(|times| times.len() == 4).map(|times| times.iter().sum())
}

/// The proportional share of a process in the memory, in bytes.
fn share_of_memory(smaps: &str) -> Option<u64> {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(110));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(share_of_memory("Rss: 5 kB\nPss:      3 kB\n"), Some(3072));
        assert_eq!(share_of_memory("Rss: 5 kB"), None);
    }

    #[test]
    fn this_process_uses_more_of_the_processor_while_it_works() {
        let before = Usage::own();
        assert!(1 << 16 < before.resident_bytes, "{before:?}");
        let mut sum = 0_u64;
        let worked = crate::holds_within(Duration::from_secs(30), || {
            sum = (0..1_000_000).fold(sum, |sum, next| std::hint::black_box(sum ^ next));
            Duration::ZERO < (Usage::own() - before).cpu
        });
        assert!(worked);
        assert_eq!(Usage::of_tree(u32::MAX), Usage::default());
    }
}
