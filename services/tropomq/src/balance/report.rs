//! The account in words, or as JSON.

use std::fmt::Write;
use std::time::Duration;

use chassis::config::duration;
use journal::balance::{Finding, Look, Verdict, verdict};
use journal::words;
use protocol::BackendName;
use serde_json::{Map, Value, json};
use store::{BackendAccount, Standing, Standings};

/// What is told of a look.
pub(super) struct Report<'a> {
    pub(super) look: &'a Look,
    pub(super) findings: &'a [Finding],
    /// The one backend that it is about.
    pub(super) backend: Option<&'a BackendName>,
    pub(super) settle: Duration,
}

impl Report<'_> {
    fn accounts(&self) -> impl Iterator<Item = (&BackendName, &BackendAccount)> {
        let chosen = |name: &BackendName| self.backend.is_none_or(|backend| backend == name);
        self.look.account.iter().filter(move |(name, _)| chosen(name))
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let mut told: String = self.accounts().map(|(name, account)| account_words(name, account)).collect();
        if told.is_empty() {
            told.push_str("Nothing is on record yet.\n\n");
        }
        told.push_str(&self.checked());
        told.extend(self.findings.iter().map(finding_words));
        told.push_str(match verdict(self.findings) {
            Verdict::Balanced => "It adds up.\n",
            Verdict::Undecided => "Whether it adds up cannot be told now.\n",
            Verdict::Unbalanced => "It does not add up.\n",
        });
        told
    }

    /// For machines.
    pub(super) fn json(&self) -> String {
        format!("{:#}\n", self.value())
    }

    /// The same, not yet written.
    pub(super) fn value(&self) -> Value {
        let accounts: Map<_, _> = self.accounts().map(|(name, account)| (name.to_string(), numbers(account))).collect();
        json!({
            "verdict": verdict(self.findings),
            "account": accounts,
            "findings": self.findings,
            "queues": self.look.queues,
            "in_hand_known": self.look.queues.is_exact(),
            "settle_ms": u64::try_from(self.settle.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// What the verdict rests on.
    fn checked(&self) -> String {
        let queues = &self.look.queues;
        let in_hand = if queues.is_exact() {
            "ready, and in consumers' hands"
        } else {
            "ready; what is in consumers' hands is not known without bus.management"
        };
        let mut told = format!(
            "Checked: what has waited for longer than {}, against router's queues, the lanes, the queues of reports and \
             the\nwaiting levels ({in_hand}), and against the release ledger. Events that wait to be accounted for: {}.\n",
            duration::write(self.settle),
            queues.behind(),
        );
        if 0 < queues.unrouted {
            // Writing to a string cannot fail.
            let _ = writeln!(
                told,
                "On tropomq.unrouted: {}. A command there is in no account, and the text that it answers is waiting.",
                queues.unrouted
            );
        }
        told.push('\n');
        told
    }
}

/// The first and worst of the findings.
pub(super) fn first(findings: &[Finding]) -> &str {
    findings.first().map_or("", |finding| finding.told.as_str())
}

fn account_words(name: &BackendName, account: &BackendAccount) -> String {
    let BackendAccount { texts, messages, sessions_ignored } = account;
    format!(
        "{name}\n  texts     {} accepted = {}\n  messages  {} commanded = {}\n  sessions  {sessions_ignored} ignored, \
         that were no texts\n\n",
        texts.begun,
        summands(texts, &words::TEXTS),
        messages.begun,
        summands(messages, &words::MESSAGES),
    )
}

fn summands(standings: &Standings, words: &[(Standing, &str)]) -> String {
    let summand = |(standing, word): &(Standing, &str)| {
        let word = if *standing == Standing::Released { "waiting for a result" } else { word };
        format!("{} {word}", standings.count(*standing))
    };
    words.iter().map(summand).collect::<Vec<_>>().join(" + ")
}

fn numbers(account: &BackendAccount) -> Value {
    let side = |begun: &str, standings: &Standings, words: &[(Standing, &str)]| {
        let begun = (begun.to_owned(), Value::from(standings.begun));
        let ends = words.iter().map(|(standing, word)| ((*word).to_owned(), standings.count(*standing).into()));
        Value::Object(std::iter::once(begun).chain(ends).collect())
    };
    json!({
        "texts": side("accepted", &account.texts, &words::TEXTS),
        "messages": side("commanded", &account.messages, &words::MESSAGES),
        "sessions": { "ignored": account.sessions_ignored },
    })
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
