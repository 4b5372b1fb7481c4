//! A steady load of texts, and what became of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use protocol::{BackendName, EventId, Kind};
use store::{Ledger, Outcome, Release};
use tokio::task::JoinSet;

use crate::stage::{Phone, Stage, until};

/// How many phones text, one text after the other.
const PHONES: usize = 4;

/// A person's pace, and not a flood.
const PAUSE: Duration = Duration::from_millis(100);

/// A text, and the session that carried it.
struct Texted {
    phone: usize,
    words: String,
    session: String,
}

/// Phones that text until they are told to end.
pub(crate) struct Load {
    phones: Vec<Phone>,
    ended: Arc<AtomicBool>,
    texting: JoinSet<Vec<Texted>>,
}

/// What became of the texts.
pub(crate) struct Told {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    /// Those that were accepted and have no reply: their words, and the sessions that carried them.
    pub(crate) unanswered: Vec<(String, String)>,
}

impl Load {
    pub(crate) fn begin(stage: &Stage) -> Self {
        let (phones, ended, mut texting) = (stage.phones(PHONES), Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (index, phone) in phones.iter().cloned().enumerate() {
            texting.spawn(text_until(Arc::clone(&ended), index, phone));
        }
        Self { phones, ended, texting }
    }

    /// Ends it, waits until nothing is left to do, and asserts: nothing has more than one reply. What was refused may have
    /// one, for its event may have been kept all the same.
    pub(crate) async fn end(self, stage: &Stage) -> Told {
        self.ended.store(true, Ordering::Relaxed);
        let texted: Vec<Texted> = self.texting.join_all().await.into_iter().flatten().collect();
        stage.settle().await;
        let mut inboxes = Vec::new();
        for phone in &self.phones {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for message in phone.inbox().await {
                *counts.entry(message.text).or_default() += 1;
            }
            inboxes.push(counts);
        }
        let mut told = Told { accepted: 0, refused: 0, unanswered: Vec::new() };
        for Texted { phone, words, session } in texted {
            let replies = inboxes[phone].get(&words).copied().unwrap_or_default();
            assert!(replies <= 1, "{words}: {replies} replies");
            if stage.tropo.session(&session).await.state != "hung_up" {
                told.refused += 1;
                continue;
            }
            told.accepted += 1;
            if replies == 0 {
                told.unanswered.push((words, session));
            }
        }
        eprintln!("{} texts accepted, {} refused", told.accepted, told.refused);
        told
    }
}

async fn text_until(ended: Arc<AtomicBool>, index: usize, phone: Phone) -> Vec<Texted> {
    let mut texted = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let words = format!("number {} of phone {index}", texted.len());
        let session = phone.text(&format!("echo {words}")).await;
        texted.push(Texted { phone: index, words, session });
        tokio::time::sleep(PAUSE).await;
    }
    texted
}

/// What the ledger says of the answer to a text, once it says how it ended.
pub(crate) async fn release(ledger: &dyn Ledger, session: &str) -> Release {
    let backend: BackendName = "story".parse().unwrap();
    let received = EventId::of_webhook(&backend, &session.parse().unwrap(), Kind::MessageReceived, "");
    let message = received.derive(Kind::MessageSend, 0);
    until(&format!("the ledger knows how message {message} ended"), async || {
        let mut found = ledger.find(&[message]).await.unwrap();
        assert_eq!(found.len(), 1, "the text of session {session} was acknowledged, and no answer was ever released");
        found.pop().filter(|release| release.outcome.is_some())
    })
    .await
}

/// Asserts that a message without a reply is on record as unconfirmed, and that its session failed at Tropo.
pub(crate) async fn assert_unconfirmed(stage: &Stage, release: &Release, words: &str) {
    assert_eq!(release.outcome, Some(Outcome::Unconfirmed), "{words}: no reply, and it is on record as sent");
    let holder = stage.tropo.session(release.session_id.as_str()).await;
    assert_eq!(holder.state, "failed", "{words}: Tropo was handed the document, and the phone has no reply");
}
