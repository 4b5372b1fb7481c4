//! What a log line belongs to: the trace and span that it was written in, and the conversation.
//!
//! The first two are there where traces are exported; the last is whatever the nearest span has as
//! `messaging.message.conversation_id`, which is the Tropo session that began the conversation.

use std::fmt;
use std::marker::PhantomData;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::{self, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::settings::LogFormat;

/// The field of a span that names its conversation.
const CONVERSATION: &str = "messaging.message.conversation_id";

/// The longest name of a conversation that is written.
const CONVERSATION_CHARS_MAX: usize = 256;

/// Remembers the conversation of each span.
#[derive(Debug)]
pub(super) struct Conversations;

/// Writes lines as another format does, with what they belong to.
#[derive(Debug)]
pub(super) struct Correlated<F> {
    pub(super) format: F,
    pub(super) as_what: LogFormat,
}

/// Writes lines with what the spans around them say of themselves, but for those of a conversation: there is one of
/// each message, and to format it would cost more than all lines do. What a line belongs to tells enough of it.
pub(super) struct Sparing<L, N> {
    lines: L,
    /// Nothing, as `N` formats it.
    nothing: &'static str,
    fields: PhantomData<fn() -> N>,
}

impl<L, N> Sparing<L, N> {
    /// Lines in which fields are written by `N`, as which `nothing` stands for none.
    pub(super) fn new(lines: L, _fields: &N, nothing: &'static str) -> Self {
        Self { lines, nothing, fields: PhantomData }
    }
}

/// Whether a span may tell what a line belongs to. It is there for that, whatever is logged.
pub(super) fn tells(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(CONVERSATION).is_some()
}

/// The conversation of a span.
struct Conversation(String);

#[derive(Default)]
struct Found(Option<Conversation>);

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == CONVERSATION {
            // Without what would have to be escaped.
            let is_plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
            let plain = format!("{value:?}").chars().filter(is_plain).take(CONVERSATION_CHARS_MAX).collect();
            self.0 = Some(Conversation(plain));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Conversations {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let mut found = Found::default();
        attributes.record(&mut found);
        remember(found, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        let mut found = Found::default();
        values.record(&mut found);
        remember(found, id, &context);
    }
}

impl<S, L, N> Layer<S> for Sparing<L, N>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
    N: 'static,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.lines.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        if !tells(attributes.metadata()) {
            self.lines.on_new_span(attributes, id, context);
        } else if let Some(span) = context.span(id) {
            span.extensions_mut().replace(FormattedFields::<N>::new(self.nothing.to_owned()));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        if !context.metadata(id).is_some_and(tells) {
            self.lines.on_record(id, values, context);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: layer::Context<'_, S>) {
        self.lines.on_event(event, context);
    }
}

fn remember<S: Subscriber + for<'a> LookupSpan<'a>>(Found(found): Found, id: &Id, context: &layer::Context<'_, S>) {
    if let (Some(conversation), Some(span)) = (found, context.span(id)) {
        span.extensions_mut().replace(conversation);
    }
}

impl<S, N, F> FormatEvent<S, N> for Correlated<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let belongs = belongs_to(context);
        if belongs.is_empty() {
            return self.format.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        match (self.as_what, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => {
                writer.write_char('{')?;
                for (name, value) in belongs {
                    write!(writer, "\"{name}\":\"{value}\",")?;
                }
                writer.write_str(rest)
            }
            (LogFormat::Json, None) | (LogFormat::Text, _) => {
                writer.write_str(line.trim_end_matches('\n'))?;
                for (name, value) in belongs {
                    write!(writer, " {name}={value}")?;
                }
                writeln!(writer)
            }
        }
    }
}

fn belongs_to<S, N>(context: &FmtContext<'_, S, N>) -> Vec<(&'static str, String)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let traced = Context::map_current(|current| {
        let span = current.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
    });
    let mut scope = context.event_scope().into_iter().flatten();
    let conversation = scope.find_map(|span| span.extensions().get::<Conversation>().map(|found| found.0.clone()));
    let traced = traced.into_iter().flat_map(|(trace, span)| [("trace_id", trace), ("span_id", span)]);
    traced.chain(conversation.map(|conversation| ("correlation_id", conversation))).collect()
}
