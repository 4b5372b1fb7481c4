//! `tropomq tail`: events as they happen.

mod events;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use console::ShownEvent;
use messaging::Environment;
use protocol::{BackendName, Kind, Timestamp};

use crate::client::{ApiError, Client, Reach};
use crate::output::{print, say};
use crate::table::Ink;
use events::{Events, Told};

/// How long a stream may be silent: the console says every 15 seconds that it is there.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The pauses before a console that was cut off is asked again: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// `tropomq tail`
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    reach: Reach,
    /// Those of this backend
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    backend: Option<BackendName>,
    /// Those of this kind, as in message.sent; may be given several times
    #[arg(long, value_parser = kind, help_heading = "Filters")]
    kind: Vec<String>,
    /// Those of this Tropo session, or of the conversation that it began
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    session: Option<String>,
    /// Begin with those that happened then or later: 2026-11-23T09:30:00Z, or how long ago, as in 10m [default: now]
    ///
    /// No more than the last 10000 events are gone through.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Stop after so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// How dead letters stand in the journal, beside the kinds of events.
const DEAD_LETTER: &str = store::DEAD_LETTER;

fn kind(written: &str) -> Result<String, String> {
    if written == DEAD_LETTER || written.parse::<Kind>().is_ok() {
        return Ok(written.to_owned());
    }
    Err(format!("there are: {}, {DEAD_LETTER}", Kind::ALL.map(Kind::as_str).join(", ")))
}

fn since(written: &str) -> Result<Timestamp, String> {
    if let Some(ago) = duration::parse(written) {
        return Environment::system().now().checked_sub(ago).map_err(|_| "is too long ago".to_owned());
    }
    written.parse().map_err(|_| "must be a time, as in 2026-11-23T09:30:00Z, or how long ago, as in 10m".to_owned())
}

/// What is followed, and how far it was heard.
struct Following {
    client: Client,
    tail: Tail,
    /// The number of the last event that was heard of.
    last: Option<String>,
    /// How many were printed.
    printed: u64,
    /// Whether the console left some out behind the last one.
    is_gap: bool,
    /// The pause before the stream is taken up again, should it be cut off.
    pause: Duration,
    /// Whether the console was heard at all.
    was_there: bool,
}

impl Tail {
    /// Prints events as they happen, until stopped. Where the stream is cut off it is taken up again where it was.
    ///
    /// # Errors
    /// The console is not there at the beginning, or says no.
    pub(crate) async fn run(self, file: Option<PathBuf>) -> anyhow::Result<()> {
        let client = Client::open(&self.reach, file)?;
        let last = self.since.map(|_| "0".to_owned());
        let mut following =
            Following { client, tail: self, last, printed: 0, is_gap: false, pause: PAUSE, was_there: false };
        Ok(following.run().await?)
    }

    fn is_for(&self, event: &ShownEvent) -> bool {
        self.since.is_none_or(|since| since <= event.at)
    }

    fn written(&self, event: &ShownEvent) -> String {
        if self.json {
            // Our own types have string keys: they are always written.
            return serde_json::to_string(event).unwrap_or_default() + "\n";
        }
        words::of(event, Ink::of_stdout())
    }
}

