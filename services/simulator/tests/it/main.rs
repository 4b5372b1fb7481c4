//! The simulator over real HTTP, with a small application of each test's own on the other side.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "in a test a panic is the report"
)]

mod asking;
mod cookies;
mod debugger;
mod documents;
mod handlers;
mod hostile;
mod launches;
mod misbehaviour;
mod phones;
mod secrecy;
mod signals;
mod stage;
