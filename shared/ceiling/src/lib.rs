//! The least program that takes a conversation over the same hops with the same guarantees, and does nothing else: what
//! can be had on a machine, and what tropomq is compared to.
//!
//! A webhook is answered once its event is confirmed by a quorum queue; the event is acknowledged once the message that
//! it causes is confirmed; a session is created with the token; its call-back gets the message once the release is
//! committed to the database; only then the message is acknowledged. There are no retries, no duplicates are recognised,
//! nothing is checked, traced or counted, and one process does all of it.
//!
//! It can be had publish as many messages as tropomq does: what it then tells is what their number alone costs.

mod publish;
mod releases;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use futures::future::try_join_all;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use uuid::Uuid;

use publish::Publisher;
use releases::Releases;

/// Where the events are.
const RECEIVED: &str = "ceiling.received";

/// Where the messages are.
const SEND: &str = "ceiling.send";

/// Where everything else is told, if it is.
const TOLD: &str = "ceiling.told";

/// What tropomq tells of a conversation besides these two, each step on record before the next begins: that the text was
/// routed; that a session was created; that the message was released, what Tropo says of it, and that it was sent.
const TOLD_OF_ROUTING: usize = 1;
const TOLD_OF_LAUNCH: usize = 1;
const TOLD_OF_RELEASE: usize = 3;

/// How many deliveries of a queue are in hand at once: as many as tropomq has.
const RECEIVED_AT_ONCE: u16 = 512;
const SENT_AT_ONCE: u16 = 256;

/// How many idle connections to Tropo stay open.
const CONNECTIONS_KEPT: usize = 256;

/// What it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The URL of RabbitMQ.
    pub bus: String,
    /// The URL of PostgreSQL.
    pub store: String,
    /// Where Tropo posts its webhooks; any path is taken.
    pub listen: SocketAddr,
    /// Tropo's session API.
    pub sessions: String,
    /// The token that creates sessions.
    pub token: String,
    /// Whether there is nothing behind the first queue.
    pub only_door: bool,
    /// Whether it publishes as many messages as tropomq does.
    pub tells: bool,
}

/// What is read of a webhook.
#[derive(Deserialize)]
struct Webhook {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    initial_text: Option<String>,
    from: Option<Party>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Party {
    /// A number as it is dialled, without its plus sign.
    id: String,
}

#[derive(Deserialize)]
struct Parameters {
    message: Uuid,
}

/// What is sent, as it is on the queue.
#[derive(Serialize, Deserialize)]
struct Message {
    to: String,
    text: String,
}

/// A message that waits for its call-back.
struct Waiting {
    message: Message,
    released: oneshot::Sender<()>,
}

struct Program {
    publisher: Publisher,
    releases: Releases,
    waiting: Mutex<HashMap<Uuid, Waiting>>,
    http: reqwest::Client,
    sessions: String,
    token: String,
    tells: bool,
}

/// Runs until something fails.
///
/// # Errors
/// Whatever failed: it mends nothing.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let connect = || Connection::connect(&config.bus, ConnectionProperties::default());
    let (publishing, consuming) = tokio::try_join!(connect(), connect()).context("connect to RabbitMQ")?;
    let channel = publishing.create_channel().await?;
    for queue in [RECEIVED, SEND, TOLD] {
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, quorum).await.context("declare a queue")?;
    }
    let (publisher, publishes) = Publisher::start(channel).await?;
    let (releases, commits) = Releases::start(&config.store).await?;
    let program = Arc::new(Program {
        publisher,
        releases,
        waiting: Mutex::default(),
        http: reqwest::Client::builder().no_proxy().pool_max_idle_per_host(CONNECTIONS_KEPT).build()?,
        sessions: config.sessions,
        token: config.token,
        tells: config.tells,
    });
    let listener = TcpListener::bind(config.listen).await.context("listen")?;
    let routes = Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route("/{*path}", post(webhook))
        .with_state(Arc::clone(&program));
    let serves = async { axum::serve(listener, routes).await.context("serve") };
    if config.only_door {
        tokio::try_join!(serves, publishes, commits)?;
    } else {
        let (routing, sending) = (Arc::clone(&program), program);
        let routed = consume(&consuming, RECEIVED, RECEIVED_AT_ONCE, move |body| route(Arc::clone(&routing), body));
        let sent = consume(&consuming, SEND, SENT_AT_ONCE, move |body| send(Arc::clone(&sending), body));
        let read = consume(&consuming, TOLD, RECEIVED_AT_ONCE, |_| std::future::ready(Ok(())));
        tokio::try_join!(serves, publishes, commits, routed, sent, read)?;
    }
    bail!("it ended")
}

