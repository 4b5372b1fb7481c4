//! Sends the messages of a file.
//!
//! Invariant: a message has its place under the key of the run, whatever becomes of those before it. So a run that was
//! stopped, or whose file was mended, is made again with the same key, and sends what is left.

use std::io::{IsTerminal, Write};
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Context;
use chassis::exit::{self, Ended};
use messaging::Environment;
use protocol::{Address, BackendName, EventId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rows::{Row, Rows};
use crate::backends;
use crate::client::{ApiError, Client, Refusal, again};
use crate::output::{print, say};
use crate::table::{Cell, Ink, Table};

/// How many are asked for at once: with the longest texts they fit into one request.
const AT_ONCE: usize = 50;

/// What a message says where its row does not.
pub(super) struct Usual {
    pub(super) backend: Option<BackendName>,
    pub(super) from: Option<Address>,
    pub(super) expires_in_s: Option<NonZeroU32>,
}

/// What is asked for at once.
#[derive(Serialize)]
struct Bulk {
    messages: Vec<Value>,
}

/// What is answered.
#[derive(Deserialize)]
struct BulkTaken {
    results: Vec<TakenOrNot>,
}

/// What became of one message.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TakenOrNot {
    Id(EventId),
    Problem(Refusal),
}

/// What became of all of them.
struct Tally {
    json: bool,
    taken: u64,
    failed: u64,
    /// Of these, how many may be sent all the same.
    uncertain: u64,
    /// Those that failed.
    table: Table<2>,
}

/// Sends every message of a file, and tells what became of them.
///
/// # Errors
/// Some of them were not taken, the file cannot be read, or the console is away.
pub(super) async fn send(
    client: &Client,
    file: &Path,
    mut usual: Usual,
    key: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let mut rows = Rows::open(file)?;
    if usual.backend.is_none() {
        // Rows may name theirs: those that do not are told.
        usual.backend = backends::only(client).await;
    }
    let key = key.unwrap_or_else(|| Environment::system().chance.uuid().to_string());
    say(&format!("The key of this run is {key}. To make it again, should it be stopped: --key {key}"));
    let mut tally = Tally::new(json);
    let sent = send_all(client, &mut rows, &usual, &key, &mut tally).await;
    tally.tell(&key);
    sent?;
    tally.end()
}

async fn send_all(client: &Client, rows: &mut Rows, usual: &Usual, key: &str, tally: &mut Tally) -> anyhow::Result<()> {
    let mut place = 0_u64;
    loop {
        let mut batch = Vec::new();
        while batch.len() < AT_ONCE {
            match rows.next()? {
                Some(row) => batch.push(row),
                None => break,
            }
        }
        let Some(first) = batch.first() else { return Ok(()) };
        let stopped = format!("stopped before line {}; --key {key} goes on there", first.line);
        // What cannot be read keeps its place, and is refused there.
        let messages =
            batch.iter().map(|row| row.message.clone().map_or(Value::Null, |message| usual.complete(message)));
        let (asked, key) = (Bulk { messages: messages.collect() }, format!("{key}:{place}"));
        let ask = async || client.post_once::<BulkTaken>(&["v1", "messages", "bulk"], Some(&key), &asked).await;
        let is_first = place == 0;
        // Those that were taken keep their ids, so that all may be asked for again.
        let is_passing = |answered: &Result<BulkTaken, ApiError>| match answered {
            Ok(BulkTaken { results }) => results.iter().any(TakenOrNot::may_pass),
            Err(error) => error.may_pass() && !(is_first && error.is_away()),
        };
        let answered = again(ask, is_passing).await;
        let BulkTaken { results } = answered.map_err(|error| {
            let (code, told) = (error.code(), format!("{stopped}: {error}"));
            Ended { code, told }
        })?;
        place += u64::try_from(batch.len()).context("count")?;
        batch.iter().zip(results).try_for_each(|(row, result)| tally.count(row, result))?;
        tally.progress();
    }
}

impl TakenOrNot {
    /// Whether the same message may be taken in a moment.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Problem(refusal) if refusal.may_pass())
    }
}

impl Usual {
    fn complete(&self, mut message: Map<String, Value>) -> Value {
        let Self { backend, from, expires_in_s } = self;
        let usual = [("backend", json!(backend)), ("from", json!(from)), ("expires_in_s", json!(expires_in_s))];
        for (name, value) in usual {
            if !value.is_null() {
                message.entry(name).or_insert(value);
            }
        }
        Value::Object(message)
    }
}

impl Tally {
    fn new(json: bool) -> Self {
        Self { json, taken: 0, failed: 0, uncertain: 0, table: Table::new(["LINE", "PROBLEM"], Ink::of_stdout()) }
    }

    /// Counts what became of a row, and tells programs.
    fn count(&mut self, Row { line, message }: &Row, result: TakenOrNot) -> anyhow::Result<()> {
        let problem = match (message, result) {
            (Ok(_), TakenOrNot::Id(id)) => {
                self.taken += 1;
                if self.json {
                    print(&format!("{}\n", json!({ "line": line, "id": id })));
                }
                return Ok(());
            }
            (Ok(_), TakenOrNot::Problem(refusal)) => {
                self.uncertain += u64::from(refusal.code() == exit::UNDECIDED);
                refusal.to_string()
            }
            (Err(unreadable), _) => unreadable.clone(),
        };
        self.failed += 1;
        if self.json {
            print(&format!("{}\n", json!({ "line": line, "problem": problem })));
        } else {
            self.table.add([Cell::number(line), Cell::new(problem)]);
            print(&self.table.written());
        }
        Ok(())
    }

    /// Tells whoever waits how far it is.
    fn progress(&self) {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() {
            let _nobody_waits = write!(stderr, "\r{} taken, {} not ", self.taken, self.failed);
        }
    }

    fn tell(&self, key: &str) {
        let Self { taken, failed, uncertain, .. } = self;
        if std::io::stderr().is_terminal() {
            say("");
        }
        say(&match failed {
            0 => format!("{taken} messages taken"),
            _ => format!(
                "{taken} messages taken, {failed} not, of which {uncertain} may be sent all the same. Mend those, and run \
                 it again with --key {key}: what was taken is not sent again"
            ),
        });
    }

    fn end(&self) -> anyhow::Result<()> {
        let ended = |code, told: &str| Err(Ended { code, told: told.to_owned() }.into());
        match (self.failed, self.uncertain) {
            (0, _) => Ok(()),
            (_, 0) => ended(exit::FAILURE, "not every message was taken"),
            _ => ended(exit::UNDECIDED, "not every message was confirmed"),
        }
    }
}
