//! Stories: whole conversations through the real services, each a process of its own, with the simulator in Tropo's
//! place. What is true on one bus is tried on both.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

mod stage;

/// Makes two tests of each story, one on each bus: `embedded::story` and `rabbitmq::story`.
macro_rules! on_both_buses {
    ($($story:ident)*) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $story() {
                    super::$story(crate::stage::Bus::Embedded).await;
                }
            )*
        }
        mod rabbitmq {
            $(
                #[tokio::test]
                async fn $story() {
                    super::$story(crate::stage::Bus::RabbitMq).await;
                }
            )*
        }
    };
}

mod amqp;
mod balance;
mod benchmark;
mod call_backs;
mod capture;
mod collector;
mod command_line;
mod commands;
mod compose;
mod consent;
mod console;
mod conversations;
mod crashes;
mod crowd;
mod dead_letters;
mod dialogues;
mod drill;
mod flow;
mod forgery;
mod http_applications;
mod order;
mod outages;
mod refusals;
mod reload;
mod replicas;
mod restarts;
mod rolling;
mod spooling;
mod steady;
mod telemetry;
mod traces;
mod unconfirmed;
