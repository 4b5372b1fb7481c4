//! Lets a request in, or answers it: the one way to every page and to the API.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::http::{Browser, is_host_known};
use store::{Digest, SignedIn};

use super::Scope;
use super::caller::{Caller, Proof};
use super::headers::{self, is_forwarded};
use super::login;
use super::sessions::Secret;
use crate::Console;
use crate::problem::Problem;

/// Middleware for everything that is served: finds out who asks, and puts a [`Caller`] into the request. Whoever is not
/// known gets to the login page and what it looks like, and no further.
pub(crate) async fn admit(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match enter(&console, &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => refused,
    };
    headers::guard(response.headers_mut());
    response
}

async fn enter(console: &Console, request: &mut Parts) -> Result<(), Response> {
    check_browser(console, request).map_err(IntoResponse::into_response)?;
    if is_public(request.uri.path()) {
        return Ok(());
    }
    match console.identify(request).await.map_err(IntoResponse::into_response)? {
        Some(caller) => {
            request.extensions.insert(caller);
            Ok(())
        }
        None if is_of_program(request) => {
            let detail = "show a token (Authorization: Bearer …), or sign in at /login";
            Err(Problem::not_known(detail).into_response())
        }
        None => Err(login::redirect(&request.method, &request.uri)),
    }
}

/// What a browser asks for comes from a page of ours, or from whoever sits before it.
fn check_browser(console: &Console, request: &Parts) -> Result<(), Problem> {
    let browser = Browser::of(&request.headers, &console.config.hosts).map_err(|_| unknown_host("browsers are"))?;
    let Some(browser) = browser else { return Ok(()) };
    let follows_link = request.method == Method::GET && browser.navigates();
    if browser.is_foreign() && !follows_link {
        return Err(Problem::foreign("a page of another site asks for this: only pages of the console itself may"));
    }
    Ok(())
}

fn unknown_host(who: &str) -> Problem {
    Problem::foreign(format!("{who} served under an IP address, localhost, or a name that console.hosts lists"))
}

/// What is served to whoever asks: the login page, and what pages look like.
fn is_public(path: &str) -> bool {
    path == login::PATH || path.starts_with("/assets/")
}

/// Whether a program asks, and not a person for a page.
fn is_of_program(request: &Parts) -> bool {
    let path = request.uri.path();
    path.starts_with("/v1/") || path == "/openapi.json" || request.headers.contains_key(header::AUTHORIZATION)
}

impl Console {
    /// Who asks; `None`: nobody who is known.
    async fn identify(&self, request: &Parts) -> Result<Option<Caller>, Problem> {
        let headers = &request.headers;
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            let token = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let found = token.and_then(|(_, token)| self.guard.tokens.find(token.trim()));
            return match found {
                Some((name, scopes)) => Ok(Some(Caller::new(name, scopes, Proof::Program))),
                None => Err(Problem::not_known("this token is not one of console.tokens")),
            };
        }
        // Whoever shows no token may be a browser that does not say so, with a page under a name that somebody pointed here.
        if !is_host_known(headers, &self.config.hosts) {
            return Err(unknown_host("without a token one is"));
        }
        if let Some(secret) = &self.guard.open {
            check_is_here(request)?;
            return Ok(Some(Caller::new("anybody", &Scope::ALL, self.proof(headers, secret))));
        }
        let Some(secret) = Secret::of_cookie(headers) else { return Ok(None) };
        let signed_in = self.signed_in(&secret.digest()).await?;
        let user = signed_in.and_then(|signed_in| self.guard.users.find(&signed_in.user, &signed_in.proof));
        let Some((name, scopes)) = user else { return Ok(None) };
        Ok(Some(Caller::new(name, scopes, Proof::Session { csrf: secret.csrf(), secret })))
    }

    /// Whose session this is. While the database is away, what it said lately holds.
    async fn signed_in(&self, session: &Digest) -> Result<Option<SignedIn>, Problem> {
        let (lately, now) = (&self.guard.lately, self.environment.now());
        let read = async { Ok::<_, Problem>(self.database()?.desk.signed_in(session, now).await?) };
        match read.await {
            Ok(signed_in) => {
                lately.learn(session, signed_in.as_ref(), now);
                Ok(signed_in)
            }
            Err(problem) => lately.find(session, now).map(Some).ok_or(problem),
        }
    }

    /// What shows, while everybody may do anything, that a request was meant.
    fn proof(&self, headers: &HeaderMap, secret: &Secret) -> Proof {
        let is_browser = Browser::of(headers, &self.config.hosts).is_ok_and(|browser| browser.is_some());
        if is_browser { Proof::Open { csrf: secret.csrf() } } else { Proof::Program }
    }
}

/// Nobody but this machine asks.
fn check_is_here(request: &Parts) -> Result<(), Problem> {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let is_here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    // What stands before the console is on this machine, and those that it speaks for are not.
    if is_here && !is_forwarded(&request.headers) {
        return Ok(());
    }
    Err(Problem::foreign("without console.users and console.tokens only programs on this machine are served"))
}
