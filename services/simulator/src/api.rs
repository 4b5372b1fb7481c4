//! Everything that is served: Tropo's session API, and the simulator's own.

mod applications;
mod browsers;
mod create;
mod debugger;
mod knobs;
mod pages;
mod phones;
mod problem;
mod provisioning;
mod sessions;
mod signals;
mod stream;
mod target;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{map_request, map_request_with_state};
use axum::routing::{get, post};

use crate::Simulator;

/// How many lines or messages one answer holds at most.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// What `GET /` says, where no browser asks.
pub(crate) const INDEX: &str = "\
A stand-in for Tropo, with virtual phones.

Tropo's own interfaces, under /1.0 and /v1 alike:
  /1.0/sessions                          token=T&action=create and your own parameters; GET, or POST of JSON, XML or a form
  /1.0/sessions/{id}/signals             action=signal&value=NAME, or {\"signal\": \"NAME\"}: interrupts a session
  /v1/applications                       GET, POST {\"name\": \"...\", \"messagingUrl\": \"http://...\"}
  /v1/applications/{id}                  GET, PUT, DELETE
  /v1/applications/{id}/addresses        GET, POST {\"type\": \"number\", \"prefix\": \"1407\"} or {\"type\": \"number\", \"number\":
                                         \"...\"} or {\"type\": \"token\", \"channel\": \"messaging\"} or {\"type\": \"jabber\",
                                         \"username\": \"...\"}; GET, DELETE .../{type}/{value}
  /v1/addresses?available&prefix=1407    numbers that are free; /v1/exchanges: where there are any
  /v1/webhooks                           GET, POST {\"event\": \"smsdlr\", \"targetUrl\": \"http://...\", \"resource\": \"sms\"}, or
                                         event cdrCreated, cdrRated; GET, DELETE .../{id}

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
  GET  /debugger                         ?session=ID&after=LINE&limit=1000, or &last=100 for the latest
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
    let tropo = provisioning::routes()
        .route("/sessions", get(create::create).post(create::create))
        .route("/sessions/{id}/signals", get(signals::signal).post(signals::signal))
        // The PHP client leaves `sessions/` out.
        .route("/{id}/signals", get(signals::signal).post(signals::signal));
    let router = Router::new()
        .route("/", get(pages::index))
        .merge(pages::router())
        .nest("/1.0", tropo.clone())
        .nest("/v1", tropo)
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
        .with_state(Arc::clone(&simulator));
    // What is done to a target has to be done before anything looks at it.
    let browsers = map_request_with_state(simulator, browsers::ours);
    Router::new().fallback_service(router).layer(browsers).layer(map_request(target::plain))
}
