//! The simulator over real HTTP, with a small application of each test's own on the other side.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "in a test a panic is the report"
)]

mod careless;
mod debugger;
mod documents;
mod launches;
mod misbehaviour;
mod phones;
mod provisioning;
mod reports;
mod stage;
mod state;
