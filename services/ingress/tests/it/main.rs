//! Ingress over real HTTP, with the embedded bus behind it and a server in the place of egress.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod answers;
mod events;
mod spooling;
mod stage;
