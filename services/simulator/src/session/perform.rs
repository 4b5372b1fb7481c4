//! Does what a document says, action by action.

use protocol::{Address, AddressError, MessageText, Network, TextError};
use tropo::document::{Action, Call, Document, Message, Say};
use tropo::shape::OneOrMany;

use super::{Leg, Run};
use crate::debugger::speak::Speak;
use crate::debugger::wording;
use crate::dial::destination;
use crate::phones::Delivery;
use crate::reports::Asked;

/// How a document ended: the event that looks for its handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// Everything was done.
    Continue,
    /// Something that was required failed.
    Incomplete,
    /// The document could not be understood; the reason quotes nothing of it.
    Error(String),
    /// The application hung up or declined.
    HungUp,
}

/// What comes after an action.
enum Step {
    Next,
    End(Ending),
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("it is to nobody")]
    NoRecipient,
    #[error("its destination cannot be reached: {0}")]
    Destination(AddressError),
    #[error("its destination withheld the number")]
    Withheld,
    #[error("its from is no number of this account")]
    ForeignSender,
    #[error("it has no from, and the application has no number")]
    NoSender,
    #[error("its network is not one")]
    Network,
    #[error("nobody is on the line")]
    NobodyThere,
    #[error("its {0}")]
    Text(TextError),
}

impl Run {
    /// Does the actions in order, until one ends the document.
    pub(super) fn perform(&mut self, document: &Document) -> Ending {
        for action in &document.actions {
            match self.act(action) {
                Step::Next => {}
                Step::End(ending) => return ending,
            }
        }
        Ending::Continue
    }

    fn act(&mut self, action: &Action) -> Step {
        match action {
            Action::Message(message) if message.is_text() => {
                let sent = self.message(message);
                if let Err(failure) = &sent {
                    self.tell_refused(message, &failure.to_string());
                }
                self.judge("message", message.required, sent)
            }
            Action::Call(call) if call.is_text() => {
                let called = self.call(call);
                self.judge("call", call.required, called)
            }
            Action::Say(says) => self.say(says),
            // Handlers stand for the whole document and are looked up at its end.
            Action::On(_) => Step::Next,
            Action::Hangup(_) | Action::Reject(_) => Step::End(Ending::HungUp),
            Action::Message(_) | Action::Call(_) => {
                self.skip(action, "it is a voice call: for a text, set channel TEXT or network SMS");
                Step::Next
            }
            Action::Answer(_)
            | Action::Ask(_)
            | Action::Conference(_)
            | Action::Record(_)
            | Action::Redirect(_)
            | Action::StartRecording(_)
            | Action::StopRecording(_)
            | Action::Transfer(_)
            | Action::Wait(_)
            | Action::GeneralLogSecurity(_) => {
                self.skip(action, "the simulator does not do it in a text session");
                Step::Next
            }
            Action::Other(..) => {
                self.skip(action, "there is no such action");
                Step::Next
            }
            Action::Unreadable { name, reason } => {
                self.log(wording::ours(format_args!("The document ends at action {name:?}: {reason}")));
                Step::End(Ending::Error(reason.clone()))
            }
        }
    }

    /// Texts somebody and leaves.
    fn message(&mut self, message: &Message) -> Result<(), Failure> {
        let Message { to, from, network, say, .. } = message;
        let leg = self.leg_to("message", to, from.as_deref(), network.as_deref())?;
        self.speak(&leg, say)
    }

