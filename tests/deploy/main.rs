//! Deploy: what is in `deploy/` and in the files beside it is complete, agrees with the code, and can be used as it stands.
//!
//! kubectl and the schemas of Kubernetes come with `make clients`, promtool with `make parts`; nothing here asks a cluster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

mod broker;
#[path = "../interop/stage/clients.rs"]
mod clients;
mod collector;
mod dashboards;
mod definitions;
mod kubernetes;
mod metrics;
mod promtool;
mod rules;
mod stack;
mod systemd;
mod tree;
