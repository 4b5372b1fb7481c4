//! Dead letters: why, what would happen, what shall happen.

use serde_json::json;

use super::window::{DESK, Window, assert_content, click, fill, listed, texts, value, wait, wait_for_words};
use crate::stage::{Bus, Setup};

/// Of four, one is edited, two are replayed as they are, and one is dropped.
#[tokio::test]
async fn an_operator_edits_replays_and_drops_what_died() {
    let stage = Setup::new(Bus::Embedded).with_console().start().await;
    let phones = stage.phones(4);
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    for (phone, words) in phones.iter().zip(["too late", "misspelt", "good", "as good"]) {
        phone.text(&format!("echo {words}")).await;
        listed(&stage, &format!("state=failed&person=%2B{}", phone.number.trim_start_matches('+')), 1).await;
    }
    let letter = async |index: usize| {
        let found =
            listed(&stage, &format!("direction=out&person=%2B{}", phones[index].number.trim_start_matches('+')), 1)
                .await;
        found[0]["id"].as_str().unwrap().to_owned()
    };
    stage.tropo.behave().await;

    let mut window = Window::of(&stage);
    let mut page = window.open("/dead-letters", DESK);
    wait(&mut page, "document.querySelectorAll('tbody tr').length === 1");
    assert_eq!(texts(&mut page, "tbody b"), ["4"], "one cause, one group");
    click(&mut page, "tbody a");
    wait(&mut page, "document.querySelectorAll('tbody tr').length === 4");
    wait_for_words(&mut page, "What to do:");
    click(&mut page, "button[value=rehearse]");
    wait_for_words(&mut page, "4 letters can be replayed; nothing is changed");
    assert_content(&mut page);

    // One is dropped, once that is confirmed.
    let mut page = window.open(&format!("/dead-letters/{}", letter(0).await), DESK);
    wait_for_words(&mut page, "too late");
    click(&mut page, "a[href*='drop=ask']");
    wait_for_words(&mut page, "Remove 1 letter for good?");
    click(&mut page, "button[value=drop]");
    wait_for_words(&mut page, "1 letter dropped.");

    // One is found from its message, and says something better.
    let mut page = window.open(&format!("/messages/{}", letter(1).await), DESK);
    click(&mut page, "a[href^='/dead-letters/']");
    wait(&mut page, "document.getElementById('edit') !== null");
    click(&mut page, "#edit summary");
    wait(&mut page, "document.getElementById('edit').open");
    fill(&mut page, "#edit-text", "spelt well");
    click(&mut page, "#edit button.main");
    wait(&mut page, "document.querySelector('.said.done') !== null");
    assert_content(&mut page);

    // The others as they are.
    let mut page = window.open("/dead-letters", DESK);
    wait(&mut page, "document.querySelector('tbody b')?.textContent === '2'");
    click(&mut page, "button[value=replay]");
    wait_for_words(&mut page, "2 letters replayed.");
    click(&mut page, "#progress-again");
    wait_for_words(&mut page, "There are no dead letters.");
    assert_content(&mut page);

    for phone in &phones[1..] {
        phone.reply().await;
    }
    stage.settle_with_dead(4).await;
    for (phone, expected) in phones.iter().zip([vec![], vec!["spelt well"], vec!["good"], vec!["as good"]]) {
        phone.assert_has(&expected).await;
    }
    let mut page = window.open("/acts", DESK);
    assert!(value(&mut page, "document.querySelectorAll('tbody tr').length").as_u64() >= Some(3));
    assert_content(&mut page);
}
