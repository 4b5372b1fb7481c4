//! `group`: passes a text of an owner on to everybody on a list.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Address, MessageText, Phase};

use crate::application::{Application, Known, Reply, Said, Text};
use crate::config::{self, ConfigError, Recipient};
use crate::matching::{Matching, Takes, Words};
use crate::template::Template;

pub(super) const NAME: &str = "group";

/// The most members: all their messages are published in one go.
const MEMBERS_MAX: usize = 1000;

/// All groups, by their names.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    name: String,
    start: Matching,
    owners: BTreeSet<Address>,
    members: BTreeSet<Address>,
    message: Template,
    reply: Template,
    empty: Template,
    refused: Option<Template>,
}

impl Groups {
    pub(super) fn new(config: &BTreeMap<String, config::Group>) -> Result<Self, ConfigError> {
        let groups = config.iter().map(|(name, group)| Group::new(name, group)).collect::<Result<Vec<_>, _>>()?;
        let mut taken: BTreeMap<&[String], &str> = BTreeMap::new();
        for group in &groups {
            for (_, phrase) in group.start.phrases() {
                if let Some(other) = taken.insert(phrase, &group.name).filter(|other| *other != group.name) {
                    let told = format!("{:?} texts {other} and {}", phrase.join(" "), group.name);
                    return Err(ConfigError::of_key("router.group", told));
                }
            }
        }
        Ok(Self { groups })
    }
}

impl Group {
    fn new(name: &str, config: &config::Group) -> Result<Self, ConfigError> {
        let wrong = |key: &str, told: String| ConfigError::of_key(format!("router.group.{name}.{key}"), told);
        let template = |key: &str, text: &MessageText, others: &[&str]| {
            Template::new(text, others).map_err(|error| wrong(key, error.to_string()))
        };
        let own_name = [name.to_owned()];
        let words = if config.words.is_empty() { &own_name } else { config.words.as_slice() };
        let start = Matching::new(Takes { words, ..Takes::default() });
        let people = |key: &str, people: &[Recipient]| {
            let all: BTreeSet<Address> = people.iter().map(|person| person.address().clone()).collect();
            if all.is_empty() {
                return Err(wrong(key, "is empty: write at least one number".to_owned()));
            }
            if all.len() < people.len() {
                return Err(wrong(key, "has somebody twice".to_owned()));
            }
            Ok(all)
        };
        let members = people("members", &config.members)?;
        if MEMBERS_MAX < members.len() {
            return Err(wrong("members", format!("are {}; at most {MEMBERS_MAX} are texted at once", members.len())));
        }
        Ok(Self {
            name: name.to_owned(),
            start: start.map_err(|error| wrong("words", error.to_string()))?,
            owners: people("owners", &config.owners)?,
            members,
            message: template("message", &config.message, &["rest"])?,
            reply: template("reply", &config.reply, &["count", "rest"])?,
            empty: template("empty", &config.empty, &[])?,
            refused: config.refused.as_ref().map(|text| template("refused", text, &[])).transpose()?,
        })
    }

    fn said(&self, text: &Text, rest: &str) -> Said {
        let because = |told: &str| format!("group {}: {told}", self.name);
        let sender = &text.received.from;
        if !self.owners.contains(sender) {
            let refused = self.refused.as_ref().map(|refused| Said::reply(refused.fill(text, |_| None)));
            return refused.unwrap_or_else(Said::pass).because(because("the sender is no owner"));
        }
        if Words::of(rest).is_empty() {
            return Said::reply(self.empty.fill(text, |_| None)).because(because("without a message"));
        }
        let members: Vec<&Address> = self.members.iter().filter(|member| *member != sender).collect();
        let count = members.len().to_string();
        let message = self.message.fill(text, |name| (name == "rest").then_some(rest));
        let mut said = Said::reply(self.reply.fill(text, |name| match name {
            "count" => Some(count.as_str()),
            "rest" => Some(rest),
            _ => None,
        }));
        said.replies
            .extend(members.into_iter().map(|to| Reply { to: Some(to.clone()), ..Reply::to_sender(message.clone()) }));
        said.because(because(&format!("passed on to {count}")))
    }
}

