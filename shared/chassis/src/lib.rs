//! What every process needs: configuration, telemetry, tasks, shutdown, HTTP listeners, admin endpoints, exit codes.
//!
//! A process goes through it in this order: [`tls::install_provider`], [`config::load`], [`telemetry::init`],
//! [`shutdown::on_signal`], [`tasks::Tasks`], [`http::serve`] for each listener ([`admin::router`] on one of them),
//! [`tasks::Tasks::join`], and [`exit::report`] last.

pub mod admin;
pub mod build;
pub mod config;
pub mod exit;
pub mod files;
pub mod health;
pub mod http;
pub mod network;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod tls;
