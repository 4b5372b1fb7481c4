//! What every bus promises, tried on each.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod amqp;
mod contracts;
mod embedded;
mod running;
