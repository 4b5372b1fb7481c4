//! The pages: rendered here, complete without a script; the scripts only keep them current.

mod assets;
mod layout;
mod pieces;

use std::sync::Arc;

use axum::Router;

use crate::Console;

/// All pages.
pub(crate) fn routes() -> Router<Arc<Console>> {
    assets::routes()
}
