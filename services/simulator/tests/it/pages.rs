//! The pages, in a real browser: what is served, what it shows, and what it does when something happens.

use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use testkit::{Chromium, Tab};

use crate::stage::{PHONE, Posted, Reply, Stage};

/// No test waits longer for anything on a page.
const DEADLINE: Duration = Duration::from_secs(30);

const DESK: (u32, u32) = (1280, 900);
const HAND: (u32, u32) = (360, 640);

/// What would run, were it markup.
const ATTACK: &str = "<img src=x onerror=\"document.title='owned'\"> & <b>bold</b> '\"";

fn echo(posted: &Posted) -> Reply {
    let text = posted.body["session"]["initialText"].as_str().unwrap();
    Reply::document(&json!({"tropo": [{"say": {"value": format!("you said {text}")}}]}))
}

async fn page(stage: &Stage, path: &str) -> (u16, String) {
    let answer =
        stage.http.get(stage.url(path)).header(ACCEPT, "text/html,application/xhtml+xml").send().await.unwrap();
    let headers = answer.headers().clone();
    let status = answer.status().as_u16();
    if headers[CONTENT_TYPE] == "text/html; charset=utf-8" {
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    }
    (status, answer.text().await.unwrap())
}

/// Looks through a browser while the stage plays on.
fn look(looking: impl FnOnce(&mut Chromium)) {
    tokio::task::block_in_place(|| {
        let mut browser = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
        looking(&mut browser);
    });
}

#[track_caller]
fn wait(tab: &mut Tab<'_>, condition: &str) {
    tab.wait_for(condition, DEADLINE).unwrap_or_else(|error| panic!("{error}"));
}

#[track_caller]
fn value(tab: &mut Tab<'_>, expression: &str) -> Value {
    tab.evaluate(expression).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether nothing is wider than the window.
#[track_caller]
fn assert_fits(tab: &mut Tab<'_>) {
    let width = value(tab, "[document.documentElement.scrollWidth, innerWidth]");
    assert!(width[0].as_u64() <= width[1].as_u64(), "{width}");
}

#[tokio::test]
async fn a_browser_gets_pages_and_others_what_they_had() {
    let stage = Stage::new(echo).await;
    let session = stage.text(PHONE, ATTACK).await;
    stage.texts(PHONE, 1).await;
    stage.ended(&session).await;
    let escaped = "&lt;img src=x onerror=&quot;document.title=&#39;owned&#39;&quot;&gt; &amp; &lt;b&gt;bold&lt;/b&gt;";
    let phone = format!("/phones/{PHONE}");
    for (path, words) in [
        ("/", vec!["/phones/%2B15555550177", "demo", "+15555550100"]),
        (phone.as_str(), vec![escaped, "GSM-7", "class=\"sent\"", "class=\"received\""]),
        ("/debugger", vec!["Found hostedCloudDnsApplicationInfo", &session]),
        ("/debugger/page?session=", vec!["Found hostedCloudDnsApplicationInfo"]),
        (&format!("/debugger?session={session}"), vec!["Found hostedCloudDnsApplicationInfo"]),
        ("/debugger/page?session=nobody", vec!["This session has no lines"]),
    ] {
        let (status, html) = page(&stage, path).await;
        assert!(status == 200 && html.starts_with("<!DOCTYPE html>"), "{path}: {html}");
        assert!(words.iter().all(|word| html.contains(word)), "{path} has not {words:?}: {html}");
        assert!(!html.contains("<img") && !html.contains("style=") && !html.contains("http-equiv"), "{path}: {html}");
    }
    assert!(stage.get("/").await.1.as_str().unwrap().starts_with("A stand-in for Tropo"));
    assert!(stage.get("/debugger").await.1.is_array());
    assert_eq!(stage.get(&phone).await.1["number"], PHONE);
    assert_eq!(page(&stage, "/debugger/page?session=%07").await.0, 400);
}

/// Without scripts, a form of the page does the same.
#[tokio::test]
async fn a_form_texts_and_comes_back_to_the_phone() {
    let stage = Stage::new(echo).await;
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let post = async |body: &'static str| {
        let request = http.post(stage.url(&format!("/phones/{PHONE}"))).header(ACCEPT, "text/html");
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await.unwrap()
    };
    let sent = post("to=%2B15555550100&text=one%0D%0Atwo&network=SMS&subject=&media=").await;
    let location = "/phones/%2B15555550177?to=%2B15555550100&network=SMS";
    assert_eq!((sent.status().as_u16(), sent.headers()[LOCATION].to_str().unwrap()), (303, location));
    assert_eq!(stage.texts(PHONE, 1).await, ["you said one\ntwo"]);
    for (body, status, words) in [
        ("to=%2B15555550199&text=hi%3C", 404, ["nobody has this number", "hi&lt;</textarea>"]),
        ("to=%2B15555550100&text=+%0D%0A", 400, ["the text is blank", "value=\"+15555550100\""]),
        ("to=&text=hi", 400, ["To: address is empty", "hi</textarea>"]),
        ("to=%2B15555550100&text=hi&subject=a%22b", 400, ["set network MMS", "value=\"a&quot;b\""]),
    ] {
        let answer = post(body).await;
        let (found, html) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(found == status && html.contains("role=\"alert\""), "{body}: {found} {html}");
        assert!(words.iter().all(|word| html.contains(word)), "{body} has not {words:?}: {html}");
    }
    // A program that meant to text, at the wrong path, gets no page.
    let (status, answer) = stage.post(&format!("/phones/{PHONE}"), &json!({"to": "+15555550100", "text": "hi"})).await;
    assert!(status == 400 && answer["error"].is_string(), "{status} {answer}");
    let opened = http.get(stage.url("/pages/phone?number=1-555-555-0178")).send().await.unwrap();
    assert_eq!(opened.headers()[LOCATION], "/phones/%2B15555550178");
}

