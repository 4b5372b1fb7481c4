//! What this bus tells.

use std::time::Duration;

use protocol::topology::QueueName;
use tracing::{debug, error, info, warn};

use super::wire::Unfit;

pub(super) fn ready() {
    info!("the bus is ready: connected to RabbitMQ, topology declared");
}

/// The first time that this is the reason.
pub(super) fn away(reason: &str, again_in: Duration) {
    warn!(again_in_ms = again_in.as_millis(), "the bus is away, to be tried again until it is there: {reason}");
}

pub(super) fn still_away(reason: &str, again_in: Duration) {
    debug!(again_in_ms = again_in.as_millis(), "the bus is still away: {reason}");
}

/// It works as it is, but not as it was asked for.
pub(super) fn other_settings(name: &str, reason: &str) {
    error!(name, "using {name} as it is: {reason}");
}

pub(super) fn blocked(reason: &str) {
    warn!("RabbitMQ takes no messages at present: {reason}");
}

pub(super) fn unblocked() {
    info!("RabbitMQ takes messages again");
}

pub(super) fn one_is_late(after: Duration) {
    warn!("RabbitMQ confirms other messages, but did not confirm one within {after:?}: a queue has no leader, perhaps");
}

pub(super) fn closed() {
    info!("the bus is closed");
}

pub(super) fn unfit(unfit: &Unfit) {
    warn!("a message is refused: {unfit}");
}

pub(super) fn not_settled(queue: &QueueName, why: &str) {
    debug!(queue = %queue, "a delivery from {queue} is not settled, and will come again: {why}");
}

pub(super) fn subscription_lost(queue: &QueueName, error: &lapin::Error) {
    debug!(queue = %queue, "the subscription to {queue} was lost: {error}");
}

pub(super) fn not_cancelled(queue: &QueueName, why: &str) {
    debug!(queue = %queue, "the subscription to {queue} was not cancelled: {why}");
}
