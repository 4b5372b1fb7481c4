//! What applications elsewhere ask of the router, on its own listener: to send a message, when they like.
//!
//! Invariant: a message is answered 202 only after the bus has confirmed it. The same message asked for again, for the same
//! person of the same backend under its id or that of the request, is sent once.

mod problem;
mod wanted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chassis::http::Body;
use messaging::{Environment, Outgoing, PublishError, Publisher};
use protocol::{BackendName, Envelope, EventId, Timestamp};
use serde::Serialize;

use crate::pipeline::Pipeline;
use crate::signature::{self, Secrets, Signed};
use crate::{Router, observe};
use problem::Problem;
use wanted::Wanted;

/// The longest wait for the bus to confirm a message.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

/// What a request needs.
struct Door {
    router: Arc<Router>,
    backends: BTreeSet<BackendName>,
    publisher: Publisher,
    environment: Environment,
}

/// What is answered to a message that is kept.
#[derive(Serialize)]
struct Taken {
    id: EventId,
}

/// `POST /v1/applications/{name}/messages`: a message that an application wants sent through one of the backends.
pub fn routes(
    router: Arc<Router>,
    backends: BTreeSet<BackendName>,
    publisher: Publisher,
    environment: Environment,
) -> axum::Router {
    let door = Door { router, backends, publisher, environment };
    axum::Router::new().route("/v1/applications/{name}/messages", post(send)).with_state(Arc::new(door))
}

async fn send(
    State(door): State<Arc<Door>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    // One edition of the applications for all of it, whatever is configured meanwhile.
    let pipeline = door.router.pipeline();
    let known = name.parse::<BackendName>().ok().and_then(|name| Some((pipeline.secrets(&name)?, name)));
    let Some((secrets, name)) = known else {
        let told = "there is no application of this name that may ask for messages";
        return Problem::new(StatusCode::NOT_FOUND, told).into_response();
    };
    let taken = match believe(secrets, &headers, &body, door.environment.now()) {
        Ok(()) => door.take(&name, &pipeline, &headers, &body).await,
        Err(problem) => Err(problem),
    };
    match taken {
        Ok(taken) => {
            observe::wanted(&name, StatusCode::ACCEPTED);
            (StatusCode::ACCEPTED, Json(taken)).into_response()
        }
        Err(problem) => {
            observe::wanted(&name, problem.status);
            problem.into_response()
        }
    }
}

impl Door {
    /// Has a message sent that is believed to be the application's own.
    async fn take(
        &self,
        name: &BackendName,
        pipeline: &Pipeline,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Taken, Problem> {
        let wanted = Wanted::read(body)?;
        if !self.backends.contains(&wanted.backend) {
            let told = format!("backend: there is no backend {}", wanted.backend);
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told));
        }
        let fresh = || self.environment.chance.uuid().to_string();
        let key = wanted.key(text_of(headers, signature::ID));
        let id = EventId::of_application(name, &key.unwrap_or_else(fresh));
        let Envelope { head, data } = wanted.into_message(id, name, self.environment.now());
        data.sendable().map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        let data = pipeline.outgoing(data).map_err(|(application, because)| {
            Problem::new(StatusCode::CONFLICT, format!("application {application} cancelled it: {because}"))
        })?;
        self.publish(&Outgoing::new(&Envelope { head, data })).await?;
        Ok(Taken { id })
    }

    async fn publish(&self, message: &Outgoing) -> Result<(), Problem> {
        match tokio::time::timeout(CONFIRM_MAX, self.publisher.publish(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(PublishError::Unavailable(_) | PublishError::Refused | PublishError::NoRoom(_))) => {
                Err(Problem::not_kept("the message is not sent: ask again", false))
            }
            Ok(Err(PublishError::Unknown(_))) | Err(_) => {
                let told = "nobody confirmed the message, so it may or may not be sent: ask again with the same id";
                Err(Problem::not_kept(told, true))
            }
        }
    }
}

/// Believes that a request is the application's own: by its signature, or by the secret itself.
fn believe(secrets: &Secrets, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Problem> {
    let unbelieved = |told: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, told));
    let bearer = text_of(headers, header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    if let Some((_, shown)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        return if secrets.contain(shown.trim()) { Ok(()) } else { unbelieved("the secret is wrong") };
    }
    let [id, timestamp, signatures] =
        [signature::ID, signature::TIMESTAMP, signature::SIGNATURE].map(|name| text_of(headers, name));
    let (Some(id), Some(timestamp), Some(signatures)) = (id, timestamp, signatures) else {
        return unbelieved(
            "sign the request: webhook-id, webhook-timestamp and webhook-signature; or show the secret: Authorization: \
             Bearer whsec_...",
        );
    };
    secrets.verify(Signed { id, timestamp, signatures }, body, now).or_else(|error| unbelieved(&error.to_string()))
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
