//! Where projects send to: `/rapidsms/NAME/vumi` and `/rapidsms/NAME/kannel`.
//!
//! A project waits for the answer while we wait for its answer to a text, and it never makes a refused request again. So
//! what can be kept is kept, and the answer says that it is, and waits for nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messaging::{Environment, Outgoing, Publisher};
use protocol::{Envelope, MessageSend, Network};

use super::in_hand::Asked;
use super::kannel;
use super::projects::Project;
use super::vumi;
use super::wanted::{Unusable, Wanted};
use crate::pipeline::Pipeline;
use crate::{Router, observe};

/// The longest wait for the bus, over all tries. A project whose router of apps is `BlockingRouter` waits as long, and so
/// does the request that gave it the text.
pub(super) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before messages are published again.
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);

/// How many messages are published at once, at most.
const AT_ONCE: usize = 256;

/// What a request of a project needs.
#[derive(Clone)]
struct Door {
    router: Arc<Router>,
    publisher: Publisher,
    environment: Environment,
}

/// Why a request of a project is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such project")]
    UnknownProject,
    #[error("the project is not believed")]
    Caller,
    #[error("the request is not usable")]
    Unusable(#[source] Unusable),
    #[error("the bus did not confirm the messages in time")]
    NotKept,
}

impl Refused {
    fn answer(&self) -> (StatusCode, String) {
        match self {
            Self::UnknownProject => (StatusCode::NOT_FOUND, self.to_string()),
            Self::Caller => (StatusCode::FORBIDDEN, "name or password is wrong".to_owned()),
            Self::Unusable(unusable) => (StatusCode::BAD_REQUEST, unusable.to_string()),
            Self::NotKept => {
                let words = "not available at present: it may or may not have been kept";
                (StatusCode::SERVICE_UNAVAILABLE, words.to_owned())
            }
        }
    }
}

impl Door {
    /// Has the messages sent, if they can be; returns their number. `accepted`: how that is answered.
    async fn take(
        &self,
        project: &Project,
        wanted: Result<Wanted, Unusable>,
        accepted: StatusCode,
    ) -> Result<usize, Refused> {
        let taken = match wanted {
            Ok(wanted) => self.keep(project, wanted).await,
            Err(unusable) => Err(Refused::Unusable(unusable)),
        };
        let status = taken.as_ref().map_or_else(|refused| refused.answer().0, |_| accepted);
        observe::wanted(&project.name, status);
        taken
    }

    /// Has the messages sent: returns their number once the bus has confirmed them.
    async fn keep(&self, project: &Project, wanted: Wanted) -> Result<usize, Refused> {
        let answered = self.router.projects.in_hand.answered_by(&project.name, &wanted);
        let network = answered.as_ref().map_or_else(Network::sms, |asked| asked.network.clone());
        let wanted = wanted.on(&network).map_err(Refused::Unusable)?;
        let reply = answered.as_ref().map(Asked::reply);
        let (fresh, now) = (self.environment.chance.uuid().into(), self.environment.now());
        let pipeline = self.router.pipeline();
        let messages = wanted.messages(project, answered.as_ref(), fresh, now);
        let outgoing = messages.filter_map(|message| prepared(&pipeline, message));
        let kept = tokio::select! {
            biased;
            kept = self.publish(outgoing) => kept,
            () = self.environment.clock.sleep(CONFIRM_TIMEOUT) => return Err(Refused::NotKept),
        };
        if let Some(reply) = reply {
            reply.kept(u32::try_from(kept).unwrap_or(u32::MAX));
        }
        Ok(wanted.to.len())
    }

    /// Publishes until the bus has confirmed all of them, and returns their number. Publishing again is safe, for they have
    /// the same ids. They are made as they are published: the text of many messages is in memory a few times, not many.
    async fn publish(&self, mut messages: impl Iterator<Item = Outgoing> + Send) -> usize {
        let mut kept = 0;
        loop {
            let some: Vec<_> = messages.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return kept;
            }
            while self.publisher.publish_all(&some).await.is_err() {
                self.environment.clock.sleep(PUBLISH_PAUSE).await;
            }
            kept += some.len();
        }
    }

    async fn vumi(&self, name: &str, request: Request) -> Response {
        let credentials = basic(request.headers());
        let (user, password) = credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str())).unzip();
        let project = match self.router.projects.known(name, user, password) {
            Ok(project) => project,
            Err(refused) => return vumi_refused(name, &refused),
        };
        // Who is not believed is not listened to: the body is read only now.
        let body = match chassis::http::Body::from_request(request, &()).await {
            Ok(chassis::http::Body(body)) => body,
            Err(rejection) => return rejection.into_response(),
        };
        match self.take(&project, vumi::read(&body), StatusCode::OK).await {
            Ok(messages) => axum::Json(serde_json::json!({ "messages": messages })).into_response(),
            Err(refused) => vumi_refused(name, &refused),
        }
    }

    async fn kannel(&self, name: &str, query: &str) -> Response {
        let request = kannel::Request::read(query);
        let kept = async {
            let projects = &self.router.projects;
            let project = projects.known(name, request.user().as_deref(), request.password().as_deref())?;
            self.take(&project, request.wanted(), StatusCode::ACCEPTED).await
        };
        // Kannel's own words.
        match kept.await {
            Ok(_) => (StatusCode::ACCEPTED, "0: Accepted for delivery").into_response(),
            Err(refused) => {
                observe::wanted_refused(name, &refused);
                refused.answer().into_response()
            }
        }
    }
}

/// The routes of the projects that `router` is configured with.
pub fn routes(router: Arc<Router>, publisher: Publisher, environment: Environment) -> axum::Router {
    let vumi =
        async |State(door): State<Door>, Path(name): Path<String>, request: Request| door.vumi(&name, request).await;
    let kannel = async |State(door): State<Door>, Path(name): Path<String>, uri: Uri| {
        door.kannel(&name, uri.query().unwrap_or_default()).await
    };
    axum::Router::new()
        .route("/rapidsms/{name}/vumi", post(vumi))
        .route("/rapidsms/{name}/kannel", get(kannel))
        .with_state(Door { router, publisher, environment })
}

/// The message, as the applications of phase `outgoing` leave it; nothing, where one of them cancels it.
fn prepared(pipeline: &Pipeline, Envelope { head, data }: Envelope<MessageSend>) -> Option<Outgoing> {
    match pipeline.outgoing(data) {
        Ok(data) => Some(Outgoing::new(&Envelope { head, data })),
        Err((application, because)) => {
            observe::cancelled(head.id, &application, &because);
            None
        }
    }
}

fn vumi_refused(name: &str, refused: &Refused) -> Response {
    observe::wanted_refused(name, refused);
    let (status, words) = refused.answer();
    let status = if status == StatusCode::FORBIDDEN { StatusCode::UNAUTHORIZED } else { status };
    let mut response = (status, axum::Json(serde_json::json!({ "error": words }))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"tropomq\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The name and password of HTTP Basic authentication.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests;
