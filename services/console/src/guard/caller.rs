//! Who asks, as handlers see it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;

use super::Scope;
use super::sessions::{Csrf, Secret};
use crate::Console;
use crate::problem::Problem;

/// The header in which a script of ours shows that a page of ours asks.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Somebody who asks. For handlers of the API:
///
/// ```text
/// async fn list(caller: Caller) -> Result<Json<…>, Problem> {
///     caller.may(Scope::Read)?;
/// ```
///
/// What a browser sends to change anything has to come with the header `x-csrf-token`, or it is refused before.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The name of the user, or of the token.
    pub(crate) name: String,
    /// What they may do.
    scopes: Vec<Scope>,
    proof: Proof,
}

/// Somebody who looks at a page. For handlers of pages: whoever is not signed in is sent to the login page before.
///
/// A page that is posted to takes a [`Form`](super::Form) instead, which holds the visitor; what a script posts needs
/// the header `x-csrf-token`.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Who it is.
    pub(crate) caller: Caller,
    /// What every form of a page has to have in its field `csrf`, and every request of a script in its header
    /// `x-csrf-token`.
    pub(crate) csrf: Csrf,
}

/// By what somebody is known.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// By what a program sends, or by being there: no browser has that for a page of others.
    Program,
    /// By a cookie.
    Session { secret: Secret, csrf: Csrf },
    /// By being there, in a browser.
    Open { csrf: Csrf },
}

impl Caller {
    pub(super) fn new(name: &str, scopes: &[Scope], proof: Proof) -> Self {
        Self { name: name.to_owned(), scopes: scopes.to_vec(), proof }
    }

    /// # Errors
    /// They may not: 403, which names the scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) { Ok(()) } else { Err(Problem::not_permitted(scope)) }
    }

    /// Whether they may.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The secret of the session by which they are known.
    pub(super) fn session(&self) -> Option<&Secret> {
        match &self.proof {
            Proof::Session { secret, .. } => Some(secret),
            Proof::Program | Proof::Open { .. } => None,
        }
    }

    /// What has to be shown with whatever changes anything.
    fn csrf(&self) -> Option<&Csrf> {
        match &self.proof {
            Proof::Session { csrf, .. } | Proof::Open { csrf } => Some(csrf),
            Proof::Program => None,
        }
    }

    /// # Errors
    /// A browser asks, and does not show that a page of ours had it ask: 403.
    pub(super) fn check_meant(&self, shown: Option<&str>) -> Result<(), Problem> {
        match self.csrf() {
            Some(csrf) if !shown.is_some_and(|shown| csrf.is(shown)) => Err(Problem::not_meant()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whoever was let in.
    pub(super) fn admitted(parts: &Parts) -> Result<Self, Problem> {
        // There is one behind every route but the public ones.
        parts.extensions.get().cloned().ok_or_else(|| Problem::not_known("sign in at /login"))
    }
}

impl Visitor {
    pub(super) fn of(caller: Caller) -> Self {
        let csrf = caller.csrf().cloned().unwrap_or_default();
        Self { caller, csrf }
    }
}

impl FromRequestParts<Arc<Console>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _console: &Arc<Console>) -> Result<Self, Problem> {
        let caller = Self::admitted(parts)?;
        if !parts.method.is_safe() {
            caller.check_meant(parts.headers.get(CSRF).and_then(|shown| shown.to_str().ok()))?;
        }
        Ok(caller)
    }
}

impl FromRequestParts<Arc<Console>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Problem> {
        Ok(Self::of(Caller::from_request_parts(parts, console).await?))
    }
}
