//! Figures beside those of an earlier run.

use super::report::{Report, Run};
use crate::table::{Cell, Ink, Table, Tone};

/// What differs by less is noise.
const NOISE: f64 = 0.05;

/// A figure, and whether more of it is better.
type Figure = (&'static str, fn(&Run) -> Option<f64>, bool);

const FIGURES: [Figure; 10] = [
    ("conversations_per_s", |run| Some(run.conversations_per_s), true),
    ("ceiling_ratio", |run| run.ceiling_ratio, true),
    ("same_traffic_ceiling_ratio", |run| run.same_traffic_ceiling_ratio, true),
    ("ingress_ceiling_ratio", |run| run.ingress_ceiling_ratio, true),
    ("services_cpu_ms_per_conversation", |run| Some(run.services_cpu_ms_per_conversation), false),
    ("broker_cpu_ms_per_conversation", |run| Some(run.broker_cpu_ms_per_conversation), false),
    ("database_cpu_ms_per_conversation", |run| Some(run.database_cpu_ms_per_conversation), false),
    ("p50_ms", |run| Some(run.latency.p50_ms), false),
    ("p99_ms", |run| Some(run.latency.p99_ms), false),
    ("p99_ceiling_ratio", |run| run.p99_ceiling_ratio, false),
];

/// What both runs measured, and by how much it differs.
pub(super) fn table(earlier: &Report, later: &Report) -> String {
    let mut told = String::new();
    for run in later.runs() {
        let Some(before) = earlier.runs().find(|before| before.bus == run.bus) else { continue };
        let mut table = Table::new(["FIGURE", "before", "now", "change"], Ink::of_stdout());
        for (name, figure, more_is_better) in FIGURES {
            let (Some(before), Some(now)) = (figure(before), figure(run)) else { continue };
            if before == 0.0 {
                continue;
            }
            let change = now / before - 1.0;
            let tone = match (change.abs() < NOISE, (0.0 < change) == more_is_better) {
                (true, _) => Tone::Plain,
                (false, true) => Tone::Good,
                (false, false) => Tone::Bad,
            };
            let [before, now] = [before, now].map(|figure| Cell::number(&format!("{figure:.3}")));
            let change = Cell::number(&format!("{:+.0} %", change * 100.0)).toned(tone);
            table.add([Cell::new(name), before, now, change]);
        }
        told += &format!("\n{}, beside the earlier run\n\n{}", run.bus, table.written());
    }
    if told.is_empty() {
        told = "\nThe earlier run measured no bus that this one did: nothing can be compared.\n".to_owned();
    }
    told
}
