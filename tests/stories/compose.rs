//! The stack of `docker-compose.yml`, run from that file itself: its commands, variables, health checks and order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::stage::{Composed, Machine, Place, Stage, interpolated, until};
use crate::steady::Load;

/// What the file has one of, and there can be two of.
const SCALE: [(&str, usize); 3] = [("ingress", 2), ("journal", 2), ("console", 2)];

/// How many replies a phone has got before something is killed, and how many more must come before it is back.
const BEFORE: usize = 5;
const WITHOUT: usize = 5;

/// What the application `default` says.
const NOT_UNDERSTOOD: &str = "Sorry, we could not understand your message.";

/// Two of everything that there can be two of; a router and an egress are killed while people text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_answers_each_text_once_though_a_router_and_an_egress_are_killed() {
    let mut stack = Composed::up(&SCALE).await;
    for service in ["ingress", "router", "egress", "journal", "console"] {
        assert_eq!(stack.replicas(service), 2, "{service}");
    }
    // As deploy/README.md has it tried.
    let phone = stack.stage.phone(100);
    for words in ["echo hello", "opening hours", "what?"] {
        phone.text(words).await;
    }
    phone.received(3).await;

    let load = Load::begin(&stack.stage);
    let texting = stack.stage.phone(0);
    texting.received(BEFORE).await;
    let killed = ["router-0", "egress-0"];
    for service in killed {
        stack.stage.service(service).kill();
    }
    let replies = texting.inbox().await.len();
    texting.received(replies + WITHOUT).await;
    for service in killed {
        stack.start_again(service).await;
    }
    let told = load.end(&stack.stage).await;
    assert_eq!((told.refused, told.unanswered), (0, vec![]));
    phone.assert_has(&["hello", "We are open from 9 to 5.", NOT_UNDERSTOOD]).await;
    assert_adds_up(&mut stack.stage, 3 + told.accepted).await;
    stack.down().await;
}

/// The account says that so many texts came in, and that each was answered by one message. It is asked for as an operator
/// would: in the container of a console.
async fn assert_adds_up(stage: &mut Stage, texts: usize) {
    let console = stage.service("console-1");
    let config = console.config().display().to_string();
    let asked = ["balance", "--config", &config, "--json", "--backend", "simulated", "--settle", "1s"];
    until(&format!("{texts} texts are accounted for"), async || {
        let output = console.execute(&asked).await;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let of = |side: &str, what: &str| told["account"]["simulated"][side][what] == texts;
        let all = [("texts", "accepted"), ("texts", "answered"), ("messages", "commanded"), ("messages", "sent")];
        let is_well = output.status.success() && all.into_iter().all(|(side, what)| of(side, what));
        if !is_well {
            eprintln!("{:?} {told} {}", output.status.code(), String::from_utf8_lossy(&output.stderr));
        }
        (is_well && told["verdict"] == "balanced").then_some(())
    })
    .await;
}

/// What Compose makes of a value where nothing is set; or it is written in a way that leaves that open.
#[track_caller]
fn check_interpolated(written: &str, made: Option<&str>) {
    assert_eq!(interpolated(written).ok().as_deref(), made, "{written}");
}

#[test]
fn a_variable_has_its_default_and_two_dollars_are_one() {
    check_interpolated("amqp://a:${PASSWORD:-b}@c/${NAME:-}", Some("amqp://a:b@c/"));
    check_interpolated("$$a$$ and ${HASH:-$$b$$c}", Some("$a$ and $b$c"));
    check_interpolated("a", Some("a"));
    for open in ["$NAME", "${NAME}", "${NAME:?it must be set}", "${NAME-a}", "a$"] {
        check_interpolated(open, None);
    }
}

/// What a value of a container is on this machine, and what in it was translated. `None`: it is refused.
#[track_caller]
fn check_translated(value: &str, expected: Option<(&str, &str)>) {
    let machine = Machine {
        names: BTreeMap::from([("egress".to_owned(), [127, 1, 2, 3].into())]),
        servers: BTreeMap::from([("amqp://me:secret@rabbitmq:5672".to_owned(), "amqp://here".to_owned())]),
    };
    let mounts = BTreeMap::from([("/etc/a.toml".to_owned(), "/tmp/a.toml".into())]);
    let mut place = Place { machine: &machine, address: [127, 4, 5, 6].into(), mounts, translated: BTreeSet::new() };
    let translated = place.translate("A", value);
    if let Err(told) = &translated {
        assert!(told.starts_with("A: "), "{told}");
    }
    assert_eq!(translated.ok().as_deref(), expected.map(|(value, _)| value), "{value}");
    let noted = expected.filter(|(_, what)| !what.is_empty()).map(|(_, what)| ("A".to_owned(), what.to_owned()));
    assert_eq!(place.translated, noted.into_iter().collect(), "{value}");
}

#[test]
fn what_a_container_finds_is_found_on_this_machine_and_what_nobody_knows_is_refused() {
    check_translated("http://egress:8081/callback/a", Some(("http://127.1.2.3:8081/callback/a", "egress:8081")));
    check_translated("amqp://me:secret@rabbitmq:5672", Some(("amqp://here", "rabbitmq:5672")));
    check_translated("0.0.0.0:8080", Some(("127.4.5.6:8080", "0.0.0.0:8080")));
    check_translated("/etc/a.toml", Some(("/tmp/a.toml", "/etc/a.toml")));
    for plain in ["", "info", "info,egress=debug", "+1-555-555-0100", "$argon2id$v=19$m=19456,t=2,p=1$a/b$c"] {
        check_translated(plain, Some((plain, "")));
    }
    // Not the user that the broker is given, a service that is not there, Tropo itself, a file that is not mounted.
    for unknown in [
        "amqp://me:other@rabbitmq:5672",
        "http://collector:4318",
        "collector:4318",
        "https://api.tropo.com/1.0/sessions",
        "/run/secrets/key",
    ] {
        check_translated(unknown, None);
    }
}
