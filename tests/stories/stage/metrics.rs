//! What services count, read from `/metrics`.

use std::collections::BTreeMap;

/// Samples of one service or of several.
#[derive(Default)]
pub(crate) struct Metrics(Vec<Sample>);

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads Prometheus text. No label of ours holds a quotation mark or a comma.
    pub(super) fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            let (name, labels) = key.split_once('{').unwrap_or((key, ""));
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
            let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect();
            Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
        });
        Self(samples.collect())
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The sum of a counter over all samples whose labels begin as given.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum_of(name, labels, |_| true)
    }

    /// How many events of a kind were published, and confirmed.
    pub(crate) fn published(&self, kind: &str) -> u64 {
        let labels = [("messaging_destination_name", kind)];
        self.sum_of("messaging_client_sent_messages_total", &labels, |sample| !sample.labels.contains_key("error_type"))
    }

    fn sum_of(&self, name: &str, labels: &[(&str, &str)], counts: impl Fn(&Sample) -> bool) -> u64 {
        let begins = |sample: &Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|actual| actual.starts_with(value)))
        };
        let fits = |sample: &&Sample| sample.name == name && begins(sample) && counts(sample);
        let sum: f64 = self.0.iter().filter(fits).map(|sample| sample.value).sum();
        // Counters are small whole numbers.
        sum as u64
    }

    /// How many deliveries of a queue, or of several that begin so, came.
    pub(crate) fn consumed(&self, queue: &str) -> u64 {
        self.sum("messaging_client_consumed_messages_total", &[("messaging_destination_name", queue)])
    }

    /// How many dead letters were put back on a queue, or on several that begin so.
    pub(crate) fn replayed(&self, queue: &str) -> u64 {
        self.sum("tropomq_replayed_messages_total", &[("messaging_destination_name", queue)])
    }

    /// How many deliveries of a queue, or of several that begin so, were settled with an outcome; any where it is empty.
    pub(crate) fn settled(&self, queue: &str, outcome: &str) -> u64 {
        let labels = [("messaging_destination_name", queue), ("tropomq_outcome", outcome)];
        self.sum("tropomq_settled_messages_total", &labels)
    }
}
