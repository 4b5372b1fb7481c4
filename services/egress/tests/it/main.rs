//! Egress with a real ledger and a real HTTP server in Tropo's place.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod callback;
mod consent;
mod end;
mod lane;
mod overdue;
mod reports;
mod stage;
