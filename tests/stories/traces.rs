//! One conversation is one trace, whatever happens on its way, and a dead collector costs nothing but the trace.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use protocol::EventId;
use serde_json::json;

use crate::collector::Collector;
use crate::crowd::{assert_answered, text_all};
use crate::stage::{Bus, NUMBER, Setup, Stage, until};

on_both_buses! {
    a_conversation_is_one_trace
    a_retry_is_in_the_trace_of_its_conversation
    what_is_replayed_after_its_death_is_in_the_trace_of_its_conversation
    a_collector_that_is_killed_under_load_costs_no_message
    a_dead_collector_blocks_nothing_and_loses_nothing
    a_killed_collector_costs_next_to_nothing
}

/// A conversation from the text to the result. Below each span stand those whose parent it is; an arrow is a link to it,
/// too.
const PLAIN: &str = "\
server POST /tropo/{backend} 200
  producer send tropomq:message.received
    consumer process router.message.received handled <-
      producer send tropomq:message.routed
      producer send tropomq:message.send
        consumer process egress.message.send.story handled <-
          internal release <-
            server POST /tropo/{backend} 200 <-
              producer send tropomq:session.result
                consumer process egress.session.result handled <-
                  producer send tropomq:message.sent
          producer send tropomq:message.launched
          producer send tropomq:message.released
          server POST /tropo/{backend} 200 <-
";

/// The same, after Tropo had no session for it at first.
const RETRIED: &str = "\
server POST /tropo/{backend} 200
  producer send tropomq:message.received
    consumer process router.message.received handled <-
      producer send tropomq:message.routed
      producer send tropomq:message.send
        consumer process egress.message.send.story attempt 2 handled <-
          internal release <-
            server POST /tropo/{backend} 200 <-
              producer send tropomq:session.result
                consumer process egress.session.result handled <-
                  producer send tropomq:message.sent
          producer send tropomq:message.launched
          producer send tropomq:message.released
          server POST /tropo/{backend} 200 <-
        consumer process egress.message.send.story retried <- failed
          producer send tropomq:message.delayed
";

/// The same, after Tropo refused it, and an operator had it sent all the same.
const REPLAYED: &str = "\
server POST /tropo/{backend} 200
  producer send tropomq:message.received
    consumer process router.message.received handled <-
      producer send tropomq:message.routed
      producer send tropomq:message.send
        consumer process egress.message.send.story dead <- failed
          producer send tropomq:message.failed
        consumer process egress.message.send.story handled <-
          internal release <-
            server POST /tropo/{backend} 200 <-
              producer send tropomq:session.result
                consumer process egress.session.result handled <-
                  producer send tropomq:message.sent
          producer send tropomq:message.launched
          producer send tropomq:message.released
          server POST /tropo/{backend} 200 <-
";

/// A stage whose spans go to a collector, soon.
async fn exporting(setup: Setup, collector: &Collector) -> Stage {
    let setup = setup.with("telemetry.otlp_endpoint", collector.url());
    setup.variable("OTEL_BSP_SCHEDULE_DELAY", "100").start().await
}

/// Waits until there are so many traces and each of them is as expected, then checks every span of them.
async fn assert_traces(collector: &Collector, count: usize, expected: &str, bus: Bus) {
    let spans_of_each = expected.lines().count();
    let spans = until("the spans are exported", async || {
        let mut spans = collector.spans();
        // Those of the simulated Tropo are not ours.
        spans.retain(|span| span.name != "session");
        (count * spans_of_each <= spans.len()).then_some(spans)
    })
    .await;
    let mut traces: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
    for span in &spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    assert_eq!(traces.len(), count, "{:?}", traces.values().map(|trace| tree(trace)).collect::<Vec<_>>());
    for trace in traces.values() {
        assert_eq!(tree(trace), expected, "the trace is another");
        assert_conventions(trace, bus);
    }
}

