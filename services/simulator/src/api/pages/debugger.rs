//! The Application Debugger as a page: its column `SessionID` has the number of the line and the session.

use std::fmt::Write as _;

use protocol::SessionId;

use super::html::{Escaped, Page, in_path, session_path};
use crate::api::stream;
use crate::debugger::wording::breaks_shown;
use crate::{Line, Simulator};

/// How many lines the page begins with. The script keeps so many, too.
const LINES_MAX: usize = 500;

pub(super) fn page(simulator: &Simulator, session: Option<&SessionId>) -> Page {
    let lines = simulator.debugger.latest(session, LINES_MAX);
    let last = stream::id(&simulator.run, lines.last().map_or(0, |line| line.line));
    let id = session.map(SessionId::as_str).unwrap_or_default();
    let mut main = format!(
        "<form action=\"/debugger/page\" method=\"get\" role=\"search\">\n\
         <label for=\"session\">Session</label> <input id=\"session\" name=\"session\" value=\"{}\" size=\"34\" \
         autocomplete=\"off\" spellcheck=\"false\"> <button>Show</button> <a href=\"/debugger/page\">All sessions</a>\n\
         </form>\n<p id=\"state\" role=\"status\">As it was when the page was loaded.</p>\n",
        Escaped(id)
    );
    let hidden = if lines.is_empty() { "" } else { " hidden" };
    let words = if session.is_some() {
        "This session has no lines, or they were forgotten since."
    } else {
        "Nothing has happened yet: text the number of an application from a phone, or launch a session."
    };
    let _ = write!(
        main,
        "<p id=\"empty\"{hidden}>{words}</p>\n<table class=\"lines\">\n<thead><tr><th scope=\"col\">SessionID</th>\
         <th scope=\"col\">Time</th><th scope=\"col\">Line</th></tr></thead>\n\
         <tbody id=\"live\" data-kind=\"line\" data-max=\"{LINES_MAX}\" \
         data-stream=\"/debugger/stream?session={}\" data-last=\"{last}\">\n",
        in_path(id)
    );
    for line in &lines {
        row(&mut main, line);
    }
    main.push_str("</tbody>\n</table>\n");
    let title = if session.is_some() { format!("Session {id}") } else { "Application Debugger".to_owned() };
    Page { title, main }
}

fn row(main: &mut String, line: &Line) {
    let Line { line, session_id, at, text } = line;
    let session = match session_id {
        Some(session) => format!("<a href=\"{}\">{}</a>", session_path(session), Escaped(session.as_str())),
        None => "-".to_owned(),
    };
    let _ = writeln!(
        main,
        "<tr id=\"line-{line}\"><td><a href=\"#line-{line}\">{line:05}</a> {session}</td>\
         <td><time datetime=\"{at}\">{at:.3}</time></td><td>{}</td></tr>",
        Escaped(breaks_shown(text))
    );
}
