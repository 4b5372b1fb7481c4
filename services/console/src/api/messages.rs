//! Texts and messages, listed and looked up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::{LogFilter, LogPage};
use utoipa::ToSchema;

use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::{Console, Message};

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed {
    /// Texts and messages, the newest first.
    messages: Vec<Message>,
    /// What to ask for the next page with; nothing: this is the last.
    next: Option<String>,
}

/// Texts and messages, the newest first.
#[utoipa::path(get, path = "/v1/messages", responses((status = OK, body = Listed), (status = "4XX", body = Problem)))]
pub(crate) async fn list(State(console): State<Arc<Console>>, caller: Caller) -> Result<Json<Listed>, Problem> {
    caller.may(Scope::Read)?;
    let journal = &console.database()?.journal;
    let found = journal.log(&LogFilter::default(), LogPage { before: None, limit: 50 }).await?;
    let messages = found.into_iter().map(|logged| Message::of(logged, &caller)).collect();
    Ok(Json(Listed { messages, next: None }))
}
