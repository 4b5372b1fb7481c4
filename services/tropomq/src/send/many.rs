//! Sends the messages of a file.
//!
//! Invariant: a message has its place under the key of the run, whatever becomes of those before it. So a run that was
//! stopped, or whose file was mended, is made again with the same key, and sends what is left.

use std::cell::RefCell;
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

/// Rows that are asked for at once.
struct Batch {
    rows: Vec<Row>,
    /// What became of each; `None`: nobody has answered yet.
    results: Vec<Option<TakenOrNot>>,
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
        let (mut batch, mut unreadable) = (Vec::new(), None);
        while batch.len() < AT_ONCE && unreadable.is_none() {
            match rows.next() {
                Ok(Some(row)) => batch.push(row),
                Ok(None) => break,
                Err(error) => unreadable = Some(error),
            }
        }
        // What was read before is sent.
        let unreadable = unreadable.map(|error| error.context(format!("stopped there; --key {key} goes on")));
        let Some(first) = batch.first() else { return unreadable.map_or(Ok(()), Err) };
        let stopped = format!("stopped before line {}; --key {key} goes on there", first.line);
        let (is_first, key) = (place == 0, format!("{key}:{place}"));
        place += u64::try_from(batch.len()).context("count")?;
        let batch = RefCell::new(Batch::of(batch));
        let ask = async || {
            let asked = batch.borrow().wanted(usual);
            let answered = client.post_once(&["v1", "messages", "bulk"], Some(&key), &asked).await?;
            batch.borrow_mut().take(answered).map_err(|told| client.stranger(told))
        };
        let is_passing = |asked: &Result<(), ApiError>| match asked {
            Ok(()) => batch.borrow().may_pass(),
            Err(error) => error.may_pass() && !(is_first && error.is_away()),
        };
        let asked = again(ask, is_passing).await;
        batch.into_inner().told().try_for_each(|(row, result)| tally.count(row, result))?;
        asked.map_err(|error| {
            let (code, told) = (error.code(), format!("{stopped}: {error}"));
            Ended { code, told }
        })?;
        tally.progress();
        if let Some(error) = unreadable {
            return Err(error);
        }
    }
}

impl Batch {
    fn of(rows: Vec<Row>) -> Self {
        let results = rows.iter().map(|_| None).collect();
        Self { rows, results }
    }

    /// What is left to ask for. What is settled, or cannot be read, leaves its place empty.
    fn wanted(&self, usual: &Usual) -> Bulk {
        let rows = self.rows.iter().zip(&self.results);
        let messages = rows.map(|(row, result)| match (&row.message, result) {
            (Ok(message), result) if result.as_ref().is_none_or(TakenOrNot::may_pass) => {
                usual.complete(message.clone())
            }
            (Ok(_) | Err(_), _) => Value::Null,
        });
        Bulk { messages: messages.collect() }
    }

    /// Takes what was answered. What is settled stays as it is, and what may be sent is in doubt until it has its id.
    ///
    /// # Errors
    /// Says why this is no answer to what was asked for.
    fn take(&mut self, BulkTaken { results }: BulkTaken) -> Result<(), String> {
        if results.len() != self.results.len() {
            return Err(format!("it answers {} messages of {}", results.len(), self.results.len()));
        }
        for (known, answered) in self.results.iter_mut().zip(results) {
            let is_open = known.as_ref().is_none_or(TakenOrNot::may_pass);
            let is_in_doubt = known.as_ref().is_some_and(TakenOrNot::is_uncertain);
            if is_open && (!is_in_doubt || matches!(answered, TakenOrNot::Id(_))) {
                *known = Some(answered);
            }
        }
        Ok(())
    }

    /// Whether one of them may be taken in a moment.
    fn may_pass(&self) -> bool {
        self.results.iter().flatten().any(TakenOrNot::may_pass)
    }

    /// What was answered, row by row.
    fn told(self) -> impl Iterator<Item = (Row, TakenOrNot)> {
        self.rows.into_iter().zip(self.results).filter_map(|(row, result)| Some((row, result?)))
    }
}

