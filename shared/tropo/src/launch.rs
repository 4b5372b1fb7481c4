//! The session API: asking Tropo for a session, and what it answers.

mod reply;
mod request;
mod verdict;

pub use self::reply::{LaunchReply, UnreadableReply};
pub use self::request::LaunchRequest;
pub use self::verdict::{Launched, Refusal, judge};
pub use crate::form::{ReplyFormat, RequestError};

#[cfg(test)]
mod tests;
