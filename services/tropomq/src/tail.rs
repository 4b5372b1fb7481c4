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
        let mut following = Following { client, tail: self, last, printed: 0, was_there: false };
        let mut pause = PAUSE;
        loop {
            match following.follow().await {
                Ok(Some(())) => return Ok(()),
                // The console ends a stream now and then.
                Ok(None) => pause = PAUSE,
                Err(error) if following.was_there && error.may_pass() => {
                    say(&format!("{error}; trying again"));
                    pause = pause.saturating_mul(2).min(PAUSE_MAX);
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(pause).await;
        }
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
                    if self.tail.is_for(&event) {
                        print(&self.tail.written(&event));
                        self.printed += 1;
                    }
                }
                "missed" if self.tail.since.is_none() || 0 < self.printed => {
                    say("some events are left out here: there were more than the console goes through again");
                }
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
    use super::*;

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