/// A trace as text, the spans of one parent in the order of their lines.
fn tree(trace: &[&Span]) -> String {
    let ids: BTreeSet<&[u8]> = trace.iter().map(|span| span.span_id.as_slice()).collect();
    let is_root = |span: &&&Span| !ids.contains(span.parent_span_id.as_slice());
    let mut roots: Vec<String> = trace.iter().filter(is_root).map(|root| branch(root, trace, 0)).collect();
    roots.sort();
    roots.concat()
}

fn branch(span: &Span, trace: &[&Span], depth: usize) -> String {
    let children = trace.iter().filter(|child| child.parent_span_id == span.span_id);
    let mut children: Vec<String> = children.map(|child| branch(child, trace, depth + 1)).collect();
    children.sort();
    format!("{}{}\n{}", "  ".repeat(depth), line(span), children.concat())
}

fn line(span: &Span) -> String {
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_lowercase();
    let mut line = format!("{kind} {}", name(span));
    if let Some(attempt) = attribute(span, "tropomq.attempt").filter(|attempt| attempt != "1") {
        line.push_str(&format!(" attempt {attempt}"));
    }
    for said in ["tropomq.outcome", "http.response.status_code"] {
        line.extend(attribute(span, said).map(|said| format!(" {said}")));
    }
    match &span.links[..] {
        [] => {}
        [link] if link.span_id == span.parent_span_id && link.trace_id == span.trace_id => line.push_str(" <-"),
        links => line.push_str(&format!(" and links {links:?}")),
    }
    if span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error) {
        line.push_str(" failed");
    }
    line
}