/// Of two applications, the page goes on with the one that was texted, over the network that was chosen.
#[tokio::test]
async fn the_form_keeps_the_number_and_the_network() {
    let stage = Stage::new(echo).await;
    let url = format!("http://{}/other", stage.application());
    let added = json!({"name": "other", "messaging_url": url, "messaging_token": "T2", "numbers": ["12345"]});
    assert_eq!(stage.post("/applications", &added).await.0, 201);
    let path = format!("/phones/{PHONE}");
    let form = async |path: &str| {
        let (_, html) = page(&stage, path).await;
        let part = |from: &str, to: &str| html.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
        let network = if html.contains("<option selected>") { part("<option selected>", "<") } else { String::new() };
        (part("name=\"to\" value=\"", "\""), network)
    };
    assert_eq!(form(&path).await, ("+15555550100".to_owned(), String::new()));
    // `reqwest` follows to the page that a browser would show.
    let request = stage.http.post(stage.url(&path)).header(ACCEPT, "text/html");
    let body = "to=12345&text=hi&network=MMS&subject=&media=";
    let sent = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), sent.url().query()), (200, Some("to=12345&network=MMS")));
    for path in [path.clone(), format!("{path}?to=12345&network=MMS")] {
        assert_eq!(form(&path).await, ("12345".to_owned(), "MMS".to_owned()), "{path}");
    }
    assert_eq!(form(&format!("{path}?to=%2B1%22&network=AIM")).await, ("+1&quot;".to_owned(), "AIM".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_in_a_browser_is_written_on_and_shows_what_comes() {
    let stage = Stage::new(echo).await;
    let url = stage.url(&format!("/phones/{PHONE}"));
    look(|browser| {
        let mut tab = browser.open(&url, HAND).unwrap_or_else(|error| panic!("{error}"));
        wait(&mut tab, "document.getElementById('state').textContent === 'Live.'");
        assert_eq!(value(&mut tab, "document.getElementById('empty').hidden"), false);
        assert_fits(&mut tab);
        // The form is ready: the text has the focus, and Enter sends it.
        wait(&mut tab, "document.activeElement.id === 'text'");
        // A blank text is not sent, and what is held down is sent once.
        value(&mut tab, "window.sent = 0; document.addEventListener('submit', () => { window.sent += 1; })");
        tab.press("Enter").unwrap();
        tab.write(" ").unwrap();
        tab.press("Enter").unwrap();
        value(
            &mut tab,
            "document.activeElement.dispatchEvent(
                 new KeyboardEvent('keydown', {key: 'Enter', repeat: true, bubbles: true, cancelable: true}))",
        );
        assert_eq!(value(&mut tab, "window.sent"), 0);
        value(&mut tab, "document.activeElement.value = ''");
        tab.write(ATTACK).unwrap();
        value(
            &mut tab,
            "document.activeElement.dispatchEvent(
                 new KeyboardEvent('keydown', {key: 'Enter', repeat: true, bubbles: true, cancelable: true}))",
        );
        assert_eq!(value(&mut tab, "window.sent"), 0);
        // Two presses before the answer.
        value(
            &mut tab,
            "[1, 2].forEach(() => document.activeElement.dispatchEvent(
                 new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true})))",
        );
        wait(&mut tab, "document.querySelectorAll('#live li.sent').length === 1");
        wait(&mut tab, "document.querySelectorAll('#live li.received').length === 1");
        let said = value(&mut tab, "document.querySelector('li.received .text').textContent");
        assert_eq!(said, format!("you said {ATTACK}"));
        // It may have come with the page or over the stream: what comes now comes over the stream.
        wait(&mut tab, "document.getElementById('state').textContent === 'Live.'");
        value(
            &mut tab,
            &format!("fetch('/phones/{PHONE}/texts', {{method: 'POST', body: JSON.stringify({{to: '+15555550100', text: '{}'}})}})
                      .then((answer) => answer.status)", "live <i>too</i>"),
        );
        wait(&mut tab, "document.querySelectorAll('#live li').length === 4");
        assert_eq!(
            value(&mut tab, "document.querySelector('#live li:last-child .text').textContent"),
            "you said live <i>too</i>"
        );
        assert_eq!(value(&mut tab, "document.querySelectorAll('#live img, #live b, #live i').length"), 0);
        // A page that nobody sees holds no connection; seen again, it goes on where it was.
        let see = |hidden: bool| {
            format!(
                "Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});
                 document.dispatchEvent(new Event('visibilitychange'))"
            )
        };
        value(&mut tab, &see(true));
        wait(&mut tab, "document.getElementById('state').textContent === 'Waits until it is seen.'");
        value(
            &mut tab,
            &format!("fetch('/phones/{PHONE}/texts', {{method: 'POST', body: JSON.stringify({{to: '+15555550100', text: 'unseen'}})}})
                      .then((answer) => answer.status)"),
        );
        assert_eq!(value(&mut tab, "document.querySelectorAll('#live li').length"), 4);
        value(&mut tab, &see(false));
        wait(&mut tab, "document.querySelectorAll('#live li').length === 6");
        wait(&mut tab, "document.getElementById('state').textContent === 'Live.'");
        assert_eq!(value(&mut tab, "document.getElementById('empty').hidden"), true);
        assert!(value(&mut tab, "document.title").as_str().unwrap().starts_with("Phone +1"));
        assert_fits(&mut tab);
    });
    let said = [ATTACK, "live <i>too</i>", "unseen"].map(|text| format!("you said {text}"));
    assert_eq!(stage.texts(PHONE, 3).await, said);
}

