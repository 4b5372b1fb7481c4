//! How everything is doing, for people.

use console::{Amiss, BackendState, Flow, FlowState, Process, Queues, Status, Stuck, Waiting};
use protocol::Timestamp;

use crate::output::printable;
use crate::table::{Cell, Ink, Table, Tone};

/// The kinds of events that are counted for each backend.
const RECENT: [&str; 3] = ["message.received", "message.sent", "message.failed"];

/// All of it.
pub(super) fn of(status: &Status, ink: Ink) -> String {
    let Status { at, version, is_well, flow, amiss, processes, queues, backends, replies, journal } = status;
    let verdict =
        if *is_well { ink.paint(Tone::Good, "all is well") } else { ink.paint(Tone::Bad, "not everything is well") };
    let mut told = format!("{at:.0}, tropomq {}: {verdict}\n", printable(version));
    for Amiss { told: what, .. } in amiss {
        told.push_str(&format!("  {}\n", printable(what)));
    }
    told.push('\n');
    told.push_str(&flow_line(flow, *at, ink));
    told.push('\n');
    told.push_str(&process_table(processes, ink));
    told.push('\n');
    match queues {
        Some(queues) => told.push_str(&queue_table(queues, ink)),
        None => told.push_str(&ink.paint(Tone::Bad, "The bus does not tell what is on the queues.\n")),
    }
    told.push('\n');
    told.push_str(&backend_table(backends, ink));
    told.push('\n');
    if let Some(replies) = replies {
        told.push_str(&format!(
            "The last {} replies: half within {} ms, 95 of 100 within {} ms, 99 within {} ms.\n",
            replies.count, replies.p50_ms, replies.p95_ms, replies.p99_ms
        ));
    }
    told.push_str(&match journal {
        Some(journal) => format!(
            "The journal keeps {} events, {} bytes of words, since {}.\n",
            journal.events,
            journal.bytes,
            journal.oldest.map_or_else(|| "now".to_owned(), |oldest| format!("{oldest:.0}"))
        ),
        None => ink.paint(Tone::Bad, "The journal cannot be read: the database is away.\n"),
    });
    told
}

fn flow_line(flow: &Flow, now: Timestamp, ink: Ink) -> String {
    let took = flow.last_ok.as_ref().and_then(|last| Some((last.took_ms?, now.duration_since(last.at).as_secs())));
    let last = took.map(|(took, ago)| format!("the last that came round took {took} ms, {ago} s ago"));
    match flow.state {
        FlowState::NotConfigured => {
            "The flow is not probed: no backend has `probe = true`, or there is no simulator.\n".to_owned()
        }
        FlowState::Starting => "The flow is about to be probed.\n".to_owned(),
        FlowState::Flows => format!("{}: {}.\n", ink.paint(Tone::Good, "Texts flow"), last.unwrap_or_default()),
        FlowState::Fails => {
            let session = flow.stuck.as_ref().and_then(|Stuck { session_id, .. }| session_id.as_ref());
            let next = session.map(|session| format!(" `tropomq explain {session}` says more.")).unwrap_or_default();
            let last = last.unwrap_or_else(|| "none has come round yet".to_owned());
            format!("{}: {last}.{next}\n", ink.paint(Tone::Bad, "Texts do not flow"))
        }
    }
}

fn process_table(processes: &[Process], ink: Ink) -> String {
    let mut table = Table::new(["PROCESS", "STATE", "WHY"], ink);
    for Process { name, is_ready, is_stopping, parts, error } in processes {
        let (state, tone) = match (error, is_stopping, is_ready) {
            (Some(_), _, _) => ("not known", Tone::Bad),
            (None, true, _) => ("stopping", Tone::Doubtful),
            (None, false, true) => ("ready", Tone::Good),
            (None, false, false) => ("not ready", Tone::Bad),
        };
        let amiss = parts.iter().filter(|part| !part.is_ready || part.reason.is_some());
        let amiss = amiss.map(|part| format!("{}: {}", part.name, part.reason.as_deref().unwrap_or("not ready")));
        let why: Vec<String> = error.iter().cloned().chain(amiss).collect();
        table.add([Cell::new(name), Cell::new(state).toned(tone), Cell::new(why.join("; "))]);
    }
    table.written()
}

fn queue_table(queues: &Queues, ink: Ink) -> String {
    let Queues { texts, messages, reports, journal, dead, unrouted } = queues;
    let mut table = Table::new(["QUEUE", "READY", "IN HAND", "DELAYED", "CONSUMERS"], ink);
    let served = [("texts", texts), ("messages", messages), ("reports", reports), ("journal", journal)];
    for (name, Waiting { ready, in_hand, delayed, consumers }) in served {
        let tone = if *consumers == 0 { Tone::Doubtful } else { Tone::Plain };
        table.add([
            Cell::new(name),
            Cell::number(ready),
            Cell::known(*in_hand),
            Cell::known(*delayed),
            Cell::number(consumers).toned(tone),
        ]);
    }
    for (name, count) in [("dead letters", dead), ("unrouted", unrouted)] {
        let tone = if *count == 0 { Tone::Plain } else { Tone::Doubtful };
        let [none, nor, nobody] = [(); 3].map(|()| Cell::number("-"));
        table.add([Cell::new(name), Cell::number(count).toned(tone), none, nor, nobody]);
    }
    table.written()
}

fn backend_table(backends: &[BackendState], ink: Ink) -> String {
    if backends.is_empty() {
        return "There is no backend.\n".to_owned();
    }
    let head =
        ["BACKEND", "NUMBER", "EGRESS", "RATE", "BACKLOG", "TEXTS/5MIN", "SENT/5MIN", "FAILED/5MIN", "LAST FAILURE"];
    let mut table = Table::new(head, ink);
    for backend in backends {
        let (served, tone) = match backend.is_served {
            Some(true) => ("runs", Tone::Good),
            Some(false) => ("none", Tone::Bad),
            None => ("?", Tone::Doubtful),
        };
        let [texts, sent, failed] = RECENT.map(|kind| backend.count(&[kind]));
        let failure = match &backend.last_failure {
            Some(failure) => {
                format!("{:.0} {} {}", failure.at, failure.reason.as_deref().unwrap_or_default(), failure.id)
            }
            None if backend.is_failure_known => String::new(),
            None => "?".to_owned(),
        };
        table.add([
            Cell::new(backend.name.as_str()),
            Cell::new(&backend.number),
            Cell::new(served).toned(tone),
            Cell::number(&backend.rate.map_or_else(|| "any".to_owned(), |rate| format!("{rate}/s"))),
            Cell::known(backend.backlog.as_ref().map(Waiting::all)),
            Cell::known(texts),
            Cell::known(sent),
            Cell::known(failed).toned(if failed.unwrap_or_default() == 0 { Tone::Plain } else { Tone::Bad }),
            Cell::new(failure),
        ]);
    }
    table.written()
}
