//! A private RabbitMQ and PostgreSQL that a test may kill, a place to itself on shared ones, and a browser.
//!
//! A test that kills its broker starts its own: [`RabbitMq::start`], [`Postgres::start`]. A test that only needs a
//! place to itself takes [`vhost`] or [`database`]: these use the servers that `testkit-parts run -- <command>` started for
//! the whole command, or else start one for this process. Whatever is started here ends with the process that
//! started it, however that ends.

mod database;
mod vhost;
mod wait;

pub use database::database;
pub use parts::{Chromium, Database, Management, PartError, Postgres, Proxy, RabbitMq, Tab, Watchdog};
pub use parts::{free_port, holds_within, own_address};
pub use vhost::{Vhost, vhost};
pub use wait::wait_until;

/// The environment variable that names the shared broker, as an AMQP URL.
pub const AMQP_URL: &str = "TROPOMQ_TEST_AMQP_URL";
/// The environment variable that names the management API of the shared broker, as `host:port`.
pub const AMQP_ADMIN: &str = "TROPOMQ_TEST_AMQP_ADMIN";
/// The environment variable that names the shared PostgreSQL, as a URL.
pub const POSTGRES_URL: &str = "TROPOMQ_TEST_POSTGRES_URL";
