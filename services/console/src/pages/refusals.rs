//! Problems as pages, for people: whatever was refused, and by whom.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::layout::Page;
use super::pieces;
use crate::Console;
use crate::problem::Problem;

/// Middleware around everything: a browser that opens a page gets a page, also where there is none.
pub(crate) async fn told_to_people(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let is_for_people = is_page_wanted(request.headers()) && !request.uri().path().starts_with("/v1/");
    let response = next.run(request).await;
    if !is_for_people {
        return response;
    }
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let (mut refused, _) = response.into_parts();
    let page = Page::for_nobody(&console, problem.title());
    let page = page.shows_with(problem.status(), &pieces::refusal(&problem)).into_response();
    let (told, body) = page.into_parts();
    refused.headers.remove(header::CONTENT_LENGTH);
    refused.headers.extend(told.headers);
    Response::from_parts(refused, body)
}

/// What is answered where there is no page.
pub(crate) async fn nowhere() -> Problem {
    Problem::not_found("there is no page at this address")
}

fn is_page_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
