//! Egress with a real ledger and a real HTTP server in Tropo's place.

mod callback;
mod lane;
mod reports;
mod stage;
