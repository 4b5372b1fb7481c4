//! Many at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use crate::stage::{Bus, NUMBER, Phone, Setup};

on_both_buses! {
    each_of_a_thousand_texts_is_answered_once
}

async fn each_of_a_thousand_texts_is_answered_once(bus: Bus) {
    let stage = patient(Setup::new(bus)).start().await;
    let phones = stage.phones(100);
    let texts = text_all(&phones, 10, |_| NUMBER).await;
    for phone in &phones {
        phone.received(10).await;
    }
    stage.settle().await;
    assert_answered(&phones, &texts).await;
    assert_eq!(stage.metrics().await.published("message.sent"), 1000);
}

/// What is counted here is published once: a broker that is slow with so many at once is waited for, and the spool, which
/// publishes again what was not confirmed soon, is not needed.
pub(crate) fn patient(setup: Setup) -> Setup {
    setup.with("ingress.confirm_timeout", "14s").with("ingress.spool.confirm_timeout", "6s")
}

/// What each phone has texted, by its number.
pub(crate) type Texts = BTreeMap<String, Vec<String>>;

/// Every phone sends so many texts, all of them at once; the `index`th phone to the number that `to` says.
pub(crate) async fn text_all(phones: &[Phone], count: usize, to: impl Fn(usize) -> &'static str) -> Texts {
    let mut texts = Texts::new();
    let mut texting = JoinSet::new();
    for (index, phone) in phones.iter().enumerate() {
        for n in 0..count {
            let words = format!("number {n} of {}", phone.number);
            texts.entry(phone.number.clone()).or_default().push(words.clone());
            let (phone, to) = (phone.clone(), to(index));
            texting.spawn(async move { phone.text_to(to, &format!("echo {words}")).await });
        }
    }
    texting.join_all().await;
    texts
}

/// Asserts that every phone has got its own words, each once, and nobody else's.
pub(crate) async fn assert_answered(phones: &[Phone], texts: &Texts) {
    for phone in phones {
        let expected: Vec<&str> = texts[&phone.number].iter().map(String::as_str).collect();
        phone.assert_has(&expected).await;
    }
}
