//! The last hour in numbers: what happened in each minute, and how long replies took.

use std::collections::BTreeMap;

use protocol::Timestamp;
use store::{DEAD_LETTER, Latency, Tally};

use super::chart::Line;

/// How many minutes are looked at.
const MINUTES: usize = 60;

/// What is counted together, and under which name.
const COUNTED: [(&str, &[&str]); 5] = [
    ("texts", &["message.received"]),
    ("messages", &["message.send"]),
    ("handed to Tropo", &["message.released"]),
    ("sent", &["message.sent"]),
    ("went wrong", &["message.failed", "message.expired", "message.unconfirmed", DEAD_LETTER]),
];

/// The shares of replies of which a time is told: half of them took no longer than the first says, and so on.
const SHARES: [(&str, f64); 3] = [("half within", 0.5), ("95 % within", 0.95), ("99 % within", 0.99)];

/// The last minutes, the earliest first; the last one is not over.
pub(super) fn minutes(now: Timestamp) -> Vec<Timestamp> {
    let this = now.as_second().div_euclid(60);
    let earlier = (0..MINUTES).rev().filter_map(|earlier| i64::try_from(earlier).ok());
    earlier.filter_map(|earlier| Timestamp::from_second((this - earlier) * 60).ok()).collect()
}

/// How many of what there were in each minute.
pub(super) fn counts(minutes: &[Timestamp], tallies: &[Tally]) -> Vec<Line> {
    let line = |(name, kinds): (&'static str, &[&str])| {
        let mut counts: BTreeMap<Timestamp, u64> = BTreeMap::new();
        for tally in tallies.iter().filter(|tally| kinds.contains(&tally.kind.as_str())) {
            *counts.entry(tally.minute).or_default() += tally.count;
        }
        #[expect(clippy::cast_precision_loss, reason = "a minute has fewer events than that")]
        let count = |minute| Some(counts.get(minute).copied().unwrap_or_default() as f64);
        Line { name, values: minutes.iter().map(count).collect() }
    };
    COUNTED.into_iter().map(line).collect()
}

/// How long replies took that were handed over in each minute, in seconds.
pub(super) fn waits(minutes: &[Timestamp], latencies: &[Latency]) -> Vec<Line> {
    let mut by_minute: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for latency in latencies {
        by_minute.entry(latency.released_at.as_second().div_euclid(60)).or_default().push(seconds(latency));
    }
    by_minute.values_mut().for_each(|waits| waits.sort_by(f64::total_cmp));
    let line = |(name, share): (&'static str, f64)| {
        let wait = |minute: &Timestamp| {
            by_minute.get(&minute.as_second().div_euclid(60)).and_then(|waits| within(waits, share))
        };
        Line { name, values: minutes.iter().map(wait).collect() }
    };
    SHARES.into_iter().map(line).collect()
}

fn seconds(latency: &Latency) -> f64 {
    // Clocks of two machines may disagree: nothing is answered before it came.
    latency.released_at.duration_since(latency.texted_at).as_secs_f64().max(0.0)
}

/// The least of sorted waits that this share of them does not exceed.
fn within(sorted: &[f64], share: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "there are few of them")]
    let rank = (share * sorted.len() as f64).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is a small number from 0 on")]
    let place = (rank as usize).saturating_sub(1);
    sorted.get(place).copied()
}

#[cfg(test)]
mod tests;
