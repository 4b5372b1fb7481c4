//! The live list: it follows what happens, waits when it is told to, and misses nothing.

use super::window::{DESK, Window, assert_content, click, texts, value, wait};
use crate::stage::{Bus, Phone, Setup};

/// The list shows a text of this phone.
fn shows(phone: &Phone) -> String {
    format!("document.getElementById('live').textContent.includes('{}')", phone.number)
}

#[tokio::test]
async fn what_happens_is_followed_through_pauses_and_restarts() {
    let mut stage = Setup::new(Bus::RabbitMq).with_console().start().await;
    let phones = stage.phones(3);
    let mut window = Window::of(&stage);
    let mut page = window.open("/live", DESK);
    value(&mut page, "window.stays = true");
    phones[0].text("echo one").await;
    wait(&mut page, &shows(&phones[0]));
    wait(&mut page, "[...document.querySelectorAll('#live .badge')].some((badge) => badge.title === 'message.sent')");
    assert_content(&mut page);

    click(&mut page, "#pause");
    wait(&mut page, "document.getElementById('follows').textContent === 'Paused.'");
    let before = texts(&mut page, "#live tbody tr");
    // Counted as the stream tells it: it has told of the second text, and the list stays as it is.
    let pulses = "window.pulses = 0; const told = new EventSource('/pulse'); \
                  told.addEventListener('changed', () => { window.pulses += 1; }); 0";
    value(&mut page, pulses);
    phones[1].text("echo two").await;
    phones[1].reply().await;
    wait(&mut page, "0 < window.pulses");
    assert_eq!(texts(&mut page, "#live tbody tr"), before);
    click(&mut page, "#pause");
    wait(&mut page, &shows(&phones[1]));
    assert_content(&mut page);

    // The console goes, and what happens meanwhile is there when it is back.
    stage.service("console-0").kill();
    phones[2].text("echo three").await;
    phones[2].reply().await;
    stage.service("console-0").start();
    stage.service("console-0").ready().await;
    wait(&mut page, &shows(&phones[2]));
    assert_eq!(value(&mut page, "window.stays"), true, "it is the same page");
    let rows: Vec<String> = serde_json::from_value(value(
        &mut page,
        "[...document.querySelectorAll('#live tbody tr')].map((row) => row.id)",
    ))
    .unwrap();
    let numbers: Vec<u64> = rows.iter().map(|id| id.trim_start_matches("e-").parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] < pair[0]), "each once, the newest first: {numbers:?}");
}
