//! A text in, a reply out.

use crate::stage::{Bus, NUMBER, Setup, until};

on_both_buses! {
    a_text_is_answered_by_the_application_that_knows_it
    words_arrive_as_they_were_written
    a_delivery_report_says_that_a_reply_arrived
}

async fn a_text_is_answered_by_the_application_that_knows_it(bus: Bus) {
    let setup = Setup::new(bus)
        .with("router.keyword.hours.words", vec!["hours", "opening hours"])
        .with("router.keyword.hours.reply", "We are open from 9 to 5.");
    let stage = setup.start().await;
    let cases = [
        ("echo Hello, Tropo!", "Hello, Tropo!"),
        ("Opening HOURS, please", "We are open from 9 to 5."),
        ("what is this?", "Sorry, RapidSMS could not understand your message."),
        ("echo", "Sorry, RapidSMS could not understand your message."),
    ];
    for (index, (text, expected)) in cases.into_iter().enumerate() {
        let phone = stage.phone(index);
        let session = phone.text(text).await;
        let reply = phone.reply().await;
        assert_eq!((reply.text.as_str(), reply.from.as_str(), reply.network.as_str()), (expected, NUMBER, "SMS"));
        assert_ne!(reply.session_id, session, "the reply comes in a session of its own");
    }
    stage.settle().await;
    for (index, (_, expected)) in cases.into_iter().enumerate() {
        stage.phone(index).assert_has(&[expected]).await;
    }
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.sent"), 4, "Tropo's result is known of each");
}

/// Characters that mean something to one of the formats on the way, or to one of its tools.
const WORDS: [&str; 14] = [
    "Grüße aus Köln: ¿qué tal? Ça va, Łódź",
    "日本語のテキスト, русский, ελληνικά",
    "\u{202e}العربية\u{202c} and עברית",
    "🐘 🇩🇪 👩‍👩‍👧‍👦 👍🏽 𝄞",
    "e\u{301} is not é, and \u{fb01} is not fi",
    r#""double" and 'single' and `back` and \ and \n and \u0041"#,
    "100% sure, 50%25 and %41 and %zz",
    "a&b=c;d?e#f+g h+i@j",
    "<b>bold</b> <!-- --> &amp; ]]> <?xml?>",
    "one\ntwo\r\nthree\ttabbed",
    r#"{"tropo":[{"hangup":{}}]}"#,
    "{{braces}} ${jndi:x} $(touch x); DROP TABLE release;--",
    "in\u{200b}visible \u{feff} \u{2028} \u{1f}",
    "+1-555-555-0177",
];

async fn words_arrive_as_they_were_written(bus: Bus) {
    let long = "Zwölf Boxkämpfer 🐘 ".repeat(80);
    let words: Vec<&str> = WORDS.into_iter().chain([long.trim()]).collect();
    // The same words again as an answer of our own: then they come from a configuration file.
    let mut setup = Setup::new(bus);
    for (index, words) in words.iter().enumerate() {
        let reply = words.replace('{', "{{").replace('}', "}}");
        setup = setup.with(&format!("router.keyword.say{index}.reply"), reply);
    }
    let stage = setup.start().await;
    for (index, words) in words.iter().enumerate() {
        stage.phone(index).text(&format!("echo {words}")).await;
        stage.phone(index).text(&format!("say{index}")).await;
    }
    for index in 0..words.len() {
        stage.phone(index).received(2).await;
    }
    stage.settle().await;
    for (index, words) in words.iter().enumerate() {
        stage.phone(index).assert_has(&[words, words]).await;
    }
}

async fn a_delivery_report_says_that_a_reply_arrived(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    stage.tropo.report_to(&stage.webhook_url("story")).await;
    stage.phone(0).text("echo reported").await;
    assert_eq!(stage.phone(0).reply().await.text, "reported");
    let delivered = async || (0 < stage.metrics().await.published("message.delivered")).then_some(());
    until("message.delivered is published", delivered).await;
    stage.settle().await;
    assert_eq!(stage.metrics().await.published("message.delivered"), 1);
}
