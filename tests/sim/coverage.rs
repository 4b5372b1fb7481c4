//! What the runs have met: a simulation in which nothing goes wrong would always succeed.

use std::fmt;

/// What must be met, by a part of its line in the trace.
const MET: [(&str, &str); 26] = [
    ("a process died", ": Crashed"),
    ("a process was asked to stop, and did", ": Stopped"),
    ("the broker went away", "-- the broker goes away"),
    ("the broker took no messages", "-- the broker takes no messages"),
    ("a connection was lost", "is lost"),
    ("a delivery came again", " again"),
    ("a delivery was given back", "gives "),
    ("a message waited to be tried again", "for Delayed"),
    ("a message was given up", "for Dead"),
    ("the ledger did not answer a claim", "the ledger did not answer"),
    ("a request was lost", "the request was lost"),
    ("an answer was lost", "the answer was lost"),
    ("a process died with a request in hand", "connection reset"),
    ("nobody let a request in", "connection refused"),
    ("an answer took too long", "no answer in time"),
    ("a webhook was posted twice", "posts a webhook"),
    ("a session asked again for its message", "Ok(Again"),
    ("a second session asked for a message", "Ok(Refused"),
    ("a session was told to hang up", "hangs up"),
    ("a session could not send", "the incomplete of"),
    ("a message stayed unconfirmed", "is Unconfirmed: Ok(Recorded"),
    ("a message was sent again", "life: 1"),
    ("a text was refused as not kept", "Unavailable: No"),
    ("a person opted out", " opts out of "),
    ("a message was suppressed before its launch", "why: OptedOut"),
    ("a message was suppressed after its launch", "Ok(Suppressed"),
];

/// How often each was met, in runs.
#[derive(Default)]
pub(crate) struct Coverage {
    runs: u64,
    met: [u64; MET.len()],
}

impl Coverage {
    /// Adds what a run met.
    pub(crate) fn add(&mut self, trace: &[String]) {
        self.runs += 1;
        for ((_, part), runs) in MET.iter().zip(&mut self.met) {
            *runs += u64::from(trace.iter().any(|line| line.contains(part)));
        }
    }

    /// How many runs there were.
    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// What no run met.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        MET.iter().zip(self.met).filter(|(_, runs)| *runs == 0).map(|((what, _), _)| *what).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs met:", self.runs)?;
        for ((what, _), runs) in MET.iter().zip(self.met) {
            writeln!(f, "{runs:>7}  {what}")?;
        }
        Ok(())
    }
}
