//! An application on the bus: takes the texts that the router offers it, and answers each with a message.
//!
//! ```text
//! AMQP_URL=amqp://guest:guest@localhost/%2f cargo run --package amqp-application -- weather
//! ```
//!
//! The argument is the application's name in `[router.amqp.NAME]`; the router has declared the queue. It knows nothing of
//! tropomq but what `docs/amqp-applications.md` says.

use anyhow::{Context, bail};
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many texts are in hand at once, at most.
const PREFETCH: u16 = 20;

/// A message survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// What a text is answered with. Put your own logic here.
fn answer(text: &str) -> String {
    format!("You texted: {text}")
}

/// The command to send the answer to a text; `None` if the body is no text that was offered.
///
/// Its id is derived from the text's: when the same text comes again, after a crash, the same command is published again,
/// and the person is texted once. Other messages that answer the same text have the numbers after 0.
fn reply_to(offered: &[u8]) -> Option<Value> {
    let offered: Value = serde_json::from_slice(offered).ok()?;
    let id: Uuid = offered.get("id")?.as_str()?.parse().ok()?;
    let data = offered.get("data")?;
    let mut command = json!({
        "id": Uuid::new_v5(&id, b"message.send 0"),
        "type": "message.send.v1",
        "backend": offered.get("backend")?.as_str()?,
        "correlation_id": offered.get("correlation_id"),
        // The text itself: so the account knows what the message answers.
        "causation_id": offered.get("causation_id"),
        "time": jiff::Timestamp::now(),
        "data": {
            "to": data.get("from")?,
            "text": answer(data.get("text")?.as_str()?),
            "network": data.get("network")?,
            "application": data.get("application")?,
        },
    });
    // A text need not have all of them.
    command.as_object_mut()?.retain(|_, value| !value.is_null());
    Some(command)
}

/// Publishes a command, and returns once the broker has it.
async fn publish(channel: &Channel, command: &Value) -> anyhow::Result<()> {
    let text = |key: &str| command.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut properties = BasicProperties::default()
        .with_message_id(text("id").into())
        .with_type(text("type").into())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT);
    if command.get("correlation_id").is_some() {
        properties = properties.with_correlation_id(text("correlation_id").into());
    }
    let (exchange, key) = ("tropomq".into(), format!("message.send.{}", text("backend")).as_str().into());
    let body = command.to_string();
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await?.await?;
    match confirm {
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) | Confirmation::NotRequested => bail!("the broker does not keep the message"),
    }
}

/// Publishes the answer first, and acknowledges the text last.
async fn handle(channel: &Channel, text: Delivery) -> anyhow::Result<()> {
    match reply_to(&text.data) {
        Some(command) => {
            publish(channel, &command).await?;
            text.acker.ack(BasicAckOptions::default()).await?;
        }
        // It will never be readable. The broker puts it among the dead letters.
        None => drop(text.acker.reject(BasicRejectOptions { requeue: false }).await?),
    }
    Ok(())
}

/// Goes on until the connection is lost: let whatever runs it start it again. What it had in hand comes again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).context("name the application, as in: amqp-application weather")?;
    let url = std::env::var("AMQP_URL").context("AMQP_URL")?;
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (queue, options) = (format!("application.{name}").as_str().into(), BasicConsumeOptions::default());
    let mut texts = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
    // One after the other, so a person's texts are answered in their order.
    while let Some(text) = texts.next().await {
        handle(&channel, text?).await?;
    }
    bail!("the connection is lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_again_is_answered_with_the_same_message() {
        let mut offered = json!({
            "id": "0b8f6a52-58c1-5c0e-9d3a-0e6f6d6f3a11", "type": "message.offered.v1", "backend": "b",
            "correlation_id": "s", "causation_id": "5d2a61c0-7f43-5b4e-8a11-2c9e7a5f0d22",
            "data": { "application": "weather", "from": "+15555550177", "text": "sunny?", "network": "SMS" },
        });
        let [once, again] = [(); 2].map(|()| reply_to(offered.to_string().as_bytes()).unwrap());
        assert_eq!((&once["id"], &once["data"]), (&again["id"], &again["data"]));
        assert_eq!(once["data"]["text"], "You texted: sunny?");
        offered.as_object_mut().unwrap().remove("correlation_id");
        offered["causation_id"] = Value::Null;
        let alone = reply_to(offered.to_string().as_bytes()).unwrap();
        assert_eq!((&alone["id"], &alone["data"]), (&once["id"], &once["data"]));
        assert!(alone.get("correlation_id").is_none() && alone.get("causation_id").is_none(), "{alone}");
        assert_eq!(reply_to(b"{"), None);
        assert_eq!(reply_to(b"{\"id\":1}"), None);
    }
}
