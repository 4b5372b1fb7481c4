//! The page of dead letters with its script, in a browser.

use testkit::Chromium;
use tokio::task::block_in_place;

use super::{REFUSED, id};
use crate::stage::{DEADLINE, Stage, config};

/// Everything is done with the keyboard.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_how_the_work_goes_while_it_goes() {
    let mut config = config();
    config.tokens.clear();
    let stage = Stage::with(config).await;
    for number in 1..=12 {
        stage.bury(number, "failed", REFUSED).await;
    }
    stage.bury(13, "panicked", "an address 10.0.0.1:1234 was not expected").await;
    block_in_place(|| {
        let mut chromium = Chromium::start().unwrap();
        let mut page = chromium.open(&stage.url("/dead-letters"), (1000, 800)).unwrap();
        page.wait_for("document.querySelectorAll('tbody tr').length === 2", DEADLINE).unwrap();
        page.evaluate("document.querySelector('tbody a').focus()").unwrap();
        page.press("Enter").unwrap();
        page.wait_for("document.querySelectorAll('tbody tr').length === 12", DEADLINE).unwrap();
        page.evaluate("document.querySelector('button[value=rehearse]').focus()").unwrap();
        page.press("Enter").unwrap();
        let told = |words: &str| format!("document.getElementById('progress-told').textContent.includes('{words}')");
        page.wait_for(&told("12 letters can be replayed; nothing is changed"), DEADLINE).unwrap();
        page.evaluate("document.getElementById('rate').value = 20").unwrap();
        page.evaluate("document.querySelector('button[value=replay]').focus()").unwrap();
        page.press("Enter").unwrap();
        page.wait_for("!document.getElementById('progress-stop').hidden", DEADLINE).unwrap();
        page.wait_for(&told("12 letters replayed."), DEADLINE).unwrap();
        page.wait_for("document.activeElement.id === 'progress-again'", DEADLINE).unwrap();
        page.press("Enter").unwrap();
        page.wait_for("document.body.textContent.includes('No letters of this group')", DEADLINE).unwrap();
        assert_eq!(page.complaints().unwrap(), Vec::<String>::new());
        let mut page = chromium.open(&stage.url(&format!("/dead-letters/{}?drop=ask", id(13))), (1000, 800)).unwrap();
        page.wait_for("document.activeElement.value === 'drop'", DEADLINE).unwrap();
        page.press("Enter").unwrap();
        page.wait_for(&told("1 letter dropped."), DEADLINE).unwrap();
        assert_eq!(page.complaints().unwrap(), Vec::<String>::new());
    });
    assert_eq!((stage.dead().await, stage.replayed().await), (0, 12));
}
