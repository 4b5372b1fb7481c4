//! Logs, traces and metrics of the process.
//!
//! Logs go to standard error, as text or as JSON, from a thread of their own: who reads them cannot hold up the process.
//! What is logged can be changed while it runs ([`LogLevels`]). Metrics are kept with OpenTelemetry and read as Prometheus
//! text ([`Telemetry::metrics`]). Traces and metrics are exported with OTLP over HTTP, and only where an endpoint is
//! configured; a collector that is dead or silent costs spans and nothing else: threads of their own export them, the
//! spans from a bounded queue, and what does not fit is dropped. The trace context of others (W3C) is carried on in any
//! case.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber, warn};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, filter, fmt, registry, reload};

use crate::build;

mod correlation;
mod levels;
mod lines;
mod metrics;
mod settings;
mod traces;
mod vitals;

use correlation::{Conversations, Correlated, Sparing};
pub use levels::{LogLevels, LogLevelsError};
use lines::Lines;
pub use metrics::Metrics;
pub use settings::{Endpoint, LogFilter, LogFormat, MetricsInterval, SamplingRatio, SettingError, TelemetryConfig};

/// Longest wait for the last spans to be exported, and for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What an exporter itself does is kept from the exporter, or one failing export would feed the next.
const EXPORTER_TARGETS: [&str; 4] = ["opentelemetry", "hyper", "reqwest", "h2"];

/// Spans that are for the log alone. That of a task lives as long as the task: as the parent of all that a listener or a
/// consumer ever does it would make one trace of it. Those of lapin belong to no conversation.
const LOG_TARGETS: [&str; 2] = ["chassis::tasks", "lapin"];

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
    levels: LogLevels,
    /// Where the metrics are exported.
    meters: Option<SdkMeterProvider>,
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
    let collector = config.otlp_endpoint.as_ref().map(|endpoint| (endpoint, config.metrics_interval));
    let started = Metrics::start(resource.clone(), collector).context("export metrics").or_else(|error| {
        left_out.push(error);
        Metrics::start(resource.clone(), None).context("keep metrics")
    });
    let (metrics, meters) = match started {
        Ok((metrics, provider)) => {
            global::set_meter_provider(provider.clone());
            (metrics, collector.map(|_| provider))
        }
        Err(error) => {
            left_out.push(error);
            (Metrics::default(), None)
        }
    };
    let start = |endpoint| traces::start(endpoint, config.sampling_ratio, resource).context("export traces");
    let traces = config.otlp_endpoint.as_ref().map(start).transpose().unwrap_or_else(|error| {
        left_out.push(error);
        None
    });
    global::set_text_map_propagator(TraceContextPropagator::new());
    let (levels, log) = LogLevels::start(&config.log);
    // It is refused where a subscriber is set already, as a test may have done: the lines then go there.
    let lines = match Lines::to(io::stderr()).context("write the log from a thread") {
        Ok(lines) => {
            let _set_already = subscriber(config.format, log, lines.clone(), traces.as_ref()).try_init();
            lines.count(&global::meter("tropomq"));
            Some(lines)
        }
        Err(error) => {
            left_out.push(error);
            let _set_already = subscriber(config.format, log, io::stderr, traces.as_ref()).try_init();
            None
        }
    };
    for error in left_out {
        warn!(error = format!("{error:#}"), "a part of telemetry could not be started");
    }
    Installed { metrics, levels, meters, traces, lines }
}

fn resource(service: &'static str) -> Resource {
    Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", build::version()))
        .build()
}

/// What log lines are filtered by: the first layer that is asked.
type Log = reload::Layer<EnvFilter, Registry>;

/// Where log lines and spans go.
fn subscriber<W>(
    format: LogFormat,
    log: Log,
    writer: W,
    traces: Option<&SdkTracerProvider>,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(false);
            let lines = lines.map_event_format(|text| Correlated { format: text, as_what: format });
            Sparing::new(lines, &DefaultFields::new(), "").boxed()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            let lines = lines.map_event_format(|json| Correlated { format: json, as_what: format });
            Sparing::new(lines, &JsonFields::new(), "{}").boxed()
        }
    };
    let spans = traces.map(|traces| {
        let others = EXPORTER_TARGETS.into_iter().chain(LOG_TARGETS).map(|target| (target, filter::LevelFilter::OFF));
        let ours = filter::Targets::new().with_default(Level::INFO).with_targets(others);
        let tracer = traces.tracer("tropomq");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
    });
    // Whatever is asked for: at trace it writes every frame, and with them passwords and what people said.
    let decent =
        filter::filter_fn(|metadata| !(metadata.target().starts_with("lapin") && *metadata.level() == Level::TRACE))
            // Without a hint, no level of any callsite could be skipped at once.
            .with_max_level_hint(Level::TRACE);
    let telling = || filter::filter_fn(correlation::tells).with_max_level_hint(Level::INFO);
    let lines = lines.with_filter(log.or(telling()).and(decent));
    registry().with(lines).with(Conversations.with_filter(telling())).with(spans)
}

impl Telemetry {
    /// The metrics, for [`crate::admin::router`].
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.installed.metrics.clone()
    }

    /// What is logged, for [`crate::admin::router`].
    #[must_use]
    pub fn log_levels(&self) -> LogLevels {
        self.installed.levels.clone()
    }

    /// Exports what is left, for 2 seconds at most, and ends the traces of this process. The last thing it does.
    /// Blocks meanwhile; again, it does nothing.
    pub fn shutdown(&self) {
        self.installed.shutdown();
    }
}

impl Installed {
    fn shutdown(&self) {
        self.shut_exporters();
        if let Some(lines) = &self.lines {
            lines.flush(FLUSH_TIMEOUT);
        }
    }

    fn shut_exporters(&self) {
        let (traces, meters) = (self.traces.clone(), self.meters.clone());
        if traces.is_none() && meters.is_none() {
            return;
        }
        let (done, wait) = mpsc::channel();
        // In threads that are left behind if they must be: an export has a time of its own, which is longer.
        let shut = |name: &str, shut: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            let thread = std::thread::Builder::new().name(format!("telemetry-{name}"));
            thread.spawn(move || {
                shut();
                // Nobody waits any more when this took too long.
                let _late = done.send(());
            })
        };
        // What could not be begun is lost.
        let _lost =
            traces.map(|traces| shut("spans", Box::new(move || drop(traces.shutdown_with_timeout(FLUSH_TIMEOUT)))));
        let _lost = meters.map(|meters| shut("metrics", Box::new(move || drop(meters.shutdown()))));
        drop(done);
        let until = Instant::now() + FLUSH_TIMEOUT;
        while wait.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests;
