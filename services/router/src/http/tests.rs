use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::task::JoinSet;

use super::*;
use crate::application::Known;
use crate::applications::text;
use crate::signature::Signed;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that misbehaves by path, and what it saw.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    /// How many are under way, and the most that ever were.
    under_way: Arc<(AtomicUsize, AtomicUsize)>,
    _serving: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        chassis::tls::install_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<(HeaderMap, Bytes)>>>::default();
        let under_way = Arc::<(AtomicUsize, AtomicUsize)>::default();
        let (record, count) = (Arc::clone(&seen), Arc::clone(&under_way));
        let answer = move |path: axum::extract::Path<String>, headers: HeaderMap, body: Bytes| async move {
            record.lock().unwrap().push((headers, body));
            count.1.fetch_max(count.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let answer = answer(&path).await;
            count.0.fetch_sub(1, Ordering::SeqCst);
            answer
        };
        let routes = Router::new().route("/{path}", post(answer));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, seen, under_way, _serving: serving }
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn application(&self, path: &str) -> HttpApplication {
        self.configured(path, "allow_private = true")
    }

    fn configured(&self, path: &str, keys: &str) -> HttpApplication {
        application(&format!("http://{}/{path}", self.address), keys).unwrap()
    }
}

async fn answer(path: &str) -> Response {
    match path {
        "hi" => r#"{"replies": [{"text": "hi"}]}"#.into_response(),
        "brief" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            StatusCode::NO_CONTENT.into_response()
        }
        "nonsense" => "<html>private words</html>".into_response(),
        "long" => vec![b' '; answer::BYTES_MAX + 1].into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            StatusCode::NO_CONTENT.into_response()
        }
        "overloaded" => {
            let page = vec![b' '; answer::BYTES_MAX + 1];
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "7")], page).into_response()
        }
        "rest" => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "7")]).into_response(),
        "redirect" => (StatusCode::FOUND, [(LOCATION, "/hi")]).into_response(),
        status => StatusCode::from_bytes(status.as_bytes()).unwrap().into_response(),
    }
}

fn application(url: &str, keys: &str) -> Result<HttpApplication, ConfigError> {
    let config = format!("url = '{url}'\nsecret = '{SECRET}'\n{keys}");
    HttpApplication::new("survey".parse().unwrap(), &toml::from_str(&config).unwrap())
}

async fn ask(application: &HttpApplication) -> Result<Said, Unanswered> {
    ask_about(application, &text("join maria")).await
}

async fn ask_about(application: &HttpApplication, text: &Text) -> Result<Said, Unanswered> {
    application.ask(Asked { phase: Phase::Handle, text, known: &Known::default(), taken_by: None }).await
}

#[tokio::test]
async fn a_question_is_signed_and_its_answer_is_what_the_application_says() {
    let server = Server::start().await;
    assert_eq!(ask(&server.application("hi")).await, Ok(Said::reply("hi".parse().unwrap())));
    let (headers, body) = server.seen.lock().unwrap().pop().unwrap();
    let [id, timestamp, signatures] = [signature::ID, signature::TIMESTAMP, signature::SIGNATURE]
        .map(|name| headers.get(name).unwrap().to_str().unwrap());
    assert_eq!(id, format!("{}_handle", text("").id));
    let signed = Signed { id, timestamp, signatures };
    assert_eq!(Secrets::parse(SECRET).unwrap().verify(signed, &body, Environment::system().now()), Ok(()));
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["data"]["application"], &body["data"]["text"]), (&"survey".into(), &"join maria".into()));
}

