//! Signing in and out, without a script.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Query, State};

use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use chassis::network::client;
use maud::html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::{Digest, SignedIn};

use super::Guard;
use super::attempts::TooMany;
use super::forms::{Form, unreadable};
use super::sessions::{self, Secret};
use super::users::{Busy, PASSWORD_BYTES_MAX};
use crate::pages::layout::Page;
use crate::pages::pieces;
use crate::problem::Problem;
use crate::{Console, observe};

/// Where one signs in.
pub(super) const PATH: &str = "/login";

/// What is said where a session could not be ended everywhere.
const NOT_ENDED: &str = "this browser is signed out; the database does not answer, so whoever has the former cookie \
                         elsewhere is signed in until the session ends by itself";

/// Where a visitor was about to go.
#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

/// What was filled in.
#[derive(Deserialize)]
struct Login {
    user: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// Of the form that signs out nothing but the proof that it is ours is read.
#[derive(Debug, Deserialize)]
struct Logout {}

/// The page where one signs in, and where its form and that of signing out go.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route(PATH, get(show).post(sign_in)).route("/logout", post(sign_out))
}

/// To the login page, and from there to where somebody was about to go.
pub(super) fn redirect(method: &Method, to: &Uri) -> Response {
    let next = to.path_and_query().map(PathAndQuery::as_str).filter(|_| *method == Method::GET);
    let next = next.filter(|next| *next != "/").map(|next| utf8_percent_encode(next, NON_ALPHANUMERIC));
    let query = next.map(|next| format!("?next={next}")).unwrap_or_default();
    Redirect::to(&format!("{PATH}{query}")).into_response()
}

async fn show(State(console): State<Arc<Console>>, Query(Next { next }): Query<Next>) -> Response {
    if console.guard.open.is_some() {
        return Redirect::to(own_path(&next)).into_response();
    }
    page(&console, StatusCode::OK, &next, None)
}

async fn sign_in(
    State(console): State<Arc<Console>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    login: Result<axum::Form<Login>, FormRejection>,
) -> Result<Response, Problem> {
    let axum::Form(Login { user, password, next }) = match login {
        Ok(login) => login,
        Err(refused) => return Ok(unreadable(refused)),
    };
    // All that is not told apart counts as one.
    let proxies = &console.config.trusted_proxies;
    let address = peer.and_then(|Extension(ConnectInfo(peer))| client(peer.ip(), &headers, proxies));
    let now = console.environment.now();
    let proof = match console.guard.look_at(address, &user, password, now).await {
        Ok(proof) => proof,
        Err(refused) => return Ok(refused.answer(&console, &next)),
    };
    // A browser that signs in again is another session: what was known of the former one is of no use.
    if let Some(former) = Secret::of_cookie(&headers) {
        console.end(&former.digest()).await?;
    }
    let secret = Secret::random(&*console.environment.chance);
    let (session, session_max) = (secret.digest(), console.config.session_max);
    let until = now.checked_add(session_max).unwrap_or(now);
    console.database()?.desk.sign_in(&SignedIn { session, user, proof, since: now, until }).await?;
    let mut response = Redirect::to(own_path(&next)).into_response();
    let cookie = secret.cookie(&headers, session_max);
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// Why somebody is not signed in.
enum NotSignedIn {
    /// The name or the password is wrong.
    Wrong,
    /// There were too many attempts.
    TooMany(TooMany),
    /// Too many passwords are being looked at.
    Busy,
}

impl Guard {
    /// Looks at a password, if that may be tried now. Gives what is put on record of it.
    async fn look_at(
        &self,
        address: Option<IpAddr>,
        user: &str,
        password: SecretString,
        now: Timestamp,
    ) -> Result<Digest, NotSignedIn> {
        self.attempts.begin(address, user, now).map_err(NotSignedIn::TooMany)?;
        if PASSWORD_BYTES_MAX < password.expose_secret().len() {
            return Err(NotSignedIn::Wrong);
        }
        let proof = match self.users.sign_in(user, password).await {
            Ok(Some(proof)) => Ok(proof),
            Ok(None) => return Err(NotSignedIn::Wrong),
            Err(Busy) => Err(NotSignedIn::Busy),
        };
        self.attempts.give_back(address, user);
        proof
    }
}

impl NotSignedIn {
    /// The page again, with what is wrong.
    fn answer(&self, console: &Console, next: &str) -> Response {
        let (status, trouble, wait) = match self {
            Self::Wrong => {
                observe::not_signed_in();
                (StatusCode::UNAUTHORIZED, "The name or the password is wrong.", None)
            }
            Self::TooMany(TooMany { retry_after }) => {
                observe::not_tried();
                (StatusCode::TOO_MANY_REQUESTS, "Too many attempts: wait a moment.", Some(retry_after.as_secs() + 1))
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too much is asked at once: wait a moment.", Some(1)),
        };
        let mut response = page(console, status, next, Some(trouble));
        response.headers_mut().extend(wait.map(|wait| (header::RETRY_AFTER, HeaderValue::from(wait))));
        response
    }
}

async fn sign_out(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Form { visitor, fields: Logout {} }: Form<Logout>,
) -> Response {
    let ended = match visitor.caller.session() {
        Some(secret) => console.end(&secret.digest()).await,
        None => Ok(()),
    };
    // Whatever the database says: the browser is signed out.
    let mut response = match ended {
        Ok(()) => Redirect::to(PATH).into_response(),
        Err(_) => Problem::unavailable(NOT_ENDED).into_response(),
    };
    response.headers_mut().extend(sessions::no_cookie(&headers).map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

impl Console {
    /// Ends a session, for all replicas.
    ///
    /// # Errors
    /// The database does not answer.
    async fn end(&self, session: &Digest) -> Result<(), Problem> {
        self.guard.lately.end(session, self.environment.now());
        Ok(self.database()?.desk.sign_out(session).await?)
    }
}

/// Where to go, if it is a page of ours; else to the first one. A browser takes what begins with `//` or `/\` for another
/// host's, and leaves out control characters before it looks.
fn own_path(next: &str) -> &str {
    let mut chars = next.chars();
    let is_path = chars.next() == Some('/') && !matches!(chars.next(), Some('/' | '\\'));
    if is_path && next.bytes().all(|byte| byte.is_ascii_graphic()) { next } else { "/" }
}

fn page(console: &Console, status: StatusCode, next: &str, trouble: Option<&str>) -> Response {
    let form = html! {
        @if let Some(trouble) = trouble { p.said.failed role="alert" { (trouble) } }
        @if console.config.users.is_empty() {
            p { "There are no users: " code { "tropomq password" } " makes a password for " code { "console.users" } "." }
        }
        form.stack method="post" action=(PATH) {
            input type="hidden" name="next" value=(own_path(next));
            (pieces::field("Name", "user", html! {
                input #user name="user" autocomplete="username" autocapitalize="none" required autofocus;
            }))
            (pieces::field("Password", "password", html! {
                input #password name="password" type="password" autocomplete="current-password" required;
            }))
            button type="submit" { "Sign in" }
        }
    };
    Page::for_nobody(console, "Sign in").shows_with(status, &form)
}
