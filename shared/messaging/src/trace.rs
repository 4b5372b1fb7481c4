//! W3C trace context: out of the current span into a message, and back.
//!
//! Without an OpenTelemetry exporter there is no context, and nothing is written.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::trace::TraceContextExt;
use protocol::TraceContext;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::headers::{TRACEPARENT, TRACESTATE};

/// The context of the current span, to travel with what it causes.
#[must_use]
pub fn current() -> Option<TraceContext> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    TraceContext::from_headers(carrier.get(TRACEPARENT)?, carrier.get(TRACESTATE).map(String::as_str))
}

/// Makes `span` a child of what `context` says, with a link to it: one message is handled on its own, so its trace
/// goes on, and the link tells the batch-minded the same.
///
/// To be done before the span is entered for the first time: a span that has begun keeps its trace.
pub fn adopt(span: &Span, context: &TraceContext) {
    let carrier = HashMap::from([
        (TRACEPARENT.to_owned(), context.traceparent.clone()),
        (TRACESTATE.to_owned(), context.tracestate.clone()),
    ]);
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
    let linked = parent.span().span_context().clone();
    if linked.is_valid() {
        span.add_link(linked);
        // Without an OpenTelemetry layer the span has no place for a parent: there is no trace to go on.
        let _ = span.set_parent(parent);
    }
}
