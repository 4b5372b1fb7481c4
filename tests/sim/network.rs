//! HTTP between the processes, and between Tropo and ingress: requests and answers that are slow, or lost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use ingress::{Answer, CallBack, CallBacks, ForwardError};
use messaging::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::replica::Service;
use crate::world::{World, lock};

/// A request at the door of a process.
pub(crate) struct Visit {
    pub(crate) request: Request<Body>,
    pub(crate) answer: oneshot::Sender<(StatusCode, Bytes)>,
}

/// Why a request got no answer. Whether it was handled is not known, but for the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("connection refused")]
    Refused,
    #[error("the request was lost")]
    RequestLost,
    #[error("connection reset")]
    Reset,
    #[error("the answer was lost")]
    AnswerLost,
    #[error("no answer in time")]
    TimedOut,
}

/// The doors of all processes.
pub(crate) struct Network {
    pub(crate) world: Arc<World>,
    doors: Mutex<BTreeMap<(Service, usize), mpsc::UnboundedSender<Visit>>>,
}

/// A request to a service.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) reply_to: Option<String>,
    pub(crate) body: Bytes,
    /// The session of Tropo's that it is about: what goes wrong excuses this one.
    pub(crate) session: String,
}

impl Network {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self { world, doors: Mutex::default() })
    }

    /// Opens the door of a process.
    pub(crate) fn open(&self, service: Service, replica: usize) -> mpsc::UnboundedReceiver<Visit> {
        let (door, visits) = mpsc::unbounded_channel();
        lock(&self.doors).insert((service, replica), door);
        visits
    }

    /// Closes it: nobody is let in any more.
    pub(crate) fn close(&self, service: Service, replica: usize) {
        lock(&self.doors).remove(&(service, replica));
    }

    /// Posts to any replica of a service, and waits so long for the answer.
    pub(crate) async fn post(
        &self,
        service: Service,
        post: &Post,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let answered = tokio::time::timeout(timeout, self.exchange(service, post)).await;
        let answered = answered.unwrap_or(Err(Failure::TimedOut));
        if let Err(failure) = &answered {
            self.world.trouble(&post.session, &format!("{service:?}: {failure}"));
        }
        answered
    }

    async fn exchange(&self, service: Service, post: &Post) -> Result<(StatusCode, Bytes), Failure> {
        let (world, faults) = (&self.world, &self.world.faults);
        world.travel().await;
        if world.hit(faults.request_lost) {
            return Err(Failure::RequestLost);
        }
        let door = {
            let doors = lock(&self.doors);
            let open: Vec<_> = doors.iter().filter(|((of, _), _)| *of == service).map(|(_, door)| door).collect();
            let index = world.dice.below(u64::try_from(open.len().max(1)).unwrap());
            let door = open.get(usize::try_from(index).unwrap()).ok_or(Failure::Refused)?;
            mpsc::UnboundedSender::clone(door)
        };
        let mut request = Request::post(&post.path).body(Body::from(post.body.clone())).unwrap();
        if let Some(reply_to) = &post.reply_to {
            request.headers_mut().insert(protocol::forward::REPLY_TO, reply_to.parse().unwrap());
        }
        let (answer, answered) = oneshot::channel();
        door.send(Visit { request, answer }).map_err(|_| Failure::Refused)?;
        let answer = answered.await.map_err(|_| Failure::Reset)?;
        world.travel().await;
        if world.hit(faults.answer_lost) { Err(Failure::AnswerLost) } else { Ok(answer) }
    }
}

/// The way from ingress to egress.
pub(crate) struct ToEgress(pub(crate) Arc<Network>);

impl fmt::Debug for ToEgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToEgress")
    }
}

impl CallBacks for ToEgress {
    fn offer<'a>(&'a self, call_back: CallBack<'a>, timeout: Duration) -> BoxFuture<'a, Result<Answer, ForwardError>> {
        Box::pin(async move {
            let CallBack { backend, reply_to, body } = call_back;
            let path = format!("/{}", protocol::forward::path(backend));
            let (reply_to, session) = (Some(reply_to.to_owned()), session_of(body));
            let post = Post { path, reply_to, body: body.clone(), session };
            let answered = self.0.post(Service::Egress, &post, timeout).await;
            let (status, body) = answered.map_err(|failure| ForwardError::Unreachable(failure.into()))?;
            Ok(Answer { status, body: body.to_vec() })
        })
    }
}

/// The session of a call-back.
fn session_of(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body.pointer("/session/id").and_then(serde_json::Value::as_str).unwrap().to_owned()
}
