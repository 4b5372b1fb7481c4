//! Every page: whole on a desk and on a phone, in the light and in the dark, whatever people write. With `BLESS=1` the
//! pictures of docs/console.md are taken anew.

use std::path::Path;

use serde_json::{Value, json};
use testkit::Tab;

use super::window::{DESK, HAND, Window, assert_content, get, listed, text, value, wait};
use crate::stage::{Bus, SECRET, Setup, Stage};

/// Where the pictures are.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/screenshots");

/// The longest picture, in pixels.
const LENGTH_MAX: u32 = 1_200;

/// Nobody means well with this: markup, quotation marks, what turns the direction of writing, and no place to break.
const HOSTILE: &str =
    "echo \"'><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\u{202e}&amp;";

/// What is wrong with a page.
const WRONG: &str = r"(() => {
  const wrong = [];
  const check = (holds, told) => holds || wrong.push(told);
  const { scrollWidth, lang } = document.documentElement;
  const beyond = [...document.querySelectorAll('main *')].filter((each) => innerWidth < each.getBoundingClientRect().right);
  check(scrollWidth <= innerWidth, `it is ${scrollWidth} px wide: ${beyond.slice(0, 3).map((each) => each.outerHTML.slice(0, 120))}`);
  check(document.querySelectorAll('h1').length === 1, 'it has not one heading');
  check(document.title.endsWith(' · tropomq'), `its title is ${document.title}`);
  check(lang === 'en', 'it has no language');
  check(!document.querySelector('main img, main script'), 'somebody has put markup into it');
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    check(field.labels.length || field.ariaLabel, `a field has no label: ${field.outerHTML}`);
  }
  for (const each of document.querySelectorAll('a[href], button:not([hidden])')) {
    check(each.textContent.trim() || each.ariaLabel, `it has no words: ${each.outerHTML}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
  check(new Set(ids).size === ids.length, `an id is there twice: ${ids}`);
  // Words and what they stand on differ in brightness, as WCAG has it.
  const part = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const colour = (written) => written.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const ground = (each) => {
    const own = each ? colour(getComputedStyle(each).backgroundColor) : [255, 255, 255];
    return own[3] === 0 ? ground(each.parentElement) : own;
  };
  for (const each of document.querySelectorAll('body :not(svg *):not([disabled])')) {
    if (![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || !each.checkVisibility()) continue;
    const [one, other] = [light(colour(getComputedStyle(each).color)), light(ground(each))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    check(4.5 <= contrast, `its contrast is ${contrast}: ${each.outerHTML.slice(0, 120)}`);
  }
  return wrong;
})()";

/// What people text on an ordinary day.
async fn an_ordinary_day(stage: &Stage) {
    let words = [
        "hours",
        "JOIN Amina",
        "Is the clinic open on Sunday?",
        "hours?",
        "join Kofi",
        "Merci beaucoup, à demain",
        "echo Does this still work?",
        "join",
    ];
    for (phone, words) in stage.phones(12)[4..].iter().zip(words) {
        phone.text(words).await;
    }
    listed(stage, "state=sent&limit=100", 8).await;
    let leaving = stage.phone(1);
    leaving.text("STOP").await;
    leaving.reply().await;
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    for (phone, words) in stage.phones(4)[2..].iter().zip(["hours", "join Zainab"]) {
        phone.text(words).await;
    }
    listed(stage, "state=failed", 2).await;
    stage.tropo.behave().await;
    let asking = stage.phone(0);
    for (count, words) in (1..).zip(["hours", "join Esi", "echo Thank you, see you at 9"]) {
        asking.text(words).await;
        asking.received(count).await;
    }
    listed(stage, "state=sent&limit=100", 12).await;
}

/// Keeps a picture of the page, where pictures are taken.
fn keep(tab: &mut Tab<'_>, name: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(PICTURES).unwrap();
        // Nothing stands out because it has the focus, and a long page is cut off where a reader has seen enough.
        let shown = format!(
            "document.activeElement?.blur(); if ({LENGTH_MAX} < document.documentElement.scrollHeight) {{ \
             document.documentElement.style.overflow = 'auto'; \
             Object.assign(document.body.style, {{ height: '{LENGTH_MAX}px', overflow: 'hidden', position: 'relative' }}); }} 0"
        );
        value(tab, &shown);
        std::fs::write(Path::new(PICTURES).join(name), tab.picture().unwrap()).unwrap();
    }
}

#[track_caller]
fn check(tab: &mut Tab<'_>, path: &str) {
    for is_dark in [false, true] {
        tab.prefer_dark(is_dark).unwrap();
        let ground = if is_dark { "rgb(18, 23, 26)" } else { "rgb(246, 248, 249)" };
        wait(tab, &format!("getComputedStyle(document.documentElement).backgroundColor === '{ground}'"));
        assert_eq!(value(tab, WRONG), json!([]), "{path}, dark: {is_dark}");
    }
    let document = value(tab, "document.documentElement.outerHTML").to_string();
    for secret in [SECRET, "token-of-the-story"] {
        assert!(!document.contains(secret), "{secret} is on {path}");
    }
    assert_content(tab);
}

#[tokio::test]
async fn every_page_is_whole_and_readable_whatever_people_write() {
    let stage = Setup::new(Bus::Embedded)
        .with_console()
        .with("router.keyword.hours.reply", "We are open from 9 to 5, Monday to Saturday.")
        .with("router.keyword.join.reply", "Welcome, {rest}! Text STOP to leave.")
        .with("router.keyword.join.help", "join NAME: be one of us")
        .start()
        .await;
    an_ordinary_day(&stage).await;
    let phone = stage.phone(0);
    let person = format!("backend=story&person=%2B{}", phone.number.trim_start_matches('+'));
    let last = listed(&stage, &format!("{person}&direction=in&limit=1"), 1).await.swap_remove(0);
    let dead = listed(&stage, "state=failed", 2).await.swap_remove(0);
    let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
    let groups = get(&stage, "/v1/dead-letters/groups").await;
    let group = groups["groups"][0]["id"].as_str().unwrap().to_owned();
    let pages = [
        ("overview", "/".to_owned()),
        ("messages", "/messages".to_owned()),
        ("message", format!("/messages/{}", id(&last))),
        ("failed", format!("/messages/{}", id(&dead))),
        ("conversation", format!("/conversation?{person}")),
        ("tester", format!("/tester?backend=story&from=%2B{}", phone.number.trim_start_matches('+'))),
        ("live", "/live".to_owned()),
        ("dead-letters", "/dead-letters".to_owned()),
        ("dead-letters-of-a-cause", format!("/dead-letters?group={group}")),
        ("dead-letter", format!("/dead-letters/{}", id(&dead))),
        ("debugger", "/debugger".to_owned()),
        ("backends", "/backends".to_owned()),
        ("opt-outs", "/backends/story/opt-outs".to_owned()),
        ("configuration", "/configuration".to_owned()),
        ("acts", "/acts".to_owned()),
        ("api", "/api".to_owned()),
        ("nowhere", "/nowhere".to_owned()),
    ];
    let mut window = Window::of(&stage);
    for (name, path) in pages.iter().filter(|(name, _)| *name != "nowhere") {
        keep(&mut window.open(path, DESK), &format!("{name}.png"));
        if ["overview", "message", "tester"].contains(name) {
            keep(&mut window.open(path, HAND), &format!("{name}-phone.png"));
            let mut page = window.open(path, DESK);
            page.prefer_dark(true).unwrap();
            keep(&mut page, &format!("{name}-dark.png"));
        }
    }

    // The last person is one who means no good, and so is the dead letter's.
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    let long = "w".repeat(300);
    for words in [HOSTILE, &format!("echo {long}")] {
        text(&stage, "story", &phone.number, words).await;
    }
    listed(&stage, "state=failed", 4).await;
    let hostile = listed(&stage, &format!("{person}&direction=out&state=failed"), 2).await.swap_remove(1);
    assert!(hostile["text"].as_str().unwrap().contains("<img"), "{hostile}");
    let log = get(&stage, "/v1/debugger?limit=300").await.to_string();
    assert!(log.contains("Sending TropoML Payload"), "{log}");
    assert!(
        !log.contains(SECRET) && !log.contains("token-of-the-story"),
        "Tropo's log is shown without secrets: {log}"
    );
    let more =
        [("hostile", format!("/messages/{}", id(&hostile))), ("hostile", format!("/dead-letters/{}", id(&hostile)))];
    let sought = "%22%3E%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'owned'%22%3E";
    let sought = [("sought", format!("/messages?q={sought}")), ("sought", format!("/debugger?q={sought}"))];
    for (name, path) in pages.iter().chain(&more).chain(&sought) {
        for size in [DESK, HAND] {
            let mut page = window.open(path, size);
            if *name == "nowhere" {
                let complaints = page.complaints().unwrap();
                assert!(complaints.iter().all(|told| told.contains("404")), "{complaints:?}");
            }
            check(&mut page, path);
            if *name == "hostile" {
                let shown = value(&mut page, "document.querySelector('main').textContent").to_string();
                assert!(
                    shown.contains("onerror=") && shown.contains("document.title='owned'"),
                    "as it was written: {shown}"
                );
            }
        }
    }
}