/// Without the shard.
fn name(span: &Span) -> &str {
    const TEXTS: &str = "process router.message.received";
    if span.name.starts_with(TEXTS) { TEXTS } else { &span.name }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

/// What OpenTelemetry's conventions for messaging and HTTP say of each span, and that nothing personal is in any.
fn assert_conventions(trace: &[&Span], bus: Bus) {
    let system = if bus == Bus::Embedded { "tropomq_embedded" } else { "rabbitmq" };
    let conversations: BTreeSet<String> =
        trace.iter().filter_map(|span| attribute(span, "messaging.message.conversation_id")).collect();
    assert_eq!(conversations.len(), 1, "one conversation: {conversations:?}");
    for span in trace {
        let said = |key| attribute(span, key).unwrap_or_else(|| panic!("{} has no {key}", span.name));
        let operation = match span.kind() {
            SpanKind::Producer => Some("send"),
            SpanKind::Consumer => Some("process"),
            _ => None,
        };
        if let Some(operation) = operation {
            assert_eq!(said("messaging.system"), system);
            assert_eq!(
                (said("messaging.operation.name"), said("messaging.operation.type")),
                (operation.into(), operation.into())
            );
            assert_eq!(span.name, format!("{operation} {}", said("messaging.destination.name")));
            said("messaging.message.id").parse::<EventId>().unwrap();
            assert!(said("messaging.rabbitmq.destination.routing_key").contains(".story"));
            assert!(0 < said("messaging.message.body.size").parse::<u64>().unwrap());
        }
        if span.kind() == SpanKind::Server {
            assert_eq!((said("http.request.method"), said("http.route")), ("POST".into(), "/tropo/{backend}".into()));
        }
        said("messaging.message.conversation_id");
        let has_failed = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        assert_eq!(has_failed, attribute(span, "error.type").is_some(), "{span:?}");
        let all = format!("{span:?}");
        for personal in ["traced", "5555560", "1555555"] {
            assert!(!all.contains(personal), "{personal} is in {all}");
        }
    }
}

async fn a_conversation_is_one_trace(bus: Bus) {
    let collector = Collector::start();
    let stage = exporting(Setup::new(bus), &collector).await;
    // Before the create reply and after it: the trace goes through Tropo either way.
    for (index, knobs) in [json!({"callback_first": true}), json!({})].into_iter().enumerate() {
        stage.tropo.turn(knobs).await;
        let phone = stage.phone(index);
        phone.text("echo traced").await;
        phone.reply().await;
        stage.settle().await;
    }
    assert_traces(&collector, 2, PLAIN, bus).await;
}

async fn a_retry_is_in_the_trace_of_its_conversation(bus: Bus) {
    let collector = Collector::start();
    let stage = exporting(Setup::new(bus), &collector).await;
    stage.tropo.turn(json!({"fail_next_creates": 1, "create_error_status": 503})).await;
    let phone = stage.phone(0);
    phone.text("echo traced").await;
    phone.reply().await;
    stage.settle().await;
    assert_traces(&collector, 1, RETRIED, bus).await;
}

async fn what_is_replayed_after_its_death_is_in_the_trace_of_its_conversation(bus: Bus) {
    let collector = Collector::start();
    let stage = exporting(Setup::new(bus).with_console(), &collector).await;
    stage.refuse_and_replay(&stage.phone(0), "traced").await;
    assert_traces(&collector, 1, REPLAYED, bus).await;
}

async fn a_collector_that_is_killed_under_load_costs_no_message(bus: Bus) {
    let mut collector = Collector::start();
    let stage = exporting(Setup::new(bus).with("telemetry.metrics_interval", "1s"), &collector).await;
    let phones = stage.phones(10);
    let kill = async {
        until("spans come", async || (!collector.spans().is_empty()).then_some(())).await;
        collector.kill();
    };
    let (texts, ()) = tokio::join!(text_all(&phones, 10, |_| NUMBER), kill);
    for phone in &phones {
        phone.received(10).await;
    }
    stage.settle().await;
    assert_answered(&phones, &texts).await;
}

async fn a_dead_collector_blocks_nothing_and_loses_nothing(bus: Bus) {
    // One where nothing listens, and one that takes connections and never answers: the kernel takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [gone, silent.local_addr().unwrap()] {
        let setup = Setup::new(bus).with("telemetry.otlp_endpoint", format!("http://{address}"));
        let setup = setup.with("telemetry.metrics_interval", "1s");
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

/// What becomes of the collector while texts come in.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// There is none, and nothing is exported.
    Absent,
    Lives,
    Killed,
}

/// Texts answered in a second, with every text there at once.
async fn rate(bus: Bus, texts: usize, fate: Fate) -> f64 {
    let mut collector = Collector::start();
    let setup = Setup::new(bus).with("telemetry.metrics_interval", "1s").with("telemetry.log", "warn");
    let stage = match fate {
        Fate::Absent => setup.start().await,
        Fate::Lives | Fate::Killed => exporting(setup, &collector).await,
    };
    let phones = stage.phones(10);
    // What is done for the first time takes longer.
    text_all(&phones, 1, |_| NUMBER).await;
    stage.settle().await;
    if fate == Fate::Killed {
        collector.kill();
    }
    let began = Instant::now();
    text_all(&phones, texts / phones.len(), |_| NUMBER).await;
    for phone in &phones {
        phone.received(1 + texts / phones.len()).await;
    }
    texts as f64 / began.elapsed().as_secs_f64()
}

/// The test sees that every text is answered; with `COLLECTOR_TEXTS` and `COLLECTOR_ROUNDS` it measures, and holds the result to the claim.
async fn a_killed_collector_costs_next_to_nothing(bus: Bus) {
    let asked = |name| std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    let (texts, rounds) = (asked("COLLECTOR_TEXTS"), asked("COLLECTOR_ROUNDS").unwrap_or(1));
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        // In turn, so that whatever else the machine does concerns all of them.
        for (rates, fate) in rates.iter_mut().zip([Fate::Absent, Fate::Lives, Fate::Killed]) {
            rates.push(rate(bus, texts.unwrap_or(50), fate).await);
        }
    }
    let [absent, lives, killed] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let share = |of: f64| 100.0 * killed / of;
    eprintln!("texts a second, the median of {rounds} rounds:");
    eprintln!("{absent:.0} without a collector, {lives:.0} with one, {killed:.0} with one that was killed,");
    eprintln!("which is {:.1} % of the first and {:.1} % of the second", share(absent), share(lives));
    if texts.is_some() {
        assert!(95.0 <= share(lives), "a killed collector costs more than it may");
    }
}