impl TakenOrNot {
    /// Whether the same message may be taken in a moment.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Problem(refusal) if refusal.may_pass())
    }

    /// Whether it may be sent all the same.
    fn is_uncertain(&self) -> bool {
        matches!(self, Self::Problem(refusal) if refusal.code() == exit::UNDECIDED)
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
    fn count(&mut self, Row { line, message }: Row, result: TakenOrNot) -> anyhow::Result<()> {
        let is_uncertain = message.is_ok() && result.is_uncertain();
        let problem = match (message, result) {
            (Ok(_), TakenOrNot::Id(id)) => {
                self.taken += 1;
                if self.json {
                    print(&format!("{}\n", json!({ "line": line, "id": id })));
                }
                return Ok(());
            }
            (Ok(_), TakenOrNot::Problem(refusal)) => refusal.to_string(),
            (Err(unreadable), _) => unreadable,
        };
        self.uncertain += u64::from(is_uncertain);
        self.failed += 1;
        if self.json {
            print(&format!("{}\n", json!({ "line": line, "problem": problem })));
        } else {
            self.table.add([Cell::number(&line), Cell::new(problem)]);
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

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};
    use std::sync::{Arc, Mutex};

    use axum::Json;
    use axum::routing::post;

    use super::*;
    use crate::client::stand::Stand;

    const IDS: [&str; 2] = ["6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7", "7a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7"];

    fn id(index: usize) -> Value {
        json!({ "id": IDS[index] })
    }

    fn problem(status: u16, may_be_sent: Option<bool>) -> Value {
        json!({ "problem": { "status": status, "detail": "x", "may_be_sent": may_be_sent } })
    }

    fn csv(file: &str) -> Rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.csv");
        std::fs::write(&path, file).unwrap();
        Rows::open(&path).unwrap()
    }

    /// Sends rows to a console that answers this, one after the other, and then has nothing to say: what became of it,
    /// how it ended, and the texts of each time that it was asked.
    async fn sent(mut rows: Rows, answers: Vec<Vec<Value>>) -> (Tally, anyhow::Result<()>, Vec<Vec<Value>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (hears, answers) = (asked.clone(), Arc::new(Mutex::new(answers.into_iter())));
        let bulk = move |Json(bulk): Json<Value>| {
            let messages = bulk["messages"].as_array().unwrap().iter();
            hears.lock().unwrap().push(messages.map(|message| message["text"].clone()).collect());
            std::future::ready(Json(json!({ "results": answers.lock().unwrap().next() })))
        };
        let stand = Stand::new(axum::Router::new().route("/below/v1/messages/bulk", post(bulk))).await;
        let mut tally = Tally::new(false);
        let usual = Usual { backend: Some("b".parse().unwrap()), from: None, expires_in_s: None };
        let ended = send_all(&stand.client(None), &mut rows, &usual, "key", &mut tally).await;
        let asked = asked.lock().unwrap().clone();
        (tally, ended, asked)
    }

    fn counted(tally: &Tally) -> (u64, u64, u64) {
        (tally.taken, tally.failed, tally.uncertain)
    }

    #[tokio::test]
    async fn what_was_taken_is_not_asked_for_again_with_what_was_not() {
        let file = "to,text\n+15555550177,a\n+15555550178,b\n+15555550179,c\nalone\n";
        let refused = || problem(422, None);
        let first = vec![id(0), problem(503, Some(false)), refused(), refused()];
        // An answer for a place that was left empty says nothing.
        let second = vec![refused(), id(1), refused(), refused()];
        let (tally, ended, asked) = sent(csv(file), vec![first, second]).await;
        ended.unwrap();
        assert_eq!(counted(&tally), (2, 2, 0));
        assert_eq!(asked[0], [json!("a"), json!("b"), json!("c"), Value::Null]);
        assert_eq!(asked[1], [Value::Null, json!("b"), Value::Null, Value::Null]);
        assert_eq!(asked.len(), 2);
    }

    #[tokio::test]
    async fn what_may_be_sent_is_in_doubt_until_it_has_its_id() {
        let file = "to,text\n+15555550177,a\n+15555550178,b\n";
        let unconfirmed = || problem(503, Some(true));
        let answers = vec![
            vec![unconfirmed(), unconfirmed()],
            vec![problem(503, Some(false)), id(1)],
            vec![problem(422, None), problem(422, None)],
            vec![problem(503, Some(false)), problem(422, None)],
        ];
        let (tally, ended, _) = sent(csv(file), answers).await;
        ended.unwrap();
        assert_eq!(counted(&tally), (1, 1, 1));
    }

    #[tokio::test]
    async fn an_answer_without_a_result_for_each_is_none() {
        let file = "to,text\n+15555550177,a\n+15555550178,b\n";
        let (tally, ended, asked) = sent(csv(file), vec![vec![id(0)]]).await;
        let told = ended.unwrap_err().to_string();
        assert!(told.contains("stopped before line 2") && told.contains("it answers 1 messages of 2"), "{told}");
        assert_eq!((counted(&tally), asked.len()), ((0, 0, 0), 1));
    }

    /// A disk that breaks.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("a bad block"))
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_file_broke_off_is_sent() {
        let read = "{\"to\":\"1\",\"text\":\"a\"}\n{\"to\":\"2\",\"text\":\"b\"}\n".as_bytes();
        let input = Box::new(BufReader::new(read.chain(Broken)));
        let (tally, ended, asked) = sent(Rows::Json { input, line: 0 }, vec![vec![id(0), id(1)]]).await;
        let told = format!("{:#}", ended.unwrap_err());
        assert_eq!(told, "stopped there; --key key goes on: read line 3: a bad block");
        assert_eq!((counted(&tally), asked.len()), ((2, 0, 0), 1));
    }
}
