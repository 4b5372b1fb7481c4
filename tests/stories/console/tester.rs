//! The tester: a text as anybody, and the reply as it comes.

use super::window::{DESK, Window, assert_content, click, fill, texts, value, wait, wait_for_words};
use crate::stage::{Bus, Setup};

on_both_buses! {
    a_text_as_anybody_is_answered_before_ones_eyes
}

async fn a_text_as_anybody_is_answered_before_ones_eyes(bus: Bus) {
    let stage = Setup::new(bus).with_console().start().await;
    let (one, other) = (stage.phone(1), stage.phone(2));
    let mut window = Window::of(&stage);

    // Through the simulated Tropo, all of the way.
    let mut page = window.open("/tester?backend=story", DESK);
    wait(&mut page, "document.activeElement.id === 'text'");
    fill(&mut page, "#from", &one.number);
    fill(&mut page, "#text", "echo all of the way 🐘");
    click(&mut page, "form.tester button.main");
    wait_for_words(&mut page, "The text is on its way");
    wait(&mut page, "document.querySelector('#chat li.out .badge')?.textContent.includes('sent')");
    assert_eq!(texts(&mut page, "#chat .words"), ["all of the way 🐘", "echo all of the way 🐘"], "the newest first");
    assert_eq!(value(&mut page, "document.getElementById('text').value"), "", "ready for the next one");
    assert_eq!(value(&mut page, "document.getElementById('from').value"), one.number.as_str());

    // Whoever texts meanwhile is seen at once: nothing is loaded again.
    value(&mut page, "window.stays = true");
    one.text("echo from the phone").await;
    wait(&mut page, "document.querySelectorAll('#chat li.out').length === 2");
    wait_for_words(&mut page, "echo from the phone");
    assert_eq!(value(&mut page, "window.stays"), true);

    // Straight into the bus, as somebody else, each line a text. The reply goes out as ever.
    fill(&mut page, "#from", &other.number);
    fill(&mut page, "#text", "echo first\necho second\n\necho third");
    click(&mut page, "input[name=lines]");
    click(&mut page, "input[name=way][value=bus]");
    click(&mut page, "form.tester button.main");
    wait_for_words(&mut page, "3 texts are on their way");
    wait(&mut page, "document.querySelectorAll('#chat li.out').length === 3");
    let replies = texts(&mut page, "#chat li.out .words");
    assert_eq!(replies, ["third", "second", "first"], "and nothing of the other person");
    assert_content(&mut page);
    other.received(3).await;
    stage.settle().await;
    other.assert_has(&["first", "second", "third"]).await;
    one.assert_has(&["all of the way 🐘", "from the phone"]).await;

    // What cannot be sent is said, and stays to be mended.
    fill(&mut page, "#from", "nobody knows");
    fill(&mut page, "#text", "echo in vain");
    click(&mut page, "form.tester button.main");
    wait(&mut page, "document.querySelector('.said.failed') !== null");
    assert_eq!(value(&mut page, "document.getElementById('text').value"), "echo in vain");
}
