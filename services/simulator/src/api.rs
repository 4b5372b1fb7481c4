//! Everything that is served: Tropo's session API, and the simulator's own.

mod applications;
mod create;
mod debugger;
mod knobs;
mod phones;
mod problem;
mod provisioning;
mod sessions;
mod target;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_request;
use axum::routing::{get, post};

use crate::Simulator;

/// How many lines or messages one answer holds at most.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// What `GET /` says.
const INDEX: &str = "\
A stand-in for Tropo, with virtual phones.

Tropo's own interfaces, under /1.0 and /v1 alike:
  /1.0/sessions                          token=T&action=create and your own parameters; GET, or POST of JSON, XML or a form
  /v1/applications                       GET, POST {\"name\": \"...\", \"messagingUrl\": \"http://...\"}
  /v1/applications/{id}                  GET, PUT, DELETE
  /v1/applications/{id}/addresses        GET, POST {\"type\": \"number\", \"prefix\": \"1407\"} or {\"type\": \"number\", \"number\":
                                         \"...\"} or {\"type\": \"token\", \"channel\": \"messaging\"} or {\"type\": \"jabber\",
                                         \"username\": \"...\"}; GET, DELETE .../{type}/{value}
  /v1/addresses?available&prefix=1407    numbers that are free; /v1/exchanges: where there are any
  /v1/webhooks                           GET, POST {\"event\": \"smsdlr\", \"targetUrl\": \"http://...\", \"resource\": \"sms\"}, or
                                         event cdrCreated, cdrRated; GET, DELETE .../{id}

Phones (any number is one; it may be written +15555550177 or 15555550177):
  POST /phones/{number}/texts            {\"to\": \"+15555550100\", \"text\": \"...\", \"network\": \"SMS\"}
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

How it misbehaves:
  GET  /knobs
  PUT  /knobs                            what is left out is as on a good day
";

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    let tropo = provisioning::routes().route("/sessions", get(create::create).post(create::create));
    let router = Router::new()
        .route("/", get(async || INDEX))
        .nest("/1.0", tropo.clone())
        .nest("/v1", tropo)
        .route("/phones", get(phones::list))
        .route("/phones/{number}/texts", post(phones::text))
        .route("/phones/{number}/messages", get(phones::messages))
        .route("/applications", get(applications::list).post(applications::add))
        .route("/debugger", get(debugger::all))
        .route("/debugger/sessions/{id}", get(debugger::of_session))
        .route("/sessions/{id}", get(sessions::get))
        .route("/knobs", get(knobs::get).put(knobs::put))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(simulator);
    // What is done to a target has to be done before anything looks for a route.
    Router::new().fallback_service(router).layer(map_request(target::plain))
}
