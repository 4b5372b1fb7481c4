//! The flow probe: a text of our own goes round, and it is known when texts do not.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::command_line::check;
use crate::stage::{Bus, Setup, Stage, client, tropomq, until};

on_both_buses! {
    it_is_known_since_when_texts_do_not_flow_and_when_they_do_again
}

/// The process that the console is in.
fn console(bus: Bus) -> &'static str {
    if bus == Bus::Embedded { "up" } else { "console-0" }
}

async fn get(url: &str) -> Value {
    let answer = client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    answer.json().await.unwrap()
}

async fn flow(stage: &Stage) -> Value {
    get(&format!("{}/v1/status", stage.console_url())).await["flow"].clone()
}

/// How the flow stands, once it stands so.
async fn once(stage: &Stage, state: &str) -> Value {
    until(&format!("the flow is {state}"), async || Some(flow(stage).await).filter(|flow| flow["state"] == state)).await
}

async fn it_is_known_since_when_texts_do_not_flow_and_when_they_do_again(bus: Bus) {
    let mut stage = Setup::new(bus).with_probe().start().await;
    let (home, config) = (stage.home().to_owned(), stage.service(console(bus)).config().display().to_string());
    let status = async || tropomq(&home, &["status", "--config", &config]).await;
    let ready = format!("{}/readyz", stage.service(console(bus)).admin_url());
    let is_up = async |stage: &Stage| stage.metrics_of(console(bus)).await.sum("tropomq_probe_up", &[]);

    let first = once(&stage, "flows").await;
    assert_eq!((first["last_ok"]["outcome"].as_str(), is_up(&stage).await), (Some("ok"), 1));
    until("all is well", async || (status().await.status.code() == Some(0)).then_some(())).await;
    check(&status().await, 0, &["all is well", "Texts flow: the last that came round took"]);
    assert_eq!(get(&ready).await["components"]["flow"], json!({ "ready": true }));

    // The one process has its router always: there it is Tropo that creates no session.
    match bus {
        Bus::Embedded => stage.tropo.turn(json!({ "create_status": 503 })).await,
        Bus::RabbitMq => assert!(stage.service("router-0").terminate().await.success()),
    }
    let failing = once(&stage, "fails").await;
    let at = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(at(&failing["last_ok"]["at"]) < at(&failing["since"]), "{failing}");
    let question = if bus == Bus::Embedded { "Did we call Tropo back?" } else { "Was our answer good?" };
    assert!(at(&failing["stuck"]["told"]).starts_with(question), "{failing}");
    assert_eq!(is_up(&stage).await, 0);
    check(&status().await, 1, &["not everything is well", "Texts do not flow", "tropomq explain"]);
    let component = get(&ready).await["components"]["flow"].clone();
    assert_eq!(component["ready"], true, "who looks for the cause needs the console");
    assert!(at(&component["reason"]).starts_with("Texts do not come round in time since"), "{component}");
    let session = at(&failing["stuck"]["session_id"]);
    let explained = tropomq(&home, &["explain", "--config", &config, &session]).await;
    check(&explained, explained.status.code().unwrap(), &["Did"]);

    match bus {
        Bus::Embedded => stage.tropo.turn(json!({})).await,
        Bus::RabbitMq => stage.service("router-0").start(),
    }
    let again = once(&stage, "flows").await;
    assert!(at(&failing["since"]) < at(&again["since"]) && again["stuck"].is_null(), "{again}");
    assert_eq!(is_up(&stage).await, 1);

    let console = stage.console_url();
    let listed = async |query: &str| get(&format!("{console}/v1/messages?{query}")).await["messages"].clone();
    assert_eq!(listed("").await, json!([]));
    assert!(1 < listed("backend=probe").await.as_array().unwrap().len());
    until("the account adds up", async || {
        let told = get(&format!("{console}/v1/balance?backend=probe")).await;
        (told["verdict"] == "balanced").then_some(())
    })
    .await;
    let told = get(&format!("{console}/v1/status")).await;
    assert_eq!(told["queues"]["dead"], 0, "nobody wants a probe later: {told}");
    // Others are answered as ever, and are in the log.
    let phone = stage.phone(0);
    phone.text("echo hello").await;
    assert_eq!(phone.reply().await.text, "hello");
    until("it is in the log", async || (listed("").await.as_array().unwrap().len() == 2).then_some(())).await;
}
