//! Pages that their scripts keep current, in a browser.

use std::future::Future;

use testkit::Chromium;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::stage::{DEADLINE, PERSON, Stage, config, conversation};

/// Nobody has to sign in.
async fn open_to_all() -> Stage {
    let mut config = config();
    config.tokens.clear();
    Stage::with(config).await
}

/// Waits, amid what a browser does.
fn now<T>(future: impl Future<Output = T>) -> T {
    Handle::current().block_on(future)
}

async fn keep(stage: &Stage, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        stage.keep(&conversation(number, PERSON, "hello").entries).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_come_in_bring_the_way_on_and_a_page_says_when_it_is_not_current() {
    let stage = open_to_all().await;
    keep(&stage, 1..=30).await;
    block_in_place(|| {
        let mut chromium = Chromium::start().unwrap();
        let mut page = chromium.open(&stage.url("/messages"), (1000, 800)).unwrap();
        let older = "document.querySelector('[rel=next]').href";
        let before = page.evaluate(older).unwrap();
        now(keep(&stage, 31..=32));
        page.wait_for("document.querySelector('#news button').textContent === '4 new: show'", DEADLINE).unwrap();
        page.evaluate("document.querySelector('#news button').click()").unwrap();
        page.wait_for("document.querySelector('#news button').hidden", DEADLINE).unwrap();
        assert_ne!(page.evaluate(older).unwrap(), before, "what went out of sight is on the next page");
        page.evaluate("window.answering = fetch; window.fetch = () => Promise.reject(new TypeError('away'))").unwrap();
        now(keep(&stage, 33..=33));
        page.wait_for("!document.querySelector('.stale').hidden", DEADLINE).unwrap();
        let is_told = "document.querySelector('.stale').textContent.startsWith('Not current since')";
        page.wait_for(is_told, DEADLINE).unwrap();
        // Nothing happens any more that would tell of itself.
        page.evaluate("window.fetch = window.answering").unwrap();
        page.wait_for("document.querySelector('.stale').hidden", DEADLINE).unwrap();
        page.wait_for("document.querySelector('#news button').textContent === '2 new: show'", DEADLINE).unwrap();
        assert_eq!(page.complaints().unwrap(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_keeps_the_focus_when_it_changes() {
    let stage = open_to_all().await;
    let talk = conversation(1, PERSON, "hello");
    let (begun, sent) = talk.entries.split_at(2);
    stage.keep(begun).await;
    block_in_place(|| {
        let mut chromium = Chromium::start().unwrap();
        let mut page = chromium.open(&stage.url(&format!("/messages/{}", talk.text)), (1000, 800)).unwrap();
        page.evaluate("document.querySelector('#q2 summary').focus()").unwrap();
        page.press("Enter").unwrap();
        page.wait_for("document.getElementById('q2').open", DEADLINE).unwrap();
        now(stage.keep(sent));
        page.wait_for("document.body.textContent.includes('it worked')", DEADLINE).unwrap();
        page.wait_for("document.activeElement === document.querySelector('#q2[open] summary')", DEADLINE).unwrap();
        assert_eq!(page.complaints().unwrap(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_refused_is_asked_for_again() {
    let stage = open_to_all().await;
    block_in_place(|| {
        let mut chromium = Chromium::start().unwrap();
        let mut page = chromium.open(&stage.url("/live"), (1000, 800)).unwrap();
        page.wait_for("document.getElementById('follows').textContent === 'Live.'", DEADLINE).unwrap();
        // The next stream that is opened is at an address that answers with a problem.
        page.evaluate("window.kept = live.dataset.pulse; live.dataset.pulse = '/nowhere'").unwrap();
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))").unwrap();
        now(keep(&stage, 1..=1));
        page.wait_for("document.querySelectorAll('tbody tr').length === 3", DEADLINE).unwrap();
        page.evaluate("live.dataset.pulse = window.kept").unwrap();
        now(keep(&stage, 2..=2));
        page.wait_for("document.querySelectorAll('tbody tr').length === 6", DEADLINE).unwrap();
    });
}