impl Application for Groups {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        let words = Words::of(text.words.as_str());
        let taking = self.groups.iter().filter_map(|group| Some((group, group.start.take(&words)?)));
        let meant = taking.max_by_key(|(_, captured)| captured.closeness);
        meant.map_or_else(Said::pass, |(group, captured)| group.said(text, captured.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    const CREW: &str = r#"
        owners = ["+15555550100", "+15555550101"]
        members = ["+15555550101", "+15555550102", "12345"]
        message = "{from}: {rest}"
    "#;

    fn groups(config: &[(&str, &str)]) -> Result<Groups, ConfigError> {
        Groups::new(&config.iter().map(|(name, group)| ((*name).to_owned(), toml::from_str(group).unwrap())).collect())
    }

    fn text_from(from: &str, words: &str) -> Text {
        let mut text = text(words);
        text.received.from = from.parse().unwrap();
        text
    }

    /// Who gets what; nobody named: the sender.
    #[track_caller]
    fn check(more: &str, from: &str, words: &str, expected: &[(&str, &str)]) {
        let groups = groups(&[("crew", &format!("{CREW}{more}")), ("all", &format!("words = [\"crew all\"]\n{CREW}"))]);
        let said = groups.unwrap().handle(&text_from(from, words), &Known::default());
        let to = |reply: &Reply| reply.to.as_ref().map_or_else(String::new, |to| to.as_str().to_owned());
        let replies: Vec<_> = said.replies.iter().map(|reply| (to(reply), reply.text.as_str())).collect();
        let expected: Vec<_> = expected.iter().map(|(to, words)| ((*to).to_owned(), *words)).collect();
        assert_eq!((said.takes, replies), (!expected.is_empty(), expected), "{words}");
    }

    #[test]
    fn what_an_owner_writes_goes_to_all_others() {
        let message = "+15555550101: meet at  six";
        let all = [("", "Sent to 2."), ("+15555550102", message), ("12345", message)];
        check("", "+15555550101", "Crew: meet at  six", &all);
        check("", "+15555550100", "crew", &[("", "Nothing was sent: write the message behind the first word.")]);
        check("", "+15555550100", "crew .", &[("", "Nothing was sent: write the message behind the first word.")]);
        check(
            "reply = \"{count}\"",
            "+15555550101",
            "crew all hi",
            &[("", "Sent to 2."), ("+15555550102", "+15555550101: hi"), ("12345", "+15555550101: hi")],
        );
        check("", "+15555550100", "the crew", &[]);
    }

    #[test]
    fn what_others_write_goes_to_nobody() {
        check("", "+15555550102", "crew hello", &[]);
        check("refused = \"Only for owners.\"", "+15555550102", "crew hello", &[("", "Only for owners.")]);
    }

    #[test]
    fn the_record_names_nobody() {
        let groups = groups(&[("crew", CREW)]).unwrap();
        let because = |from: &str| groups.handle(&text_from(from, "crew hi"), &Known::default()).because.unwrap();
        assert_eq!(because("+15555550100"), "group crew: passed on to 3");
        assert_eq!(because("+15555550199"), "group crew: the sender is no owner");
    }

    #[test]
    fn groups_that_could_not_work_are_refused() {
        let check_refused = |config: &[(&str, &str)], key: &str, says: &str| {
            let told = groups(config).unwrap_err().to_string();
            assert!(told.starts_with(key) && told.contains(says), "{told}");
        };
        check_refused(&[("a", "owners = []\nmembers = [\"12345\"]")], "router.group.a.owners: ", "at least one");
        check_refused(&[("a", "owners = [\"12345\"]\nmembers = []")], "router.group.a.members: ", "at least one");
        check_refused(
            &[("a", "owners = [\"12345\", \"12345\"]\nmembers = [\"12345\"]")],
            "router.group.a.owners: ",
            "twice",
        );
        check_refused(&[("a", CREW), ("b", &format!("words = [\"A.\"]{CREW}"))], "router.group: ", "texts a and b");
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|index| format!("\"+1555555{index:04}\"")).collect();
        let many = format!("owners = [\"12345\"]\nmembers = [{}]", many.join(", "));
        check_refused(&[("a", &many)], "router.group.a.members: ", "at most 1000");
    }
}
