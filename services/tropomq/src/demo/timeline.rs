//! One conversation, as a person reads it.

use std::fmt::Write;

use messaging::BusUrl;
use protocol::{Kind, Timestamp};

use super::phone::{DebuggerLine, Reply};
use super::recorder::Hop;

/// The longest line of the debugger that is shown whole.
const LINE_CHARS_MAX: usize = 240;

/// What happened.
pub(super) struct Conversation {
    pub(super) number: String,
    pub(super) text: String,
    pub(super) began: Timestamp,
    /// The session that carried the text.
    pub(super) session_id: String,
    pub(super) hops: Vec<Hop>,
    pub(super) reply: Option<Reply>,
    pub(super) debugger: Vec<DebuggerLine>,
}

/// The conversation as text.
pub(super) fn write(bus: &BusUrl, conversation: &Conversation) -> String {
    let bus = match bus {
        BusUrl::Embedded(_) => "the embedded bus".to_owned(),
        BusUrl::Amqp(_) => bus.to_string(),
    };
    let Conversation { number, text, began, session_id, hops, reply, debugger } = conversation;
    let mut out = format!("\nA text in, a reply out, over {bus}\n\n");
    let mut rows = vec![(*began, "phone".to_owned(), format!("{number} texts {text:?}"))];
    rows.extend(hops.iter().map(|hop| (hop.confirmed, hop.app_id.clone(), told(hop, session_id))));
    if let Some(reply) = reply {
        rows.push((reply.at, "phone".to_owned(), format!("{number} gets  {:?}", reply.text)));
    }
    rows.sort_by_key(|(at, ..)| *at);
    for (at, who, what) in rows {
        let ms = at.duration_since(*began).as_millis();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:>9}  {who:<10} {what}", format!("+{ms} ms"));
    }
    let second = reply.as_ref().map_or("none", |reply| reply.session_id.as_str());
    let _ = write!(
        out,
        "\n  session A, the text       {session_id}\n  session B, the call-back  {second}\n  correlation id            {}\n",
        correlation(hops, session_id),
    );
    let _ = write!(out, "\n  Tropo's Application Debugger\n\n");
    for DebuggerLine { line, session_id, text } in debugger {
        let session_id = session_id.as_deref().unwrap_or_default();
        let _ = writeln!(out, "  {line:05} {session_id:<32}  {}", shortened(text));
    }
    out.push('\n');
    out
}

/// An event in a line.
fn told(hop: &Hop, session_id: &str) -> String {
    let data = |key: &str| hop.event.data.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let session = |id: &str| if id == session_id { "session A" } else { "session B" };
    let words = match hop.event_type.kind {
        Kind::MessageReceived => format!("{} said {:?}", data("from"), data("text")),
        Kind::MessageRouted => asked(&hop.event.data),
        Kind::MessageSend => format!("{} answers {:?}", data("application"), data("text")),
        Kind::MessageLaunched => format!("Tropo created {}", session(data("session_id"))),
        Kind::MessageReleased => format!("the document was handed to {}", session(data("session_id"))),
        Kind::SessionResult => format!("{} reported {}", session(data("session_id")), data("handler")),
        Kind::MessageSent => "Tropo took the message".to_owned(),
        Kind::MessageOffered
        | Kind::MessageDelayed
        | Kind::MessageDelivered
        | Kind::MessageFailed
        | Kind::MessageUnconfirmed
        | Kind::MessageExpired
        | Kind::MessageSuppressed
        | Kind::SessionIgnored
        | Kind::DeliveryReported => hop.event.data.to_string(),
    };
    format!("{:<17} {words}", hop.event_type.kind.as_str())
}

/// Who was asked about a text, and what each said.
fn asked(routed: &serde_json::Value) -> String {
    let asked = routed.get("asked").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |asked: &serde_json::Value, key: &str| {
        asked.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let said: Vec<String> =
        asked.iter().map(|asked| format!("{} {}", word(asked, "application"), word(asked, "said"))).collect();
    said.join(", ")
}

/// The correlation id, and whether every event carried it.
fn correlation(hops: &[Hop], session_id: &str) -> String {
    let others = hops.iter().filter(|hop| hop.correlation_id.as_deref() != Some(session_id)).count();
    match others {
        0 => format!("{session_id}, on all {} events", hops.len()),
        _ => format!("{session_id}, but {others} of {} events carry another", hops.len()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} … ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
    }
}
