//! What an application is.

use std::fmt;

use protocol::{MessageReceived, MessageText};

/// An application: decides what a text is answered with.
///
/// Pure: it sees the message and returns the answer; sending it is the router's work. It may be asked twice about one
/// message, after a crash, and then gives the same answer.
pub trait Application: fmt::Debug + Send + Sync {
    /// The name by which the configuration and every answer know it.
    fn name(&self) -> &'static str;

    /// The answer to a message.
    fn answer(&self, message: &MessageReceived) -> Answer;
}

/// What an application says to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing: the next application is asked.
    Pass,
    /// These texts, in this order, go back to the sender. No further application is asked.
    Reply(Vec<MessageText>),
}
