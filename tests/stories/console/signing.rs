//! Signing in and out, and what each may see and do.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::window::{DESK, Window, assert_content, click, fill, value, wait, wait_for_words};
use crate::stage::{Bus, Setup, client, until};

const PASSWORD: &str = "correct horse battery staple";
const WORDS: &str = "echo the zebra has a secret";
const TOKEN: &str = "a-token-of-the-stories-that-is-long-enough";

/// As `tropomq password` prints it.
fn hash() -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tropomq"))
        .arg("password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    printed.split('\'').nth(1).unwrap().to_owned()
}

/// Fills in the form.
#[track_caller]
fn sign_in(page: &mut testkit::Tab<'_>, user: &str, password: &str) {
    fill(page, "#user", user);
    fill(page, "#password", password);
    click(page, "form.stack button");
}

#[tokio::test]
async fn each_sees_and_does_what_they_may() {
    let hash = hash();
    let mut setup = Setup::new(Bus::Embedded)
        .with_console()
        .with("console.tokens.story.token", TOKEN)
        .with("console.tokens.story.scopes", vec!["read"]);
    for (user, scopes) in [("ann", vec!["read", "people", "send", "operate"]), ("bob", vec!["read"])] {
        setup = setup.with(&format!("console.users.{user}.password_hash"), hash.as_str());
        setup = setup.with(&format!("console.users.{user}.scopes"), scopes);
    }
    let stage = setup.start().await;
    let phone = stage.phone(0);
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    let session = phone.text(WORDS).await;
    until("its reply is dead", async || {
        let url = format!("{}/v1/messages?state=failed", stage.console_url());
        let found = client().get(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        found.contains("\"failed\"").then_some(())
    })
    .await;

    // Whoever asked for a page comes to it, once it is known who they are.
    let mut window = Window::of(&stage);
    let mut page = window.open("/messages?state=failed", DESK);
    wait(&mut page, "location.pathname === '/login' && document.activeElement.id === 'user'");
    sign_in(&mut page, "ann", "a guess");
    wait_for_words(&mut page, "The name or the password is wrong.");
    assert!(page.complaints().unwrap().iter().all(|told| told.contains("401")), "the answer says so, too");
    sign_in(&mut page, "ann", PASSWORD);
    wait(&mut page, "location.pathname + location.search === '/messages?state=failed'");
    wait_for_words(&mut page, "the zebra has a secret");
    wait(&mut page, "document.querySelector('.who b').textContent === 'ann'");
    assert_content(&mut page);

    // Another tab is signed in as well, until one of them signs out.
    let mut other = window.open("/messages", DESK);
    click(&mut other, ".who button");
    wait(&mut other, "location.pathname === '/login'");
    let mut page = window.open("/", DESK);
    wait(&mut page, "location.pathname === '/login'");

    // Who may only look sees neither numbers nor words, anywhere in the document, and can do nothing.
    sign_in(&mut page, "bob", PASSWORD);
    wait(&mut page, "location.pathname === '/' && document.querySelector('.who b').textContent === 'bob'");
    let letter =
        value(&mut page, "fetch('/v1/messages?state=failed').then((a) => a.json()).then((a) => a.messages[0].id)");
    let letter = letter.as_str().unwrap();
    for path in [
        "/",
        "/messages",
        &format!("/messages/{session}"),
        &format!("/messages/{letter}"),
        "/live",
        "/dead-letters",
        &format!("/dead-letters/{letter}"),
        "/debugger",
        "/backends",
        "/configuration",
        "/acts",
    ] {
        let document = value(
            &mut page,
            &format!("fetch('{path}', {{ headers: {{ accept: 'text/html' }} }}).then((a) => a.text())"),
        );
        let document = document.as_str().unwrap();
        assert!(document.contains("<h1>"), "{path}: {document}");
        for personal in [phone.number.trim_start_matches('+'), phone.number.trim_start_matches("+1"), "zebra"] {
            assert!(!document.contains(personal), "{personal} is in {path}: {document}");
        }
        assert!(!document.contains("value=\"replay\"") && !document.contains("value=\"drop\""), "{path}: {document}");
    }
    let refused = "fetch('/v1/dead-letters/work', { method: 'POST', headers: { 'content-type': 'application/json', \
                   'x-csrf-token': document.querySelector('[name=csrf]').value }, \
                   body: JSON.stringify({ action: 'drop', place: 'dead', filter: {}, all: true }) }).then((a) => a.status)";
    assert_eq!(value(&mut page, refused), 403);

    // Who guesses too often has to wait, and is told.
    let (guess, login) = (format!("user=ann&password={}", "x".repeat(2000)), format!("{}/login", stage.console_url()));
    for _ in 0..10 {
        let guess =
            client().post(&login).header("content-type", "application/x-www-form-urlencoded").body(guess.clone());
        guess.send().await.unwrap();
    }
    let mut page = window.open("/login", DESK);
    sign_in(&mut page, "ann", PASSWORD);
    wait_for_words(&mut page, "Too many attempts: wait a moment.");
}
