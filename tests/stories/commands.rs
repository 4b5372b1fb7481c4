//! The commands that ask the console: messages sent, listed, followed, and told how everything is doing.

use std::process::Output;

use protocol::EventId;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::command_line::{check, out};
use crate::stage::{Bus, DEADLINE, NUMBER, OTHER_NUMBER, Setup, Stage, tropomq, tropomq_as, tropomq_started, until};

on_both_buses! {
    send_reaches_the_phone
    a_file_is_sent_once_however_often_it_is_given
    a_conversation_is_texted_listed_and_told
    tail_goes_on_where_it_was_cut_off
    who_has_no_token_is_refused
}

/// The process that the console is in.
fn console(bus: Bus) -> &'static str {
    if bus == Bus::Embedded { "up" } else { "console-0" }
}

/// The command, with the configuration of the console's process.
struct Operator {
    home: std::path::PathBuf,
    config: String,
}

impl Operator {
    fn of(stage: &mut Stage, bus: Bus) -> Self {
        let config = stage.service(console(bus)).config().display().to_string();
        Self { home: stage.home().to_owned(), config }
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let (command, rest) = arguments.split_first().unwrap();
        [&[*command, "--config", &self.config], rest].concat()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        tropomq(&self.home, &self.arguments(arguments)).await
    }

    /// What a command prints as JSON, line by line.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let done = self.run(&[arguments, &["--json"]].concat()).await;
        check(&done, 0, &[]);
        out(&done).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn tail(&self, arguments: &[&str]) -> Tail {
        let mut process = tropomq_started(&self.home, &self.arguments(&[&["tail", "--json"], arguments].concat()));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Tail { process, lines }
    }
}

/// A `tropomq tail` that goes on.
struct Tail {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await.expect("an event").unwrap();
        serde_json::from_str(&line.expect("the command goes on")).unwrap()
    }
}

async fn send_reaches_the_phone(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    let phone = stage.phone(0);
    let operator = Operator::of(&mut stage, bus);
    let send = async |arguments: &[&str]| operator.run(&[&["send", "--to", &phone.number], arguments].concat()).await;
    let sent = send(&["--backend", "story", "first words"]).await;
    check(&sent, 0, &[]);
    let id: EventId = out(&sent).trim().parse().unwrap();
    let got = phone.reply().await;
    assert_eq!((got.text.as_str(), got.from.as_str()), ("first words", NUMBER));
    check(&send(&["--backend", "other", "--expires-in", "10m", "more words 🐘"]).await, 0, &[]);
    assert_eq!(phone.received(2).await[1].from, OTHER_NUMBER);
    // The same id, and the same key, are sent once.
    check(&send(&["--backend", "story", "--id", &id.to_string(), "first words"]).await, 0, &[&id.to_string()]);
    let keyed = ["--backend", "story", "--key", "order-17", "third words"];
    let (first, again) = (send(&keyed).await, send(&keyed).await);
    check(&first, 0, &[]);
    assert_eq!(out(&first), out(&again));
    let other = send(&["--backend", "story", "--key", "order-17", "other words"]).await;
    check(&other, 1, &["another message was asked for with it"]);
    check(&send(&["--backend", "unknown", "no words"]).await, 1, &["there is no backend unknown"]);
    check(&send(&["no words"]).await, 1, &["say --backend; there are: other, story"]);
    phone.received(3).await;
    stage.settle().await;
    phone.assert_has(&["first words", "more words 🐘", "third words"]).await;
}

