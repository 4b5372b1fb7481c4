//! Private servers for tests and drills: a RabbitMQ and a PostgreSQL that may be killed, a browser, and other children.
//!
//! The servers are those of Debian's packages, with ports, data and secrets of their own, on loopback alone. Whatever
//! is started here ends with the process that started it, however that ends. Everything blocks: starting a server
//! takes seconds.

mod chromium;
mod part;
mod ports;
mod postgres;
mod proxy;
mod rabbitmq;
mod usage;
mod wait;
mod watchdog;

pub use chromium::{Chromium, Tab};
pub use part::{Part, PartError};
pub use ports::{free_port, own_address, unique_name};
pub use postgres::{Database, Postgres};
pub use proxy::Proxy;
pub use rabbitmq::{Management, RabbitMq};
pub use usage::Usage;
pub use wait::holds_within;
pub use watchdog::Watchdog;
