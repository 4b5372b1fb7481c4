//! The seam between the services and the bus.
//!
//! A [`Handler`] gets an event and returns what should be published; it neither publishes nor settles. [`consume`]
//! publishes that, waits for the confirms, and acknowledges last. Behind the seam stand two buses, chosen by URL:
//! [`amqp`] (RabbitMQ) and [`embedded`] (one directory, one process), which keep the same promises.
//!
//! Invariant: a delivery is acknowledged only after everything that it caused is published *and* confirmed.

pub mod amqp;
mod bus;
mod consume;
pub mod dead;
pub mod embedded;
mod environment;
mod handler;
pub mod headers;
mod observe;
mod open;
mod publisher;
mod retry;
mod share;
pub mod spool;
pub mod trace;
mod turns;

pub use bus::{
    BoxFuture, Bus, BusState, Delivery, Depth, DepthError, Depths, Destination, Message, Properties, until_it_publishes,
};
pub use bus::{PublishError, Settler, SubscribeError, Subscription};
pub use consume::{Consumer, ConsumerState, consume, witness};
pub use environment::{Chance, Clock, Environment};
pub use handler::{Context, Disposition, Handler, Outgoing, Progress, Settle, Witness};
pub use open::{BusUrl, BusUrlError, OpenError, Opened, open};
pub use publisher::Publisher;
pub use retry::RetryPolicy;
pub use share::{Seat, SeatError, Seating, Share};
pub use turns::{Turn, Turns};
