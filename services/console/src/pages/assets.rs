//! Style sheets and scripts: part of the program, and kept by browsers for as long as they are the same.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::Console;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What browsers may keep, by its name.
const ASSETS: [(&str, &str, &str); 11] = [
    ("console.css", CSS, include_str!("assets/console.css")),
    ("dark.css", CSS, include_str!("assets/dark.css")),
    ("theme.js", SCRIPT, include_str!("assets/theme.js")),
    ("console.js", SCRIPT, include_str!("assets/console.js")),
    ("times.js", SCRIPT, include_str!("assets/times.js")),
    ("refresh.js", SCRIPT, include_str!("assets/refresh.js")),
    ("messages.js", SCRIPT, include_str!("assets/messages.js")),
    ("tester.js", SCRIPT, include_str!("assets/tester.js")),
    ("live.js", SCRIPT, include_str!("assets/live.js")),
    ("dead_letters.js", SCRIPT, include_str!("assets/dead_letters.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// A hash of all of them: it is part of their paths, so that a new version is fetched anew. One for all, so that a script
/// finds another beside itself.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let all = ASSETS.iter().fold(Sha256::new(), |all, (_, _, text)| all.chain_update(text));
    all.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// The path of one.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *EDITION)
}

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/assets/{edition}/{name}", get(serve))
}

/// A page of another version, that another replica served, gets what there is here, and does not keep it.
async fn serve(Path((edition, name)): Path<(String, String)>) -> Response {
    let Some((_, kind, text)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = if edition == *EDITION { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, kept)], *text).into_response()
}
