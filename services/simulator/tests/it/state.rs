//! What outlives the process, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::shutdown::Shutdown;
use serde_json::{Value, json};
use simulator::{ApplicationConfig, Config, Simulator, SimulatorError, StateError, Token};
use tokio::task::JoinSet;

use crate::stage::{PHONE, Reply, Stage, until};

fn token(written: &str) -> Token {
    Token::try_from(written.to_owned()).unwrap()
}

fn settings(launches: &str, number: &str) -> ApplicationConfig {
    ApplicationConfig::new("http://127.0.0.1:9/".parse().unwrap(), token(launches), vec![number.parse().unwrap()])
}

fn config(path: &Path) -> Config {
    Config { state: Some(path.to_owned()), ..Config::default() }
}

async fn stage(path: &Path) -> Stage {
    let document = json!({"tropo": [{"say": {"value": "hello"}}]});
    Stage::set(config(path), move |_| Box::pin(std::future::ready(Reply::document(&document)))).await
}

/// A simulator that keeps its state and has one of everything; what keeps it, and what is shown of it.
async fn filled(path: &Path, end: &Shutdown) -> (Stage, JoinSet<Result<(), StateError>>, Vec<Value>) {
    let stage = stage(path).await;
    let mut kept = JoinSet::new();
    kept.spawn(Arc::clone(&stage.simulator).keep_state(end.clone()));
    let made = json!({"name": "made", "messagingUrl": "http://127.0.0.1:9/", "partition": "production"});
    assert_eq!(stage.post("/v1/applications", &made).await.0, 200);
    for wanted in [
        json!({"type": "number", "prefix": "1407"}),
        json!({"type": "token", "channel": "voice"}),
        json!({"type": "jabber", "username": "bot@example.net"}),
    ] {
        assert_eq!(stage.post("/v1/applications/500002/addresses", &wanted).await.0, 200);
    }
    let webhook = json!({"event": "cdrRated", "targetUrl": "http://127.0.0.1:9/", "payload": {"k": 1}});
    assert_eq!(stage.post("/v1/webhooks", &webhook).await.0, 200);
    stage.text(PHONE, "hi").await;
    stage.messages(PHONE, 1).await;
    let shown = shown(&stage).await;
    (stage, kept, shown)
}

async fn shown(stage: &Stage) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in [
        "/v1/applications/500002",
        "/v1/applications/500002/addresses",
        "/v1/webhooks",
        "/phones",
        "/phones/+15555550177/messages",
    ] {
        let (status, answer) = stage.get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        // The two live on different ports.
        shown.push(serde_json::from_str(&answer.to_string().replace(&stage.url(""), "")).unwrap());
    }
    shown
}

#[tokio::test]
async fn a_clean_stop_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let end = Shutdown::new();
    let (first, mut kept, mut before) = filled(&path, &end).await;
    first.simulator.stop(Duration::from_secs(5)).await;
    // A request that was in hand when the sessions ended.
    let named = json!({"name": "named last", "partition": "staging"});
    assert_eq!(first.put("/v1/applications/500002", &named).await.0, 200);
    before[0]["name"] = json!("named last");
    before[0]["partition"] = json!("staging");
    end.request();
    kept.join_next().await.unwrap().unwrap().unwrap();
    let path = copy(&path);
    let second = stage(&path).await;
    assert_eq!(shown(&second).await, before);
    // What comes later counts on, and no id is given twice.
    second.text(PHONE, "again").await;
    let messages = second.messages(PHONE, 2).await;
    assert!(messages[0]["index"].as_u64() < messages[1]["index"].as_u64(), "{messages:?}");
    assert_eq!(second.delete("/v1/applications/500002").await.0, 200);
    let (_, made) = second.post("/v1/applications", &json!({"name": "new", "voiceUrl": "http://127.0.0.1:9/"})).await;
    assert!(made["href"].as_str().unwrap().ends_with("/500003"), "{made}");
}

