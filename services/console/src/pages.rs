//! The pages: rendered here, complete without a script; the scripts only keep them current.

use std::sync::Arc;

use axum::Router;

use crate::Console;

/// All pages.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
}
