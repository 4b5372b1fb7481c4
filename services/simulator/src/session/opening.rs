//! What a session is when it begins: its id, its payload, and its place among the others.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use protocol::{Address, MessageText, Network, SessionId, Timestamp};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use tropo::launch::{LaunchRequest, ReplyFormat};
use tropo::session::{Channel, Party, Session, UserType};
use tropo::shape::Headers;
use uuid::Uuid;

use super::inbox::{Origin, Texted, Waiting};
use super::{Leg, Run, Start};
use crate::Simulator;
use crate::application::Application;
use crate::debugger::wording::{self, digits};
use crate::knobs::LaunchPlan;
use crate::phones::Delivery;
use crate::sessions::{Cause, SessionView, State};

/// How many characters of a text its header repeats.
const SMS_CHARS_MAX: usize = 160;

/// Why a session cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// A text went to a number that nobody has.
    #[error(
        "nobody has this number: no application owns it (GET /applications; POST /applications adds one), and no phone \
         has used it yet (GET /phones)"
    )]
    NoSuchNumber,
    /// Too many sessions are under way.
    #[error("too many sessions are under way: wait, or raise simulator.sessions_max")]
    Full,
    /// The session that the text would answer does not read.
    #[error("the session that talks with this phone has not read what came before: wait until it asks, or hang up")]
    Unread,
    /// All sessions together have too much to read.
    #[error("too many texts wait for sessions to read them: wait until they ask, or hang up")]
    NoMemory,
    /// The simulator stops.
    #[error("the simulator is stopping")]
    Stopping,
}

/// Whether there must be room for another session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// As configured.
    Needed,
    /// There is: it follows one that has ended.
    Made,
}

/// When a launched session calls back, as the request for it is answered.
pub(crate) struct CallBack {
    /// Cancelled when the request has been answered; none when it calls back first.
    pub(crate) gate: Option<CancellationToken>,
    /// Dropped when the call-back has been answered, or will not be.
    pub(crate) answered: DropGuard,
    /// The format of that request.
    pub(crate) format: ReplyFormat,
}

impl Simulator {
    /// A phone texts the number of an application: the session that asks in this conversation has it, or one begins at
    /// once, in a task of its own. Which one that is.
    ///
    /// # Errors
    /// [`OpeningError`]; then nothing was texted.
    pub(crate) fn text(self: &Arc<Self>, delivery: &Delivery) -> Result<SessionId, OpeningError> {
        if self.stopping.is_cancelled() {
            return Err(OpeningError::Stopping);
        }
        let sent = |id: &SessionId| self.phones.sent(Delivery { session_id: Some(id.clone()), ..delivery.clone() });
        match self.inboxes.text(delivery, sent) {
            Texted::Taken(id) => Ok(id),
            Texted::Free => {
                let (run, session) = self.open_with(delivery, Room::Needed)?;
                // Before the session can answer: it may dial the number as the phone writes it.
                self.begin(run, Start::at_once(), session, |id| {
                    sent(id);
                })
            }
            Texted::Full => Err(OpeningError::Unread),
            Texted::NoMemory => Err(OpeningError::NoMemory),
        }
    }

    /// A text that a session has not read is offered to whoever still asks in its conversation: who has it now, or
    /// nobody, also where whoever asks has too much to read.
    ///
    /// # Errors
    /// [`OpeningError::Stopping`].
    pub(super) fn offer(&self, text: &Waiting) -> Result<Option<SessionId>, OpeningError> {
        let Waiting { delivery, origin } = text;
        let again = |id: &SessionId| match origin {
            Origin::Since(index) => {
                self.phones.reassign(&delivery.from, *index, id);
                *index
            }
            Origin::First => 0,
        };
        if self.stopping.is_cancelled() {
            return Err(OpeningError::Stopping);
        }
        match self.inboxes.text(delivery, again) {
            Texted::Taken(id) => Ok(Some(id)),
            Texted::Free | Texted::Full | Texted::NoMemory => Ok(None),
        }
    }

    /// A text that a session has not read begins another, in the place of that one. It takes over the `rest`, which waits
    /// for its questions or its end: one session follows one, however much was left unread.
    ///
    /// # Errors
    /// [`OpeningError::NoSuchNumber`] or [`OpeningError::Stopping`]; then the rest is left.
    pub(super) fn succeed(
        self: &Arc<Self>,
        first: &Waiting,
        rest: &mut VecDeque<Waiting>,
    ) -> Result<SessionId, OpeningError> {
        let (run, session) = self.open_with(&first.delivery, Room::Made)?;
        self.begin(run, Start::at_once(), session, |id| {
            for Waiting { delivery, origin } in [first].into_iter().chain(&*rest) {
                if let Origin::Since(index) = origin {
                    self.phones.reassign(&delivery.from, *index, id);
                }
            }
            self.inboxes.inherit(id, &Leg::of(&first.delivery), std::mem::take(rest));
        })
    }

    /// Takes in a session that a text begins.
    fn open_with(self: &Arc<Self>, delivery: &Delivery, room: Room) -> Result<(Run, Session), OpeningError> {
        let Delivery { from, to, text, network, .. } = delivery;
        let application = self.applications.of_number(to).ok_or(OpeningError::NoSuchNumber)?;
        let (mut run, mut session) = self.open(&application, &Channel::Text, Cause::Text, room)?;
        session.initial_text = Some(text.as_str().to_owned());
        session.call_id = Some(hex());
        session.to = Some(Party::text(digits(to), network.as_str()));
        session.from = Some(Party::text(digits(from), network.as_str()));
        session.headers = headers(&application, from, to, text, network);
        run.take_mms(&mut session, delivery);

        run.call_id.clone_from(&session.call_id);
        run.called = Some(to.clone());
        run.connect(Leg::of(delivery), Some(delivery));

        run.log(wording::found(&application, &run.url, to));
        run.tell_received(delivery);
        Ok((run, session))
    }

