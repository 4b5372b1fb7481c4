//! How everything is doing is told.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::json;
use store::{Choice, ConsentChange};

use crate::slow::Slow;
use crate::stage::{CLERK, PERSON, READER, Stage, backend, config, conversation};

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_of_processes_queues_backends_and_the_journal() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = config();
    config.watch.insert("egress".to_owned(), format!("http://{nobody}").parse().unwrap());
    let stage = Stage::with(config).await;
    stage.keep(&conversation(1, PERSON, "hello").entries).await;
    let (status, told) = stage.get(READER, "/v1/status").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!((&told["version"], &told["is_well"]), (&json!("1.2.3"), &json!(false)));
    let processes = told["processes"].as_array().unwrap();
    assert_eq!((&processes[0]["is_ready"], &processes[1]["is_ready"]), (&json!(true), &json!(false)));
    assert_eq!(processes[1]["error"], "nobody listens there");
    assert_eq!(told["queues"]["texts"]["ready"], 0);
    assert_eq!((&told["backends"][0]["name"], &told["backends"][0]["is_served"]), (&json!("b"), &json!(false)));
    assert_eq!(told["journal"]["events"], 3);
    let amiss: Vec<_> = told["amiss"].as_array().unwrap().iter().map(|amiss| amiss["told"].as_str().unwrap()).collect();
    let expected = [
        "“egress” takes no work",
        "messages of the backend “b”",
        "messages of the backend “p”",
        "handles the texts",
        "keeps what happens",
    ];
    assert_eq!(amiss.len(), expected.len(), "{amiss:?}");
    assert!(amiss.iter().zip(expected).all(|(told, expected)| told.contains(expected)), "{amiss:?}");
    let shown = stage.ask(READER, Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(amiss.iter().all(|told| shown.contains(told)), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opted_out_of_a_backend_is_told_to_who_may_see_people() {
    let stage = Stage::set().await;
    let change = |number: u128, name: &str, person: &str| ConsentChange {
        backend: name.parse().unwrap(),
        person: person.parse().unwrap(),
        choice: Some(Choice::Out),
        at: "2026-11-23T00:00:00Z".parse().unwrap(),
        cause: uuid::Uuid::from_u128(number).into(),
        word: "stop".to_owned(),
        reply: None,
    };
    for (number, name, person) in [(1, "a", "+15555550111"), (2, "b", PERSON), (3, "c", "+15555550122")] {
        stage.opened.consents.change(change(number, name, person)).await.unwrap();
    }
    for from_the_first in ["", "?cursor="] {
        let (_, told) = stage.get(CLERK, &format!("/v1/backends/{}/opt-outs{from_the_first}", backend())).await;
        assert_eq!(told["opted_out"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!(told["opted_out"][0]["person"], PERSON);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_process_around_it_says_is_passed_on() {
    let stage = Stage::set().await;
    let (_, told) = stage.get(READER, "/v1/balance?backend=b&settle=30s").await;
    assert_eq!(told, json!({ "backend": "b", "settle_ms": 30_000 }));
    let (_, told) = stage.get(READER, "/v1/configuration").await;
    assert_eq!((&told["is_good"], &told["findings"][0]["key"]), (&json!(true), &json!("backends.b")));
    let (_, told) = stage.get(READER, "/v1/applications").await;
    assert_eq!(told, json!({ "applications": [{ "name": "echo", "kind": "built in" }] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_tell_is_not_known_rather_than_nothing() {
    let stage = Stage::without_database(config()).await;
    let (_, told) = stage.get(READER, "/v1/status").await;
    let backend = &told["backends"][0];
    assert_eq!((&backend["recent"], &backend["is_failure_known"]), (&json!(null), &json!(false)), "{told}");
    let page = async |path| stage.ask(READER, Method::GET, path).send().await.unwrap().text().await.unwrap();
    let shown = page("/").await;
    assert!(shown.contains("<dt>Texts, five minutes</dt><dd><span class=\"soft\" title=\"not known\">–"), "{shown}");
    let shown = page("/backends").await;
    assert!(shown.contains("<dt>Last five minutes</dt><dd><span class=\"soft\">not known"), "{shown}");
    assert!(shown.contains("<dt>Last failure</dt><dd><span class=\"soft\">not known"), "{shown}");

    // What takes too long takes nothing else with it.
    let journal = Arc::new(Slow(Arc::clone(&stage.opened.journal)));
    stage.give(store::Opened { journal, ..stage.opened.clone() });
    let (status, told) = stage.get(READER, "/v1/backends").await;
    let backend = &told["backends"][0];
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!((&backend["recent"], &backend["is_failure_known"]), (&json!({}), &json!(false)), "{told}");
}