    /// Texts somebody from here on.
    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        let Call { to, from, network, .. } = call;
        let leg = self.leg_to("call", to, from.as_deref(), network.as_deref())?;
        let leg = Leg { asked: self.asked_by(call), ..leg };
        if self.leg.replace(leg).is_some() {
            self.log(wording::ours("The session was in a call already: what is said goes to the new one from here on"));
        }
        Ok(())
    }

    fn say(&mut self, says: &OneOrMany<Say>) -> Step {
        for say in says {
            let said = match self.leg.clone() {
                Some(leg) => self.speak(&leg, &OneOrMany::One(say.clone())),
                None => Err(Failure::NobodyThere),
            };
            match self.judge("say", say.required, said) {
                Step::Next => {}
                end @ Step::End(_) => return end,
            }
        }
        Step::Next
    }

    /// Whether the document goes on after an action (Tropo WebAPI: `required`, which is true where left out).
    fn judge(&self, name: &str, required: Option<bool>, outcome: Result<(), Failure>) -> Step {
        let Err(failure) = outcome else { return Step::Next };
        let required = required.unwrap_or(true);
        let consequence =
            if required { "it was required, so the document is incomplete" } else { "the document goes on" };
        self.log(wording::ours(format_args!("Action {name} failed, {failure}; {consequence}")));
        if required { Step::End(Ending::Incomplete) } else { Step::Next }
    }

    fn skip(&self, action: &Action, why: &str) {
        self.log(wording::ours(format_args!("Action {:?} is skipped: {why}", action.name())));
    }

    /// Both ends of what an action begins.
    fn leg_to(
        &self,
        action: &str,
        to: &OneOrMany<String>,
        from: Option<&str>,
        network: Option<&str>,
    ) -> Result<Leg, Failure> {
        let written = to.first().filter(|to| !to.trim().is_empty()).ok_or(Failure::NoRecipient)?;
        if 1 < to.iter().count() {
            self.log(wording::ours(format_args!(
                "Action {action} has several destinations: the first alone is texted"
            )));
        }
        let them = destination(written, |address| self.simulator.phones.knows(address));
        let them = them.map_err(Failure::Destination)?;
        if !them.is_reachable() {
            return Err(Failure::Withheld);
        }
        let network = network.filter(|network| !network.trim().is_empty());
        let network = network.map_or(Ok(Network::sms()), |network| network.trim().parse());
        let network = network.map_err(|_| Failure::Network)?;
        Ok(Leg { us: self.sender(from, &network)?, them, network, asked: Asked::default() })
    }

    /// Who a message comes from: a number of the account, the application's first where the document does not say.
    /// Other networks than the telephone's know users, whom nobody owns here.
    fn sender(&self, from: Option<&str>, network: &Network) -> Result<Address, Failure> {
        let Some(from) = from.filter(|from| !from.trim().is_empty()) else {
            return self.application.settings.sender_on(network).cloned().ok_or(Failure::NoSender);
        };
        let owned = |address: &Address| {
            let owner = self.simulator.applications.of_number(address);
            owner.is_some_and(|owner| owner.settings.account_id == self.application.settings.account_id)
        };
        let sender = destination(from, owned).map_err(|_| Failure::ForeignSender)?;
        let on_telephone = matches!(network.as_str(), "SMS" | "MMS");
        if owned(&sender) || !on_telephone { Ok(sender) } else { Err(Failure::ForeignSender) }
    }

    /// Hands words to the gateway, which brings them to the phone.
    fn speak(&mut self, leg: &Leg, says: &OneOrMany<Say>) -> Result<(), Failure> {
        let texts: Vec<MessageText> =
            says.iter().map(|say| say.value.parse()).collect::<Result<_, _>>().map_err(Failure::Text)?;
        if !leg.them.is_reachable() {
            return Err(Failure::Withheld);
        }
        for text in texts {
            if text.as_str().is_empty() {
                self.log(wording::ours("There is nothing to say: no text is sent"));
                continue;
            }
            let Leg { us, them, network, .. } = leg;
            let bot_key = &self.application.bot_key;
            let speak = Speak { from: us, to: them, network, bot_key, text: text.as_str() };
            // Whoever has the text finds these lines written.
            for line in self.gateway.speak(&speak) {
                self.log(line);
            }
            let (from, network, session_id) = (us.clone(), network.clone(), self.id.clone());
            self.simulator.phones.deliver(them, Delivery { from, text, network, session_id });
            self.tell_sent(leg);
        }
        Ok(())
    }

    /// Says what a handler says before it goes on. Nothing depends on it.
    pub(super) fn say_first(&mut self, says: &OneOrMany<Say>) {
        let said = match self.leg.clone() {
            Some(leg) => self.speak(&leg, says),
            None => Err(Failure::NobodyThere),
        };
        self.judge("say", Some(false), said);
    }
}