impl Following {
    async fn run(&mut self) -> Result<(), ApiError> {
        loop {
            match self.follow().await {
                Ok(Some(())) => return Ok(()),
                // The console ends a stream now and then.
                Ok(None) => self.pause = PAUSE,
                Err(error) if self.was_there && error.may_pass() => say(&format!("{error}; trying again")),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(self.pause).await;
            self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Whether the console may have left out some that are wanted, before this one. Where this one is too old to be wanted,
    /// so were those.
    fn misses_some_before(&mut self, event: &ShownEvent) -> bool {
        std::mem::take(&mut self.is_gap) && self.tail.is_for(event)
    }

    /// Follows one stream to its end; `Some`: nothing more is wanted.
    async fn follow(&mut self) -> Result<Option<()>, ApiError> {
        let kinds = self.tail.kind.join(",");
        let asked = [
            ("backend", self.tail.backend.as_ref().map(BackendName::as_str)),
            ("kind", Some(kinds.as_str()).filter(|kinds| !kinds.is_empty())),
            ("session", self.tail.session.as_deref()),
        ];
        let asked: Vec<_> = asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let lines = self.client.follow(&["v1", "events"], &asked, self.last.as_deref()).await?;
        self.was_there = true;
        let mut events = Events::new(lines);
        loop {
            let Ok(told) = tokio::time::timeout(SILENCE_MAX, events.next()).await else {
                say("the console has fallen silent; trying again");
                return Ok(None);
            };
            let Some(Told { id, name, data }) = told? else { return Ok(None) };
            match name.as_str() {
                "event" => {
                    let event: ShownEvent =
                        serde_json::from_str(&data).map_err(|_| events.stranger("an event that cannot be read"))?;
                    self.pause = PAUSE;
                    if self.misses_some_before(&event) {
                        say("some events may be left out here: there were more than the console goes through again");
                    }
                    if self.tail.is_for(&event) {
                        print(&self.tail.written(&event));
                        self.printed += 1;
                    }
                }
                "missed" => self.is_gap = true,
                // To say where to go on, or what later consoles say.
                _ => {}
            }
            if !id.is_empty() {
                self.last = Some(id);
            }
            if self.tail.limit.is_some_and(|limit| limit <= self.printed) {
                return Ok(Some(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use futures::StreamExt;
    use serde_json::json;

    use super::*;
    use crate::client::stand::Stand;

    fn event(at: &str) -> String {
        let id = "6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7";
        let event = json!({
            "id": id, "kind": "message.sent", "at": at, "backend": "b", "correlation_id": null, "session_id": null,
            "subject": "message", "subject_id": id, "data": {},
        });
        format!("id: 7\nevent: event\ndata: {event}\n\n")
    }

    fn following(stand: &Stand, since: Option<&str>, limit: u64) -> Following {
        let since = since.map(|since| since.parse().unwrap());
        let (reach, kind, limit) = (Reach::default(), Vec::new(), Some(limit));
        let tail = Tail { reach, backend: None, kind, session: None, since, limit, json: true };
        let (client, last) = (stand.client(None), Some("0".to_owned()));
        Following { client, tail, last, printed: 0, is_gap: false, pause: PAUSE, was_there: false }
    }

    #[tokio::test]
    async fn a_gap_is_told_unless_all_in_it_is_older_than_what_is_wanted() {
        let since = "2026-11-23T09:00:00Z";
        for (since, first_at, is_told) in [
            (Some(since), "2026-11-23T08:59:59Z", false),
            (Some(since), "2026-11-23T09:00:01Z", true),
            (None, "2026-11-23T08:59:59Z", true),
        ] {
            let stream = "event: missed\ndata: {\"after\":0,\"up_to\":6}\n\n";
            let stand = Stand::new(Router::new().route("/below/v1/events", get(async move || stream))).await;
            let mut following = following(&stand, since, 1);
            following.follow().await.unwrap();
            let mut misses_before = |at: &str| {
                let event = event(at);
                let (_, data) = event.split_once("data: ").unwrap();
                following.misses_some_before(&serde_json::from_str(data).unwrap())
            };
            assert_eq!(misses_before(first_at), is_told, "{since:?} {first_at}");
            assert!(!misses_before("2026-11-23T09:00:02Z"), "told once, or not at all");
        }
    }

    #[tokio::test]
    async fn a_stream_is_taken_up_again_behind_a_gateway_and_soon_where_events_came() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // Every stream breaks off, and every other time nobody but the gateway is there.
        let events = get(async move || match count.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => {
                let pieces = [Ok(event("2026-11-23T09:00:00Z")), Err(std::io::Error::other("broken off"))];
                let pieces = futures::stream::iter(pieces).then(async |piece| {
                    // What was said before is on its way.
                    tokio::task::yield_now().await;
                    piece
                });
                Body::from_stream(pieces).into_response()
            }
            _ => (StatusCode::BAD_GATEWAY, "nobody").into_response(),
        });
        let stand = Stand::new(Router::new().route("/below/v1/events", events)).await;
        let mut following = following(&stand, None, 2);
        following.run().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(following.pause, PAUSE);
    }

    #[test]
    fn times_and_kinds_are_read() {
        assert_eq!(since("2026-11-23T09:30:00Z").unwrap().to_string(), "2026-11-23T09:30:00Z");
        let now = Environment::system().now();
        let ago = since("10m").unwrap();
        assert!(ago < now && now.checked_sub(Duration::from_mins(11)).unwrap() < ago);
        assert!(since("yesterday").is_err() && since("99999999d").is_err());
        assert_eq!(kind("message.sent").unwrap(), "message.sent");
        assert_eq!(kind("dead_letter").unwrap(), "dead_letter");
        assert!(kind("message.sending").unwrap_err().contains("message.send,"));
    }
}