async fn a_file_is_sent_once_however_often_it_is_given(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    let phones = stage.phones(3);
    let operator = Operator::of(&mut stage, bus);
    let write = |third: &str| {
        let rows: Vec<String> =
            phones.iter().enumerate().map(|(i, phone)| format!("{},words {i}", phone.number)).collect();
        std::fs::write(
            stage.home().join("messages.csv"),
            format!("to,text\n{}\n{}\n{third}\n{}\n", rows[0], rows[1], rows[2]),
        )
        .unwrap();
    };
    let send = async |more: &[&str]| {
        let given = ["send", "--file", "messages.csv", "--backend", "story", "--key", "monday"];
        operator.run(&[&given, more].concat()).await
    };
    write("nobody,at all");
    let sent = send(&[]).await;
    check(&sent, 1, &["3 messages taken, 1 not", "--key monday"]);
    assert!(out(&sent).lines().any(|line| line.trim_start().starts_with("4 ")), "{sent:?}");
    assert!(!out(&sent).contains("at all"), "the words are not told");
    // What was wrong is mended, and given again: that alone is sent.
    let mended = stage.phone(3);
    write(&format!("{},words 3", mended.number));
    let again = send(&["--json"]).await;
    check(&again, 0, &["4 messages taken"]);
    assert_eq!(out(&again).lines().count(), 4);
    for (index, phone) in phones.iter().chain([&mended]).enumerate() {
        phone.received(1).await;
        phone.assert_has(&[&format!("words {index}")]).await;
    }
    stage.settle().await;
    for (index, phone) in phones.iter().enumerate() {
        phone.assert_has(&[&format!("words {index}")]).await;
    }
    std::fs::write(stage.home().join("messages.jsonl"), json!({ "to": NUMBER, "txt": "x" }).to_string()).unwrap();
    let unknown = operator.run(&["send", "--file", "messages.jsonl", "--backend", "story"]).await;
    check(&unknown, 1, &["0 messages taken, 1 not", "txt"]);
    check(&operator.run(&["send", "--file", "nothing.csv"]).await, 1, &["read nothing.csv"]);
}

async fn a_conversation_is_texted_listed_and_told(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    let (operator, number) = (Operator::of(&mut stage, bus), "+15555560007");
    let texted = operator
        .run(&["phones", "text", "--backend", "story", "--wait", "15s", number, "echo", "of", "elephants"])
        .await;
    check(&texted, 0, &["of elephants", NUMBER]);
    check(&operator.run(&["phones", "show", number]).await, 0, &["of elephants"]);
    check(&operator.run(&["phones"]).await, 0, &["NUMBER", number]);
    let phones = operator.json(&["phones", "list"]).await;
    assert!(phones.iter().any(|phone| phone["number"] == number && phone["received"] == 1), "{phones:?}");
    let silent = operator.run(&["phones", "show", "+15555560099", "--wait", "100ms"]).await;
    check(&silent, 1, &["nothing came in that time"]);

    until("both are in the log, and ended", async || {
        let listed = operator.json(&["log", "--since", "1h"]).await;
        let states: Vec<&str> = listed.iter().filter_map(|line| line["state"].as_str()).collect();
        (states == ["sent", "answered"]).then_some(())
    })
    .await;
    check(&operator.run(&["log"]).await, 0, &["TIME", "echo of elephants", "answered", "sent", number]);
    let found = operator.json(&["log", "elephants", "--direction", "in", "--state", "answered"]).await;
    assert_eq!((found.len(), &found[0]["text"]), (1, &json!("echo of elephants")));
    assert!(operator.json(&["log", "giraffes"]).await.is_empty());
    assert_eq!(operator.json(&["log", "--person", "+1-555-556-0007", "--limit", "1"]).await.len(), 1);
    assert_eq!(operator.json(&["log", "--all"]).await.len(), 2);
    check(&operator.run(&["log", "--state", "sunny"]).await, 1, &["state: no such state"]);

    // What happened before is told first, in its order.
    let session = found[0]["correlation_id"].as_str().unwrap();
    let tailed = operator.run(&["tail", "--since", "1h", "--session", session, "--limit", "2"]).await;
    check(&tailed, 0, &["message.received", "\"echo of elephants\"", "story"]);
    assert_eq!(out(&tailed).lines().count(), 2);

    until("all is well", async || {
        let status = operator.run(&["status"]).await;
        (status.status.code() == Some(0) && out(&status).contains("all is well")).then_some(())
    })
    .await;
    let status = operator.json(&["status"]).await;
    assert_eq!((status.len(), &status[0]["is_well"]), (1, &json!(true)));
    assert!(status[0]["backends"].as_array().unwrap().iter().any(|backend| backend["name"] == "story"));
    if bus == Bus::RabbitMq {
        assert!(stage.service("egress-0").terminate().await.success());
        until("nobody serves the backend", async || {
            let status = operator.run(&["status"]).await;
            (status.status.code() == Some(1) && out(&status).contains("not everything is well")).then_some(())
        })
        .await;
    }
}

