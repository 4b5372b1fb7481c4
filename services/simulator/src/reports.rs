//! What applications are told of texts beside their sessions: delivery reports, and the records of a bill.
//!
//! Reports go out by themselves: a session leaves one here and goes on. A few tasks post what waits, and end when
//! nothing does.

mod record;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use protocol::{Network, SessionId, Timestamp};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use url::Url;

use self::waiting::{Room, Waiting};
use crate::Simulator;
use crate::application::Application;
use crate::cookies::Cookies;
use crate::debugger::wording;
use crate::subscriptions::{Event, Subscription};
use crate::webhook::PostError;

/// How often one is tried (Tropo WebAPI: SMS delivery report).
const ATTEMPTS: usize = 3;

/// How long one attempt may take; the next begins that long after it. So all of them are over in six seconds.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Which way a text went, seen from its application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    In,
    Out,
}

/// What became of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome<'a> {
    /// It reached its phone, or the application.
    Done,
    /// The platform refused it, for this reason.
    Refused(&'a str),
}

/// A text that somebody may want to be told of.
pub(crate) struct TextReport<'a> {
    pub(crate) application: &'a Application,
    /// Where the session was posted first.
    pub(crate) start_url: &'a Url,
    pub(crate) session_id: &'a SessionId,
    pub(crate) call_id: &'a str,
    pub(crate) direction: Direction,
    /// Who it came from, and who it went to, as they are best known: one that was refused may have neither.
    pub(crate) from: Option<&'a str>,
    pub(crate) to: Option<&'a str>,
    pub(crate) network: &'a Network,
    pub(crate) outcome: Outcome<'a>,
    /// What the `call` that it was said in asked for.
    pub(crate) asked: Option<&'a Asked>,
    /// How many parts it has, each of which a carrier counts.
    pub(crate) parts: usize,
}

/// What a `call` asks for in its record (Tropo WebAPI: `call`, `callbackUrl` and `label`).
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) callback_url: Option<Url>,
    pub(crate) label: Option<String>,
}

/// The reports that wait.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Waiting>);

/// One report, and where it goes.
struct Report {
    session_id: SessionId,
    event: Event,
    url: Url,
    body: Bytes,
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Tells of a text whoever wants to know, later.
    pub(crate) fn report(self: &Arc<Self>, text: &TextReport<'_>) {
        let now = Timestamp::now();
        for event in [Event::Delivery, Event::Created, Event::Rated] {
            if !text.is_subject_of(event) {
                continue;
            }
            let mut targets = self.subscriptions.about_texts(event);
            if event == Event::Created
                && let Some(url) = text.asked.and_then(|asked| asked.callback_url.clone())
            {
                targets.push(Subscription::of_call(url));
            }
            for target in targets {
                let room = self.reports.lock().room(&target.target_url);
                match room {
                    Room::Free => {}
                    Room::Over => {
                        let lost = "is lost, and so are others: too many wait to be posted";
                        self.tell(text.session_id, event, &target.target_url, lost);
                        continue;
                    }
                    Room::StillOver => continue,
                }
                let body = Bytes::from(text.body(&target, now));
                self.leave(Report { session_id: text.session_id.clone(), event, url: target.target_url, body });
            }
        }
    }

    /// Leaves a report to be posted.
    fn leave(self: &Arc<Self>, report: Report) {
        let another = self.reports.lock().push(report);
        if another {
            let span = tracing::info_span!(parent: None, "reports");
            // When the simulator has stopped nobody is told any more.
            self.spawn(Arc::clone(self).post_reports().instrument(span));
        }
    }

    /// Posts reports until none waits.
    async fn post_reports(self: Arc<Self>) {
        let mut last = None;
        loop {
            let next = self.reports.lock().next(last.as_ref());
            let Some(report) = next else { return };
            self.post_report(&report).await;
            last = Some(report.url);
        }
    }

    async fn post_report(&self, report: &Report) {
        let Report { session_id, event, url, .. } = report;
        let tell = |what: &str| self.tell(session_id, *event, url, what);
        let mut failed = String::new();
        let mut ends_at = Instant::now();
        for _ in 0..ATTEMPTS {
            tokio::time::sleep_until(ends_at).await;
            ends_at += ATTEMPT;
            match timeout_at(ends_at, self.poster.post(&report.url, &Cookies::default(), report.body.clone(), None))
                .await
            {
                Ok(Ok(answer)) => {
                    tell(&format!("was answered with status {}", answer.status));
                    return;
                }
                // It was taken; only its answer is too long for a document, which nobody reads here.
                Ok(Err(PostError::TooLarge)) => {
                    tell("was answered");
                    return;
                }
                Ok(Err(error)) => failed = error.to_string(),
                Err(_late) => failed = format!("no answer within {}", chassis::config::duration::write(ATTEMPT)),
            }
        }
        tell(&format!("was given up after {ATTEMPTS} attempts: {failed}"));
    }

    fn tell(&self, session_id: &SessionId, event: Event, url: &Url, what: &str) {
        let line = format_args!("The report {} to {url} {what}", event.as_str());
        self.debugger.log(Some(session_id), wording::ours(line));
    }
}
