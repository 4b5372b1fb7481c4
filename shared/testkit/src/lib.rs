//! A private RabbitMQ and PostgreSQL that a test may kill, and other real parts for tests.
//!
//! A test that kills its broker starts its own: [`RabbitMq::start`], [`Postgres::start`]. A test that only needs a
//! place to itself takes [`vhost`] or [`database`]: these use the servers that `testkit-parts run -- <command>` started for
//! the whole command, or else start one for this process. Whatever is started here ends with the process that
//! started it, however that ends.

mod part;
mod ports;
mod postgres;
mod proxy;
mod rabbitmq;
mod wait;
mod watchdog;

pub use part::PartError;
pub use ports::{free_port, own_address};
pub use postgres::{Database, Postgres, database};
pub use proxy::Proxy;
pub use rabbitmq::{Management, RabbitMq, Vhost, vhost};
pub use wait::{holds_within, wait_until};
pub use watchdog::Watchdog;

/// The environment variable that names the shared broker, as an AMQP URL.
pub const AMQP_URL: &str = "TROPOMQ_TEST_AMQP_URL";
/// The environment variable that names the management API of the shared broker, as `host:port`.
pub const AMQP_ADMIN: &str = "TROPOMQ_TEST_AMQP_ADMIN";
/// The environment variable that names the shared PostgreSQL, as a URL.
pub const POSTGRES_URL: &str = "TROPOMQ_TEST_POSTGRES_URL";

/// A name that no other test has, on no server: `<prefix>_<process>_<random>`.
fn unique_name(prefix: &str) -> String {
    format!("{prefix}_{}_{:016x}", std::process::id(), ports::random())
}
