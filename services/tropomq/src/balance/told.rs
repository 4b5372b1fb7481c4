//! The account, as the console tells it: in words, or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use chassis::config::duration;
use journal::balance::{Finding, Look, Queues, Verdict, verdict};
use journal::words;
use protocol::BackendName;
use serde::{Deserialize, Serialize};
use store::{BackendAccount, Standing, Standings};

/// What is told of a look.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    verdict: Verdict,
    account: BTreeMap<BackendName, Numbers>,
    /// What does not add up, the worst first.
    findings: Vec<Finding>,
    queues: Queues,
    in_hand_known: bool,
    settle_ms: u64,
}

/// The account of one backend.
#[derive(Serialize, Deserialize)]
struct Numbers {
    texts: BTreeMap<String, u64>,
    messages: BTreeMap<String, u64>,
    sessions: Sessions,
}

/// Sessions that carried no text.
#[derive(Serialize, Deserialize)]
struct Sessions {
    ignored: u64,
}

/// How what began is called, of texts and of messages.
const ACCEPTED: &str = "accepted";
const COMMANDED: &str = "commanded";

impl Told {
    /// What there is to tell of a look, of one backend if one is named.
    pub(crate) fn of(look: &Look, findings: Vec<Finding>, backend: Option<&BackendName>, settle: Duration) -> Self {
        let chosen = look.account.iter().filter(|(name, _)| backend.is_none_or(|backend| backend == *name));
        Self {
            verdict: verdict(&findings),
            account: chosen.map(|(name, account)| (name.clone(), numbers(account))).collect(),
            findings,
            queues: look.queues.clone(),
            in_hand_known: look.queues.is_exact(),
            settle_ms: u64::try_from(settle.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Whether it adds up.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The first and worst of what does not add up.
    pub(super) fn first(&self) -> Option<&str> {
        self.findings.first().map(|finding| finding.told.as_str())
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let mut told: String = self.account.iter().map(|(name, numbers)| account_words(name, numbers)).collect();
        if told.is_empty() {
            told.push_str("Nothing is on record yet.\n\n");
        }
        told.push_str(&self.checked());
        told.extend(self.findings.iter().map(finding_words));
        told.push_str(match self.verdict {
            Verdict::Balanced => "It adds up.\n",
            Verdict::Undecided => "Whether it adds up cannot be told now.\n",
            Verdict::Unbalanced => "It does not add up.\n",
        });
        told
    }

    /// What the verdict rests on.
    fn checked(&self) -> String {
        let in_hand = if self.in_hand_known {
            "ready, and in consumers' hands"
        } else {
            "ready; what is in consumers' hands is not known without bus.management"
        };
        let mut told = format!(
            "Checked: what has waited for longer than {}, against router's queues, the lanes, the queues of reports and \
             the\nwaiting levels ({in_hand}), and against the release ledger. Events that wait to be accounted for: {}.\n",
            duration::write(Duration::from_millis(self.settle_ms)),
            self.queues.behind(),
        );
        if 0 < self.queues.unrouted {
            // Writing to a string cannot fail.
            let _ = writeln!(
                told,
                "On tropomq.unrouted: {}. A command there is in no account, and the text that it answers is waiting.",
                self.queues.unrouted
            );
        }
        told.push('\n');
        told
    }
}

fn account_words(name: &BackendName, Numbers { texts, messages, sessions }: &Numbers) -> String {
    let begun = |side: &BTreeMap<String, u64>, word: &str| side.get(word).copied().unwrap_or_default();
    format!(
        "{name}\n  texts     {} accepted = {}\n  messages  {} commanded = {}\n  sessions  {} ignored, that were no texts\n\n",
        begun(texts, ACCEPTED),
        summands(texts, &words::TEXTS),
        begun(messages, COMMANDED),
        summands(messages, &words::MESSAGES),
        sessions.ignored,
    )
}

fn summands(side: &BTreeMap<String, u64>, words: &[(Standing, &str)]) -> String {
    let summand = |(standing, word): &(Standing, &str)| {
        let count = side.get(*word).copied().unwrap_or_default();
        let word = if *standing == Standing::Released { "waiting for a result" } else { word };
        format!("{count} {word}")
    };
    words.iter().map(summand).collect::<Vec<_>>().join(" + ")
}

fn numbers(account: &BackendAccount) -> Numbers {
    let side = |begun: &str, standings: &Standings, words: &[(Standing, &str)]| {
        let ends = words.iter().map(|(standing, word)| ((*word).to_owned(), standings.count(*standing)));
        std::iter::once((begun.to_owned(), standings.begun)).chain(ends).collect()
    };
    Numbers {
        texts: side(ACCEPTED, &account.texts, &words::TEXTS),
        messages: side(COMMANDED, &account.messages, &words::MESSAGES),
        sessions: Sessions { ignored: account.sessions_ignored },
    }
}

fn finding_words(finding: &Finding) -> String {
    let Finding { told, remedy, suspects, count, .. } = finding;
    let mut words = format!("* {told}\n  What to do: {remedy}.\n");
    if !suspects.is_empty() {
        let among = if *count < suspects.len() as u64 { "It is about some of these" } else { "The oldest of them" };
        // Writing to a string cannot fail.
        let _ = writeln!(words, "  {among}, by id, correlation id, backend, and time when last heard of:");
    }
    for suspect in suspects {
        let conversation = suspect.correlation_id.as_ref().map_or("-", |id| id.as_str());
        let _ = writeln!(words, "    {}  {conversation}  {}  {}", suspect.id, suspect.backend, suspect.touched_at);
    }
    words.push('\n');
    words
}