#[tokio::test]
async fn what_is_cut_off_has_what_changed_a_moment_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let (first, kept, before) = filled(&path, &Shutdown::new()).await;
    let last = r#""text":"hello""#;
    until(async || fs::read_to_string(&path).unwrap().contains(last).then_some(())).await;
    // No stop: all of it is dropped where it stands.
    drop((kept, first));
    let second = stage(&copy(&path)).await;
    assert_eq!(shown(&second).await, before);
    // Ids that were given and not written yet are not given again.
    let (_, made) = second.post("/v1/applications", &json!({"name": "new", "voiceUrl": "http://127.0.0.1:9/"})).await;
    assert!(made["href"].as_str().unwrap().ends_with("/510003"), "{made}");
    let webhook = json!({"event": "cdrRated", "targetUrl": "http://127.0.0.1:9/"});
    let (_, made) = second.post("/v1/webhooks", &webhook).await;
    assert!(made["href"].as_str().unwrap().ends_with("/10002"), "{made}");
    second.text(PHONE, "again").await;
    let messages = second.messages(PHONE, 2).await;
    assert!(1_000_000 < messages[1]["index"].as_u64().unwrap(), "{messages:?}");
    // An index from the future begins anew.
    let (_, all) = second.get(&format!("/phones/{PHONE}/messages?after=99000000")).await;
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
}

/// The file for another simulator, while the first may still have it.
fn copy(path: &Path) -> PathBuf {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    copy
}

fn start(config: Config) -> Result<Arc<Simulator>, SimulatorError> {
    chassis::tls::install_provider();
    Simulator::new(config, Shutdown::new())
}

/// Writes the state, as at the end.
async fn keep(simulator: &Arc<Simulator>) {
    let end = Shutdown::new();
    end.request();
    Arc::clone(simulator).keep_state(end).await.unwrap();
}

fn error(config: Config) -> String {
    let error = start(config).expect_err("it does not start");
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn the_configuration_counts_for_more_than_what_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let left = start(config(&path)).unwrap();
    let one = left.add_application("one".to_owned(), settings("T1", "+15555550101")).unwrap();
    left.add_application("two".to_owned(), settings("T2", "+15555550102")).unwrap();
    let one_id = one.id as u64;
    left.stop(Duration::ZERO).await;
    keep(&left).await;
    drop((left, one));

    let mut configured = config(&path);
    configured.applications.insert("one".to_owned(), settings("T2", "+15555550103"));
    configured.applications.insert("three".to_owned(), settings("T3", "+15555550102"));
    let now = start(configured).unwrap();
    let (one_now, two_now) = (application(&now, "one").await, application(&now, "two").await);
    assert_eq!((one_now["id"].as_u64().unwrap(), &one_now["numbers"]), (one_id, &json!(["+15555550103"])));
    assert_eq!(two_now["numbers"], json!([]));
    assert_eq!(application(&now, "three").await["numbers"], json!(["+15555550102"]));
}

#[tokio::test]
async fn what_is_configured_no_more_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let with = |name: &str| {
        let mut config = config(&path);
        config.applications.insert(name.to_owned(), settings("T1", "+15555550101"));
        config
    };
    let first = start(with("one")).unwrap();
    first.add_application("added".to_owned(), settings("T2", "+15555550102")).unwrap();
    keep(&first).await;
    drop(first);
    let renamed = start(with("two")).unwrap();
    assert_eq!(applications(&renamed).await.len(), 2);
    assert_eq!(application(&renamed, "added").await["numbers"], json!(["+15555550102"]));
    assert_eq!(application(&renamed, "two").await["numbers"], json!(["+15555550101"]));
}

#[tokio::test]
async fn two_do_not_keep_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let first = start(config(&path)).unwrap();
    let error = error(config(&path));
    assert!(error.contains("another simulator has it"), "{error}");
    drop(first);
    start(config(&path)).unwrap();
}

async fn application(simulator: &Arc<Simulator>, name: &str) -> Value {
    let mut all = applications(simulator).await.into_iter();
    all.find(|application| application["name"] == name).expect("it is there")
}

async fn applications(simulator: &Arc<Simulator>) -> Vec<Value> {
    let routes = Arc::clone(simulator).routes();
    let listener = chassis::http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/applications", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    let limits = chassis::http::Limits::default();
    serving.spawn(chassis::http::serve(listener, routes, limits, Shutdown::new()));
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_and_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    for (content, told) in [
        ("{\"version\":99}", "it is of version 99, and this program knows none above 1"),
        ("[bus]\nurl = \"x\"", "holds no state of a simulator, and is left as it is"),
    ] {
        fs::write(&path, content).unwrap();
        let error = error(config(&path));
        assert!(error.contains(told) && error.contains("simulator.state: ") && error.contains("state.json"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let error = error(config(&directory.path().join("missing/state.json")));
    assert!(error.contains("it cannot be written: No such file"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    start(config(&path)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
