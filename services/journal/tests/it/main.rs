//! The journal on a real bus and a real database, both embedded.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod account;
mod kept;
mod stage;
