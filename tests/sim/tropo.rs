//! A model of Tropo and of the phones behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use egress::{ClientError, SessionApi};
use messaging::{BoxFuture, Environment};
use protocol::{EventId, SessionId};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use tropo::document::{Action, Document};
use tropo::launch::{self, LaunchReply, Launched, Refusal, ReplyFormat};
use tropo::result::{SessionReport, SessionState};
use tropo::session::{Party, Session, UserType};
use tropo::ticket::{Keyring, Ticket};

use crate::network::{Failure, Network, Post};
use crate::replica::Service;
use crate::settings::RESENDING;
use crate::world::{World, lock};

/// How long Tropo waits for an answer to a webhook, and egress for one of Tropo's.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// A text that a person sends, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) backend: &'static str,
    pub(crate) phone: String,
    /// What is texted; the answer to it is expected to hold the last word alone, or there is none.
    pub(crate) words: String,
    pub(crate) is_answered: bool,
    pub(crate) taken: Taken,
}

/// What Tropo was told about a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// 2xx.
    Yes,
    /// 503, and that nothing was kept.
    No,
    /// Anything else, or nothing.
    Unknown,
}

/// A session that egress launched.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) message_id: EventId,
    /// The words that it texted, and to whom.
    pub(crate) texted: Option<(String, String)>,
    /// What it reported, and whether that was taken.
    pub(crate) reported: Option<(&'static str, bool)>,
}

/// Tropo.
pub(crate) struct Tropo {
    world: Arc<World>,
    network: Arc<Network>,
    keyring: Keyring,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The texts, by their session.
    pub(crate) texts: BTreeMap<String, Text>,
    pub(crate) launches: BTreeMap<String, Launch>,
    /// The messages that were refused for good.
    pub(crate) rejected: Vec<EventId>,
    under_way: usize,
}

impl Tropo {
    pub(crate) fn new(world: Arc<World>, network: Arc<Network>, keyring: Keyring) -> Arc<Self> {
        Arc::new(Self { world, network, keyring, state: Mutex::default() })
    }

    pub(crate) fn is_quiet(&self) -> bool {
        lock(&self.state).under_way == 0
    }

