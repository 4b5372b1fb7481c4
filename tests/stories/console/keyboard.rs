//! The keyboard alone: from the first page to a reply, and to what it rests on.

use testkit::Tab;

use super::window::{DESK, Window, assert_content, value, wait, wait_for_words};
use crate::stage::{Bus, Setup};

/// The most steps from one thing on a page to another.
const STEPS_MAX: usize = 60;

/// Steps on until the focus is on what is meant; wherever it is meanwhile, that is seen.
#[track_caller]
fn step_to(tab: &mut Tab<'_>, selector: &str) {
    for _ in 0..STEPS_MAX {
        tab.press("Tab").unwrap();
        let seen = "(() => { const has = document.activeElement; const { outlineStyle, outlineWidth } = getComputedStyle(has); \
                    const { top, bottom, width, height } = has.getBoundingClientRect(); \
                    return has === document.body || (outlineStyle !== 'none' && outlineWidth !== '0px' \
                    && 0 < bottom && top < innerHeight && 0 < width && 0 < height); })()";
        // A step scrolls, and some things move in.
        wait(tab, seen);
        if value(tab, &format!("document.activeElement.matches({})", serde_json::Value::from(selector))) == true {
            return;
        }
    }
    panic!("{selector} is not reached in {STEPS_MAX} steps");
}

#[tokio::test]
async fn nobody_needs_a_mouse() {
    let stage = Setup::new(Bus::Embedded).with_console().start().await;
    let mut window = Window::of(&stage);
    let mut page = window.open("/", DESK);
    // The first step leads past the navigation.
    step_to(&mut page, "a.skip");
    page.press("Enter").unwrap();
    wait(&mut page, "document.activeElement.id === 'main'");
    wait(&mut page, "document.querySelector('a.skip').getBoundingClientRect().bottom <= 0");

    let mut page = window.open("/", DESK);
    step_to(&mut page, "nav a[href='/tester']");
    page.press("Enter").unwrap();
    wait(&mut page, "location.pathname === '/tester' && document.activeElement.id === 'text'");
    page.write("echo by hand").unwrap();
    step_to(&mut page, "form.tester button.main");
    page.press("Enter").unwrap();
    wait_for_words(&mut page, "The text is on its way");
    wait(&mut page, "document.querySelector('#chat li.out .badge')?.textContent.includes('sent')");
    step_to(&mut page, "#chat a[href^='/messages/']");
    page.press("Enter").unwrap();
    wait(&mut page, "document.querySelectorAll('#questions + ol h3 .badge.good').length === 5");
    step_to(&mut page, "#q1 summary");
    page.press("Enter").unwrap();
    wait(&mut page, "document.getElementById('q1').open");
    page.press("Escape").unwrap();
    wait(&mut page, "!document.getElementById('q1').open && document.activeElement.matches('#q1 summary')");
    assert_content(&mut page);
}
