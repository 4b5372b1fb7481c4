//! The log as a file: page by page, so that it never stands in memory as a whole.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;

use crate::guard::{Caller, Scope};
use crate::log::{LIMIT_MAX, Query, Search};
use crate::problem::Problem;
use crate::{Console, Message};

/// The columns of a CSV file.
const COLUMNS: &str = "id,direction,backend,state,at,changed_at,person,number,text,network,application,cause,correlation_id,\
                       session_id\r\n";

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// RFC 4180, with a line of names first.
    Csv,
    /// A JSON object on each line.
    JsonLines,
}

impl Format {
    /// # Errors
    /// There is no such format.
    pub(crate) fn read(written: &str) -> Result<Self, Problem> {
        match written {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            _ => Err(Problem::bad_request("format: must be csv or jsonl")),
        }
    }

    fn head(self) -> &'static str {
        match self {
            Self::Csv => COLUMNS,
            Self::JsonLines => "",
        }
    }

    fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"messages.csv\""),
            Self::JsonLines => ("application/jsonl", "attachment; filename=\"messages.jsonl\""),
        }
    }

    fn write(self, message: &Message, into: &mut Vec<u8>) {
        match self {
            Self::Csv => write_csv(message, into),
            Self::JsonLines => {
                // Writing to memory cannot fail, and our own types have string keys.
                let _ = serde_json::to_writer(&mut *into, message);
                into.push(b'\n');
            }
        }
    }
}

impl Console {
    /// Everything that a query finds, the newest first, whatever its limit. The database is asked while it is read; where
    /// that fails the answer is cut off, so that nobody takes half of it for the whole.
    ///
    /// # Errors
    /// As [`Console::log_page`], as far as that is known before the first page is written.
    pub(crate) async fn export(
        self: Arc<Self>,
        caller: Caller,
        query: &Query,
        format: Format,
    ) -> Result<Response, Problem> {
        caller.may(Scope::Read)?;
        let search = query.read(self.environment.now())?;
        let mut first = format.head().as_bytes().to_vec();
        let (written, next) = self.exported(&caller, &search, search.before(), format).await?;
        first.extend(written);
        let rest = stream::try_unfold(next, move |next| {
            let (console, caller, search) = (Arc::clone(&self), caller.clone(), search.clone());
            async move {
                let Some(before) = next else { return Ok(None) };
                let page = console.exported(&caller, &search, Some(before), format).await;
                page.map(Some).map_err(|problem| std::io::Error::other(problem.detail().to_owned()))
            }
        });
        let begun = stream::once(std::future::ready(Ok(first)));
        let pages = futures::StreamExt::chain(begun, rest);
        let (content_type, disposition) = format.kind();
        let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, disposition)];
        let body = Body::from_stream(futures::TryStreamExt::map_ok(pages, Bytes::from));
        Ok((headers, body).into_response())
    }

    async fn exported(
        &self,
        caller: &Caller,
        search: &Search,
        before: Option<i64>,
        format: Format,
    ) -> Result<(Vec<u8>, Option<i64>), Problem> {
        let (found, next) = self.log_lines(caller, search, before, LIMIT_MAX).await?;
        let mut written = Vec::new();
        found.into_iter().for_each(|logged| format.write(&Message::of(logged, caller), &mut written));
        Ok((written, next))
    }
}

fn write_csv(message: &Message, into: &mut Vec<u8>) {
    let Message {
        id,
        direction,
        backend,
        state,
        at,
        changed_at,
        person,
        number,
        text,
        network,
        application,
        cause,
        correlation_id,
        session_id,
    } = message;
    let cells = [
        id.to_string(),
        word(direction),
        backend.to_string(),
        state.as_ref().map(word).unwrap_or_default(),
        at.to_string(),
        changed_at.to_string(),
        person.clone().unwrap_or_default(),
        number.clone().unwrap_or_default(),
        text.clone().unwrap_or_default(),
        network.clone().unwrap_or_default(),
        application.clone().unwrap_or_default(),
        cause.map(|id| id.to_string()).unwrap_or_default(),
        correlation_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        session_id.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    let cells: Vec<String> = cells.iter().map(|value| cell(value)).collect();
    into.extend(cells.join(",").bytes());
    into.extend(b"\r\n");
}

/// How one of our own words is written in JSON.
fn word(value: &impl Serialize) -> String {
    let written = serde_json::to_value(value).unwrap_or_default();
    written.as_str().unwrap_or_default().to_owned()
}

/// A cell: quoted where it must be, and never a formula to a spreadsheet. A number with its plus sign is none.
fn cell(value: &str) -> String {
    let is_number = value.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let is_formula = !is_number && value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let harmless = if is_formula { format!("'{value}") } else { value.to_owned() };
    if harmless.contains([',', '"', '\r', '\n']) || harmless.trim().len() != harmless.len() {
        return format!("\"{}\"", harmless.replace('"', "\"\""));
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_a_number_stays_as_it_is() {
        for (value, written) in [
            ("+15555550177", "+15555550177"),
            ("hello", "hello"),
            ("=1+1", "'=1+1"),
            ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\t=1", "'\t=1"),
            (" blank ", "\" blank \""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            assert_eq!(cell(value), written, "{value:?}");
        }
    }
}