    /// What became of everything, at the end.
    pub(crate) fn take_state(&self) -> State {
        std::mem::take(&mut lock(&self.state))
    }

    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        lock(&self.state).under_way += 1;
        let tropo = Arc::clone(self);
        self.world.spawn(async move {
            work.await;
            lock(&tropo.state).under_way -= 1;
        });
    }

    /// Posts a webhook, or two; the first good answer counts.
    async fn webhook(&self, path: &str, body: Vec<u8>, session: &str) -> Result<(StatusCode, Bytes), Failure> {
        let (path, body, session) = (path.to_owned(), body.into(), session.to_owned());
        let post = Post { path, reply_to: None, body, session };
        let once = || self.network.post(Service::Ingress, &post, WEBHOOK_TIMEOUT);
        if !self.world.hit(self.world.faults.posted_twice) {
            return once().await;
        }
        self.world.note(format_args!("posts a webhook of {} twice", post.session));
        let late = async {
            self.world.rest(3000).await;
            once().await
        };
        let (first, second) = futures::future::join(once(), late).await;
        // What says least counts, where neither was taken.
        let (first_rank, second_rank) = (rank(&first), rank(&second));
        if second_rank < first_rank { second } else { first }
    }

    /// A person texts.
    pub(crate) fn text(self: &Arc<Self>, session: String, text: Text) {
        let tropo = Arc::clone(self);
        self.spawn(async move {
            let mut webhook = Session::new(session.parse().unwrap(), UserType::Human);
            webhook.initial_text = Some(text.words.clone());
            webhook.from = Some(Party::text(text.phone.clone(), "SMS"));
            webhook.to = Some(Party::text("15555550100", "SMS"));
            let path = format!("/tropo/{}", text.backend);
            lock(&tropo.state).texts.insert(session.clone(), text);
            let answered = tropo.webhook(&path, webhook.to_body(), &session).await;
            let taken = match &answered {
                Ok((status, _)) if status.is_success() => Taken::Yes,
                // Of two posts, the other may have been taken.
                Ok((_, body)) if says_nothing_was_kept(body) && !tropo.world.is_troubled(&session) => Taken::No,
                Ok(_) | Err(_) => Taken::Unknown,
            };
            match answered {
                Ok((status, _)) => tropo.world.note(format_args!("text {session} was answered {status}: {taken:?}")),
                Err(failure) => tropo.world.note(format_args!("text {session} was not answered: {failure}")),
            }
            lock(&tropo.state).texts.get_mut(&session).unwrap().taken = taken;
        });
    }

    /// A request for a session; the reply, if it is not lost, is a status and a body.
    async fn create(self: Arc<Self>, backend: String, ticket: String, reply: oneshot::Sender<(u16, Vec<u8>)>) {
        let (world, faults) = (&self.world, &self.world.faults);
        world.travel().await;
        if world.hit(faults.request_lost) {
            return;
        }
        let opened: Ticket = self.keyring.open(&ticket, world.now()).unwrap();
        if world.hit(faults.create_throttled) {
            let _ = reply.send((429, Vec::new()));
            return;
        }
        if world.hit(faults.create_rejected) {
            world.note(format_args!("Tropo rejects {}", opened.message_id));
            lock(&self.state).rejected.push(opened.message_id);
            let _ = reply.send((200, br#"{"success":false,"error":"invalid token"}"#.to_vec()));
            return;
        }
        let is_failed = world.hit(faults.create_failed);
        if is_failed && world.dice.falls(0.5) {
            let _ = reply.send((500, Vec::new()));
            return;
        }
        let id = {
            let mut state = lock(&self.state);
            let id = format!("b{}", state.launches.len());
            let launch = Launch { message_id: opened.message_id, texted: None, reported: None };
            state.launches.insert(id.clone(), launch);
            id
        };
        world.note(format_args!("session {id} is created for {}", opened.message_id));
        let tropo = Arc::clone(&self);
        self.spawn(tropo.call_back(backend, id.clone(), ticket));
        world.rest(200).await;
        if world.hit(faults.create_answer_lost) {
            return;
        }
        let body = if is_failed {
            Vec::new()
        } else {
            let token = Some("token".to_owned());
            LaunchReply { success: true, token, id: Some(id), error: None }.to_body(ReplyFormat::Json)
        };
        let _ = reply.send((if is_failed { 502 } else { 200 }, body));
    }

    /// A session calls back, and does what it is told.
    async fn call_back(self: Arc<Self>, backend: String, id: String, ticket: String) {
        let (world, faults) = (&self.world, &self.world.faults);
        world.rest(if world.hit(faults.late_call_back) { 20_000 } else { 300 }).await;
        if world.hit(faults.no_call_back) {
            return;
        }
        let mut webhook = Session::new(id.parse().unwrap(), UserType::None);
        webhook.parameters.insert(Ticket::PARAMETER.to_owned(), ticket);
        let (status, body) = match self.webhook(&format!("/tropo/{backend}"), webhook.to_body(), &id).await {
            Ok(answer) => answer,
            Err(failure) => return world.note(format_args!("session {id} got no answer: {failure}")),
        };
        if status.is_client_error() {
            return world.violation(format!("the call-back of session {id} was answered {status}"));
        }
        if !status.is_success() {
            return world.note(format_args!("session {id} was answered {status}"));
        }
        let document = Document::read(&body, None).unwrap();
        let message = document.actions.iter().find_map(|action| match action {
            Action::Message(message) => Some(message),
            _ => None,
        });
        let Some(message) = message else { return world.note(format_args!("session {id} hangs up")) };
        let event = if world.hit(faults.incomplete) { "incomplete" } else { "continue" };
        if event == "continue" {
            let words = message.say.first().map(|say| say.value.clone()).unwrap_or_default();
            self.ring(&id, message.to.first().cloned().unwrap_or_default(), words);
        }
        let next = document.handlers().find(|on| on.event == event).and_then(|on| on.next.clone()).unwrap();
        world.rest(500).await;
        self.report(&id, event, &format!("/tropo/{next}")).await;
    }

    fn ring(&self, session: &str, to: String, words: String) {
        self.world.note(format_args!("RING {to}: {words:?}, by session {session}"));
        let mut state = lock(&self.state);
        let is_resent = state.texts.values().any(|text| text.backend == RESENDING && text.words.ends_with(&words));
        for (earlier, launch) in &state.launches {
            let is_same = launch.texted.as_ref().is_some_and(|(_, said)| *said == words);
            // Only what nobody may know to be sent is sent again, and only where that is wanted.
            if is_same && !(is_resent && self.world.is_troubled(earlier)) {
                self.world.violation(format!("{to} was texted {words:?} twice, by sessions {earlier} and {session}"));
            }
        }
        state.launches.get_mut(session).unwrap().texted = Some((to, words));
    }

    /// A session reports, once, how it ended.
    async fn report(&self, id: &str, event: &'static str, path: &str) {
        let (world, faults) = (&self.world, &self.world.faults);
        if world.hit(faults.no_result) {
            return world.trouble(id, "no result is posted");
        }
        let session_id: Option<SessionId> = id.parse().ok();
        let report = SessionReport { session_id, state: Some(SessionState::Disconnected), ..SessionReport::default() };
        let answered = self.webhook(path, report.to_body(), id).await;
        let is_taken = answered.as_ref().is_ok_and(|(status, _)| status.is_success());
        let status = answered.map(|(status, _)| status);
        world.note(format_args!("the {event} of session {id} was answered {status:?}"));
        if !is_taken {
            world.trouble(id, "the result was not taken");
        }
        lock(&self.state).launches.get_mut(id).unwrap().reported = Some((event, is_taken));
        if event == "continue" && world.hit(0.3) {
            world.rest(2000).await;
            let (backend, _) = path.split_once('?').unwrap();
            let report = format!(r#"{{"sessionId":"{id}","status":"accepted"}}"#);
            let answered = self.webhook(backend, report.into_bytes(), id).await.map(|(status, _)| status);
            world.note(format_args!("the delivery report of session {id} was answered {answered:?}"));
        }
    }
}

/// The best answer first; the one that is sure that nothing happened last.
fn rank(answered: &Result<(StatusCode, Bytes), Failure>) -> u8 {
    match answered {
        Ok((status, _)) if status.is_success() => 0,
        Ok((_, body)) if says_nothing_was_kept(body) => 2,
        Ok(_) | Err(_) => 1,
    }
}

fn says_nothing_was_kept(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("nothing was kept")
}

/// The session API as egress reaches it.
pub(crate) struct SessionClient(pub(crate) Arc<Tropo>);

impl fmt::Debug for SessionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionClient")
    }
}

impl SessionApi for SessionClient {
    fn create<'a>(
        &'a self,
        token: &'a SecretString,
        ticket: String,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Launched, ClientError>> {
        Box::pin(async move {
            let backend = token.expose_secret().trim_start_matches("token of ").to_owned();
            let (reply, replied) = oneshot::channel();
            let tropo = &self.0;
            tropo.spawn(Arc::clone(tropo).create(backend, ticket, reply));
            let replied = tokio::time::timeout(CREATE_TIMEOUT, replied).await;
            let Ok(Ok((status, body))) = replied else {
                return Err(ClientError::Unreachable("the answer was lost".into()));
            };
            tropo.world.travel().await;
            launch::judge(status, None, &body, environment.now()).map_err(|refusal: Refusal| {
                tropo.world.note(format_args!("egress hears of Tropo: {refusal}"));
                ClientError::Refused { status, refusal }
            })
        })
    }
}
