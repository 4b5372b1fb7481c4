//! The pages: rendered here, complete without a script; the scripts only keep them current.

mod acts;
mod address;
mod assets;
mod backends;
mod chart;
mod chat;
mod configuration;
mod conversation;
mod dead_letters;
mod debugger;
mod kinds;
pub(crate) mod layout;
mod live;
mod message;
mod messages;
mod overview;
pub(crate) mod pieces;
mod pulse;
mod rates;
mod reference;
mod refusals;
mod tester;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::Console;

pub(crate) use overview::Glance;
pub(crate) use refusals::{nowhere, told_to_people};

/// All pages.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/messages", get(messages::show))
        .route("/messages/{id}", get(message::show))
        .route("/debugger", get(debugger::show))
        .route("/conversation", get(conversation::show))
        .route("/tester", get(tester::show).post(tester::send))
        .route("/live", get(live::show))
        .route("/backends", get(backends::show))
        .route("/backends/{name}/opt-outs", get(backends::opt_outs))
        .route("/configuration", get(configuration::show))
        .route("/acts", get(acts::show))
        .route("/api", get(reference::show))
        .route("/pulse", get(pulse::follow))
        .merge(dead_letters::routes())
        .merge(assets::routes())
}
