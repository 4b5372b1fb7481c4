//! `poll`: counts votes, one for each person. What is remembered of a person is the vote.

use std::collections::BTreeMap;

use protocol::{Address, MessageText, Phase, Timestamp};
use serde_json::Value;

use super::choices::Choices;
use crate::application::{Application, Known, Recall, Said, Text};
use crate::config::{self, ConfigError};
use crate::matching::{Matching, Takes, Words, phrase};
use crate::template::Template;

pub(super) const NAME: &str = "poll";

/// The longest option, in characters. As it is remembered each may be written as two, in quotation marks.
const OPTION_CHARS_MAX: usize = (store::TALLIED_CHARS_MAX - 2) / 2;

/// What can stand in each reply.
const PLACEHOLDERS: [&str; 4] = ["option", "options", "results", "votes"];

/// One poll: an application of its own, for its votes are counted by its name.
#[derive(Debug)]
pub(super) struct Poll {
    name: String,
    start: Matching,
    options: Choices,
    reply: Template,
    invalid: Template,
    may_change: bool,
    voted: Template,
    closes_at: Option<Timestamp>,
    closed: Template,
    owners: Vec<Address>,
    results: Vec<Vec<String>>,
    report: Template,
    refused: Template,
}

/// What a text wants of a poll.
enum Wanted<'a> {
    Results,
    /// As `Results`, by somebody who may not.
    Refused,
    Vote(&'a str),
    Unknown,
}

impl Poll {
    pub(super) fn all(config: &BTreeMap<String, config::Poll>) -> Result<Vec<Self>, ConfigError> {
        let polls = config.iter().map(|(name, poll)| Self::new(name, poll)).collect::<Result<Vec<_>, _>>()?;
        let mut owners: BTreeMap<&[String], &str> = BTreeMap::new();
        for poll in &polls {
            for (_, phrase) in poll.start.phrases() {
                if let Some(other) = owners.insert(phrase, &poll.name).filter(|other| *other != poll.name) {
                    let told = format!("{:?} begins a vote of {other} and of {}", phrase.join(" "), poll.name);
                    return Err(ConfigError::of_key("router.poll", told));
                }
            }
        }
        Ok(polls)
    }

    fn new(name: &str, config: &config::Poll) -> Result<Self, ConfigError> {
        let wrong = |key: &str, told: String| ConfigError::of_key(format!("router.poll.{name}.{key}"), told);
        let template = |key: &str, text: &MessageText| {
            Template::new(text, &PLACEHOLDERS).map_err(|error| wrong(key, error.to_string()))
        };
        let own_name = [name.to_owned()];
        let words = if config.words.is_empty() { &own_name } else { config.words.as_slice() };
        let start = Matching::new(Takes { words, ..Takes::default() });
        let options = Choices::new(&config.options).map_err(|told| wrong("options", told))?;
        if let Some(option) = options.names().iter().find(|option| OPTION_CHARS_MAX < option.chars().count()) {
            let told =
                format!("{option:?} is too long: write at most {OPTION_CHARS_MAX} characters, so that it is counted");
            return Err(wrong("options", told));
        }
        let results = config.results.iter().map(|word| phrase(word)).collect::<Result<Vec<_>, _>>();
        let results = results.map_err(|error| wrong("results", error.to_string()))?;
        if let Some(phrase) = results.iter().find(|phrase| options.find(&Words::of(&phrase.join(" "))).is_some()) {
            return Err(wrong("results", format!("{:?} is an option: nobody could vote for it", phrase.join(" "))));
        }
        Ok(Self {
            name: format!("{NAME}.{name}"),
            start: start.map_err(|error| wrong("words", error.to_string()))?,
            options,
            reply: template("reply", &config.reply)?,
            invalid: template("invalid", &config.invalid)?,
            may_change: config.may_change,
            voted: template("voted", &config.voted)?,
            closes_at: config.closes_at,
            closed: template("closed", &config.closed)?,
            owners: config.owners.iter().map(|owner| owner.address().clone()).collect(),
            results,
            report: template("report", &config.report)?,
            refused: template("refused", &config.refused)?,
        })
    }

