//! Everything that is served: Tropo's session API, and the simulator's own.

mod applications;
mod create;
mod debugger;
mod knobs;
mod phones;
mod problem;
mod sessions;
mod signals;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::Simulator;

/// How many lines or messages one answer holds at most.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// What `GET /` says.
const INDEX: &str = "\
A stand-in for Tropo, with virtual phones.

Tropo's session API (GET, or POST of JSON, XML or a form):
  /1.0/sessions, /v1/sessions            token=T&action=create and your own parameters

Tropo's signals (GET, or POST of JSON, XML or a form), which interrupt a session that is under way:
  /1.0/sessions/{id}/signals             action=signal&value=NAME, or {\"signal\": \"NAME\"}

Phones (any number is one; it may be written +15555550177 or 15555550177):
  POST /phones/{number}/texts            {\"to\": \"+15555550100\", \"text\": \"...\", \"network\": \"SMS\"}
                                         answers the session that asks this phone something, or begins one
  POST /phones/{number}/hangup           {\"to\": \"+15555550100\"}
  GET  /phones/{number}/messages         ?after=INDEX&wait=5s (at most 20s)
  GET  /phones

Applications:
  POST /applications                     {\"name\": \"...\", \"messaging_url\": \"http://...\", \"messaging_token\": \"...\",
                                          \"numbers\": [\"+15555550100\"]}
  GET  /applications

What happened (Accept: text/plain for lines to read):
  GET  /debugger                         ?session=ID&after=LINE&limit=1000
  GET  /debugger/sessions/{id}
  GET  /sessions/{id}
  POST /sessions/{id}/hangup

How it misbehaves:
  GET  /knobs
  PUT  /knobs                            what is left out is as on a good day
";

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    let create = get(create::create).post(create::create);
    let signal = get(signals::signal).post(signals::signal);
    Router::new()
        .route("/", get(async || INDEX))
        .route("/1.0/sessions", create.clone())
        .route("/1.0/sessions/", create.clone())
        .route("/v1/sessions", create.clone())
        .route("/v1/sessions/", create)
        .route("/1.0/sessions/{id}/signals", signal.clone())
        .route("/1.0/sessions/{id}/signals/", signal.clone())
        .route("/v1/sessions/{id}/signals", signal.clone())
        .route("/v1/sessions/{id}/signals/", signal.clone())
        // The PHP client leaves `sessions/` out.
        .route("/1.0/{id}/signals", signal.clone())
        .route("/v1/{id}/signals", signal)
        .route("/phones", get(phones::list))
        .route("/phones/{number}/texts", post(phones::text))
        .route("/phones/{number}/messages", get(phones::messages))
        .route("/phones/{number}/hangup", post(phones::hang_up))
        .route("/applications", get(applications::list).post(applications::add))
        .route("/debugger", get(debugger::all))
        .route("/debugger/sessions/{id}", get(debugger::of_session))
        .route("/sessions/{id}", get(sessions::get))
        .route("/sessions/{id}/hangup", post(sessions::hang_up))
        .route("/knobs", get(knobs::get).put(knobs::put))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(simulator)
}
