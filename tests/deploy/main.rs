//! Holds what is in `deploy/` to what it deploys.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod broker;
mod collector;
mod dashboards;
mod definitions;
mod metrics;
mod promtool;
mod rules;
mod tree;