#[track_caller]
fn check_away(said: Result<Said, Unanswered>, told: &str, wait: Option<Duration>) {
    match said {
        Err(Unanswered::Away { because, retry_after }) => {
            assert!(because.contains(told), "{because}");
            assert_eq!(retry_after, wait);
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_failed(said: Result<Said, Unanswered>, told: &str) {
    match said {
        Err(Unanswered::Failed { because }) => {
            assert!(because.contains(told) && !because.contains("private words"), "{because}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_is_down_slow_or_busy_is_away() {
    let server = Server::start().await;
    let slow = server.configured("slow", "allow_private = true\ntimeout = '200ms'");
    check_away(ask(&slow).await, "did not answer in 200ms", None);
    check_away(ask(&server.application("500")).await, "answered 500", None);
    check_away(ask(&server.application("rest")).await, "answered 429", Some(Duration::from_secs(7)));
    // However long its page is.
    let overloaded = server.configured("overloaded", "allow_private = true\non_error = 'pass'");
    check_away(ask(&overloaded).await, "answered 503", Some(Duration::from_secs(7)));
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = application(&format!("http://{}/", nobody.local_addr().unwrap()), "allow_private = true").unwrap();
    drop(nobody);
    check_away(ask(&down).await, "cannot be connected to: Connection refused", None);
}

#[tokio::test]
async fn a_connection_that_breaks_is_away() {
    chassis::tls::install_provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken = application(&format!("http://{}/", listener.local_addr().unwrap()), "allow_private = true").unwrap();
    let hangs_up = async { drop(listener.accept().await.unwrap()) };
    check_away(tokio::join!(ask(&broken), hangs_up).0, "the connection broke", None);
    let promises = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
            .await
            .unwrap();
        let mut read = [0; 64 * 1024];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut read).await.unwrap();
    };
    check_away(tokio::join!(ask(&broken), promises).0, "the connection broke", None);
}

#[tokio::test]
async fn who_says_no_or_nonsense_has_failed_or_passes_if_so_configured() {
    let server = Server::start().await;
    for (path, told) in [
        ("nonsense", "not JSON"),
        ("long", "more than 262144 bytes"),
        ("404", "answered 404"),
        ("410", "answered 410"),
        ("redirect", "redirect to another path of the same host"),
    ] {
        check_failed(ask(&server.application(path)).await, told);
        let passes = server.configured(path, "allow_private = true\non_error = 'pass'");
        let said = ask(&passes).await.unwrap();
        assert!(said.is_pass() && said.because.unwrap().contains(told));
    }
    let slow = server.configured("slow", "allow_private = true\non_error = 'pass'\ntimeout = '100ms'");
    check_away(ask(&slow).await, "did not answer", None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start().await;
    check_failed(ask(&server.application("redirect")).await, "none is followed");
    assert_eq!(server.seen(), 1, "the first request alone");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let server = Server::start().await;
    // It is checked once it is resolved: `localhost` is a name like any other.
    let url = format!("http://localhost:{}/hi", server.address.port());
    let elsewhere = application(&url, "allow = ['10.0.3.0/24']").unwrap();
    check_failed(ask(&elsewhere).await, "not a public one");
    assert_eq!(server.seen(), 0);
    let allowed = application(&url, "allow = ['127.0.0.1']").unwrap();
    assert_eq!(ask(&allowed).await, Ok(Said::reply("hi".parse().unwrap())));
}

#[tokio::test]
async fn so_many_are_asked_at_once_and_no_more() {
    let server = Server::start().await;
    let application = Arc::new(server.configured("brief", "allow_private = true\nconcurrency = 3"));
    let mut asking = JoinSet::new();
    for _ in 0..12 {
        let application = Arc::clone(&application);
        asking.spawn(async move { ask(&application).await });
    }
    assert!(asking.join_all().await.iter().all(Result::is_ok));
    assert_eq!((server.seen(), server.under_way.1.load(Ordering::SeqCst)), (12, 3));
}

#[tokio::test]
async fn who_fails_again_and_again_is_left_alone() {
    let server = Server::start().await;
    let failing = server.application("503");
    for _ in 0..5 {
        check_away(ask(&failing).await, "answered 503", None);
    }
    let Err(Unanswered::Away { because, retry_after: Some(wait) }) = ask(&failing).await else {
        panic!("it was asked")
    };
    assert!(because.contains("left alone") && wait <= Duration::from_secs(1), "{because} {wait:?}");
    assert_eq!(server.seen(), 5);
    let resting = server.application("rest");
    check_away(ask(&resting).await, "answered 429", Some(Duration::from_secs(7)));
    assert!(ask(&resting).await.is_err());
    assert_eq!(server.seen(), 6, "it asked for rest");
    let refusing = server.application("404");
    for _ in 0..9 {
        check_failed(ask(&refusing).await, "answered 404");
    }
}

#[test]
fn an_application_may_be_for_some_texts_alone() {
    chassis::tls::install_provider();
    let is_for = |keys: &str, words: &str| application("https://app.example.com/", keys).unwrap().is_for(&text(words));
    for (keys, words, expected) in [
        ("", "anything", true),
        ("words = ['join', 'vote for']", "JOIN, please", true),
        ("words = ['join', 'vote for']", "vote for 3", true),
        ("words = ['join', 'vote for']", "vote", false),
        ("pattern = '[0-9]{4}'", "1234", true),
        ("pattern = '[0-9]{4}'", "12345", false),
        ("words = ['join']\npattern = '[0-9]{4}'", "1234", true),
    ] {
        assert_eq!(is_for(keys, words), expected, "{keys} {words}");
    }
}

#[test]
fn what_cannot_be_an_application_is_refused_with_what_to_do() {
    chassis::tls::install_provider();
    let check = |url: &str, keys: &str, told: &str| {
        let error = application(url, keys).unwrap_err().to_string();
        assert!(error.starts_with("router.http.survey.") && error.contains(told), "{error}");
        assert!(!error.contains("private-part"), "{error}");
    };
    let https = "https://app.example.com/private-part";
    check("ftp://app.example.com/", "", "url must be an http or https address");
    check("https://me:private-part@app.example.com/", "", "url must not hold a name or password");
    check("http://app.example.com/private-part", "", "url is http");
    check("http://127.0.0.1/private-part", "", "url is http");
    check("https://127.0.0.1/", "", "not a public one");
    check("https://[::ffff:10.0.0.1]/", "", "not a public one");
    check("https://0x7f000001/", "", "not a public one");
    check("http://8.8.8.8/", "allow_private = true", "do not go over the Internet unencrypted");
    check(https, "phases = ['handle', 'outgoing']", "phases must be some of");
    check(https, "words = ['...']", "words");
    check(https, "pattern = '('", "pattern");
    check(https, "phases = []", "phases must be some of");
    check(https, "timeout = '0s'", "timeout must be more than 0s");
    check(https, "timeout = '2m'", "timeout must be more than 0s, and at most 1m");
    check(https, "connect_timeout = '0s'", "connect_timeout must be");
    check(https, "concurrency = 0", "concurrency must be at least 1");
    check(https, "give_up_after = '26m'", "give_up_after must be at most 25m");
    let weak = toml::from_str(&format!("url = '{https}'\nsecret = 'private-part'")).unwrap();
    let error = HttpApplication::new("survey".parse().unwrap(), &weak).unwrap_err().to_string();
    assert!(error.contains("openssl rand") && !error.contains("private-part"), "{error}");
    let config: HttpConfig = toml::from_str(&format!("url = '{https}'\nsecret = '{SECRET}'")).unwrap();
    for shown in [format!("{config:?}"), format!("{:?}", application(https, "").unwrap())] {
        assert!(!shown.contains("private-part") && !shown.contains("whsec"), "{shown}");
    }
}