    /// What a text wants of this poll, if it is about it.
    fn wanted(&self, text: &Text) -> Option<Wanted<'_>> {
        let words = Words::of(text.words.as_str());
        let rest = Words::of(self.start.take(&words)?.rest);
        if self.results.iter().any(|phrase| rest.are(phrase)) {
            let is_owner = self.owners.contains(&text.received.from);
            return Some(if is_owner { Wanted::Results } else { Wanted::Refused });
        }
        Some(self.options.find(&rest).map_or(Wanted::Unknown, Wanted::Vote))
    }

    fn said(&self, reply: &Template, text: &Text, option: Option<&str>, votes: &BTreeMap<&str, u64>) -> Said {
        let total = votes.values().sum::<u64>().to_string();
        let counted = self.options.names().iter().filter_map(|name| Some((name, votes.get(name.as_str())?)));
        let results = counted.map(|(option, count)| format!("{option}: {count}")).collect::<Vec<_>>().join(", ");
        let options = self.options.names().join(", ");
        Said::reply(reply.fill(text, |name| match name {
            "option" => option,
            "options" => Some(&options),
            "results" => Some(&results),
            "votes" => Some(&total),
            _ => None,
        }))
    }

    /// The votes for each option.
    fn count(&self, known: &Known) -> BTreeMap<&str, u64> {
        let names = self.options.names().iter().map(String::as_str);
        names.map(|name| (name, known.tally.get(&Value::from(name).to_string()).copied().unwrap_or_default())).collect()
    }

    fn is_closed(&self, text: &Text) -> bool {
        self.closes_at.is_some_and(|closes_at| closes_at <= text.received_at)
    }

    /// The vote that a person has cast, if it is still an option.
    fn earlier<'k>(&self, known: &'k Known) -> Option<&'k str> {
        let earlier = known.memory.as_ref().and_then(Value::as_str);
        earlier.filter(|earlier| self.options.names().iter().any(|name| name == earlier))
    }

    fn vote<'a>(&'a self, option: &'a str, text: &Text, known: &Known) -> Said {
        let mut votes = self.count(known);
        match self.earlier(known) {
            Some(earlier) if earlier == option => {
                self.said(&self.reply, text, Some(option), &votes).because("voted so before")
            }
            Some(earlier) if !self.may_change => {
                self.said(&self.voted, text, Some(earlier), &votes).because("voted before")
            }
            earlier => {
                if let Some(count) = earlier.and_then(|earlier| votes.get_mut(earlier)) {
                    *count = count.saturating_sub(1);
                }
                *votes.entry(option).or_default() += 1;
                self.said(&self.reply, text, Some(option), &votes).remembering(Value::from(option)).because("voted")
            }
        }
    }
}

