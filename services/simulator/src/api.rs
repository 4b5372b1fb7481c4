//! Everything that is served: Tropo's session API, and the simulator's own.

mod applications;
mod create;
mod debugger;
mod knobs;
mod pages;
mod phones;
mod problem;
mod sessions;
mod signals;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::Simulator;

/// How many lines or messages one answer holds at most.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// What `GET /` says, where no browser asks.
pub(crate) const INDEX: &str = "\
A stand-in for Tropo, with virtual phones.

Tropo's session API (GET, or POST of JSON, XML or a form):
  /1.0/sessions, /v1/sessions            token=T&action=create and your own parameters

Tropo's signals (GET, or POST of JSON, XML or a form), which interrupt a session that is under way:
  /1.0/sessions/{id}/signals             action=signal&value=NAME, or {\"signal\": \"NAME\"}

Phones (any number is one; it may be written +15555550177 or 15555550177, and on JABBER it is a name):
  POST /phones/{number}/texts            {\"to\": \"+15555550100\", \"text\": \"...\", \"network\": \"SMS\"}; MMS also has
                                         \"subject\" and \"media\". Answers the session that asks this phone something,
                                         or begins one
  POST /phones/{number}/hangup           {\"to\": \"+15555550100\"}
  GET  /phones/{number}/messages         ?after=INDEX&wait=5s (at most 20s): what it received
  GET  /phones/{number}/stream           ?after=INDEX: what it receives and sends, as server-sent events
  GET  /phones/{number}
  GET  /phones

Applications:
  POST /applications                     {\"name\": \"...\", \"messaging_url\": \"http://...\", \"messaging_token\": \"...\",
                                          \"numbers\": [\"+15555550100\"]}
  GET  /applications

What happened (Accept: text/plain for lines to read):
  GET  /debugger                         ?session=ID&after=LINE&limit=1000
  GET  /debugger/stream                  ?session=ID&after=LINE: as server-sent events
  GET  /debugger/sessions/{id}
  GET  /sessions/{id}
  POST /sessions/{id}/hangup

How it misbehaves:
  GET  /knobs
  PUT  /knobs                            what is left out is as on a good day
  PATCH /knobs                           what is left out stays as it is

In a browser, / , /phones/{number} and /debugger are pages.
";

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    let create = get(create::create).post(create::create);
    let signal = get(signals::signal).post(signals::signal);
    Router::new()
        .route("/", get(pages::index))
        .merge(pages::router())
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
        .route("/phones/{number}", get(phones::one).post(pages::send))
        .route("/phones/{number}/texts", post(phones::text))
        .route("/phones/{number}/messages", get(phones::messages))
        .route("/phones/{number}/hangup", post(phones::hang_up))
        .route("/phones/{number}/stream", get(phones::stream))
        .route("/applications", get(applications::list).post(applications::add))
        .route("/debugger", get(debugger::all))
        .route("/debugger/stream", get(debugger::stream))
        .route("/debugger/sessions/{id}", get(debugger::of_session))
        .route("/sessions/{id}", get(sessions::get))
        .route("/sessions/{id}/hangup", post(sessions::hang_up))
        .route("/knobs", get(knobs::get).put(knobs::put).patch(knobs::patch))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(simulator)
}
