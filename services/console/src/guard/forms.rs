//! Forms of our own pages.

use std::fmt;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use chassis::http::Body;
use serde::de::DeserializeOwned;

use super::caller::{Caller, Visitor};
use crate::Console;
use crate::problem::Problem;

/// A form that was sent by a page of ours, which put [`Visitor::csrf`] into its field `csrf`:
///
/// ```text
/// async fn drop_them(Form { visitor, fields }: Form<Chosen>) -> Result<Redirect, Problem> {
///     visitor.caller.may(Scope::Operate)?;
/// ```
///
/// Fields that may come more than once: `Form<Vec<(String, String)>>`.
pub(crate) struct Form<T> {
    /// Who sent it.
    pub(crate) visitor: Visitor,
    /// What they filled in.
    pub(crate) fields: T,
}

/// Shows who sent it alone: what people fill in names and quotes people.
impl<T> fmt::Debug for Form<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("visitor", &self.visitor).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let caller = Caller::admitted(&parts).map_err(IntoResponse::into_response)?;
        let read = Request::from_parts(parts.clone(), body);
        let Body(body) = Body::from_request(read, console).await.map_err(IntoResponse::into_response)?;
        let shown = url::form_urlencoded::parse(&body).find(|(name, _)| name == "csrf");
        caller.check_meant(shown.as_ref().map(|(_, shown)| shown.as_ref())).map_err(IntoResponse::into_response)?;
        let read = Request::from_parts(parts, body.into());
        let axum::Form(fields) = axum::Form::from_request(read, console).await.map_err(unreadable)?;
        Ok(Self { visitor: Visitor::of(caller), fields })
    }
}

/// What is answered to a form that cannot be read: nothing of what was filled in.
pub(super) fn unreadable(_refused: FormRejection) -> Response {
    Problem::bad_request("a field of the form is missing, or is not what it should be").into_response()
}
