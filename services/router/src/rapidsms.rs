//! RapidSMS projects as applications, unchanged: by the formats of RapidSMS's own backends, in both directions.
//!
//! A project is given each text by the view of its backend. What it sends, it sends to routes of ours, mostly while it is
//! still being given the text that it answers.

mod charset;
mod config;
mod delivery;
mod in_hand;
mod kannel;
mod participant;
mod projects;
mod routes;
mod vumi;
mod wanted;

pub use config::{Config, Format, Identity};
pub(crate) use participant::RapidSms;
pub(crate) use projects::Projects;
pub(crate) use routes::Refused;
pub use routes::routes;

#[cfg(test)]
mod tests;
