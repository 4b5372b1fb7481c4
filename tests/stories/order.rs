//! Order: the texts of a person are handled one after the other, and people side by side.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::crowd::patient;
use crate::stage::{Bus, Phone, Setup, Stage, client, until};

/// How many people text at the same time.
const PEOPLE: usize = 200;
/// How many texts each sends.
const TEXTS: usize = 3;

on_both_buses! {
    everybody_is_answered_in_the_order_of_their_texts
}

/// On RabbitMQ two routers share the people, and one of them is killed in the middle of it. Replies keep their order on a
/// lane with a rate.
async fn everybody_is_answered_in_the_order_of_their_texts(bus: Bus) {
    let setup = if bus == Bus::RabbitMq { Setup::new(bus).replicas(2) } else { Setup::new(bus) };
    let mut stage = patient(setup.with("backends.story.rate", 250)).start().await;
    if bus == Bus::RabbitMq {
        for router in ["router-0", "router-1"] {
            until("both know of each other", async || {
                stage.service(router).log_text().contains("2 share the queues").then_some(())
            })
            .await;
        }
    }
    let phones = stage.phones(PEOPLE);
    let url = stage.webhook_url("story");
    let texting = join_all(phones.iter().map(|phone| text_in_order(&url, &phone.number)));
    let killing = async {
        if bus == Bus::RabbitMq {
            until("both routers work", async || {
                let handled = async |router: &str| handled(&stage, router).await;
                (20 < handled("router-0").await && 20 < handled("router-1").await).then_some(())
            })
            .await;
            stage.service("router-0").kill();
        }
    };
    tokio::join!(texting, killing);
    let expected: Vec<String> = (0..TEXTS).map(|n| format!("number {n}")).collect();
    for phone in &phones {
        assert_eq!(words(phone).await, expected, "{}", phone.number);
    }
}

async fn handled(stage: &Stage, router: &str) -> u64 {
    stage.metrics_of(router).await.settled("router.message.received.", "handled")
}

async fn words(phone: &Phone) -> Vec<String> {
    phone.received(TEXTS).await.into_iter().map(|message| message.text).collect()
}

/// Sends the next text as soon as the last one is accepted; the replies are not waited for. With so many at once a
/// connection may be closed as one is sent on it: then it is sent again, and is the same text.
async fn text_in_order(url: &str, number: &str) {
    let http = client();
    for n in 0..TEXTS {
        until("a text is accepted", async || {
            let answer = http.post(url).json(&text(number, n)).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
    }
}

/// A text, as Tropo posts it.
fn text(number: &str, n: usize) -> Value {
    let digits = number.trim_start_matches('+');
    json!({ "session": {
        "id": format!("{digits}-{n}"), "userType": "HUMAN", "initialText": format!("echo number {n}"),
        "from": { "id": digits, "channel": "TEXT", "network": "SMS" },
        "to": { "id": "15555550100", "channel": "TEXT", "network": "SMS" },
    } })
}
