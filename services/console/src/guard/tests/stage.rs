//! A console with a clock that is set, on a database and a bus of its own, and a browser that asks it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use chassis::http::Limits;
use messaging::{BoxFuture, Clock, Environment};
use protocol::{BackendName, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

use crate::config::{ProbeConfig, Token, User};
use crate::guard::{Caller, Form, Scope, Visitor, admit, hash};
use crate::problem::Problem;
use crate::{Application, Config, Console, Database, Finding, House};

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse";
/// Where the browser is.
pub(crate) const HERE: &str = "127.0.0.1:40000";

/// A console.
pub(crate) struct Stage {
    pub(crate) console: Arc<Console>,
    clock: Arc<Set>,
    router: Router,
    folder: TempDir,
}

/// A clock that is set.
#[derive(Debug)]
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Alone;

impl House for Alone {
    fn version(&self) -> &'static str {
        "0"
    }

    fn readiness(&self) -> (String, Value) {
        ("alone".to_owned(), Value::Null)
    }

    fn applications(&self) -> Vec<Application> {
        Vec::new()
    }

    fn configuration(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn balance<'a>(&'a self, _: Option<&'a BackendName>, _: Duration) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async { Err("alone".to_owned()) })
    }
}

/// A configuration with neither users nor tokens.
pub(crate) fn open() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec!["console.example".to_owned()],
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        session_max: Duration::from_hours(12),
        retention: Duration::from_hours(720),
        simulator: None,
        probe: ProbeConfig { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
        watch: BTreeMap::new(),
        users: BTreeMap::new(),
        tokens: BTreeMap::new(),
        limits: Limits::default(),
    }
}

/// A user with that password.
pub(crate) fn user(password: &str, scopes: &[Scope]) -> User {
    User { password_hash: hash(&SecretString::from(password)).unwrap().into(), scopes: scopes.to_vec() }
}

/// The secret of the token with that name.
pub(crate) fn secret(name: &str) -> String {
    format!("{name:->40}")
}

/// A configuration with the user ann, who may do anything, the user bob, who may read, and tokens of one scope each.
pub(crate) fn guarded() -> Config {
    let tokens = [("reader", Scope::Read), ("seer", Scope::People), ("sender", Scope::Send), ("doer", Scope::Operate)];
    let token = |(name, scope): (&str, Scope)| {
        (name.to_owned(), Token { token: SecretString::from(secret(name)), scopes: vec![scope] })
    };
    let users = [
        ("ann".to_owned(), user(PASSWORD, &[Scope::Read, Scope::People, Scope::Send, Scope::Operate])),
        ("bob".to_owned(), user(PASSWORD, &[Scope::Read])),
    ];
    Config { users: users.into(), tokens: tokens.into_iter().map(token).collect(), ..open() }
}

#[derive(Deserialize)]
struct Fields {
    word: String,
}

/// A page that shows who looks at it, and takes a form; and an operation of the API for each scope.
fn tried(console: &Arc<Console>) -> Router {
    async fn show(visitor: Visitor) -> String {
        format!("{} {}", visitor.caller.name, visitor.csrf)
    }
    async fn take(Form { visitor, fields }: Form<Fields>) -> String {
        format!("{} said {}", visitor.caller.name, fields.word)
    }
    let operation = |scope: Scope| {
        let tried = async move |caller: Caller| caller.may(scope).map(|()| caller.name);
        let again = async move |caller: Caller| caller.may(scope).map(|()| caller.name);
        get(tried).post(again)
    };
    Router::new()
        .route("/tried", get(show).post(take))
        .route("/scripted", post(show))
        .route("/v1/tried/read", operation(Scope::Read))
        .route("/v1/tried/people", operation(Scope::People))
        .route("/v1/tried/send", operation(Scope::Send))
        .route("/v1/tried/operate", operation(Scope::Operate))
        .route("/v1/tried/nothing", get(async || Problem::not_found("nothing")))
        .layer(from_fn_with_state(Arc::clone(console), admit))
        .with_state(Arc::clone(console))
}

impl Stage {
    pub(crate) async fn new(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::on(config, folder).await
    }

    /// The same again, with another configuration: as after a restart.
    pub(crate) async fn restarted(self, config: Config) -> Self {
        let Self { folder, console, router, .. } = self;
        drop((console, router));
        Self::on(config, folder).await
    }

    async fn on(config: Config, folder: TempDir) -> Self {
        let stage = Self::without_database(config, folder);
        let url = format!("sqlite:{}/ledger.db", stage.folder.path().display());
        let opened = store::open_all(&url, store::Settings::default()).await.unwrap();
        assert!(stage.console.database.set(opened).is_ok());
        stage
    }

    /// The console does not have its database.
    pub(crate) fn without_database(config: Config, folder: TempDir) -> Self {
        chassis::tls::install_provider();
        let clock = Arc::new(Set(AtomicI64::new(1_700_000_000_000)));
        let environment = Environment { clock: Arc::<Set>::clone(&clock), ..Environment::system() };
        let database = Database::default();
        let topology = protocol::topology::Topology::new(&[]);
        let bus = messaging::embedded::open(&folder.path().join(Uuid::new_v4().to_string()), topology).unwrap().bus;
        let console = Console::new(config, BTreeMap::new(), bus, database, Arc::new(Alone), environment).unwrap();
        let router = tried(&console).merge(Arc::clone(&console).routes());
        Self { console, clock, router, folder }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Asks.
    pub(crate) async fn ask(&self, asked: Asked) -> Answer {
        let response = self.router.clone().oneshot(asked.0).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Signs in, as a browser does; the answer.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let form = format!("user={name}&password={}&next=%2Ftried", password.replace(' ', "+"));
        self.ask(Asked::post("/login").browsing().form(&form)).await
    }

    /// The cookie and the CSRF token of somebody who signed in.
    pub(crate) async fn session(&self, name: &str) -> (String, String) {
        let cookie = self.sign_in(name, PASSWORD).await.cookie().unwrap();
        let page = self.ask(Asked::get("/tried").browsing().cookie(&cookie)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let (who, csrf) = page.body.split_once(' ').unwrap();
        assert_eq!(who, name);
        (cookie, csrf.to_owned())
    }
}

/// A request.
pub(crate) struct Asked(Request<Body>);

impl Asked {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        let mut request = Request::new(Body::empty());
        (*request.method_mut(), *request.uri_mut()) = (method, path.parse().unwrap());
        Self(request).header(header::HOST.as_str(), "127.0.0.1:8088").from(HERE)
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    /// From another address.
    pub(crate) fn from(mut self, peer: &str) -> Self {
        self.0.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = header::HeaderName::try_from(name).unwrap();
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// By a browser, of which a page of ours asks.
    pub(crate) fn browsing(self) -> Self {
        self.header("user-agent", "Mozilla/5.0").header("sec-fetch-site", "same-origin").header("accept", "text/html")
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", &format!("other=1; {cookie}"))
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn form(self, form: &str) -> Self {
        let mut asked = self.header("content-type", "application/x-www-form-urlencoded");
        *asked.0.body_mut() = Body::from(form.to_owned());
        asked
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie that it sets, without its attributes; `None`: it sets none, or takes it away.
    pub(crate) fn cookie(&self) -> Option<String> {
        let cookie = self.header("set-cookie").split(';').next()?;
        (!cookie.is_empty() && !cookie.ends_with('=')).then(|| cookie.to_owned())
    }
}
