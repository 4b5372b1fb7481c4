//! Metrics: written through OpenTelemetry's global meter, read as Prometheus text.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};
use tracing::warn;

/// The boundaries, in seconds, that the messaging conventions of OpenTelemetry give for histograms of durations.
const DURATION_BOUNDARIES_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The metrics of the process. Clones are the same ones.
///
/// Instruments come from `opentelemetry::global::meter("tropomq")`, once [`super::init`] was called.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics, and the provider of the instruments that feed them.
    ///
    /// # Errors
    /// Something else stands in the registry, which is new.
    pub(super) fn start(resource: Resource) -> Result<(Self, SdkMeterProvider), OTelSdkError> {
        let registry = Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false).build()?;
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_view(duration_view).with_reader(reader).build();
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
    let ours = name.starts_with("messaging.") || (name.starts_with("tropomq.") && name.ends_with("duration"));
    if !ours || instrument.kind() != InstrumentKind::Histogram {
        return None;
    }
    let boundaries = DURATION_BOUNDARIES_S.to_vec();
    let histogram = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
    Stream::builder().with_aggregation(histogram).build().ok()
}
