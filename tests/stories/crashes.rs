//! The whole of tropomq is killed, again and again, while people text.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::stage::{Bus, Phone, Setup, Stage, until};
use crate::steady::{assert_unconfirmed, release};

/// How often it is killed.
const KILLS: u32 = 10;

/// How many phones text, one text after the other.
const PHONES: usize = 4;

/// Names the seed to repeat a failure with.
const SEED: &str = "TROPOMQ_STORY_SEED";

/// A text, and the session that carried it.
struct Texted {
    phone: usize,
    words: String,
    session: String,
}

/// Every text that was acknowledged is answered; none twice.
///
/// A message whose document was on its way to Tropo in the moment of a kill may not have arrived: whether it did cannot
/// be known, so it is not sent again, and it is on record as unconfirmed. That is the one way to get no answer.
#[tokio::test]
async fn what_was_acknowledged_is_answered_once_however_often_it_is_killed() {
    let (stage, phones, texted) = text_and_kill(setup()).await;
    judge(&stage, &phones, &texted).await;
}

/// With `resend`, what was on its way in the moment of a kill comes later: every text that was acknowledged is answered,
/// by each session at most once.
#[tokio::test]
async fn what_was_acknowledged_is_answered_for_certain_where_it_is_resent() {
    let (stage, phones, texted) = text_and_kill(setup().with("backends.story.on_unconfirmed", "resend")).await;
    let mut acknowledged = 0;
    for Texted { phone, words, session } in &texted {
        if stage.tropo.session(session).await.state != "hung_up" {
            continue;
        }
        acknowledged += 1;
        until(&format!("an answer to {words:?}"), async || {
            phones[*phone].inbox().await.iter().any(|message| message.text == *words).then_some(())
        })
        .await;
    }
    assert!(KILLS * 2 < acknowledged, "too few texts to tell anything");
    stage.settle().await;
    for phone in phones {
        let inbox = phone.inbox().await;
        let sessions: BTreeSet<&str> = inbox.iter().map(|message| message.session_id.as_str()).collect();
        assert_eq!(sessions.len(), inbox.len(), "a session texted twice: {inbox:?}");
    }
}

/// Tropo's result may be lost with a kill; what is left without one is soon said to be unconfirmed.
fn setup() -> Setup {
    Setup::new(Bus::Embedded).simulator_apart().with("egress.result_timeout", "3s")
}

/// People text while it is killed; the stage when nothing is left to do, and what was texted.
async fn text_and_kill(setup: Setup) -> (Stage, Vec<Phone>, Vec<Texted>) {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let mut seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    eprintln!("{SEED}={seed}");
    let mut stage = setup.start().await;
    let phones = stage.phones(PHONES);
    let ended = Arc::new(AtomicBool::new(false));
    let mut texting = JoinSet::new();
    for (index, phone) in phones.iter().cloned().enumerate() {
        texting.spawn(text_until(Arc::clone(&ended), index, phone));
    }
    for _ in 0..KILLS {
        let sender = stage.sender();
        tokio::time::sleep(Duration::from_millis(random(&mut seed) % 500)).await;
        sender.kill();
        sender.start();
        if random(&mut seed).is_multiple_of(4) {
            // Again while it starts.
            tokio::time::sleep(Duration::from_millis(random(&mut seed) % 60)).await;
            sender.kill();
            sender.start();
        }
        sender.ready().await;
    }
    ended.store(true, Ordering::Relaxed);
    let texted: Vec<Texted> = texting.join_all().await.into_iter().flatten().collect();
    stage.settle().await;
    (stage, phones, texted)
}

async fn text_until(ended: Arc<AtomicBool>, index: usize, phone: Phone) -> Vec<Texted> {
    let mut texted = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let words = format!("number {} of phone {index}", texted.len());
        let session = phone.text(&format!("echo {words}")).await;
        texted.push(Texted { phone: index, words, session });
        // A person's pace, and not a flood.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    texted
}

async fn judge(stage: &Stage, phones: &[Phone], texted: &[Texted]) {
    let mut inboxes = Vec::new();
    for phone in phones {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for message in phone.inbox().await {
            *counts.entry(message.text).or_default() += 1;
        }
        inboxes.push(counts);
    }
    let ledger = store::open(&format!("sqlite:{}", stage.home().join("ledger.db").display())).await.unwrap();
    let (mut acknowledged, mut unanswered) = (0, 0);
    for Texted { phone, words, session } in texted {
        let replies = inboxes[*phone].get(words).copied().unwrap_or_default();
        assert!(replies <= 1, "{words}: {replies} replies");
        let state = stage.tropo.session(session).await.state;
        if state != "hung_up" {
            // Its webhook was not answered: whether it was kept is not known, and Tropo tells that it failed.
            assert_eq!(state, "failed");
            continue;
        }
        acknowledged += 1;
        let release = release(&*ledger, session).await;
        if replies == 0 {
            unanswered += 1;
            assert_unconfirmed(stage, &release, words).await;
        }
    }
    eprintln!("{} texts, {acknowledged} acknowledged, {unanswered} of those released without a reply", texted.len());
    assert!(u64::from(KILLS) * 2 < acknowledged, "too few texts to tell anything");
    assert!(unanswered * 4 < acknowledged, "more than what can have been on its way at the kills");
}

/// A step of SplitMix64: the same seed gives the same kills.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
