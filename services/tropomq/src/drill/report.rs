//! What a drill found: for people, and as JSON.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::account::Tally;

/// What a drill found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Report {
    /// Nothing was lost or given up, nothing said twice or to the wrong phone, every fault was recovered from, and
    /// everything had come to rest before the counting.
    pub(super) passed: bool,
    pub(super) seed: u64,
    /// `rabbitmq` or `embedded`.
    pub(super) bus: &'static str,
    /// Texts a second, as asked.
    pub(super) rate: f64,
    /// How far the load was behind its schedule at worst, in milliseconds.
    pub(super) longest_lag_ms: u64,
    pub(super) texts: Tally,
    pub(super) faults: Vec<Recovery>,
    /// Whether everything had come to rest before the counting.
    pub(super) settled: bool,
}

/// How a fault was recovered from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Recovery {
    pub(super) fault: &'static str,
    /// How long after the beginning of the load it was brought about, in milliseconds.
    pub(super) at_ms: u64,
    /// From the lifting of the fault until all services were ready, in milliseconds; none where that did not come about
    /// in time.
    pub(super) ready_ms: Option<u64>,
    /// From the lifting of the fault until all services were ready and a text sent after it was answered, in
    /// milliseconds; none where that did not come about in time.
    pub(super) recovered_ms: Option<u64>,
}

impl Report {
    /// What has to be told before the verdict: none where the drill passed.
    pub(super) fn failures(&self) -> Vec<String> {
        let Tally { lost, given_up, waiting, repeated, stray, .. } = self.texts;
        let counted = [
            (lost, "lost"),
            (given_up, "given up"),
            (waiting, "still on their way (--settle is how long they may be)"),
            (repeated, "said more than once"),
            (stray, "said to the wrong phone"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| 0 < *count);
        let counted = counted.map(|(count, words)| format!("{} {words}", texts(count)));
        let restless = "not everything had come to rest when the texts were counted (see --settle)";
        let restless = (!self.settled).then(|| restless.to_owned());
        let unrecovered = self.faults.iter().filter(|recovery| recovery.recovered_ms.is_none());
        let unrecovered = unrecovered.map(|recovery| format!("no recovery from {}", recovery.fault));
        counted.chain(restless).chain(unrecovered).collect()
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("write the report as JSON")?;
        text.push('\n');
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
    }

    /// The tables.
    pub(super) fn table(&self) -> String {
        let mut told = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(told, "fault               at    ready in  recovered in");
        for Recovery { fault, at_ms, ready_ms, recovered_ms } in &self.faults {
            let ready = ready_ms.map_or_else(|| "NOT READY".to_owned(), seconds);
            let recovered = recovered_ms.map_or_else(|| "NOT RECOVERED".to_owned(), seconds);
            let _ = writeln!(told, "{fault:<16} {:>7} {ready:>10} {recovered:>14}", seconds(*at_ms));
        }
        if self.faults.is_empty() {
            told.push_str("none\n");
        }
        let Tally { sent, refused, uncertain, answered_unasked, accepted, answered, late, .. } = self.texts;
        let Tally { unconfirmed, given_up, waiting, lost, repeated, stray, .. } = self.texts;
        let Tally { unconfirmed_and_reached, given_up_and_reached, .. } = self.texts;
        let lines = [
            ("sent", sent, "texts"),
            ("refused", refused, "Tropo got another answer than 2xx, or none could be had: nothing was promised"),
            ("uncertain", uncertain, "the answer was cut off: nothing was promised"),
            ("  answered", answered_unasked, "of the refused and uncertain, all the same"),
            ("accepted", accepted, "answered 2xx; of these:"),
            ("  answered", answered, "one reply"),
            ("  late", late, "one reply, and it took longer than asked"),
            ("  unconfirmed", unconfirmed, "no reply reached the phone, and the record says that none may have"),
            ("  given up", given_up, "no reply reached the phone, and none will: failed, expired or a dead letter"),
            ("  waiting", waiting, "no reply yet: on its way still"),
            ("  lost", lost, "no reply, and nothing says why"),
            ("repeated", repeated, "more than one reply"),
            ("stray", stray, "replies that belong to no text of their phone"),
            ("on record", unconfirmed_and_reached, "as unconfirmed, though the phone got the reply"),
            ("on record", given_up_and_reached, "as given up, though the phone got the reply"),
        ];
        told.push('\n');
        for (name, count, words) in lines {
            let _ = writeln!(told, "{name:<13} {count:>8}  {words}");
        }
        let Tally { median_ms, p99_ms, longest_ms, .. } = &self.texts;
        let _ =
            writeln!(told, "\nreplies took  {median_ms} ms (median), {p99_ms} ms (99 %), {longest_ms} ms (longest)");
        for (words, numbers) in [
            ("lost", &self.texts.lost_numbers),
            ("given up", &self.texts.given_up_numbers),
            ("repeated", &self.texts.repeated_numbers),
            ("unconfirmed", &self.texts.unconfirmed_numbers),
        ] {
            if !numbers.is_empty() {
                let _ = writeln!(told, "{words}: texts {numbers:?}");
            }
        }
        if !self.settled {
            told.push_str("\nNOT AT REST: what came after the counting is not in it; see --settle\n");
        }
        told
    }
}

/// A number of texts.
fn texts(count: u64) -> String {
    if count == 1 { "1 text".to_owned() } else { format!("{count} texts") }
}

/// Milliseconds as seconds, for people.
fn seconds(millis: impl std::borrow::Borrow<u64>) -> String {
    format!("{:.1} s", Duration::from_millis(*millis.borrow()).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(texts: Tally, recovered_ms: Option<u64>) -> Report {
        let faults = vec![Recovery { fault: "egress-killed", at_ms: 12_340, ready_ms: Some(900), recovered_ms }];
        let (seed, rate, longest_lag_ms) = (42, 20.0, 3);
        Report { passed: true, seed, bus: "embedded", rate, longest_lag_ms, texts, faults, settled: true }
    }

    #[test]
    fn what_failed_is_told_in_words() {
        assert!(report(Tally::default(), Some(5)).failures().is_empty());
        let bad = Tally { lost: 1, repeated: 2, unconfirmed: 3, waiting: 4, given_up: 5, ..Tally::default() };
        let failures = report(bad, None).failures().join(", ");
        for words in [
            "1 text lost",
            "2 texts said more than once",
            "4 texts still",
            "5 texts given up",
            "no recovery from egress-killed",
        ] {
            assert!(failures.contains(words), "{words:?} is not in: {failures}");
        }
        assert!(!failures.contains("unconfirmed") && !failures.contains("rest"), "{failures}");
    }

    #[test]
    fn that_not_everything_came_to_rest_is_a_failure_and_told() {
        let at_rest = report(Tally::default(), Some(5));
        assert!(!at_rest.table().contains("NOT AT REST"));
        let restless = Report { settled: false, ..at_rest };
        assert!(restless.failures().join(", ").starts_with("not everything had come to rest"));
        assert!(restless.table().contains("NOT AT REST"));
    }

    #[test]
    fn the_table_is_aligned() {
        let tally = Tally { sent: 1234, accepted: 1230, answered: 1230, lost_numbers: vec![7], ..Tally::default() };
        let table = report(tally, Some(1450)).table();
        for line in [
            "egress-killed     12.3 s      0.9 s          1.4 s\n",
            "sent              1234  texts\n",
            "  answered        1230  one reply\n",
            "lost: texts [7]\n",
        ] {
            assert!(table.contains(line), "{line:?} is not in:\n{table}");
        }
        assert!(report(Tally::default(), None).table().contains("NOT RECOVERED"));
    }
}
