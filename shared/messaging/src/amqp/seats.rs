//! Seats: each is an exclusive queue, which belongs to one connection, and goes with it.

use std::sync::{Mutex, PoisonError};

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use protocol::topology::QueueName;

use super::depths;
use super::topology::{is, open, short};
use crate::Seat;

/// The seats that this process has, by the queue whose consumers share them. Each is of the connection that it was taken
/// on.
#[derive(Default)]
pub(super) struct Seats(Mutex<Vec<(QueueName, u16)>>);

impl Seats {
    /// Keeps the seat that this process has, or takes the lowest that is free. There are as many as `among` has
    /// consumers; nothing is asked of the broker that it would refuse while all is well, for it logs what it refuses.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn take(&self, connection: &Connection, among: &QueueName) -> Result<Seat, String> {
        let counted = depths::count(connection, std::slice::from_ref(among)).await?;
        let consumers = counted.get(among).map_or(0, |depth| depth.consumers);
        let of = u16::try_from(consumers).unwrap_or(u16::MAX).max(1);
        let held = self.held(among);
        let kept = held.filter(|number| *number < of);
        let others = (0..of).filter(|number| Some(*number) != kept);
        for number in kept.into_iter().chain(others) {
            if !sit(connection, among, number).await? {
                continue;
            }
            if let Some(higher) = held.filter(|held| *held != number) {
                stand_up(connection, among, higher).await?;
            }
            self.hold(among, number);
            return Ok(Seat { number, of });
        }
        Ok(Seat { number: of, of })
    }

    fn held(&self, among: &QueueName) -> Option<u16> {
        let seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.iter().find(|(known, _)| known == among).map(|(_, number)| *number)
    }

    fn hold(&self, among: &QueueName, number: u16) {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|(known, _)| known != among);
        seats.push((among.clone(), number));
    }
}

fn name(among: &QueueName, number: u16) -> String {
    format!("tropomq.seat.{among}.{number}")
}

/// Whether this connection has the seat now. Asked for one that it has already, the broker says yes.
async fn sit(connection: &Connection, among: &QueueName, number: u16) -> Result<bool, String> {
    let channel = open(connection).await?;
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let name = name(among, number);
    match channel.queue_declare(short(&name)?, options, FieldTable::default()).await {
        Ok(_) => close(&channel).await.map(|()| true),
        Err(error) if is(&error, AMQPSoftError::RESOURCELOCKED) => Ok(false),
        Err(error) => Err(format!("cannot declare queue {name}: {error}")),
    }
}

/// Gives a seat back. One that another has meanwhile stays with it.
async fn stand_up(connection: &Connection, among: &QueueName, number: u16) -> Result<(), String> {
    let channel = open(connection).await?;
    let name = name(among, number);
    match channel.queue_delete(short(&name)?, QueueDeleteOptions::default()).await {
        Ok(_) => close(&channel).await,
        Err(error) if is(&error, AMQPSoftError::RESOURCELOCKED) => Ok(()),
        Err(error) => Err(format!("cannot delete queue {name}: {error}")),
    }
}

async fn close(channel: &Channel) -> Result<(), String> {
    channel.close(lapin::protocol::constants::REPLY_SUCCESS, "seated".into()).await.map_err(|error| error.to_string())
}
