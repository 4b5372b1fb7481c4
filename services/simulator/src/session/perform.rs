//! Does what a document says, action by action.

use protocol::{Address, AddressError, Network, TextError};
use tropo::document::{Action, Ask, Call, Document, Message, On, Say};
use tropo::shape::OneOrMany;

use super::mms::Words;
use super::{Leg, Run, ask, secrecy};
use crate::debugger::speak::Speak;
use crate::debugger::wording;
use crate::departures::Departure;
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
    /// The document was refused as a whole, for this reason: nothing of it is done, its handlers say nothing.
    Refused(String),
    /// A signal of this name interrupted an action.
    Signal(String),
    /// The application hung up or declined.
    HungUp,
    /// The phone hung up, or the platform did for it.
    Disconnected,
    /// The simulator stops.
    Stopped,
}

/// What comes after an action.
pub(super) enum Step {
    Next,
    End(Ending),
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
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
    #[error("nobody answered")]
    NoAnswer,
    #[error("it has no answer that fits")]
    NoMatch,
    #[error("too many texts wait for their turn already, as the knob sms_per_second_per_number has it")]
    TooMany,
}

/// How many things a document may have done: actions, and what they say. Nobody reads more, and each leaves its lines.
const THINGS_MAX: usize = 20_000;

/// How many things an action has done.
fn things(action: &Action) -> usize {
    let said = |says: Option<&OneOrMany<Say>>| says.map_or(0, |says| says.iter().count());
    let asked = |ask: &Ask| said(ask.say.as_ref()).saturating_mul(ask::attempts(ask) as usize);
    let declared = |on: &On| said(on.say.as_ref()).saturating_add(on.ask.as_deref().map_or(0, asked));
    let things = match action {
        Action::Say(says) => said(Some(says)),
        Action::Message(message) => said(Some(&message.say)),
        Action::Ask(ask) => asked(ask),
        Action::On(handlers) => handlers.iter().map(declared).fold(0, usize::saturating_add),
        _ => 1,
    };
    things.max(1)
}

impl Run {
    /// Does the actions in order, until one ends the document.
    pub(super) async fn perform(&mut self, document: &Document) -> Ending {
        self.collected.clear();
        if let Err(reason) = self.check(document) {
            self.log(wording::ours(format_args!("The document cannot be done: {reason}")));
            return Ending::Refused(reason);
        }
        for action in &document.actions {
            // Long documents do not keep the others waiting.
            tokio::task::coop::consume_budget().await;
            let step = match self.gone() {
                Some(gone) => self.interrupted(gone),
                None => self.act(action).await,
            };
            match step {
                Step::Next => {}
                Step::End(ending) => return ending,
            }
        }
        Ending::Continue
    }

    /// Whether a document can be done at all.
    fn check(&self, document: &Document) -> Result<(), String> {
        if THINGS_MAX < document.actions.iter().map(things).sum() {
            return Err(format!("it has more than {THINGS_MAX} actions and things to say"));
        }
        // Handlers are declarations: they keep nothing from being alone.
        let redirects = document.actions.iter().any(|action| matches!(action, Action::Redirect(_)));
        let others = document.actions.iter().filter(|action| !matches!(action, Action::On(_) | Action::Redirect(_)));
        if redirects && (0 < others.count() || self.documents != 1 || self.called.is_none()) {
            return Err("a redirect must come alone, and first: before an incoming call or text is answered".to_owned());
        }
        Ok(())
    }