/// What another run of the simulator said is not shown beside what this one says.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_begins_anew_with_another_run_of_the_simulator() {
    let stage = Stage::new(echo).await;
    stage.text(PHONE, "one").await;
    stage.texts(PHONE, 1).await;
    let url = stage.url(&format!("/phones/{PHONE}"));
    look(|browser| {
        let mut tab = browser.open(&url, HAND).unwrap_or_else(|error| panic!("{error}"));
        wait(&mut tab, "document.getElementById('state').textContent === 'Live.'");
        // The page is made one of an earlier run, in which more had happened, and is shown again.
        let aged = "const list = document.getElementById('live');
                    list.dataset.last = '00c0ffee-7';
                    list.firstElementChild.querySelector('.text').textContent = 'long ago';
                    document.head.append(Object.assign(document.createElement('script'), {src: '/pages/live.js'}))";
        value(&mut tab, aged);
        wait(
            &mut tab,
            "[...document.querySelectorAll('#live .text')].map((text) => text.textContent).join() === 'one,you said one'",
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_debugger_in_a_browser_is_live_and_leads_from_a_line_to_its_session() {
    let stage = Stage::new(echo).await;
    let first = stage.text(PHONE, "one").await;
    stage.ended(&first).await;
    let lines = stage.lines(&first).await;
    let url = stage.url("/debugger");
    look(|browser| {
        let mut tab = browser.open(&url, DESK).unwrap_or_else(|error| panic!("{error}"));
        wait(&mut tab, "document.getElementById('state').textContent === 'Live.'");
        assert_eq!(value(&mut tab, "document.querySelectorAll('#live tr').length"), lines.len());
        let shown =
            value(&mut tab, "[...document.querySelectorAll('#live tr')].map((row) => row.cells[2].textContent)");
        assert_eq!(shown, json!(lines));
        let column = value(&mut tab, "document.querySelector('#live tr').cells[0].textContent");
        assert_eq!(column, format!("00001 {first}"));

        let post = format!(
            "fetch('/phones/{PHONE}/texts', {{method: 'POST', body: JSON.stringify({{to: '+15555550100', text: {}}})}})
                            .then((answer) => answer.json()).then((texted) => texted.session_id)",
            json!(ATTACK)
        );
        let second = value(&mut tab, &post);
        let second = second.as_str().unwrap();
        let last = format!(
            "[...document.querySelectorAll('#live tr')].some((row) =>
            row.cells[0].textContent.endsWith('{second}') && row.cells[2].textContent.includes('returned engine'))"
        );
        wait(&mut tab, &last);
        assert_eq!(value(&mut tab, "document.querySelectorAll('#live img, #live b').length"), 0);

        // A row that came over the stream leads to its session, which shows no other.
        value(&mut tab, "document.querySelector('#live tr:last-child td:first-child a:last-child').click()");
        wait(&mut tab, &format!("location.search === '?session={second}' && document.readyState === 'complete'"));
        let of_session =
            "[...document.querySelectorAll('#live tr')].map((row) => row.cells[0].textContent.split(' ')[1])";
        let sessions = value(&mut tab, of_session);
        assert!(sessions.as_array().unwrap().iter().all(|session| session == second), "{sessions}");
        assert_eq!(value(&mut tab, "document.getElementById('session').value"), second);

        let paper = |tab: &mut Tab<'_>| value(tab, "getComputedStyle(document.body).backgroundColor");
        tab.prefer_dark(true).unwrap();
        let dark = paper(&mut tab);
        tab.prefer_dark(false).unwrap();
        assert_ne!(paper(&mut tab), dark);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone_and_is_reached_by_the_keyboard() {
    let stage = Stage::new(echo).await;
    let session = stage.text(PHONE, &"word".repeat(100)).await;
    stage.ended(&session).await;
    look(|browser| {
        // The first stop of the Tab key: where there is nothing to write, the link that skips what all pages have.
        for (path, first) in [("/", "A"), ("/debugger/page", "A"), (&format!("/phones/{PHONE}"), "SELECT")] {
            let mut tab = browser.open(&stage.url(path), HAND).unwrap_or_else(|error| panic!("{error}"));
            assert_fits(&mut tab);
            let unnamed = "[...document.querySelectorAll('input, select, textarea')]
                           .filter((field) => !field.labels.length).length";
            assert_eq!(value(&mut tab, unnamed), 0, "{path}");
            if first != "A" {
                wait(&mut tab, "document.activeElement.id === 'text'");
            }
            tab.press("Tab").unwrap();
            wait(&mut tab, &format!("document.activeElement.tagName === '{first}'"));
        }
    });
}
