//! What follows a document: its handlers, and the result that one of them gets.

use tropo::document::{Document, On};
use tropo::result::{SessionReport, SessionState};
use url::Url;

use super::perform::Ending;
use super::{Run, opening};
use crate::application::is_http;
use crate::debugger::wording;
use crate::sessions::State;

/// What follows a document.
pub(super) enum Follow {
    /// The result goes there, and the answer is the next document; unless it is the last, because the call is gone.
    Report { url: Url, report: Box<SessionReport>, last: Option<State> },
    /// Nothing.
    End(State),
}

impl Ending {
    /// The events that look for a handler, one after the other. Without one for the others, `continue` catches all;
    /// where nothing goes on, the platform hangs up (Tropo WebAPI: `on`).
    fn events(&self) -> &'static [&'static str] {
        match self {
            Self::Continue => &["continue", "hangup"],
            Self::Incomplete => &["incomplete", "continue", "hangup"],
            Self::Error(_) => &["error", "continue", "hangup"],
            Self::HungUp => &["hangup"],
        }
    }

    /// How the session has ended if nothing goes on.
    fn state(&self) -> State {
        match self {
            Self::Continue => State::Finished,
            Self::Incomplete | Self::Error(_) => State::Failed,
            Self::HungUp => State::HungUp,
        }
    }
}

impl Run {
    /// Runs the handlers of what happened, until one says where to go on.
    pub(super) fn follow(&mut self, document: &Document, ending: &Ending) -> Follow {
        for event in ending.events() {
            let Some(handler) = document.handlers().find(|on| on.event.eq_ignore_ascii_case(event)) else { continue };
            let is_over = *event == "hangup";
            if !is_over && let Some(says) = &handler.say {
                self.say_first(says);
            }
            let Some(url) = self.next(handler) else { continue };
            if !self.simulator.control.posts_results() {
                self.log(wording::ours("The session ends, its result is not posted: results"));
                return Follow::End(State::Dropped);
            }
            let report = Box::new(self.report(ending, is_over));
            return Follow::Report { url, report, last: is_over.then(|| ending.state()) };
        }
        Follow::End(ending.state())
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

    fn report(&mut self, ending: &Ending, is_over: bool) -> SessionReport {
        // A launched session has no call until it reaches somebody; libraries read the member unguarded.
        let call_id = self.call_id.get_or_insert_with(opening::hex).clone();
        let state = if is_over { SessionState::Disconnected } else { SessionState::Answered };
        SessionReport {
            session_id: Some(self.id.clone()),
            call_id: Some(call_id),
            state: Some(state),
            session_duration: Some(self.began.elapsed().as_secs()),
            sequence: Some(self.documents),
            complete: Some(matches!(ending, Ending::Continue | Ending::HungUp)),
            error: if let Ending::Error(reason) = ending { Some(reason.clone()) } else { None },
            ..SessionReport::default()
        }
    }
}
