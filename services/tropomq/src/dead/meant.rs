//! Which letters are meant, as the command line says it.

use std::time::Duration;

use anyhow::{Context, bail};
use chassis::config::duration;
use messaging::Environment;
use messaging::dead::{Detail, Filter, Place};
use protocol::{BackendName, Kind, Timestamp};

use super::work::{Action, Order};

/// Which letters are meant: those that fit every filter.
#[derive(Clone, Default, Debug, clap::Args)]
pub(super) struct Meant {
    /// Those of this backend
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    backend: Option<BackendName>,
    /// Those that came from this queue
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    queue: Option<String>,
    /// Those that are dead for this reason, as in failed or attempts_exhausted
    #[arg(long, value_name = "WORD", help_heading = "Filters")]
    reason: Option<String>,
    /// Those of this kind, as in message.send
    #[arg(long, value_parser = kind, help_heading = "Filters")]
    kind: Option<Kind>,
    /// Those with this id; may be given several times
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    id: Vec<String>,
    /// Those of the conversation that this Tropo session began
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    session: Option<String>,
    /// Those whose error has these words in it
    #[arg(long, value_name = "WORDS", help_heading = "Filters")]
    error: Option<String>,
    /// Those that died then or later, as in 2026-08-01T10:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "younger", help_heading = "Filters")]
    since: Option<Timestamp>,
    /// Those that died before then
    #[arg(long, value_name = "TIME", conflicts_with = "older", help_heading = "Filters")]
    until: Option<Timestamp>,
    /// Those that died longer ago than this, as in 2h or 7d
    #[arg(long, value_name = "DURATION", value_parser = human_duration, help_heading = "Filters")]
    older: Option<Duration>,
    /// Those that died within this time, as in 30m
    #[arg(long, value_name = "DURATION", value_parser = human_duration, help_heading = "Filters")]
    younger: Option<Duration>,
    /// At most so many of those, the oldest
    #[arg(long, value_name = "N", help_heading = "Filters")]
    limit: Option<u64>,
    /// What no queue was bound for, instead of dead letters
    #[arg(long)]
    unrouted: bool,
}

fn human_duration(written: &str) -> Result<Duration, String> {
    duration::parse(written).ok_or_else(|| "must be a time, as in 30s, 10m, 2h or 7d".to_owned())
}

fn kind(written: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    written.parse().map_err(|_| format!("there are: {}", known()))
}

impl Meant {
    /// All that is there.
    pub(super) fn of_place(place: Place) -> Self {
        Self { unrouted: place == Place::Unrouted, ..Self::default() }
    }

    /// The order to do that with these letters, and with `ids` among them.
    ///
    /// # Errors
    /// A time lies outside of what can be counted.
    pub(super) fn order(self, ids: Vec<String>, action: Action, environment: &Environment) -> anyhow::Result<Order> {
        let now = environment.now();
        let ago = |time: Duration| now.checked_sub(time).context("a time is too long ago");
        let filter = Filter {
            ids: ids.into_iter().chain(self.id).collect(),
            backend: self.backend.map(|name| name.to_string()),
            queue: self.queue,
            reason: self.reason,
            kind: self.kind.map(|kind| kind.to_string()),
            session: self.session,
            error: self.error,
            group: None,
            since: self.younger.map(ago).transpose()?.or(self.since),
            until: self.older.map(ago).transpose()?.or(self.until),
        };
        let place = if self.unrouted { Place::Unrouted } else { Place::Dead };
        Ok(Order { action, place, filter, limit: self.limit, detail: Detail::Line })
    }
}

/// Nobody changes everything by leaving something out.
///
/// # Errors
/// Neither ids nor filters nor `--all` say which, or `--all` contradicts them.
pub(super) fn all_or_some(order: &Order, all: bool, verb: &str) -> anyhow::Result<()> {
    match (order.filter.is_empty(), all) {
        (true, false) => bail!("say which to {verb}: ids, filters, or --all"),
        (false, true) => bail!("--all means all letters: leave out the ids and filters, or leave out --all"),
        (true, true) | (false, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        ids: Vec<String>,
        #[command(flatten)]
        meant: Meant,
    }

    fn order(written: &str) -> Result<Order, String> {
        let line = Line::try_parse_from(written.split_whitespace()).map_err(|error| error.to_string())?;
        let environment = Environment::system();
        line.meant.order(line.ids, Action::Look, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn filters_are_read() {
        let written = "dead a b --id c --backend mine --queue q --reason failed --kind message.send --session s \
                       --error token --since 2026-08-01T10:00:00Z --until 2026-08-02T00:00:00+02:00 --limit 7";
        let text = |text: &str| Some(text.to_owned());
        let filter = Filter {
            ids: ["a", "b", "c"].map(str::to_owned).into(),
            backend: text("mine"),
            queue: text("q"),
            reason: text("failed"),
            kind: text("message.send"),
            session: text("s"),
            error: text("token"),
            group: None,
            since: Some("2026-08-01T10:00:00Z".parse().unwrap()),
            until: Some("2026-08-01T22:00:00Z".parse().unwrap()),
        };
        let expected = Order { action: Action::Look, place: Place::Dead, filter, limit: Some(7), detail: Detail::Line };
        assert_eq!(order(written).unwrap(), expected);
        assert!(order("dead").unwrap().filter.is_empty());
        assert_eq!(order("dead --unrouted").unwrap().place, Place::Unrouted);
    }

    #[test]
    fn ages_are_counted_from_now() {
        let before = Environment::system().now();
        let filter = order("dead --younger 2h --older 30m").unwrap().filter;
        let after = Environment::system().now();
        let ago = |now: Timestamp, minutes| now.checked_sub(Duration::from_mins(minutes)).unwrap();
        assert!((ago(before, 120)..=ago(after, 120)).contains(&filter.since.unwrap()));
        assert!((ago(before, 30)..=ago(after, 30)).contains(&filter.until.unwrap()));
    }

    #[track_caller]
    fn check_refused(written: &str, words: &str) {
        let refused = order(written).unwrap_err();
        assert!(refused.contains(words), "{written}: {refused}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        check_refused("dead --kind message.sending", "message.send,");
        check_refused("dead --older soon", "30s, 10m, 2h or 7d");
        check_refused("dead --since yesterday", "--since");
        check_refused("dead --since 2026-08-01T10:00:00Z --younger 1h", "cannot be used with");
        check_refused("dead --until 2026-08-01T10:00:00Z --older 1h", "cannot be used with");
        check_refused("dead --older 99999999d", "too long ago");
        check_refused("dead --limit some", "--limit");
        check_refused("dead --backend no/name", "--backend");
    }

    #[test]
    fn all_must_be_said_and_contradicts_filters() {
        let (all, some) = (order("dead").unwrap(), order("dead a").unwrap());
        assert!(all_or_some(&all, true, "drop").is_ok() && all_or_some(&some, false, "drop").is_ok());
        assert!(all_or_some(&all, false, "drop").unwrap_err().to_string().contains("--all"));
        assert!(all_or_some(&some, true, "drop").unwrap_err().to_string().contains("--all"));
    }
}
