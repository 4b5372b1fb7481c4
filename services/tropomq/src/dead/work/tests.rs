//! The work of a console that is there, that is cut off, and that nobody wants any more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use clap::Parser;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::client::Reach;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    reach: Reach,
}

/// A stand-in for a console, which answers every order with the same lines.
struct Stand {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Stand {
    /// `goes_on`: it says no more, and does not end.
    async fn new(lines: &[Value], goes_on: bool) -> Self {
        let told: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let work = async move |axum::Json(order): axum::Json<Value>| {
            heard.lock().unwrap().push(order);
            let rest = if goes_on { stream::pending().left_stream() } else { stream::empty().right_stream() };
            Body::from_stream(stream::iter(told.clone()).chain(rest).map(Ok::<_, std::io::Error>))
        };
        let routes = Router::new().route("/v1/dead-letters/work", post(work));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, asked, _serving: serving }
    }

    fn client(&self) -> Client {
        chassis::tls::install_provider();
        let line = Line::parse_from(["dead", "--console", &format!("http://{}", self.address)]);
        Client::open(&line.reach, None).unwrap()
    }
}

fn order(action: Action, ids: &[&str]) -> Order {
    let ids: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let filter = Filter { ids, ..Filter::default() };
    Order { action, place: Place::Dead, filter, limit: None, detail: Detail::Line }
}

fn letter(id: &str) -> Value {
    let letter = json!({ "id": id, "routing_key": "message.send.a", "body_bytes": 2, "group": "later" });
    json!({ "letter": { "letter": letter, "outcome": "replayed" } })
}

fn summary() -> Value {
    json!({
        "seen": 1, "matched": 1, "replayed": 1, "dropped": 0, "failed": 0, "kept": 0, "elsewhere": 0, "more": false,
        "missing": [],
    })
}

fn begun(on_record: bool) -> Value {
    json!({ "begun": { "on_record": on_record } })
}

/// What is heard, in words, until something is to be stopped for.
async fn heard(stand: &Stand, orders: &[Order], stops_at: &str) -> (Vec<String>, anyhow::Result<()>) {
    let (shutdown, mut words) = (Shutdown::new(), Vec::new());
    let client = stand.client();
    let ended = carry_out(&client, orders, &shutdown, |heard| {
        words.push(match heard {
            Heard::NotOnRecord => "not on record".to_owned(),
            Heard::Told(Told::Letter { letter, .. }) => letter.id.unwrap(),
            Heard::Told(Told::Done(summary)) => format!("done {}", summary.replayed),
            Heard::Told(Told::Failed { error, .. }) => error,
        });
        if words.last().is_some_and(|word| word == stops_at) {
            shutdown.request();
        }
    });
    let ended = ended.await;
    (words, ended)
}

#[tokio::test]
async fn orders_are_carried_out_one_after_the_other_as_the_console_takes_them() {
    let stand = Stand::new(&[begun(true), letter("a"), json!({ "done": summary() })], false).await;
    let rate = NonZeroU32::new(7).unwrap();
    let orders = [order(Action::Replay { rate }, &[]), order(Action::Drop, &["a"])];
    let (words, ended) = heard(&stand, &orders, "").await;
    ended.unwrap();
    assert_eq!(words, ["a", "done 1", "a", "done 1"]);
    let asked = stand.asked.lock().unwrap().clone();
    let told: Vec<_> = asked.iter().map(|it| (&it["action"], &it["rate"], &it["all"], &it["filter"]["ids"])).collect();
    let (replay, drop) = (json!("replay"), json!("drop"));
    assert_eq!(
        told,
        [(&replay, &json!(7), &json!(true), &json!([])), (&drop, &Value::Null, &json!(false), &json!(["a"])),]
    );
    let members: Vec<&str> = asked[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["action", "all", "detail", "filter", "limit", "place"]);
}

#[tokio::test]
async fn work_that_ends_early_is_the_last_and_what_is_not_on_record_is_told() {
    let failed = json!({ "failed": { "error": "the bus is away", "summary": summary() } });
    let stand = Stand::new(&[begun(false), failed], false).await;
    let (words, ended) = heard(&stand, &[order(Action::Look, &[]), order(Action::Look, &[])], "").await;
    ended.unwrap();
    assert_eq!(words, ["not on record", "the bus is away"]);
}

#[tokio::test]
async fn who_stops_it_has_heard_what_was_done() {
    let stand = Stand::new(&[begun(true), letter("a")], true).await;
    let (words, ended) = heard(&stand, &[order(Action::Drop, &["a", "b"]), order(Action::Drop, &["c"])], "a").await;
    assert!(ended.unwrap_err().to_string().contains("stopped before the end"));
    assert_eq!((words, stand.asked.lock().unwrap().len()), (vec!["a".to_owned()], 1));
}

#[tokio::test]
async fn an_end_that_is_not_told_is_none() {
    let stand = Stand::new(&[begun(true), letter("a")], false).await;
    let (words, ended) = heard(&stand, &[order(Action::Drop, &["a"]), order(Action::Drop, &["b"])], "").await;
    assert!(ended.unwrap_err().to_string().contains("the connection ended before the work did"));
    assert_eq!((words, stand.asked.lock().unwrap().len()), (vec!["a".to_owned()], 1));
}

#[tokio::test]
async fn what_no_console_says_is_not_believed() {
    let stand = Stand::new(&[begun(true), json!({ "letter": "to +15555550100" })], false).await;
    let (_, ended) = heard(&stand, &[order(Action::Look, &[])], "").await;
    let told = ended.unwrap_err().to_string();
    assert!(told.contains("a line about letters is unreadable") && !told.contains("5555550100"), "{told}");
}