async fn tail_goes_on_where_it_was_cut_off(bus: Bus) {
    // The rest goes on, on RabbitMQ, while the console is away.
    let mut stage = Setup::new(bus).with_console().simulator_apart().start().await;
    let operator = Operator::of(&mut stage, bus);
    let mut tail = operator.tail(&["--kind", "message.received"]);
    // It has begun once it tells of something.
    let mut texts = 0;
    let first = loop {
        stage.phone(texts).text("echo is anybody there").await;
        texts += 1;
        let told = tokio::time::timeout(std::time::Duration::from_secs(2), tail.next()).await;
        if let Ok(event) = told {
            break event;
        }
    };
    assert_eq!(first["kind"], "message.received");
    stage.settle().await;
    stage.service(console(bus)).kill();
    if bus == Bus::RabbitMq {
        stage.phone(50).text("echo while it is away").await;
    }
    stage.service(console(bus)).start();
    stage.service(console(bus)).ready().await;
    let last = stage.phone(51).text("echo once it is back").await;
    let mut sessions = vec![first["session_id"].clone()];
    while sessions.last().unwrap() != last.as_str() {
        let session = tail.next().await["session_id"].clone();
        assert!(!sessions.contains(&session), "none is told twice");
        sessions.push(session);
    }
    let expected = if bus == Bus::RabbitMq { texts + 2 } else { texts + 1 };
    // What was texted before it began is not told, and everything else is.
    assert!(expected - (texts - 1) <= sessions.len() && sessions.len() <= expected, "{sessions:?}");
    assert!(tail.process.try_wait().unwrap().is_none(), "it goes on");
}

async fn who_has_no_token_is_refused(bus: Bus) {
    let (reader, sender) = ("a-token-of-the-stories-to-read-with", "a-token-of-the-stories-to-send-with");
    let setup = Setup::new(bus).with_console();
    let setup = setup.with("console.tokens.reader.token", reader).with("console.tokens.sender.token", sender);
    let scopes =
        |scopes: &[&str]| toml::Value::from(scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>());
    let setup = setup.with("console.tokens.reader.scopes", scopes(&["read"]));
    let mut stage = setup.with("console.tokens.sender.scopes", scopes(&["send"])).start().await;
    let operator = Operator::of(&mut stage, bus);
    let send = operator.arguments(&["send", "--backend", "story", "--to", "+15555560001", "some words"]);
    let log = operator.arguments(&["log"]);
    check(&tropomq(&operator.home, &log).await, 77, &["put one of its console.tokens into TROPOMQ_TOKEN"]);
    check(&tropomq_as("of nobody's", &operator.home, &log).await, 77, &["does not know the token"]);
    check(&tropomq_as(reader, &operator.home, &send).await, 77, &["the scope \"send\" is needed"]);
    check(&tropomq_as(sender, &operator.home, &log).await, 77, &["the scope \"read\" is needed"]);
    check(&tropomq_as(sender, &operator.home, &send).await, 0, &[]);
    until("it is in the log, without number and words", async || {
        let listed = tropomq_as(reader, &operator.home, &log).await;
        check(&listed, 0, &[]);
        assert!(!out(&listed).contains("some words") && !out(&listed).contains("15555560001"), "{listed:?}");
        out(&listed).contains("•••01").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_console_that_is_away_is_told_by_every_command() {
    let folder = tempfile::TempDir::new().unwrap();
    let address = testkit::own_address();
    let console = format!("http://{address}:9");
    let commands: [&[&str]; 7] = [
        &["status"],
        &["log"],
        &["tail"],
        &["phones"],
        &["balance"],
        &["send", "--to", "+15555560001", "words"],
        &["explain", "an-id"],
    ];
    for command in commands {
        let away = tropomq(folder.path(), &[command, &["--console", &console]].concat()).await;
        check(&away, 69, &["nobody answers at", &console, "is `tropomq up` or `tropomq console` running there?"]);
    }
    check(&tropomq(folder.path(), &["status", "--console", "nowhere"]).await, 2, &["http://127.0.0.1:8088"]);
}