impl Application for Poll {
    fn name(&self) -> &str {
        &self.name
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn recall(&self, _phase: Phase, text: &Text) -> Recall {
        match self.wanted(text) {
            None => Recall::Nothing,
            Some(Wanted::Results) => Recall::Tally,
            Some(Wanted::Vote(_) | Wanted::Refused | Wanted::Unknown) => {
                let replies = [&self.reply, &self.invalid, &self.voted, &self.closed, &self.refused];
                let mut named = replies.into_iter().flat_map(Template::placeholders);
                let is_counted = named.any(|name| matches!(name, "results" | "votes"));
                if is_counted { Recall::Tally } else { Recall::Person }
            }
        }
    }

    fn handle(&self, text: &Text, known: &Known) -> Said {
        match self.wanted(text) {
            None => Said::pass(),
            Some(Wanted::Results) => self.said(&self.report, text, None, &self.count(known)).because("the results"),
            Some(Wanted::Vote(_) | Wanted::Refused | Wanted::Unknown) if self.is_closed(text) => {
                self.said(&self.closed, text, self.earlier(known), &self.count(known)).because("closed")
            }
            Some(Wanted::Refused) => {
                self.said(&self.refused, text, None, &self.count(known)).because("the results are not for the sender")
            }
            Some(Wanted::Vote(option)) => self.vote(option, text, known),
            Some(Wanted::Unknown) => self.said(&self.invalid, text, None, &self.count(known)).because("no option"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Remember;
    use crate::applications::text;

    const LUNCH: &str = r#"
        words = ["lunch", "food"]
        options = { pizza = ["p"], soup = [] }
        reply = "{option} it is: {results}."
        owners = ["+15555550100"]
    "#;

    fn polls(config: &[(&str, &str)]) -> Result<Vec<Poll>, ConfigError> {
        Poll::all(&config.iter().map(|(name, poll)| ((*name).to_owned(), toml::from_str(poll).unwrap())).collect())
    }

    /// A poll and its voters.
    struct Votes(Poll, BTreeMap<String, Value>);

    impl Votes {
        fn new(more: &str) -> Self {
            Self(polls(&[("lunch", &format!("{LUNCH}{more}"))]).unwrap().remove(0), BTreeMap::new())
        }

        #[track_caller]
        fn check(&mut self, from: &str, words: &str, expected: Option<&str>) {
            let Self(poll, votes) = self;
            let mut text = text(words);
            text.received.from = from.parse().unwrap();
            let mut known = Known::default();
            let recall = poll.recall(Phase::Handle, &text);
            if recall != Recall::Nothing {
                known.memory = votes.get(from).cloned();
            }
            if recall == Recall::Tally {
                votes.values().for_each(|vote| *known.tally.entry(vote.to_string()).or_default() += 1);
            }
            let said = poll.handle(&text, &known);
            if let Remember::Value(vote) = &said.remember {
                votes.insert(from.to_owned(), vote.clone());
            }
            let replies: Vec<&str> = said.replies.iter().map(|reply| reply.text.as_str()).collect();
            assert_eq!((replies, said.takes), (expected.into_iter().collect(), expected.is_some()), "{words}");
        }
    }

    const ONE: &str = "+15555550177";
    const TWO: &str = "+15555550178";
    const OWNER: &str = "+15555550100";

    #[test]
    fn everybody_has_one_vote_and_may_change_it() {
        let mut votes = Votes::new("");
        votes.check(ONE, "Lunch: PIZZA!", Some("pizza it is: pizza: 1, soup: 0."));
        votes.check(ONE, "food p", Some("pizza it is: pizza: 1, soup: 0."));
        votes.check(TWO, "lunch soup", Some("soup it is: pizza: 1, soup: 1."));
        votes.check(ONE, "lunch soup", Some("soup it is: pizza: 0, soup: 2."));
        votes.check(ONE, "lunch fish", Some("Please choose one of: pizza, soup."));
        votes.check(ONE, "lunch", Some("Please choose one of: pizza, soup."));
        votes.check(ONE, "soup", None);
    }

    #[test]
    fn who_may_not_change_a_vote_is_told_so() {
        let mut votes = Votes::new("may_change = false\nvoted = \"You voted for {option}.\"");
        votes.check(ONE, "lunch soup", Some("soup it is: pizza: 0, soup: 1."));
        votes.check(ONE, "lunch pizza", Some("You voted for soup."));
        votes.check(ONE, "lunch soup", Some("soup it is: pizza: 0, soup: 1."));
    }

    #[test]
    fn results_are_for_the_owners() {
        let mut votes = Votes::new("");
        votes.0.reply = Template::new::<&str>(&"Thanks.".parse().unwrap(), &[]).unwrap();
        votes.check(ONE, "lunch soup", Some("Thanks."));
        votes.check(TWO, "lunch pizza", Some("Thanks."));
        votes.check(OWNER, "lunch Results", Some("pizza: 1, soup: 1; 2 in all."));
        votes.check(ONE, "lunch results", Some("Sorry, the results are for the owners of this poll."));
    }

    #[test]
    fn votes_are_taken_until_it_closes() {
        Votes::new("closes_at = \"2026-03-01T09:30:16Z\"").check(
            ONE,
            "lunch soup",
            Some("soup it is: pizza: 0, soup: 1."),
        );
        let mut closed = Votes::new("closes_at = \"2026-03-01T09:30:15Z\"");
        for words in ["lunch soup", "lunch fish", "lunch results"] {
            closed.check(ONE, words, Some("Sorry, voting is over."));
        }
        closed.check(OWNER, "lunch results", Some("pizza: 0, soup: 0; 0 in all."));
    }

    #[test]
    fn results_are_in_the_order_of_the_options() {
        let poll = polls(&[("lunch", "options = [\"soup\", \"pizza\"]\nreply = \"{results}\"")]).unwrap().remove(0);
        let said = poll.handle(&text("lunch pizza"), &Known::default());
        assert_eq!(said.replies[0].text.as_str(), "soup: 0, pizza: 1");
    }

    #[test]
    fn what_is_counted_is_the_vote_alone() {
        let mut votes = Votes::new("");
        votes.check(ONE, "lunch p", Some("pizza it is: pizza: 1, soup: 0."));
        assert_eq!(votes.1[ONE].to_string(), "\"pizza\"");
        assert_eq!(votes.0.name(), "poll.lunch");
    }

    #[test]
    fn polls_that_could_not_work_are_refused() {
        let check_refused = |more: &[(&str, &str)], key: &str, says: &str| {
            let told = polls(more).unwrap_err().to_string();
            assert!(told.starts_with(key) && told.contains(says), "{told}");
        };
        check_refused(&[("a", "options = []\nreply = \"x\"")], "router.poll.a.options: ", "at least one");
        let long = format!("options = [\"{}\"]\nreply = \"x\"", "x".repeat(OPTION_CHARS_MAX + 1));
        check_refused(&[("a", &long)], "router.poll.a.options: ", "too long");
        check_refused(&[("a", "options = [\"results\"]\nreply = \"x\"")], "router.poll.a.results: ", "is an option");
        check_refused(&[("a", "options = [\"x\"]\nreply = \"{vote}\"")], "router.poll.a.reply: ", "no {vote}");
        let one = "options = [\"x\"]\nreply = \"x\"";
        check_refused(
            &[("a", one), ("b", &format!("words = [\"A\"]\n{one}"))],
            "router.poll: ",
            "of poll.a and of poll.b",
        );
    }
}
