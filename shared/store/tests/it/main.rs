//! The ledger and the account on real databases.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod accounts;
mod contract;
mod place;
mod postgres;
mod sqlite;
