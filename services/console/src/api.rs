//! The HTTP API: `/v1/…`, and the document that describes it.

mod explanation;
mod messages;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Console;

/// The head of the document.
#[derive(OpenApi)]
#[openapi(info(
    title = "tropomq console",
    description = "What became of each text and message, and what can be done about it.",
    license(name = "Apache-2.0")
))]
struct Described;

/// The operations, with what describes them.
fn described() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(messages::list))
        .routes(routes!(explanation::of_message))
        .routes(routes!(explanation::of_person))
}

/// All of the API.
pub(crate) fn routes() -> Router<Arc<Console>> {
    let (router, document) = described().split_for_parts();
    router.route("/openapi.json", get(async || Json(document)))
}
