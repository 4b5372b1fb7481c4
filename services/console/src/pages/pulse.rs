//! The stream that tells a page that there is something new.

use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Console;
use crate::api::asked::Asked;
use crate::feed::{KEEP_ALIVE, Wish};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// What a page shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    /// What happens with this backend alone.
    #[serde(default)]
    backend: String,
}

/// The stream.
pub(super) async fn follow(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(Shown { backend }): Asked<Shown>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    // What is no name means all of them.
    let wish = Wish { backend: backend.parse().ok(), ..Wish::default() };
    let told = console.pulse(&caller, wish)?;
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
