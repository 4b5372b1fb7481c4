//! The HTTP API: `/v1/…`, and the document that describes it.

#![expect(unused_qualifications, reason = "as utoipa writes what it derives")]

mod acts;
pub(crate) mod asked;
mod dead_letters;
mod document;
mod events;
pub(crate) mod explanation;
mod messages;
mod sending;
mod simulated;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, get};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Console;
use crate::problem::Problem;

/// The operations, with what describes them.
fn described() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::with_openapi(document::Head::openapi())
        .routes(routes!(messages::list, sending::send))
        .routes(routes!(messages::export))
        .routes(routes!(messages::get))
        .routes(routes!(explanation::of_message))
        .routes(routes!(explanation::of_person))
        .routes(routes!(sending::send_all))
        .routes(routes!(sending::text))
        .routes(routes!(events::watch))
        .routes(routes!(state::status))
        .routes(routes!(state::backends))
        .routes(routes!(state::opt_outs))
        .routes(routes!(state::applications))
        .routes(routes!(state::balance))
        .routes(routes!(state::configuration))
        .routes(routes!(acts::list))
        .routes(routes!(simulated::phones))
        .routes(routes!(simulated::received))
        .routes(routes!(simulated::debugger))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::groups))
        .routes(routes!(dead_letters::get))
        .routes(routes!(dead_letters::work))
        .routes(routes!(dead_letters::replay))
}

/// The OpenAPI document.
pub(crate) fn document() -> serde_json::Value {
    document::complete(&described().into_openapi())
}

/// All of the API.
pub(crate) fn routes() -> Router<Arc<Console>> {
    let (router, described) = described().split_for_parts();
    let document = document::written(&document::complete(&described));
    router
        .route("/openapi.json", get(async move || document::answer(document.clone())))
        .route("/v1", any(nothing))
        .route("/v1/{*rest}", any(nothing))
        .method_not_allowed_fallback(not_so)
}

async fn nothing() -> Problem {
    Problem::not_found("nothing is here: /openapi.json says what is where, and /api shows it")
}

async fn not_so() -> Problem {
    let told = "not with this method: /openapi.json says what is where, and /api shows it";
    Problem::http(StatusCode::METHOD_NOT_ALLOWED, told)
}
