//! The API of the console, asked by Schemathesis: all that its description allows, and much that it does not. `fuzzing` says
//! how it is asked, and what is looked at.

use serde_json::Value;

use crate::stage::Fuzzed;

/// How often each operation was answered as asked.
fn accepted(report: &Value) -> Vec<(&str, u64)> {
    let rates = report["valid_rates"].as_object().unwrap().iter();
    let sum =
        |phases: &Value| phases.as_object().unwrap().values().map(|rate| rate["accepted"].as_u64().unwrap()).sum();
    rates.map(|(operation, phases)| (operation.as_str(), sum(phases))).collect()
}

#[tokio::test]
async fn whatever_is_asked_the_api_answers_as_it_is_described() {
    let report = Fuzzed::set().await.ask("api.toml").await;
    let accepted = accepted(&report);
    assert_eq!(accepted.len() as u64, report["operations"]["total"], "{accepted:?}");
    // It saw not refusals alone.
    let refused: Vec<_> = accepted.iter().filter(|(_, accepted)| *accepted == 0).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn who_shows_no_token_is_refused_whatever_is_asked() {
    let report = Fuzzed::set().await.ask("strangers.toml").await;
    assert_eq!(report["operations"]["tested"], report["operations"]["total"]);
}