    async fn act(&mut self, action: &Action) -> Step {
        match action {
            Action::Message(message) if message.is_text() => {
                let sent = self.message(message).await;
                if let Err(failure) = &sent {
                    self.tell_refused(message, &failure.to_string());
                }
                self.judge("message", message.required, sent)
            }
            Action::Call(call) if call.is_text() => {
                if let Some(interruption) = self.interruption(call.allow_signals.as_ref()) {
                    self.collect("call", call.name.as_deref(), &interruption);
                    return self.interrupted(interruption);
                }
                let called = self.call(call);
                self.judge("call", call.required, called)
            }
            Action::Say(says) => self.say(says).await,
            Action::Ask(ask) => self.ask(ask).await,
            Action::Wait(wait) => self.wait(wait).await,
            // Handlers stand for the whole document and are looked up at its end.
            Action::On(_) => Step::Next,
            Action::Hangup(_) | Action::Reject(_) => Step::End(Ending::HungUp),
            Action::Redirect(_) => {
                self.log(wording::ours("The session is redirected: it goes on elsewhere, and ends here"));
                Step::End(Ending::HungUp)
            }
            Action::GeneralLogSecurity(setting) => {
                self.set_log_security(setting);
                Step::Next
            }
            Action::Message(_) | Action::Call(_) => {
                self.skip(action, "it is a voice call: for a text, set channel TEXT or network SMS");
                Step::Next
            }
            Action::Answer(_)
            | Action::Conference(_)
            | Action::Record(_)
            | Action::StartRecording(_)
            | Action::StopRecording(_)
            | Action::Transfer(_) => {
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

    /// Shows or hides everything from here on (Tropo WebAPI: `generalLogSecurity`).
    fn set_log_security(&mut self, setting: &str) {
        if secrecy::is_suppressed(Some(setting)) {
            self.log(wording::ours("Nothing more is logged: generalLogSecurity is suppress"));
            self.is_silent = true;
        } else {
            self.is_silent = false;
        }
    }

    /// Texts somebody and leaves.
    async fn message(&mut self, message: &Message) -> Result<(), Failure> {
        let Message { to, from, network, say, prompt_log_security, .. } = message;
        let leg = self.leg_to("message", to, from.as_deref(), network.as_deref())?;
        self.speak(&leg, say, prompt_log_security.as_deref()).await
    }

    /// Texts somebody from here on.
    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        let Call { to, from, network, prompt_log_security, .. } = call;
        let leg = self.leg_to("call", to, from.as_deref(), network.as_deref())?;
        let leg = Leg { asked: self.asked_by(call), ..leg };
        self.called = Some(leg.them.clone());
        self.hides_prompts = secrecy::is_suppressed(prompt_log_security.as_deref());
        if self.connect(leg, None).is_some() {
            self.log(wording::ours("The session was in a call already: what is said goes to the new one from here on"));
        }
        Ok(())
    }

    async fn say(&mut self, says: &OneOrMany<Say>) -> Step {
        for say in says {
            if let Some(interruption) = self.interruption(say.allow_signals.as_ref()) {
                self.collect("say", say.name.as_deref(), &interruption);
                return self.interrupted(interruption);
            }
            let said = match self.leg.clone() {
                Some(leg) => self.say_to(&leg, &OneOrMany::One(say.clone()), None).await,
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
    pub(super) fn judge(&self, name: &str, required: Option<bool>, outcome: Result<(), Failure>) -> Step {
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
        if owned(&sender) || !is_telephone(network) { Ok(sender) } else { Err(Failure::ForeignSender) }
    }

    /// Says words in a call. Whoever wants to know is told when they are refused.
    pub(super) async fn say_to(
        &mut self,
        leg: &Leg,
        says: &OneOrMany<Say>,
        log_security: Option<&str>,
    ) -> Result<(), Failure> {
        let said = self.speak(leg, says, log_security).await;
        if let Err(failure) = &said {
            self.tell_unsaid(leg, &failure.to_string());
        }
        said
    }

    /// Hands words to the gateway, which brings them to the phone. The log shows them unless the action's
    /// `promptLogSecurity` or their own hides them.
    async fn speak(&mut self, leg: &Leg, says: &OneOrMany<Say>, log_security: Option<&str>) -> Result<(), Failure> {
        let words: Vec<Words> = says
            .iter()
            .map(|say| self.words(say, leg.network.as_str()))
            .collect::<Result<_, _>>()
            .map_err(Failure::Text)?;
        if !leg.them.is_reachable() {
            return Err(Failure::Withheld);
        }
        for (words, say) in words.into_iter().zip(says) {
            // Nor do long lists of what to say.
            tokio::task::coop::consume_budget().await;
            if words.text.as_str().is_empty() && words.subject.is_none() && words.media.is_empty() {
                self.log(wording::ours("There is nothing to say: no text is sent"));
                continue;
            }
            let is_hidden = self.hides_prompts
                || [log_security, say.prompt_log_security.as_deref()].into_iter().any(secrecy::is_suppressed);
            self.send(leg, words, is_hidden.then_some(secrecy::HIDDEN_WORDS))?;
        }
        Ok(())
    }

    /// Sends one message; the log may show something else instead.
    fn send(&mut self, leg: &Leg, words: Words, instead: Option<&str>) -> Result<(), Failure> {
        let Leg { us, them, network, .. } = leg;
        let (from, to, session_id) = (us.clone(), them.clone(), Some(self.id.clone()));
        let Words { text, subject, media } = words;
        let delivery = Delivery { from, to, text, subject, media, network: network.clone(), session_id };
        if self.simulator.departures.is_full_for(&delivery) {
            return Err(Failure::TooMany);
        }
        let bot_key = &self.application.bot_key;
        let spoken = delivery.subject.as_ref().unwrap_or(&delivery.text).as_str();
        if self.simulator.debugger.keeps_lines() {
            let speak = Speak { from: us, to: them, network, bot_key, text: instead.unwrap_or(spoken) };
            // Whoever has the text finds these lines written.
            for line in self.gateway.speak(&speak) {
                self.log(line);
            }
        }
        let counted = delivery.counted();
        if let Some((encoding, parts)) = counted.filter(|(_, parts)| 1 < *parts) {
            let encoding = encoding.as_str();
            self.log(wording::ours(format_args!("The text has {parts} parts, in {encoding}: each of them is billed")));
        }
        for delivery in delivery.into_messages(self.simulator.control.long_texts()) {
            if let Departure::Behind(before) = self.simulator.depart(delivery) {
                self.log(wording::ours(format_args!(
                    "The text waits for its turn, {before} texts of its number are before it: sms_per_second_per_number"
                )));
            }
        }
        self.tell_sent(leg, counted.map_or(1, |(_, parts)| parts));
        Ok(())
    }

    /// Says what a handler says before it goes on. Nothing depends on it.
    pub(super) async fn say_first(&mut self, says: &OneOrMany<Say>) {
        let said = match self.leg.clone() {
            Some(leg) => self.say_to(&leg, says, None).await,
            None => Err(Failure::NobodyThere),
        };
        self.judge("say", Some(false), said);
    }
}

/// Whether a network has numbers, and no names.
fn is_telephone(network: &Network) -> bool {
    matches!(network.as_str(), "SMS" | "MMS")
}
