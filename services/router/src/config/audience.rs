//! `[router.poll]` and `[router.group]`: applications with an owner.

use protocol::{MessageText, Timestamp};
use serde::Deserialize;

use super::{Options, Recipient};

/// `[router.poll.NAME]`: a question with answers to choose from, one for each person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The words that stand before a vote; its name where they are left out.
    #[serde(default)]
    pub words: Vec<String>,
    /// What can be voted for.
    pub options: Options,
    /// What a vote is answered with.
    pub reply: MessageText,
    /// What is said to whoever names none of the options.
    #[serde(default = "invalid")]
    pub invalid: MessageText,
    /// Whether who has voted may vote otherwise.
    #[serde(default = "may_change")]
    pub may_change: bool,
    /// What is said to whoever has voted and may not.
    #[serde(default = "voted")]
    pub voted: MessageText,
    /// Until when votes are taken.
    pub closes_at: Option<Timestamp>,
    /// What is said to those who come later.
    #[serde(default = "closed")]
    pub closed: MessageText,
    /// Who may ask for the results.
    #[serde(default)]
    pub owners: Vec<Recipient>,
    /// The words behind those of the poll that ask for them.
    #[serde(default = "results")]
    pub results: Vec<String>,
    /// What they are answered with.
    #[serde(default = "report")]
    pub report: MessageText,
    /// What others who ask for them are answered with.
    #[serde(default = "refused")]
    pub refused: MessageText,
}

/// `[router.group.NAME]`: a list of people that its owners can text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The words that stand before the message; its name where they are left out.
    #[serde(default)]
    pub words: Vec<String>,
    /// Who may send.
    pub owners: Vec<Recipient>,
    /// Who gets it.
    pub members: Vec<Recipient>,
    /// What they get.
    #[serde(default = "message")]
    pub message: MessageText,
    /// What the owner is answered with.
    #[serde(default = "sent")]
    pub reply: MessageText,
    /// What the owner is answered with who wrote no message.
    #[serde(default = "empty")]
    pub empty: MessageText,
    /// What others are answered with; left out: the text is left to other applications.
    pub refused: Option<MessageText>,
}

fn may_change() -> bool {
    true
}

fn results() -> Vec<String> {
    vec!["results".to_owned()]
}

fn invalid() -> MessageText {
    words("Please choose one of: {options}.")
}

fn voted() -> MessageText {
    words("You have voted already.")
}

fn closed() -> MessageText {
    words("Sorry, voting is over.")
}

fn report() -> MessageText {
    words("{results}; {votes} in all.")
}

fn refused() -> MessageText {
    words("Sorry, the results are for the owners of this poll.")
}

fn message() -> MessageText {
    words("{rest}")
}

fn sent() -> MessageText {
    words("Sent to {count}.")
}

fn empty() -> MessageText {
    words("Nothing was sent: write the message behind the first word.")
}

fn words(words: &str) -> MessageText {
    // A text of our own is neither too long nor with a NUL.
    words.parse().unwrap_or_default()
}
