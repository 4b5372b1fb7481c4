//! Messages in a file: CSV as spreadsheets write it, or a JSON object on each line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// The names that a column may have, as the console's API has them.
const NAMES: [&str; 7] = ["id", "backend", "to", "text", "from", "network", "expires_in_s"];

/// The one whose value is a number.
const NUMBER: &str = "expires_in_s";

/// The longest line of JSON, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A message as it stands in a file.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    /// Its line, from 1 on; of CSV its row, as a spreadsheet counts them: a field may have several lines.
    pub(super) line: u64,
    /// What it says, or why it cannot be read.
    pub(super) message: Result<Map<String, Value>, String>,
}

/// The messages of a file, one after the other.
pub(super) enum Rows {
    Csv { names: Vec<String>, records: csv::StringRecordsIntoIter<Input>, row: u64 },
    Json { input: Input, line: u64 },
}

/// What is read.
type Input = Box<dyn BufRead + Send>;

impl Rows {
    /// # Errors
    /// The file cannot be read, or has columns that are not known.
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let input: Input = if file.as_os_str() == "-" {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let opened = File::open(file).with_context(|| format!("read {}", file.display()))?;
            Box::new(BufReader::new(opened))
        };
        Self::of(input).with_context(|| format!("read {}", file.display()))
    }

    fn of(mut input: Input) -> anyhow::Result<Self> {
        let begun = input.fill_buf()?;
        // Some spreadsheets write a mark first.
        let begun = begun.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begun);
        if begun.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            return Ok(Self::Json { input, line: 0 });
        }
        // A row with too few or too many fields is told as such, and the others are sent.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let names: Vec<String> = reader.headers()?.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if let Some(other) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
            bail!("there is no column {other:?}; there are: {}", NAMES.join(", "));
        }
        if !names.iter().any(|name| name == "to") || !names.iter().any(|name| name == "text") {
            bail!("the first line names the columns: to and text at least, with commas between them");
        }
        // The names are the first.
        Ok(Self::Csv { names, records: reader.into_records(), row: 1 })
    }

    /// The next message; `None`: that was all.
    ///
    /// # Errors
    /// The file cannot be read on.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Row>> {
        match self {
            Self::Csv { names, records, row } => {
                let Some(read) = records.next() else { return Ok(None) };
                *row += 1;
                let message = match read {
                    Ok(record) => message(names, &record),
                    Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                        Err("it is no UTF-8".to_owned())
                    }
                    Err(error) => return Err(error).with_context(|| format!("read row {row}")),
                };
                Ok(Some(Row { line: *row, message }))
            }
            Self::Json { input, line } => loop {
                let mut written = Vec::new();
                let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut written);
                let read = read.with_context(|| format!("read line {}", *line + 1))?;
                if read == 0 {
                    return Ok(None);
                }
                *line += 1;
                if u64::try_from(read).is_ok_and(|read| LINE_BYTES_MAX <= read) {
                    if !written.ends_with(b"\n") {
                        input.skip_until(b'\n').with_context(|| format!("read line {line}"))?;
                    }
                    let message = Err(format!("it is longer than {LINE_BYTES_MAX} bytes"));
                    return Ok(Some(Row { line: *line, message }));
                }
                let written = written.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&written).trim_ascii();
                if !written.is_empty() {
                    let message = serde_json::from_slice(written);
                    // Where it is wrong, and not what stands there: that may be a person.
                    let message = message.map_err(|error| format!("it is no JSON object (column {})", error.column()));
                    return Ok(Some(Row { line: *line, message }));
                }
            },
        }
    }
}

/// What a row says. A field that is empty is left out.
fn message(names: &[String], record: &csv::StringRecord) -> Result<Map<String, Value>, String> {
    if names.len() != record.len() {
        return Err(format!("it has {} fields, and the first line names {}", record.len(), names.len()));
    }
    let given = names.iter().zip(record).filter(|(_, field)| !field.trim().is_empty());
    let members = given.map(|(name, field)| match name.as_str() {
        NUMBER => {
            field.trim().parse().map(|s: u32| (name.clone(), s.into())).map_err(|_| format!("{NUMBER}: no number"))
        }
        "text" => Ok((name.clone(), field.into())),
        _ => Ok((name.clone(), field.trim().into())),
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(file: impl AsRef<[u8]>) -> Vec<(u64, Result<Value, String>)> {
        let mut rows = Rows::of(Box::new(std::io::Cursor::new(file.as_ref().to_vec()))).unwrap();
        let rows = std::iter::from_fn(|| rows.next().unwrap());
        rows.map(|Row { line, message }| (line, message.map(Value::Object))).collect()
    }

    #[test]
    fn csv_is_read_as_spreadsheets_write_it() {
        let file = "\u{feff}To,text,expires_in_s\r\n+15555550177,\"one, \"\"two\"\"\nthree\",60\r\n12345, hi ,\r\n\
                    alone\r\n+15555550178,x,soon\r\n";
        let read = read(file);
        assert_eq!(
            read[0],
            (2, Ok(json!({ "to": "+15555550177", "text": "one, \"two\"\nthree", "expires_in_s": 60 })))
        );
        assert_eq!(read[1], (3, Ok(json!({ "to": "12345", "text": " hi " }))));
        assert_eq!(read[2], (4, Err("it has 1 fields, and the first line names 3".to_owned())));
        assert_eq!(read[3], (5, Err("expires_in_s: no number".to_owned())));
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn json_is_read_line_by_line() {
        let read = read("\n {\"to\":\"1\",\"text\":\"a\"}\n\n[1]\n{\"to\":\"2\"}");
        assert_eq!(read[0], (2, Ok(json!({ "to": "1", "text": "a" }))));
        assert_eq!((read[1].0, read[1].1.is_err()), (4, true));
        assert_eq!(read[2], (5, Ok(json!({ "to": "2" }))));
    }

    #[test]
    fn a_row_that_cannot_be_read_keeps_no_other_back() {
        let refused = |words: &str| Err(words.to_owned());
        let csv = read(b"to,text\n1,\xe7\n2,b\n");
        assert_eq!(csv, [(2, refused("it is no UTF-8")), (3, Ok(json!({ "to": "2", "text": "b" })))]);
        for longer in [0, 1, 5] {
            let long = format!("{{\"to\":\"1\",\"text\":\"{}\"}}", "a".repeat((1 << 20) - 21 + longer));
            let json = read(format!("{long}\n{{\"to\":\"2\"}}"));
            assert_eq!(json, [(1, refused("it is longer than 1048576 bytes")), (2, Ok(json!({ "to": "2" })))]);
        }
    }

    #[test]
    fn what_is_no_list_of_messages_is_refused() {
        for (file, words) in [("to,txt\n", "no column \"txt\""), ("to\n1\n", "to and text"), ("", "to and text")] {
            let refused = Rows::of(Box::new(file.as_bytes())).err().unwrap();
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }
}
