//! A steady load of texts, and what became of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::stage::{Phone, Stage};

/// How many phones text, one text after the other.
const PHONES: usize = 4;

/// A person's pace, and not a flood.
const PAUSE: Duration = Duration::from_millis(40);

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
}

impl Load {
    pub(crate) fn begin(stage: &Stage) -> Self {
        let (phones, ended, mut texting) = (stage.phones(PHONES), Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (index, phone) in phones.iter().cloned().enumerate() {
            texting.spawn(text_until(Arc::clone(&ended), index, phone));
        }
        Self { phones, ended, texting }
    }

    /// Ends it, waits until nothing is left to do, and asserts: what was accepted is answered once, what was refused not
    /// more than once (its event may have been kept all the same).
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
        let mut told = Told { accepted: 0, refused: 0 };
        for Texted { phone, words, session } in &texted {
            let replies = inboxes[*phone].get(words).copied().unwrap_or_default();
            match stage.tropo.session(session).await.state.as_str() {
                "hung_up" => {
                    told.accepted += 1;
                    assert_eq!(replies, 1, "{words} was accepted, and has {replies} replies");
                }
                _ => {
                    told.refused += 1;
                    assert!(replies <= 1, "{words} was refused, and has {replies} replies");
                }
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
