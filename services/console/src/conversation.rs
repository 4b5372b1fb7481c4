//! What belongs together: a text, the messages that answer it, and the events about them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use store::{EventsOf, Journal, JournalEvent, LedgerError, LogFilter, LogPage, Logged, PAGE_MAX, Subject};

/// The texts and messages of the conversation that a line is in, the newest first; itself among them.
///
/// A message is in it by the session that began the conversation, or, where an application answers late and by the text
/// alone, by the text that it names as its cause.
pub(crate) async fn lines(journal: &dyn Journal, about: &Logged) -> Result<Vec<Logged>, LedgerError> {
    let mut lines = beside(journal, about).await?;
    if let Some(text) = text(journal, about).await? {
        lines.extend(beside(journal, &text).await?);
        lines.push(text);
    }
    lines.push(about.clone());
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert((line.subject, line.id)));
    lines.sort_by_key(|line| Reverse(line.place));
    Ok(lines)
}

/// The text that a message names as its cause, or an event about which it names.
async fn text(journal: &dyn Journal, about: &Logged) -> Result<Option<Logged>, LedgerError> {
    let cause = about.content.as_ref().and_then(|content| content.cause);
    let Some(id) = cause.and_then(|cause| cause.to_string().parse().ok()) else { return Ok(None) };
    Ok(journal.look_for(&id).await?.into_iter().find(|line| line.subject == Subject::Text))
}

/// What is in the conversation of the same session, and what a text caused.
async fn beside(journal: &dyn Journal, line: &Logged) -> Result<Vec<Logged>, LedgerError> {
    let cause = Some(line.id).filter(|_| line.subject == Subject::Text);
    let by_session = LogFilter { correlation_id: line.correlation_id.clone(), ..LogFilter::default() };
    let by_cause = LogFilter { cause, ..LogFilter::default() };
    let mut lines = Vec::new();
    for filter in [by_session, by_cause].into_iter().filter(|filter| *filter != LogFilter::default()) {
        lines.extend(journal.log(&filter, LogPage { before: None, limit: PAGE_MAX }).await?);
    }
    Ok(lines)
}

/// The events about texts and messages and about the sessions of the messages, the oldest first, each once; with them,
/// those that are wanted beside.
pub(crate) async fn events<'a>(
    journal: &dyn Journal,
    lines: impl Iterator<Item = &'a Logged> + Clone,
    beside: Option<EventsOf>,
) -> Result<Vec<JournalEvent>, LedgerError> {
    let of_lines: Vec<_> = lines.clone().map(|line| EventsOf::Subject(line.subject, line.id)).collect();
    // A delivery report names its session alone.
    let messages = lines.filter(|line| line.subject == Subject::Message);
    let sessions: BTreeSet<_> = messages.filter_map(|message| message.session_id.clone()).collect();
    let mut events: Vec<JournalEvent> = Vec::new();
    for of in beside.into_iter().chain(of_lines).chain(sessions.into_iter().map(EventsOf::Session)) {
        events.extend(journal.events(&of).await?);
    }
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert(event.id));
    events.sort_by_key(|event| event.at);
    Ok(events)
}
