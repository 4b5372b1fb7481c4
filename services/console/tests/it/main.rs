//! The console on a real bus and a real database, both embedded.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod dead_letters;
mod document;
mod events;
mod explanation;
mod flow;
mod messages;
mod pages;
mod problems;
mod sending;
mod slow;
mod stage;
mod state;
