//! The export of traces with OTLP over HTTP.

use std::time::Duration;

use anyhow::Context;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};

use super::settings::{Endpoint, SamplingRatio};
use crate::tls;

/// Longest wait for the collector to take one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// How many spans wait for a slow collector; further ones are dropped, and counted in the log.
const QUEUE_SPANS: usize = 4096;

/// Starts the thread that exports. The exporter's client is the blocking one: that thread has no reactor.
///
/// # Errors
/// The client cannot be built.
pub(super) fn start(
    endpoint: &Endpoint,
    sampling_ratio: SamplingRatio,
    resource: Resource,
) -> anyhow::Result<SdkTracerProvider> {
    // The client of a build that has TLS panics without a provider, whatever the scheme of its URLs.
    tls::install_provider();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.traces_url())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("build the OTLP exporter")?;
    let queue = BatchConfigBuilder::default().with_max_queue_size(QUEUE_SPANS).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(queue).build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampling_ratio.get())));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler)
        .with_resource(resource)
        .build();
    Ok(provider)
}
