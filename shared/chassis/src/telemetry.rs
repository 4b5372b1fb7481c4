//! Logs, traces and metrics of the process.
//!
//! Logs go to standard error, as text or as JSON, from a thread of their own: who reads them cannot hold up the process. Metrics are kept with OpenTelemetry and read as Prometheus text
//! ([`Telemetry::metrics`]). Traces are exported with OTLP over HTTP, and only where an endpoint is configured; a
//! collector that is dead or silent costs spans and nothing else: a thread of its own exports them from a bounded
//! queue, and what does not fit is dropped. The trace context of others (W3C) is carried on in any case.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber, warn};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, filter, fmt, registry};

use crate::build;

mod lines;
mod metrics;
mod settings;
mod traces;

use lines::Lines;
pub use metrics::Metrics;
pub use settings::{Endpoint, LogFilter, LogFormat, SamplingRatio, TelemetryConfig};

/// Longest wait for the last spans to be exported, and for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What an exporter itself does is kept from the exporter, or one failing export would feed the next.
const EXPORTER_TARGETS: [&str; 4] = ["opentelemetry", "hyper", "reqwest", "h2"];

/// The span of a task lives as long as the task. It is for the log alone: as the parent of all that a listener or a
/// consumer ever does it would make one trace of it.
const TASK_TARGET: &str = "chassis::tasks";

/// The one telemetry of this process, while anyone holds it.
static INSTALLED: Mutex<Weak<Installed>> = Mutex::new(Weak::new());

/// Keeps the telemetry of the process going. Dropping the last one, or [`Telemetry::shutdown`], exports what is left.
#[derive(Clone, Debug)]
#[must_use = "telemetry ends when this is dropped"]
pub struct Telemetry {
    installed: Arc<Installed>,
}

#[derive(Debug)]
struct Installed {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
    lines: Option<Lines>,
}

/// Starts the telemetry of this process under that name (`service.name`).
///
/// A second call while the first guard lives shares what the first one started, whatever its arguments. What cannot
/// be started is said in the log and left out: telemetry is no reason not to work.
///
/// An `https` endpoint needs a build in which reqwest has TLS, as it has where a service calls out.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Telemetry {
    let mut known = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(installed) = known.upgrade() {
        return Telemetry { installed };
    }
    let installed = Arc::new(install(service, config));
    *known = Arc::downgrade(&installed);
    Telemetry { installed }
}

fn install(service: &'static str, config: &TelemetryConfig) -> Installed {
    let mut left_out = Vec::new();
    let resource = resource(service);
    let metrics = match Metrics::start(resource.clone()).context("keep metrics") {
        Ok((metrics, provider)) => {
            global::set_meter_provider(provider);
            metrics
        }
        Err(error) => {
            left_out.push(error);
            Metrics::default()
        }
    };
    let start = |endpoint| traces::start(endpoint, config.sampling_ratio, resource).context("export traces");
    let traces = config.otlp_endpoint.as_ref().map(start).transpose().unwrap_or_else(|error| {
        left_out.push(error);
        None
    });
    global::set_text_map_propagator(TraceContextPropagator::new());
    // It is refused where a subscriber is set already, as a test may have done: the lines then go there.
    let lines = match Lines::to(io::stderr()).context("write the log from a thread") {
        Ok(lines) => {
            let _set_already = subscriber(config, lines.clone(), traces.as_ref()).try_init();
            Some(lines)
        }
        Err(error) => {
            left_out.push(error);
            let _set_already = subscriber(config, io::stderr, traces.as_ref()).try_init();
            None
        }
    };
    for error in left_out {
        warn!(error = format!("{error:#}"), "a part of telemetry could not be started");
    }
    Installed { metrics, traces, lines }
}

fn resource(service: &'static str) -> Resource {
    Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", build::version()))
        .build()
}

/// Where log lines and spans go.
fn subscriber<W>(
    config: &TelemetryConfig,
    writer: W,
    traces: Option<&SdkTracerProvider>,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let spans = traces.map(|traces| {
        let exporter = EXPORTER_TARGETS.map(|target| (target, filter::LevelFilter::OFF));
        let ours = filter::Targets::new().with_default(Level::INFO).with_targets(exporter);
        let ours = ours.with_target(TASK_TARGET, filter::LevelFilter::OFF);
        let tracer = traces.tracer("tropomq");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
    });
    let log = EnvFilter::new(config.log.as_str());
    // Whatever is asked for: at trace it writes every frame, and with them passwords and what people said.
    let decent =
        filter::filter_fn(|metadata| !(metadata.target().starts_with("lapin") && *metadata.level() == Level::TRACE));
    registry().with(spans).with(lines.with_filter(log.and(decent)))
}

impl Telemetry {
    /// The metrics, for [`crate::admin::router`].
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.installed.metrics.clone()
    }

    /// Exports what is left, for 2 seconds at most, and ends the traces of this process. The last thing it does.
    /// Blocks meanwhile; again, it does nothing.
    pub fn shutdown(&self) {
        self.installed.shutdown();
    }
}

impl Installed {
    fn shutdown(&self) {
        self.shut_traces();
        if let Some(lines) = &self.lines {
            lines.flush(FLUSH_TIMEOUT);
        }
    }

    fn shut_traces(&self) {
        let Some(traces) = self.traces.clone() else { return };
        let (done, wait) = mpsc::channel();
        // In a thread that is left behind if it must be: the export has a time of its own, which is longer.
        let flush = std::thread::Builder::new().name("telemetry-flush".to_owned()).spawn(move || {
            let flushed = traces.shutdown_with_timeout(FLUSH_TIMEOUT);
            // Nobody waits any more when this took too long.
            let _late = done.send(flushed);
        });
        if flush.is_ok() {
            let _lost_spans = wait.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests;
