//! A configuration that changes while everything runs.

use serde_json::Value;

use crate::stage::{Bus, Setup, Stage, client, until};

on_both_buses! {
    a_changed_configuration_counts_and_a_bad_one_is_refused
}

/// What the router says about its configuration.
async fn told(stage: &mut Stage) -> Value {
    let url = format!("{}/configuration", stage.router().admin_url());
    client().get(url).send().await.unwrap().json().await.unwrap()
}

/// Writes the router's configuration with something changed in its text.
fn rewrite(stage: &mut Stage, from: &str, to: &str) {
    let path = stage.router().config();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

async fn a_changed_configuration_counts_and_a_bad_one_is_refused(bus: Bus) {
    let mut stage = Setup::new(bus).with("router.keyword.hours.reply", "nine to five").start().await;
    let phone = stage.phone(0);
    phone.text("hours").await;
    assert_eq!(phone.reply().await.text, "nine to five");
    let before = told(&mut stage).await;

    rewrite(&mut stage, "nine to five", "ten to six");
    let changed = async || (told(&mut stage).await["revision"] != before["revision"]).then_some(());
    until("the changed configuration is applied", changed).await;
    phone.text("hours").await;
    phone.received(2).await;

    rewrite(&mut stage, "ten to six", "");
    let refused = async || told(&mut stage).await["refused"]["reason"].as_str().map(str::to_owned);
    let reason = until("the bad configuration is refused", refused).await;
    assert!(reason.contains("router.keyword.hours.reply"), "{reason}");
    phone.text("hours").await;
    phone.received(3).await;
    stage.settle().await;
    phone.assert_has(&["nine to five", "ten to six", "ten to six"]).await;

    rewrite(&mut stage, "[router.keyword.hours]\nreply = \"\"", "[router.keyword.hours]\nreply = \"never\"");
    let mended = async || told(&mut stage).await["refused"].is_null().then_some(());
    until("the mended configuration is applied", mended).await;
    rewrite(&mut stage, "[router]\n", "[router]\nprefetch = 7\n");
    let refused = async || told(&mut stage).await["refused"]["reason"].as_str().map(str::to_owned);
    let reason = until("what needs a restart is refused", refused).await;
    assert!(reason.contains("router.prefetch") && reason.contains("start it again"), "{reason}");

    let path = stage.router().config();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.split("[router").next().unwrap()).unwrap();
    let refused = async || {
        let reason = told(&mut stage).await["refused"]["reason"].as_str().map(str::to_owned);
        reason.filter(|reason| reason.contains("not in the file any more"))
    };
    until("a file that was cut off is refused", refused).await;
}
