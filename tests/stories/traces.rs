//! One conversation is one trace, and a dead collector costs nothing but the trace.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::task::JoinSet;

use crate::crowd::{assert_answered, text_all};
use crate::stage::{Bus, NUMBER, Setup, until};

on_both_buses! {
    a_conversation_is_one_trace
    a_dead_collector_blocks_nothing_and_loses_nothing
}

/// The spans that were exported.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// A collector, and its address. It ends with the set of tasks.
    async fn start(tasks: &mut JoinSet<()>) -> (Self, String) {
        let collector = Self::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collector.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
}

/// The span of a text, but for its shard.
const TEXTS: &str = "process router.message.received";

fn name(span: &Span) -> &str {
    if span.name.starts_with(TEXTS) { TEXTS } else { &span.name }
}

/// Every span of a conversation: from the webhook of the text to what became of the message.
const SPANS: [(&str, usize); 14] = [
    // The text, the call-back and the result.
    ("POST /tropo/{backend}", 3),
    ("send tropomq:message.received", 1),
    (TEXTS, 1),
    ("send tropomq:message.routed", 1),
    ("send tropomq:message.send", 1),
    ("process egress.message.send.story", 1),
    ("send tropomq:message.launched", 1),
    ("release", 1),
    ("send tropomq:message.released", 1),
    ("send tropomq:session.result", 1),
    ("process egress.session.result", 1),
    ("send tropomq:message.sent", 1),
    ("send tropomq:message.failed", 0),
    ("send tropomq:message.unconfirmed", 0),
];

async fn a_conversation_is_one_trace(bus: Bus) {
    let mut tasks = JoinSet::new();
    let (collector, address) = Collector::start(&mut tasks).await;
    let setup = Setup::new(bus).with("telemetry.otlp_endpoint", address);
    let stage = setup.variable("OTEL_BSP_SCHEDULE_DELAY", "100").start().await;
    // Before the create reply and after it: the trace goes through Tropo either way.
    for (index, knobs) in [r#"{"callback_first": true}"#, "{}"].into_iter().enumerate() {
        stage.tropo.turn(serde_json::from_str(knobs).unwrap()).await;
        let phone = stage.phone(index);
        phone.text("echo traced").await;
        phone.reply().await;
        stage.settle().await;
    }
    let ours = |span: &&Span| SPANS.iter().any(|(known, _)| *known == name(span));
    let expected = 2 * SPANS.iter().map(|(_, count)| count).sum::<usize>();
    let spans = until("the spans are exported", async || {
        let spans = collector.spans();
        (expected <= spans.iter().filter(ours).count()).then_some(spans)
    })
    .await;
    let mut traces: BTreeMap<Vec<u8>, Vec<&Span>> = BTreeMap::new();
    for span in spans.iter().filter(ours) {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    assert_eq!(traces.len(), 2, "two conversations are two traces: {:?}", named(&spans));
    for trace in traces.values() {
        for (known, expected) in SPANS {
            let count = trace.iter().filter(|span| name(span) == known).count();
            assert_eq!(count, expected, "{known}: {:?}", trace.iter().map(|span| &span.name).collect::<Vec<_>>());
        }
        // It hangs together: each but the first has its parent in the same trace.
        let all = spans.iter().filter(|span| span.trace_id == trace[0].trace_id);
        let ids: BTreeSet<&[u8]> = all.map(|span| span.span_id.as_slice()).collect();
        let roots: Vec<&&Span> = trace.iter().filter(|span| !ids.contains(span.parent_span_id.as_slice())).collect();
        assert_eq!(roots.len(), 1, "{roots:?}");
        assert_eq!(roots[0].name, "POST /tropo/{backend}");
        assert!(roots[0].parent_span_id.is_empty());
    }
}

fn named(spans: &[Span]) -> Vec<(String, String)> {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    spans.iter().map(|span| (hex(&span.trace_id), span.name.clone())).collect()
}

async fn a_dead_collector_blocks_nothing_and_loses_nothing(bus: Bus) {
    // One where nothing listens, and one that takes connections and never answers: the kernel takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [gone, silent.local_addr().unwrap()] {
        let setup = Setup::new(bus).with("telemetry.otlp_endpoint", format!("http://{address}"));
        let mut stage = setup.variable("OTEL_BSP_SCHEDULE_DELAY", "100").start().await;
        let phones = stage.phones(10);
        let texts = text_all(&phones, 5, |_| NUMBER).await;
        for phone in &phones {
            phone.received(5).await;
        }
        stage.settle().await;
        assert_answered(&phones, &texts).await;
        let status = stage.service(if bus == Bus::Embedded { "up" } else { "egress-0" }).terminate().await;
        assert_eq!(status.code(), Some(0), "it stops as ever");
    }
}
