//! The log: found by whatever is known of a text, paged to its end, and taken away as a file.

use std::collections::HashSet;

use super::window::{DESK, Window, assert_content, click, fill, listed, text, texts, value, wait};
use crate::stage::{Bus, Setup, client};

#[tokio::test]
async fn a_text_is_found_by_whatever_is_known_of_it() {
    let stage = Setup::new(Bus::Embedded).with_console().start().await;
    for number in 0..12 {
        text(&stage, "story", &format!("+155555502{number:02}"), &format!("echo animal {number}")).await;
    }
    text(&stage, "story", "+15555550299", "Wo wohnt die Giraffe, bitte?").await;
    listed(&stage, "limit=100", 26).await;
    // Everything that is wanted is sent before anybody looks.
    listed(&stage, "state=sent", 13).await;

    let mut window = Window::of(&stage);
    let mut page = window.open("/messages", DESK);
    let search = |page: &mut testkit::Tab<'_>, words: &str, lines: usize| {
        fill(page, "#q", words);
        page.press("Enter").unwrap();
        let found = format!(
            "new URLSearchParams(location.search).get('q') === {} && document.readyState === 'complete' \
             && document.querySelectorAll('tbody tr').length === {lines}",
            serde_json::Value::from(words)
        );
        wait(page, &found);
    };
    search(&mut page, "+1 (555) 555-0207", 2);
    search(&mut page, "0207", 2);
    search(&mut page, "giraf", 1);
    assert!(texts(&mut page, "tbody .words").concat().contains("Giraffe"));
    search(&mut page, "hippopotamus", 0);
    assert!(texts(&mut page, ".empty").concat().contains("Nothing fits"));
    let id = value(&mut page, "fetch('/v1/messages?q=giraf').then((a) => a.json()).then((a) => a.messages[0].id)");
    search(&mut page, id.as_str().unwrap(), 1);

    // By state, with the mouse; then what is left of the filters is cleared.
    page.evaluate("document.getElementById('q').value = ''").unwrap();
    page.evaluate("document.getElementById('state').value = 'answered'").unwrap();
    click(&mut page, "form.bar button.main");
    wait(
        &mut page,
        "location.search.includes('state=answered') && document.querySelectorAll('tbody tr').length === 13",
    );
    assert_content(&mut page);

    // Page by page to the end: each line once.
    let mut page = window.open("/messages?limit=7", DESK);
    let ids = "[...document.querySelectorAll('tbody tr')].map((row) => row.id)";
    let mut seen: Vec<String> = serde_json::from_value(value(&mut page, ids)).unwrap();
    while value(&mut page, "document.querySelector('.pager [rel=next]') !== null") == true {
        let last = seen.last().unwrap().clone();
        click(&mut page, ".pager [rel=next]");
        wait(
            &mut page,
            &format!(
                "document.readyState === 'complete' && document.querySelector('tbody tr') && !document.getElementById('{last}')"
            ),
        );
        seen.extend(serde_json::from_value::<Vec<String>>(value(&mut page, ids)).unwrap());
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (26, 26), "each line once");

    // The files have the lines of the log, in its order.
    let export = async |format: &str| {
        let url = format!("{}/v1/messages/export?format={format}", stage.console_url());
        client().get(url).send().await.unwrap().text().await.unwrap()
    };
    let expected: Vec<&str> = seen.iter().map(|id| id.trim_start_matches("m-")).collect();
    let csv = export("csv").await;
    let csv: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(csv, expected);
    let lines = export("jsonl").await;
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter_map(|line| line["id"].as_str()).collect::<Vec<_>>(), expected);
    let links: Vec<String> = texts(&mut page, "a[download]");
    assert_eq!(links, ["CSV", "JSON lines"]);
}
