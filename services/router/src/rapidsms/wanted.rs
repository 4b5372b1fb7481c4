//! What a project wants sent, however it says so, and the messages that it becomes.

use std::collections::HashSet;

use protocol::{
    Address, AddressError, Envelope, EventId, EventType, Head, Kind, MessageSend, MessageText, Network, TextError,
    Timestamp,
};

use super::in_hand::Asked;
use super::projects::Project;

/// The most people that one request is for: so many messages are confirmed in the time that a request has.
pub(super) const RECIPIENTS_MAX: usize = 5_000;

/// One text to one or many people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// Who shall get it.
    pub(super) to: Vec<Address>,
    /// The words.
    pub(super) text: MessageText,
    /// The number to send from.
    pub(super) from: Option<Address>,
    /// The text that it says it answers.
    pub(super) in_reply_to: Option<EventId>,
    /// The project's own id of it.
    pub(super) message: Option<String>,
}

/// Why a request is nothing that can be sent. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// It is not of the form.
    #[error("not {0}")]
    Unreadable(&'static str),
    /// Nobody to send it to.
    #[error("there is nobody to send it to")]
    Nobody,
    /// Of those whom it is for, none can be written to.
    #[error("no recipient is an address")]
    Recipients(#[source] AddressError),
    /// Names, and numbers of a country that is not told.
    #[error("no recipient can get an SMS: write each number with its country code, as in +1-555-555-0100")]
    NotDialable,
    /// More than can be sent while a request waits.
    #[error("there are more than {RECIPIENTS_MAX} recipients: send to fewer at a time")]
    TooMany,
    /// It cannot be a text.
    #[error("the text cannot be sent")]
    Text(#[source] TextError),
    /// Its characters are in a charset that is not known here.
    #[error("the charset is not known: use UTF-8, ASCII, ISO-8859-1, Windows-1252 or UTF-16")]
    Charset,
    /// Data for a telephone.
    #[error("binary messages cannot be sent")]
    Binary,
}

/// Whom it is for, each once. A request is not made again, so who cannot be written to stands in nobody's way.
pub(super) fn recipients<'a>(written: impl IntoIterator<Item = &'a str>) -> Result<Vec<Address>, Unusable> {
    let mut wrong = Unusable::Nobody;
    let (mut to, mut known) = (Vec::new(), HashSet::new());
    for written in written {
        match written.parse::<Address>() {
            Ok(address) if !known.insert(address.clone()) => {}
            Ok(_) if to.len() == RECIPIENTS_MAX => return Err(Unusable::TooMany),
            Ok(address) => to.push(address),
            Err(error) => wrong = Unusable::Recipients(error),
        }
    }
    if to.is_empty() { Err(wrong) } else { Ok(to) }
}

impl Wanted {
    /// The same for those who can be written to on this network.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn on(mut self, network: &Network) -> Result<Self, Unusable> {
        let is_sms = *network == Network::sms();
        self.to.retain(|to| if is_sms { to.is_dialable() } else { to.is_reachable() });
        match (self.to.is_empty(), is_sms) {
            (false, _) => Ok(self),
            (true, true) => Err(Unusable::NotDialable),
            (true, false) => Err(Unusable::Nobody),
        }
    }

    /// The messages, each made when its turn comes.
    ///
    /// Their ids are derived from the text that is answered, the recipient and the words: a project that is given a text
    /// twice answers twice, under ids of its own that are always new, and nobody is to be texted twice. Where no text is
    /// known, they are derived from the project's id; where it names none, from `fresh`.
    pub(super) fn messages(
        &self,
        project: &Project,
        answered: Option<&Asked>,
        fresh: EventId,
        now: Timestamp,
    ) -> impl Iterator<Item = Envelope<MessageSend>> {
        let text = answered.map(|asked| asked.text).or(self.in_reply_to);
        let cause = text.unwrap_or_else(|| match &self.message {
            Some(message) => EventId::of_application(&project.name, message),
            None => fresh,
        });
        let message = move |to: &Address| {
            let part = format!("rapidsms {} {} {}", project.name, to.as_str(), self.text.as_str());
            let head = Head {
                id: cause.derive_part(Kind::MessageSend, &part),
                event_type: EventType { kind: Kind::MessageSend, version: <MessageSend as protocol::Event>::VERSION },
                backend: project.backend.clone(),
                correlation_id: answered.and_then(|asked| asked.correlation_id.clone()),
                causation_id: text,
                time: now,
            };
            let texted = answered.and_then(|asked| asked.texted.clone());
            let data = MessageSend {
                to: to.clone(),
                text: self.text.clone(),
                from: self.from.clone().or(texted).filter(Address::is_dialable),
                network: answered.map_or_else(Network::sms, |asked| asked.network.clone()),
                application: Some(project.name.as_str().to_owned()),
                expires_at: None,
            };
            Envelope { head, data }
        };
        self.to.iter().map(message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_hand::InHand;
    use super::super::tests::project;
    use super::*;
    use crate::applications::text;

    fn wanted(words: &str) -> Wanted {
        Wanted {
            to: vec!["15555550177".parse().unwrap()],
            text: words.parse().unwrap(),
            from: None,
            in_reply_to: None,
            message: None,
        }
    }

    fn messages(wanted: &Wanted, answered: Option<&Asked>, fresh: u128) -> Vec<Envelope<MessageSend>> {
        let now = "2026-03-01T09:30:15Z".parse().unwrap();
        wanted.messages(&project("clinic"), answered, uuid::Uuid::from_u128(fresh).into(), now).collect()
    }

    fn id(wanted: &Wanted, fresh: u128) -> EventId {
        messages(wanted, None, fresh)[0].head.id
    }

    #[test]
    fn a_repeated_answer_to_a_text_is_the_same_message_whatever_the_project_calls_it() {
        let cause = text("hi").id;
        let answer = |message: &str, words: &str| Wanted {
            in_reply_to: Some(cause),
            message: Some(message.to_owned()),
            ..wanted(words)
        };
        assert_eq!(id(&answer("m1", "pong"), 1), id(&answer("m2", "pong"), 2));
        assert_ne!(id(&answer("m1", "pong"), 1), id(&answer("m1", "pang"), 1));
        let other = Wanted { to: vec!["15555550188".parse().unwrap()], ..answer("m1", "pong") };
        assert_ne!(id(&answer("m1", "pong"), 1), id(&other, 1));
        assert_eq!(messages(&answer("m1", "pong"), None, 1)[0].head.causation_id, Some(cause));
    }

    #[test]
    fn a_text_in_hand_is_what_an_answer_without_a_reference_answers() {
        let (in_hand, received) = (InHand::default(), text("hi"));
        let _asking = in_hand.ask(&project("clinic").name, &received);
        let answered = in_hand.answered_by(&project("clinic").name, &wanted("pong")).unwrap();
        let [sent] = messages(&wanted("pong"), Some(&answered), 1).try_into().unwrap();
        let referring = Wanted { in_reply_to: Some(received.id), ..wanted("pong") };
        assert_eq!(sent.head.id, id(&referring, 2));
        assert_eq!(sent.head.correlation_id, received.correlation_id);
        assert_eq!(sent.data.from.unwrap().as_str(), "+15555550100");
        assert_eq!(sent.data.application.as_deref(), Some("clinic"));
    }

    #[test]
    fn what_a_project_says_of_its_own_accord_is_known_by_its_own_id() {
        let own = |message: Option<&str>| Wanted { message: message.map(str::to_owned), ..wanted("news") };
        assert_eq!(id(&own(Some("m1")), 1), id(&own(Some("m1")), 2));
        assert_ne!(id(&own(Some("m1")), 1), id(&own(Some("m2")), 1));
        assert_ne!(id(&own(None), 1), id(&own(None), 2));
        assert_eq!(messages(&own(Some("m1")), None, 1)[0].head.causation_id, None);
    }

    #[test]
    fn each_of_many_gets_a_message_of_its_own() {
        let to = recipients(["15555550177", "", "+1 555 555 0188"]).unwrap();
        let sent = messages(&Wanted { to, ..wanted("news") }, None, 1);
        let numbers: Vec<_> = sent.iter().map(|message| message.data.to.as_str()).collect();
        assert_eq!(numbers, ["+15555550177", "+15555550188"]);
        assert_ne!(sent[0].head.id, sent[1].head.id);
    }

    #[test]
    fn nobody_is_named_twice_however_the_number_is_written() {
        let to = recipients(["15555550177", "+1 555 555 0177", "15555550188", "15555550177"]).unwrap();
        assert_eq!(to.iter().map(Address::as_str).collect::<Vec<_>>(), ["+15555550177", "+15555550188"]);
    }

    #[test]
    fn more_than_can_be_sent_while_a_request_waits_are_refused() {
        let numbers: Vec<_> = (0..=RECIPIENTS_MAX).map(|at| (15_555_550_000 + at).to_string()).collect();
        let (last, most) = numbers.split_last().unwrap();
        let repeated = most.iter().chain(most).map(String::as_str);
        assert_eq!(recipients(repeated.clone()).unwrap().len(), RECIPIENTS_MAX);
        assert_eq!(recipients(repeated.chain([last.as_str()])), Err(Unusable::TooMany));
    }

    #[test]
    fn who_has_no_number_gets_no_sms() {
        let to = |written: &[&str]| Wanted { to: recipients(written.iter().copied()).unwrap(), ..wanted("news") };
        for wrong in ["07123456", "0712345678", "bob", "unknown"] {
            assert_eq!(to(&[wrong]).on(&Network::sms()), Err(Unusable::NotDialable), "{wrong}");
            let rest = to(&[wrong, "15555550177"]).on(&Network::sms()).unwrap();
            assert_eq!(rest, wanted("news"), "{wrong}");
        }
        let jabber: Network = "JABBER".parse().unwrap();
        assert_eq!(to(&["bob"]).on(&jabber), Ok(to(&["bob"])));
        assert_eq!(to(&["unknown"]).on(&jabber), Err(Unusable::Nobody));
    }

    #[test]
    fn a_message_for_nobody_is_refused() {
        assert_eq!(recipients([]), Err(Unusable::Nobody));
        assert_eq!(recipients([""]), Err(Unusable::Recipients(AddressError::Empty)));
    }
}
