//! Counts what is ready in queues.

use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Error, ErrorKind};
use protocol::topology::QueueName;

use crate::{Depth, Depths};

/// # Errors
/// The reason, for people.
pub(super) async fn count(connection: &Connection, queues: &[QueueName]) -> Result<Depths, String> {
    let open = async || connection.create_channel().await.map_err(|error| error.to_string());
    let mut channel = open().await?;
    let mut depths = Depths::new();
    for queue in queues {
        let name = ShortString::try_new(queue.as_str()).map_err(|error| error.to_string())?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(name, passive, FieldTable::default()).await {
            Ok(found) => {
                let (ready, consumers) = (found.message_count().into(), found.consumer_count().into());
                depths.insert(queue.clone(), Depth { ready, in_hand: None, delayed: None, consumers });
            }
            // The broker closes a channel that asks for what is not there.
            Err(error) if is_absent(&error) => channel = open().await?,
            Err(error) => return Err(format!("cannot count queue {queue}: {error}")),
        }
    }
    Ok(depths)
}

fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refused)
        if *refused.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}
