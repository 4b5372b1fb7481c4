//! The command line, as a person or a supervisor meets it.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::stage::{Bus, Setup, client, tropomq, until};

on_both_buses! {
    the_demo_shows_a_conversation_and_ends_well
    a_stop_is_clean_and_quick
}

/// The version of the manifests; and behind it the commit, unless these sources are no checkout.
#[tokio::test]
async fn the_version_names_the_commit() {
    let folder = TempDir::new().unwrap();
    let version = tropomq(folder.path(), &["--version"]).await;
    check(&version, 0, &[concat!("tropomq ", env!("CARGO_PKG_VERSION"))]);
    let told = out(&version);
    let commit = told.trim().split_once('+').map(|(_, commit)| commit.trim_end_matches("-dirty"));
    let is_hash = |commit: &str| 7 <= commit.len() && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.git")).exists();
    assert_eq!(commit.is_some_and(is_hash), is_checkout, "{told}");
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The command ended with this code, and told these words.
#[track_caller]
pub(crate) fn check(output: &Output, code: i32, words: &[&str]) {
    let told = format!("{}{}", out(output), err(output));
    assert_eq!(output.status.code(), Some(code), "{told}");
    for words in words {
        assert!(told.contains(words), "{words:?} is not in: {told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

async fn the_demo_shows_a_conversation_and_ends_well(bus: Bus) {
    let folder = TempDir::new().unwrap();
    let vhost = match bus {
        Bus::Embedded => None,
        Bus::RabbitMq => Some(tokio::task::spawn_blocking(testkit::vhost).await.unwrap().unwrap()),
    };
    let mut arguments = vec!["demo", "--text", "echo Ça va, 🐘?"];
    if let Some(vhost) = &vhost {
        arguments.extend(["--bus", vhost.url()]);
    }
    let demo = tropomq(folder.path(), &arguments).await;
    check(&demo, 0, &["texts \"echo Ça va, 🐘?\"", "gets  \"Ça va, 🐘?\"", "on all 7 events"]);
    let told = out(&demo);
    let id = |label: &str| {
        let id = told.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap().trim();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{label}: {id}");
        id
    };
    let (a, b) = (id("session A, the text"), id("session B, the call-back"));
    assert_ne!(a, b);
    for id in [a, b] {
        assert!(told.contains(&format!("Tropo-Thread-{id}")));
    }
    assert!(told.contains(&format!("correlation id            {a}, on all 7 events")), "{told}");
    let kinds = ["received", "send", "launched", "released", "sent"].map(|kind| format!("message.{kind}"));
    for kind in kinds.iter().map(String::as_str).chain(["session.result"]) {
        assert!(told.contains(kind), "{kind} is not in: {told}");
    }
    assert!(!told.contains("guest:guest"), "no password is shown");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a demo leaves nothing behind");
    if let Some(vhost) = &vhost {
        until("all events stand on record", async || {
            let queues = vhost.queues().unwrap();
            queues.contains(&("journal.events".to_owned(), 7)).then_some(())
        })
        .await;
    }
}

async fn a_stop_is_clean_and_quick(bus: Bus) {
    let mut stage = Setup::new(bus).start().await;
    let phone = stage.phone(0);
    phone.text("echo before the end").await;
    phone.reply().await;
    stage.settle().await;
    let names: &[&str] = match bus {
        Bus::Embedded => &["up"],
        Bus::RabbitMq => &["ingress-0", "router-0", "egress-0", "simulator"],
    };
    for name in names {
        let service = stage.service(name);
        let ready = format!("{}/readyz", service.admin_url());
        check(&tropomq(Path::new("/"), &["health", &ready]).await, 0, &["\"ready\":true"]);
        let started = Instant::now();
        let status = service.terminate().await;
        assert_eq!(status.code(), Some(0), "{name}");
        // Nothing is in hand, so nothing needs the time to drain, which is 3 s.
        assert!(started.elapsed() < Duration::from_secs(3), "{name} took {:?} to stop", started.elapsed());
        check(&tropomq(Path::new("/"), &["health", &ready]).await, 1, &["ask http://", "Connection refused"]);
    }
}

/// A configuration file in a folder of its own.
fn config(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tropomq.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn check_tells_what_is_wrong_and_names_the_key() {
    let backend = "[backends.mine]\nmessaging_token = \"tok\"\nnumber = \"+1-555-555-0100\"\n";
    let apart = "[bus]\nurl = \"amqp://127.0.0.1\"\n[store]\nurl = \"postgres://127.0.0.1/tropomq\"\n";
    let (folder, _) = config(&format!("{backend}webhook_secret = \"0123456789abcdef\"\n"));
    check(&tropomq(folder.path(), &["check"]).await, 0, &["The configuration is good", "mine, webhooks show a secret"]);
    check(&tropomq(folder.path(), &["check", "--config", "nowhere.toml"]).await, 78, &["nowhere.toml"]);
    let (folder, path) = config("[simulator]\nstate = \"state.json\"\n");
    let check_state = async || tropomq(folder.path(), &["check", "--config", &path]).await;
    check(&check_state().await, 0, &["remembers in state.json"]);
    std::fs::write(folder.path().join("state.json"), "{}").unwrap();
    check(&check_state().await, 78, &["simulator.state", "holds no state of a simulator"]);
    let cases = [
        ("[ingress]\nlissen = \"127.0.0.1:1\"\n".to_owned(), "ingress.lissen"),
        ("[egress]\nrequest_timeout = \"soon\"\n".to_owned(), "egress.request_timeout"),
        ("[bus]\nurl = \"redis://127.0.0.1\"\n".to_owned(), "bus.url"),
        (format!("{backend}rate = 0.0\n"), "backends.mine.rate"),
        (format!("{backend}webhook_secret = \"short\"\n"), "backends.mine.webhook_secret"),
        ("[backends.mine]\nnumber = \"+1-555-555-0100\"\n".to_owned(), "messaging_token"),
        (format!("{backend}\n[backends.mine.more]\n"), "backends.mine.more"),
        ("[router]\napplications = [\"ecko\"]\n".to_owned(), "router.applications"),
        (format!("{apart}[ticket.keys]\na = \"too short\"\n"), "ticket.keys.a"),
        (apart.to_owned(), "ticket.keys"),
        ("[bus]\nurl = \"amqp://127.0.0.1\"\n".to_owned(), "store.url"),
        ("[egress\n".to_owned(), "tropomq.toml"),
    ];
    for (text, key) in cases {
        let (folder, path) = config(&text);
        check(&tropomq(folder.path(), &["check", "--config", &path]).await, 78, &[key]);
        // `up` makes a key itself, where there is none.
        if key != "ticket.keys" {
            let up = tropomq(folder.path(), &["up", "--config", &path]).await;
            check(&up, 78, &[key]);
            assert_eq!(out(&up), "", "it did not begin");
        }
    }
}

#[tokio::test]
async fn the_printed_configuration_is_the_default() {
    let folder = TempDir::new().unwrap();
    let printed = tropomq(folder.path(), &["config"]).await;
    check(&printed, 0, &["[egress]", "callback_timeout"]);
    std::fs::write(folder.path().join("tropomq.toml"), &printed.stdout).unwrap();
    check(&tropomq(folder.path(), &["check"]).await, 0, &["`tropomq up` brings a simulated one"]);
}

#[tokio::test]
async fn a_service_on_its_own_refuses_the_embedded_bus() {
    let folder = TempDir::new().unwrap();
    for service in ["ingress", "router", "egress", "journal", "console"] {
        check(&tropomq(folder.path(), &[service]).await, 78, &["bus.url", "tropomq up", "amqp://"]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listeners = ["ingress", "router", "egress", "console", "simulator", "admin"];
    for key in listeners.map(|section| format!("{section}.listen")) {
        let (section, _) = key.split_once('.').unwrap();
        let text: String = listeners
            .map(|each| format!("[{each}]\nlisten = \"{}\"\n", if each == section { &address } else { "127.0.0.1:0" }))
            .concat();
        let (folder, path) = config(&text);
        check(&tropomq(folder.path(), &["up", "--config", &path]).await, 1, &[&key, &address, "in use"]);
    }
}

/// Without a configuration `up` brings a simulated Tropo, and tells how to try it.
#[tokio::test]
async fn up_without_a_backend_brings_its_own_and_send_finds_it() {
    let address = testkit::own_address();
    let sections = ["ingress", "egress", "simulator", "admin", "console", "router"];
    let listeners: String = sections
        .into_iter()
        .zip(1..)
        .map(|(section, port)| format!("[{section}]\nlisten = \"{address}:{}\"\n", 31_000 + port))
        .collect();
    let (folder, path) = config(&format!("{listeners}[console.probe]\ninterval = \"250ms\"\n"));
    let mut up = tokio::process::Command::new(env!("CARGO_BIN_EXE_tropomq"))
        .args(["up", "--config", &path])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = format!("http://{address}:31004/readyz");
    until("it is ready", async || tropomq(folder.path(), &["health", &ready]).await.status.success().then_some(()))
        .await;
    until("a text of its own comes round", async || {
        let status = tropomq(folder.path(), &["status", "--config", &path]).await;
        out(&status).contains("Texts flow").then_some(())
    })
    .await;
    let send = ["send", "--config", &path, "--to", "+1-555-555-0177", "hello from the command line"];
    check(&tropomq(folder.path(), &send).await, 0, &[]);
    std::fs::write(folder.path().join("more.csv"), "to,text\n+15555550178,and a file\n").unwrap();
    let send_all = ["send", "--config", &path, "--file", "more.csv"];
    check(&tropomq(folder.path(), &send_all).await, 0, &["1 messages taken"]);
    let messages = format!("http://{address}:31003/phones/+15555550177/messages?wait=15s");
    let got = client().get(messages).send().await.unwrap().text().await.unwrap();
    assert!(got.contains("hello from the command line"), "{got}");
    let pid = up.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut guide = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut up.stdout.take().unwrap(), &mut guide).await.unwrap();
    assert_eq!(up.wait().await.unwrap().code(), Some(0));
    assert!(guide.contains(&format!("curl http://{address}:31003/phones/+15555550177/texts")), "{guide}");
}
