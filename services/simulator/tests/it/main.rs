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
mod browsers;
mod careless;
mod cookies;
mod debugger;
mod documents;
mod eras;
mod handlers;
mod hostile;
mod knobs;
mod launches;
mod misbehaviour;
mod networks;
mod pages;
mod phones;
mod provisioning;
mod reports;
mod secrecy;
mod shape;
mod signals;
mod sms;
mod stage;
mod state;
mod streams;
mod unread;
