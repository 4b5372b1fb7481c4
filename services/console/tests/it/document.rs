//! The OpenAPI document says what is served.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PERSON, READER, SENDER, Stage};

/// Where it stands for those who do not run a console.
const FILE: &str = "../../docs/openapi.json";

#[tokio::test(flavor = "multi_thread")]
async fn the_document_in_docs_is_the_one_that_is_served() {
    let stage = Stage::set().await;
    let (status, served) = stage.get(READER, "/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{served:#}\n")).unwrap();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    assert!(written == served, "docs/openapi.json is old: run this test with BLESS=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_is_which_scope_it_needs_and_how_it_fails() {
    let stage = Stage::set().await;
    let (_, document) = stage.get(READER, "/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert!(10 < paths.len());
    let mut ids = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["description"].is_string(), "{at}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{at}");
            let needed = operation["security"][0]["token"].as_array().unwrap_or_else(|| panic!("{at}"));
            assert_eq!(needed.len(), 1, "{at}");
            assert!(operation["responses"].as_object().unwrap().contains_key("4XX"), "{at}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{at}: {parameter}");
                // What is left out is not written: null would be a word.
                assert!(!parameter["schema"]["type"].is_array(), "{at}: {parameter}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_scope_that_an_operation_names_is_refused() {
    let stage = Stage::set().await;
    let (_, document) = stage.get(READER, "/openapi.json").await;
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("get") else { continue };
        let who = if operation["security"][0]["token"][0] == "read" { SENDER } else { READER };
        let required = operation["parameters"].as_array().into_iter().flatten();
        let required = required.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let query: Vec<String> = required
            .map(|parameter| {
                let example = parameter["example"].as_str().unwrap().replace('+', "%2B");
                format!("{}={example}", parameter["name"].as_str().unwrap())
            })
            .collect();
        let path = format!("{}?{}", path.replace("{id}", "a").replace("{name}", "b"), query.join("&"));
        assert_eq!(stage.get(who, &path).await.0, StatusCode::FORBIDDEN, "{who} {path}");
        asked += 1;
    }
    assert!(10 < asked);
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("post") else { continue };
        // The smallest that is read, so that nothing but the scope is in the way.
        let body = match path.as_str() {
            "/v1/messages" => json!({ "backend": "b", "to": PERSON, "text": "hello" }),
            "/v1/messages/bulk" => json!({ "messages": [] }),
            "/v1/texts" => json!({ "backend": "b", "from": PERSON, "text": "hello", "way": "bus" }),
            "/v1/dead-letters/work" => json!({ "action": "drop", "all": true }),
            "/v1/dead-letters/{id}/replay" => json!({}),
            other => panic!("what does {other} take?"),
        };
        let who = if operation["security"][0]["token"][0] == "send" { READER } else { SENDER };
        let path = path.replace("{id}", "a");
        let (status, told) = stage.post(who, &path, &body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{who} {path}: {told}");
        asked += 1;
    }
    assert!(15 < asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_scope_of_a_form_is_refused() {
    let stage = Stage::set().await;
    let forms = [
        (READER, "/tester", "backend=b&from=%2B15555550177&text=hello&way=bus"),
        (SENDER, "/dead-letters/work", "action=drop&place=dead&limit=1"),
        (SENDER, "/dead-letters/a", "place=dead&text=hello"),
    ];
    for (who, path, form) in forms {
        let asked = stage.ask(who, Method::POST, path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = asked.body(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{who} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_operation_and_every_schema() {
    let stage = Stage::set().await;
    let (_, document) = stage.get(READER, "/openapi.json").await;
    let (status, page) = stage.get(READER, "/api").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let page = page.as_str().unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        assert!(page.contains(path.as_str()), "{path}");
        for operation in operations.as_object().unwrap().values() {
            assert!(page.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())), "{path}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
}
