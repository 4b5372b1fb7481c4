//! Asks the applications for an answer to what people text, and publishes it.
//!
//! Applications are asked in the order of the configuration; the first answer wins. Router holds no state: it can be
//! handed the same text twice and publishes the same messages, with the same ids.

pub mod application;
mod applications;
mod config;
mod observe;
pub mod rapidsms;

use std::collections::BTreeSet;
use std::convert::Infallible;

use messaging::{Context, Handler, Outgoing};
use protocol::{Address, Envelope, IgnoredReason, MessageReceived, MessageSend, SessionIgnored, Timestamp};

use application::{Answer, Application};
pub use config::{Config, ConfigError, KeywordRule};

/// Handles what people text.
#[derive(Debug)]
pub struct Router {
    applications: Vec<Box<dyn Application>>,
    own_numbers: BTreeSet<Address>,
}

impl Router {
    /// A router with the configured applications. What comes from `own_numbers` is not answered: two backends of ours
    /// that texted each other would never stop.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is wrong.
    pub fn new(config: &Config, own_numbers: BTreeSet<Address>) -> Result<Self, ConfigError> {
        Ok(Self { applications: applications::from_config(config)?, own_numbers })
    }

    /// What a text causes: the first application's answer, or the word that there is none.
    fn route(&self, received: &Envelope<MessageReceived>, now: Timestamp) -> Vec<Outgoing> {
        let MessageReceived { session_id, from, to, network, .. } = &received.data;
        let ignored = |reason| {
            observe::ignored(&received.head, reason);
            let data = SessionIgnored { session_id: session_id.clone(), reason };
            vec![Outgoing::new(&Envelope::caused_by(&received.head, 0, now, data))]
        };
        if !from.is_reachable() {
            return ignored(IgnoredReason::WithheldSender);
        }
        if self.own_numbers.contains(from) {
            return ignored(IgnoredReason::OwnNumber);
        }
        let Some((application, texts)) = self.ask(&received.data) else {
            return ignored(IgnoredReason::NoAnswer);
        };
        observe::answered(&received.head, application.name(), texts.len());
        let replies = texts.into_iter().zip(0..).map(|(text, index)| {
            let send = MessageSend {
                to: from.clone(),
                text,
                from: to.clone().filter(Address::is_dialable),
                network: network.clone(),
                application: Some(application.name().to_owned()),
                expires_at: None,
            };
            Outgoing::new(&Envelope::caused_by(&received.head, index, now, send))
        });
        replies.collect()
    }

    fn ask(&self, message: &MessageReceived) -> Option<(&dyn Application, Vec<protocol::MessageText>)> {
        self.applications.iter().find_map(|application| match application.answer(message) {
            Answer::Pass => None,
            Answer::Reply(texts) => Some((application.as_ref(), texts)),
        })
    }
}

impl Handler for Router {
    type Event = MessageReceived;
    type Error = Infallible;

    async fn handle(
        &self,
        envelope: Envelope<MessageReceived>,
        context: &Context,
    ) -> Result<Vec<Outgoing>, Infallible> {
        Ok(self.route(&envelope, context.environment.now()))
    }
}

#[cfg(test)]
mod tests;
