//! What follows a document: its handlers, and the result that one of them gets.

use axum::body::Bytes;
use tropo::document::{Action, Document, On};
use tropo::result::{self, SessionReport, SessionState};
use url::Url;

use super::perform::{Ending, Step};
use super::{Run, opening};
use crate::application::is_http;
use crate::debugger::wording;
use crate::sessions::State;

/// What follows a document.
pub(super) enum Follow {
    /// The result goes there, and the answer is the next document; unless it is the last, because the call is gone.
    Report { url: Url, report: Payload, last: Option<State> },
    /// Nothing.
    End(State),
}

/// The body of a webhook, and what the debugger shows of it where that is less.
pub(super) struct Payload {
    pub(super) body: Bytes,
    pub(super) shown: Option<Bytes>,
}

/// What an action of the document collected, and what the debugger shows of it.
pub(super) struct Collected {
    pub(super) action: result::Action,
    pub(super) shown: result::Action,
}

/// An event that looks for its handler.
enum Event<'a> {
    /// Something the session goes on after.
    Named(&'a str),
    /// The call is gone: its handler hears of it, and the session is over.
    Hangup,
}

impl Payload {
    /// All of it is shown.
    pub(super) fn plain(body: Vec<u8>) -> Self {
        Self { body: Bytes::from(body), shown: None }
    }
}

impl Ending {
    /// The events that look for a handler, one after the other. Without one for the others, `continue` catches all;
    /// where nothing goes on, the platform hangs up (Tropo WebAPI: `on`).
    fn events(&self) -> Vec<Event<'_>> {
        let first = match self {
            Self::Continue => None,
            Self::Incomplete => Some("incomplete"),
            Self::Error(_) | Self::Refused(_) => Some("error"),
            // What the platform itself tells of is no signal's to tell.
            Self::Signal(signal) if is_own(signal) => None,
            Self::Signal(signal) => Some(signal.as_str()),
            Self::HungUp | Self::Disconnected => return vec![Event::Hangup],
            Self::Stopped => return Vec::new(),
        };
        first.into_iter().chain(["continue"]).map(Event::Named).chain([Event::Hangup]).collect()
    }

    /// How the session has ended if nothing goes on.
    fn state(&self) -> State {
        match self {
            Self::Continue | Self::Signal(_) => State::Finished,
            Self::Incomplete | Self::Error(_) | Self::Refused(_) | Self::Stopped => State::Failed,
            Self::HungUp | Self::Disconnected => State::HungUp,
        }
    }
}

impl Run {
    /// Runs the handlers of what happened, until one says where to go on.
    pub(super) async fn follow(&mut self, document: &Document, ending: Ending) -> Follow {
        let mut ending = ending;
        'ending: loop {
            for event in ending.events() {
                let Some(handler) = handler(document, &event) else { continue };
                let is_over = matches!(event, Event::Hangup);
                // Of a document that was refused, nothing is done.
                let speaks = !is_over && !matches!(ending, Ending::Refused(_));
                if speaks && let Some(gone) = self.speak_first(handler).await {
                    ending = gone;
                    continue 'ending;
                }
                let Some(url) = self.next(handler) else { continue };
                if !self.simulator.control.posts_results() {
                    self.log(wording::ours("The session ends, its result is not posted: results"));
                    return Follow::End(State::Dropped);
                }
                let report = self.report(&ending, is_over);
                return Follow::Report { url, report, last: is_over.then(|| ending.state()) };
            }
            return Follow::End(ending.state());
        }
    }

    /// Says and asks what a handler has to before it goes on; how the session ends if the call goes meanwhile.
    async fn speak_first(&mut self, handler: &On) -> Option<Ending> {
        if let Some(says) = &handler.say {
            self.say_first(says).await;
        }
        if let Some(ask) = &handler.ask {
            let Step::End(ending) = self.ask(ask).await else { return None };
            return matches!(ending, Ending::Disconnected | Ending::Stopped).then_some(ending);
        }
        None
    }

    /// Where a handler leads: its `next`, seen from where the document came from.
    fn next(&self, handler: &On) -> Option<Url> {
        let next = handler.next.as_deref()?;
        let url = self.url.join(next.trim()).ok().filter(is_http);
        if url.is_none() {
            self.log(wording::ours(format_args!("The next of event {:?} is no http address", handler.event)));
        }
        url
    }

    /// The result: what the document collected, and how it ended. The only place that writes one.
    fn report(&mut self, ending: &Ending, is_over: bool) -> Payload {
        // A launched session has no call until it reaches somebody; libraries read the member unguarded.
        let call_id = self.call_id.get_or_insert_with(opening::hex).clone();
        let state = if is_over { SessionState::Disconnected } else { SessionState::Answered };
        let (actions, shown): (Vec<_>, Vec<_>) =
            self.collected.drain(..).map(|Collected { action, shown }| (action, shown)).unzip();
        let has_secret = actions != shown;
        let report = SessionReport {
            session_id: Some(self.id.clone()),
            call_id: Some(call_id),
            state: Some(state),
            session_duration: Some(self.began.elapsed().as_secs()),
            sequence: Some(self.documents),
            complete: Some(!matches!(ending, Ending::Incomplete | Ending::Error(_) | Ending::Refused(_))),
            error: match ending {
                Ending::Error(reason) | Ending::Refused(reason) => Some(reason.clone()),
                _ => None,
            },
            actions,
            ..SessionReport::default()
        };
        let shown = has_secret.then(|| self.report_body(SessionReport { actions: shown, ..report.clone() }));
        Payload { body: Bytes::from(self.report_body(report)), shown: shown.map(Bytes::from) }
    }
}

/// Whether an event of that name is the platform's own.
fn is_own(name: &str) -> bool {
    ["continue", "incomplete", "error", "hangup"].iter().any(|own| name.trim().eq_ignore_ascii_case(own))
}

/// The handler of an event: the document's own, then those of its questions.
fn handler<'a>(document: &'a Document, event: &Event<'_>) -> Option<&'a On> {
    let questions = document.actions.iter().filter_map(|action| match action {
        Action::Ask(ask) => ask.on.as_ref(),
        _ => None,
    });
    let name = match event {
        Event::Named(name) => name,
        Event::Hangup => "hangup",
    };
    document.handlers().chain(questions.flatten()).find(|on| on.event.trim().eq_ignore_ascii_case(name))
}