    /// An application launches a session with its token. It calls back in a task of its own.
    ///
    /// # Errors
    /// [`OpeningError::Full`] or [`OpeningError::Stopping`].
    pub(crate) fn launch(
        self: &Arc<Self>,
        application: &Arc<Application>,
        channel: &Channel,
        request: &LaunchRequest,
        call_back: CallBack,
    ) -> Result<SessionId, OpeningError> {
        let (mut run, mut session) = self.open(application, channel, Cause::Launch, Room::Needed)?;
        session.parameters.clone_from(&request.parameters);
        let CallBack { gate, answered, format } = call_back;
        let LaunchPlan { echo_token, echo_format, call_id } = self.control.plan_launch();
        if echo_token {
            session.parameters.insert("action".to_owned(), "create".to_owned());
            session.parameters.insert("token".to_owned(), request.token.clone());
        }
        if echo_format {
            session.parameters.entry("format".to_owned()).or_insert_with(|| format_name(format).to_owned());
        }
        session.call_id = call_id.then(hex);
        run.call_id.clone_from(&session.call_id);

        run.log(wording::create());
        let start = Start { gate, plan: self.control.plan_call_back(), answered: Some(answered) };
        self.begin(run, start, session, |_| {})
    }

    /// Takes in a session, and says what all payloads have of it.
    fn open(
        self: &Arc<Self>,
        application: &Arc<Application>,
        channel: &Channel,
        cause: Cause,
        room: Room,
    ) -> Result<(Run, Session), OpeningError> {
        if self.stopping.is_cancelled() {
            return Err(OpeningError::Stopping);
        }
        let (id, began_at) = (new_id(), Timestamp::now());
        let view = SessionView {
            id: id.clone(),
            application: application.name.clone(),
            cause,
            state: State::Waiting,
            documents: 0,
            first_webhook: None,
            began_at,
            ended_at: None,
        };
        let is_in = match room {
            Room::Needed => self.sessions.begin(view),
            Room::Made => {
                self.sessions.follow(view);
                true
            }
        };
        if !is_in {
            return Err(OpeningError::Full);
        }
        let user_type = match cause {
            Cause::Text => UserType::Human,
            Cause::Launch => UserType::None,
        };
        let mut session = Session::new(id.clone(), user_type);
        session.account_id.clone_from(&application.settings.account_id);
        session.timestamp = Some(format!("{began_at:.3}"));
        let url = application.url(channel).clone();
        Ok((Run::new(Arc::clone(self), Arc::clone(application), id, url, began_at), session))
    }

    /// Starts the task of a session, and does something just before: not when the simulator has stopped.
    fn begin(
        &self,
        run: Run,
        start: Start,
        session: Session,
        before: impl FnOnce(&SessionId),
    ) -> Result<SessionId, OpeningError> {
        let id = run.id.clone();
        let span = tracing::info_span!(parent: None, "session", session.id = %id);
        let body = run.session_body(session);
        let task = run.run(start, body).instrument(span);
        if self.spawn_after(|| before(&id), task) { Ok(id) } else { Err(OpeningError::Stopping) }
    }
}

/// The SIP headers of the platform's own INVITE. Those of a text hold it, and both numbers.
fn headers(application: &Application, from: &Address, to: &Address, text: &MessageText, network: &Network) -> Headers {
    let (user, number, key) = (digits(from), digits(to), &application.bot_key);
    // One SMS holds no more, and applications bound what they take.
    let msg: String = text.as_str().chars().take(SMS_CHARS_MAX).collect();
    let msg = escaped(&msg);
    let (call, branch, tag) = (hex(), hex(), hex());
    let tag = tag.get(..6).unwrap_or_default();
    [
        ("Call-ID", format!("{call}@10.0.0.9")),
        ("CSeq", "1 INVITE".to_owned()),
        ("Max-Forwards", "70".to_owned()),
        ("Content-Length", "124".to_owned()),
        ("Content-Type", "application/sdp".to_owned()),
        ("Contact", format!("<sip:{}@10.0.0.9:5060>", escaped(user))),
        ("To", format!("<sip:{:010}@10.0.0.8:5061;to={}>", application.id, escaped(number))),
        (
            "From",
            format!(
                "<sip:{key}@10.0.0.9;channel=private;user={};msg={msg};network={network};step=1>;tag={tag}",
                escaped(user)
            ),
        ),
        ("Via", format!("SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK{branch}")),
    ]
    .into_iter()
    .collect()
}

/// What `format` said of a request.
fn format_name(format: ReplyFormat) -> &'static str {
    match format {
        ReplyFormat::Json => "json",
        ReplyFormat::Xml => "xml",
        ReplyFormat::Form => "form",
    }
}

/// Percent-encoded, in lower case as the gateway did it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

/// 32 hexadecimal digits.
pub(super) fn hex() -> String {
    Uuid::new_v4().simple().to_string()
}

#[expect(clippy::expect_used, reason = "32 hexadecimal digits are a session id")]
fn new_id() -> SessionId {
    hex().parse().expect("a session id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_the_text_as_the_gateway_escaped_it() {
        assert_eq!(escaped("What? é;1"), "What%3f%20%c3%a9%3b1");
    }

    #[test]
    fn a_timestamp_has_three_digits_of_a_second() {
        for (instant, written) in [
            ("2013-06-02T09:30:15Z", "2013-06-02T09:30:15.000Z"),
            ("2013-06-02T09:30:15.2047Z", "2013-06-02T09:30:15.204Z"),
        ] {
            assert_eq!(format!("{:.3}", instant.parse::<Timestamp>().unwrap()), written);
        }
    }
}