/// Takes the first webhook of a session: of a text, or of a message that is called back for.
async fn webhook(State(program): State<Arc<Program>>, body: Bytes) -> Response {
    let answered = match serde_json::from_slice::<Webhook>(&body) {
        Ok(Webhook { session: Session { parameters: Some(Parameters { message }), .. } }) => {
            program.release(message).await
        }
        Ok(_) => program.publisher.publish(RECEIVED, body.to_vec()).await.map(|()| json!({ "tropo": [] }).to_string()),
        Err(error) => Err(error.into()),
    };
    match answered {
        Ok(document) => ([(CONTENT_TYPE, "application/json")], document).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Program {
    /// Publishes so many messages more, if it shall, and waits for all confirms.
    async fn tell(&self, count: usize, body: &[u8]) -> anyhow::Result<()> {
        let count = if self.tells { count } else { 0 };
        try_join_all((0..count).map(|_| self.publisher.publish(TOLD, body.to_vec()))).await.map(drop)
    }

    /// Hands out the document of a message, once its release is committed.
    async fn release(&self, id: Uuid) -> anyhow::Result<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let Waiting { message: Message { to, text }, released } = waiting.context("nobody waits for this")?;
        self.releases.commit(id).await?;
        // Whoever waits for it acknowledges now.
        let _ = released.send(());
        Ok(json!({ "tropo": [{ "message": { "to": to, "network": "SMS", "say": { "value": text } } }] }).to_string())
    }
}

/// Makes a message of a text.
async fn route(program: Arc<Program>, body: Vec<u8>) -> anyhow::Result<()> {
    let Webhook { session: Session { initial_text, from, .. } } = serde_json::from_slice(&body)?;
    let from = from.context("from nobody")?;
    let text = initial_text.unwrap_or_default();
    let text = text.strip_prefix("echo ").unwrap_or(&text).to_owned();
    let message = Message { to: format!("+{}", from.id), text };
    program.tell(TOLD_OF_ROUTING, &body).await?;
    program.publisher.publish(SEND, serde_json::to_vec(&message)?).await
}

/// Has Tropo call back for a message, and waits until it has it.
async fn send(program: Arc<Program>, body: Vec<u8>) -> anyhow::Result<()> {
    let (id, message) = (Uuid::new_v4(), serde_json::from_slice(&body)?);
    let (released, release) = oneshot::channel();
    program.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Waiting { message, released });
    let launch = json!({ "token": program.token, "message": id });
    let created = program.http.post(&program.sessions).json(&launch).send().await?.error_for_status()?;
    // The connection is used again once the answer was read.
    created.bytes().await?;
    program.tell(TOLD_OF_LAUNCH, &body).await?;
    release.await.context("it was not released")?;
    program.tell(TOLD_OF_RELEASE, &body).await
}

/// Handles the deliveries of a queue, each in a task of its own, and acknowledges them.
async fn consume<F>(
    connection: &Connection,
    queue: &str,
    at_once: u16,
    handle: impl Fn(Vec<u8>) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let channel = connection.create_channel().await?;
    channel.basic_qos(at_once, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = channel.basic_consume(queue.into(), ShortString::default(), options, arguments).await?;
    let mut handled = JoinSet::new();
    loop {
        tokio::select! {
            delivery = deliveries.next() => {
                let Delivery { data, acker, .. } = delivery.context("the consumer ended")??;
                let handling = handle(data);
                handled.spawn(async move {
                    handling.await?;
                    acker.ack(BasicAckOptions::default()).await.context("acknowledge")
                });
            }
            Some(done) = handled.join_next() => drop(done??),
        }
    }
}
