//! An OTLP collector: takes what the services export over HTTP, and can be killed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};

/// What was exported so far.
#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    /// The names of metrics.
    metrics: BTreeSet<String>,
}

/// A collector in threads of its own: killing it cuts every connection.
pub(crate) struct Collector {
    url: String,
    taken: Arc<Mutex<Taken>>,
    runtime: Option<Runtime>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let taken = Arc::new(Mutex::new(Taken::default()));
        let routes = Router::new().route("/v1/traces", post(take_spans)).route("/v1/metrics", post(take_metrics));
        let routes = routes.with_state(Arc::clone(&taken));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
        Self { url, taken, runtime: Some(runtime) }
    }

    /// Its base address.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().spans.clone()
    }

    /// The names of the metrics that came.
    pub(crate) fn metrics(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().metrics.clone()
    }

    /// Ends it at once; its port refuses from then on.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn take_spans(State(taken): State<Arc<Mutex<Taken>>>, body: Bytes) {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    taken.lock().unwrap().spans.extend(scopes.flat_map(|scope| scope.spans));
}

async fn take_metrics(State(taken): State<Arc<Mutex<Taken>>>, body: Bytes) {
    let export = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = export.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
    taken.lock().unwrap().metrics.extend(names);
}
