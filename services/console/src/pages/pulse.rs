//! The stream that tells a page that there is something new.

use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use protocol::SessionId;
use serde::Deserialize;

use crate::Console;
use crate::api::asked::Asked;
use crate::feed::{KEEP_ALIVE, Wish};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// How many texts, messages and sessions a page can be about.
pub(super) const ABOUT_MAX: usize = 64;

/// What a page shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    /// What happens with this backend alone.
    #[serde(default)]
    backend: String,
    /// What happens with these texts, messages and sessions alone: their ids, with blanks between them.
    #[serde(default)]
    about: String,
}

impl Shown {
    fn wish(&self) -> Wish {
        let about = self.about.split_whitespace().filter_map(|id| id.parse::<SessionId>().ok());
        // What is no name means all of them.
        Wish { backend: self.backend.parse().ok(), about: about.take(ABOUT_MAX).collect(), ..Wish::default() }
    }
}

/// The stream.
pub(super) async fn follow(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(shown): Asked<Shown>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let told = console.pulse(&caller, shown.wish())?;
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
