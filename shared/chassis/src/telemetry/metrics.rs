//! Metrics: written through OpenTelemetry's global meter, read as Prometheus text, and exported with OTLP over HTTP.

use std::time::Duration;

use anyhow::Context;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};
use tracing::warn;

use super::settings::{Endpoint, MetricsInterval};
use super::vitals;
use crate::tls;

/// Longest wait for the collector to take them.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// The boundaries, in seconds, that the messaging conventions of OpenTelemetry give for histograms of durations.
const DURATION_BOUNDARIES_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Those for what may wait on a queue, or for somebody elsewhere: up to half an hour.
const LONG_BOUNDARIES_S: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// What takes so long.
const LONG: [&str; 4] = [
    "tropomq.conversation.duration",
    "tropomq.message.duration",
    "tropomq.queue.wait.duration",
    "tropomq.release.duration",
];

/// The metrics of the process. Clones are the same ones.
///
/// Instruments come from `opentelemetry::global::meter("tropomq")`, once [`super::init`] was called.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics, and the provider of the instruments that feed them. Where there is a collector, a thread of its own brings
    /// them there, and nothing waits for it.
    ///
    /// # Errors
    /// Something else stands in the registry, which is new; or the exporter's client cannot be built.
    pub(super) fn start(
        resource: Resource,
        collector: Option<(&Endpoint, MetricsInterval)>,
    ) -> anyhow::Result<(Self, SdkMeterProvider)> {
        let registry = Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false).build()?;
        let mut provider =
            SdkMeterProvider::builder().with_resource(resource).with_view(duration_view).with_reader(reader);
        if let Some((endpoint, interval)) = collector {
            // The client of a build that has TLS panics without a provider, whatever the scheme of its URLs.
            tls::install_provider();
            let exporter = MetricExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(endpoint.metrics_url())
                .with_timeout(EXPORT_TIMEOUT)
                .build()
                .context("build the OTLP exporter")?;
            provider = provider.with_reader(PeriodicReader::builder(exporter).with_interval(interval.get()).build());
        }
        let provider = provider.build();
        vitals::tell(&provider.meter("tropomq"));
        Ok((Self { registry }, provider))
    }

    /// All of them as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            warn!(%error, "metrics cannot be written");
            String::new()
        })
    }
}

/// Gives histograms of durations the boundaries that suit seconds; the defaults suit milliseconds.
fn duration_view(instrument: &Instrument) -> Option<Stream> {
    let name = instrument.name();
    let ours =
        ["messaging.", "db.", "tropomq."].iter().any(|ours| name.starts_with(ours)) && name.ends_with("duration");
    if !ours || instrument.kind() != InstrumentKind::Histogram {
        return None;
    }
    let boundaries = if LONG.contains(&name) { LONG_BOUNDARIES_S } else { DURATION_BOUNDARIES_S }.to_vec();
    let histogram = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
    Stream::builder().with_aggregation(histogram).build().ok()
}
