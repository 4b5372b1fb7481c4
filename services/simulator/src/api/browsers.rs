//! What browsers may do here. The simulator trusts whoever reaches it: so pages of other sites may change and launch
//! nothing, and a page under a name that somebody pointed here is served nothing. Other programs are served as they ask.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use chassis::http::Browser;

use super::problem::Problem;
use crate::Simulator;

/// The request, if it is no browser's, or one of a page of ours.
///
/// # Errors
/// 403, which says why.
pub(super) async fn ours(State(simulator): State<Arc<Simulator>>, request: Request) -> Result<Request, Problem> {
    let refused = |error: &str| Problem::new(StatusCode::FORBIDDEN, error);
    let browser = Browser::of(request.headers(), &simulator.hosts).map_err(|_| {
        refused("browsers are served under an IP address, localhost, or a name that simulator.hosts lists")
    })?;
    let is_foreign = browser.is_some_and(|browser| browser.is_foreign());
    if is_foreign && acts(request.method(), request.uri().path()) {
        return Err(refused(
            "a page of another site asks for this: pages may change and launch nothing but on their own site",
        ));
    }
    Ok(request)
}

/// Whether a request may change or launch something. Tropo's interfaces do so by GET, too.
fn acts(method: &Method, path: &str) -> bool {
    let is_tropos = ["/1.0/", "/v1/"].iter().any(|version| path.starts_with(version));
    !method.is_safe() || (is_tropos && (path.ends_with("/sessions") || path.ends_with("/signals")))
}
