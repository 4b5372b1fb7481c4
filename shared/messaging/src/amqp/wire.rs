//! Messages as AMQP has them, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use protocol::Timestamp;
use protocol::topology::{DEAD, EXCHANGE, QueueName, retry_level, retry_name};

use crate::headers::{DEAD_AT, QUEUE, REASON, ROUTING_KEY};
use crate::{Destination, Message, Properties};

/// RabbitMQ 4 closes the channel over a longer body, and so takes with it what others have outstanding there.
const BODY_BYTES_MAX: usize = 16 << 20;
/// All headers must fit into one frame, of 128 KiB: else the connection is closed.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// A message survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// What the broker itself notes about a message's stay on its queues: of no use on the next one.
const NOTES: [&str; 5] = ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"];

/// A message as it is published.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Why AMQP cannot carry a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its {what} has {bytes} bytes, and AMQP takes {bytes_max}")]
pub(super) struct Unfit {
    what: &'static str,
    bytes: usize,
    bytes_max: usize,
}

impl Publication {
    /// # Errors
    /// [`Unfit`]: the message would be refused, or end the connection.
    pub(super) fn of(message: Message) -> Result<Self, Unfit> {
        let Message { destination, properties, body } = message;
        fits("body", body.len(), BODY_BYTES_MAX)?;
        let written = write(&properties)?;
        let (exchange, routing_key, properties) = match destination {
            Destination::Topic { routing_key } => (EXCHANGE.to_owned(), routing_key, written),
            Destination::Delayed { queue, delay } => {
                let level = retry_level(delay);
                let expiration = short("expiration", milliseconds(delay.min(level)).to_string())?;
                (retry_name(level), queue.to_string(), written.with_expiration(expiration))
            }
            // The key that it was first published with, so that it can be published again as it was.
            Destination::Dead => {
                (DEAD.to_owned(), properties.headers.get(ROUTING_KEY).cloned().unwrap_or_default(), written)
            }
        };
        let (exchange, routing_key) = (short("exchange", exchange)?, short("routing key", routing_key)?);
        Ok(Self { exchange, routing_key, properties, body })
    }
}

/// Rounded up: a delay is never cut short.
fn milliseconds(delay: Duration) -> u128 {
    delay.as_nanos().div_ceil(1_000_000)
}

fn write(properties: &Properties) -> Result<BasicProperties, Unfit> {
    let Properties { message_id, correlation_id, message_type, app_id, timestamp, headers } = properties;
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    fits("headers", bytes, HEADER_BYTES_MAX)?;
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(short("header name", name)?, AMQPValue::LongString(LongString::from(value.as_str())));
    }
    let mut written = BasicProperties::default()
        .with_content_type(ShortString::from("application/json"))
        .with_delivery_mode(PERSISTENT)
        .with_headers(table);
    if let Some(id) = message_id {
        written = written.with_message_id(short("message id", id)?);
    }
    if let Some(id) = correlation_id {
        written = written.with_correlation_id(short("correlation id", id)?);
    }
    if let Some(message_type) = message_type {
        written = written.with_type(short("type", message_type)?);
    }
    if let Some(id) = app_id {
        written = written.with_app_id(short("app id", id)?);
    }
    if let Some(timestamp) = timestamp {
        written = written.with_timestamp(*timestamp);
    }
    Ok(written)
}

fn short(what: &'static str, text: impl Into<String>) -> Result<ShortString, Unfit> {
    let text = text.into();
    fits(what, text.len(), usize::from(u8::MAX))?;
    ShortString::try_new(text).map_err(|_| Unfit { what, bytes: usize::MAX, bytes_max: usize::from(u8::MAX) })
}

fn fits(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Unfit> {
    if bytes <= bytes_max { Ok(()) } else { Err(Unfit { what, bytes, bytes_max }) }
}

/// The properties of a delivery from `queue`.
pub(super) fn read(properties: &BasicProperties, queue: &QueueName) -> Properties {
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.as_str().to_owned());
    let table = properties.headers().as_ref();
    let mut headers: BTreeMap<String, String> = table.map(read_headers).unwrap_or_default();
    if let Some(death) = table.filter(|_| holds_dead_letters(queue)).and_then(last_death) {
        note_death(death, &mut headers);
    }
    Properties {
        message_id: text(properties.message_id()),
        correlation_id: text(properties.correlation_id()),
        message_type: text(properties.kind()),
        app_id: text(properties.app_id()),
        timestamp: *properties.timestamp(),
        headers,
    }
}

fn holds_dead_letters(queue: &QueueName) -> bool {
    [QueueName::dead(), QueueName::journal_dead()].contains(queue)
}

/// Whether the broker says that it was handed out before. A quorum queue counts that also where the flag is unset.
pub(super) fn was_delivered(properties: &BasicProperties) -> bool {
    let count = properties.headers().as_ref().and_then(|headers| headers.inner().get("x-delivery-count"));
    count.and_then(as_text).is_some_and(|count| count != "0")
}

fn read_headers(table: &FieldTable) -> BTreeMap<String, String> {
    let ours = table.inner().iter().filter(|(name, _)| !NOTES.iter().any(|note| name.as_str().starts_with(note)));
    ours.filter_map(|(name, value)| Some((name.as_str().to_owned(), as_text(value)?))).collect()
}

/// A header's value as text; `None` where it has none, such as a table.
fn as_text(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(value) => value.to_string(),
        AMQPValue::ShortShortUInt(value) => value.to_string(),
        AMQPValue::ShortInt(value) => value.to_string(),
        AMQPValue::ShortUInt(value) => value.to_string(),
        AMQPValue::LongInt(value) => value.to_string(),
        AMQPValue::LongUInt(value) => value.to_string(),
        AMQPValue::LongLongInt(value) => value.to_string(),
        AMQPValue::Float(value) => value.to_string(),
        AMQPValue::Double(value) => value.to_string(),
        AMQPValue::DecimalValue(value) => format!("{}e-{}", value.value, value.scale),
        AMQPValue::Timestamp(value) => value.to_string(),
        AMQPValue::ShortString(value) => value.as_str().to_owned(),
        AMQPValue::LongString(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) | AMQPValue::ByteArray(_) | AMQPValue::Void => return None,
    })
}

/// The broker's note of how a message died last.
fn last_death(headers: &FieldTable) -> Option<&FieldTable> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    Some(last)
}

/// What the broker itself gave up (it was handed out too often, say) tells so under the names that the consume loop
/// uses.
fn note_death(death: &FieldTable, headers: &mut BTreeMap<String, String>) {
    let noted = |key: &str| death.inner().get(key);
    let routing_key = match noted("routing-keys") {
        Some(AMQPValue::FieldArray(keys)) => keys.as_slice().first(),
        _ => None,
    };
    if let Some(AMQPValue::Timestamp(seconds)) = noted("time")
        && let Some(at) = i64::try_from(*seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        headers.entry(DEAD_AT.to_owned()).or_insert_with(|| at.to_string());
    }
    for (name, value) in [(REASON, noted("reason")), (QUEUE, noted("queue")), (ROUTING_KEY, routing_key)] {
        if let Some(text) = value.and_then(as_text) {
            headers.entry(name.to_owned()).or_insert(text);
        }
    }
}

#[cfg(test)]
mod tests;
