//! The kinds of events in plain words.

use protocol::Kind;
use store::DEAD_LETTER;

use super::pieces::Tone;

/// What an event of a kind says, and how that is. A kind of a newer version is told as it is written.
pub(crate) fn told(kind: &str) -> (&str, Tone) {
    if kind == DEAD_LETTER {
        return ("dead letter", Tone::Bad);
    }
    kind.parse().map_or((kind, Tone::Plain), |known| words(known))
}

/// All of them, with what they are called.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = Kind::ALL.into_iter().map(|kind| (kind.as_str(), words(kind).0));
    known.chain([(DEAD_LETTER, told(DEAD_LETTER).0)])
}

fn words(kind: Kind) -> (&'static str, Tone) {
    match kind {
        Kind::MessageReceived => ("text came in", Tone::Plain),
        Kind::MessageOffered => ("text offered to an application", Tone::Plain),
        Kind::MessageRouted => ("applications answered", Tone::Plain),
        Kind::MessageSend => ("message wanted", Tone::Plain),
        Kind::MessageLaunched => ("Tropo has a session", Tone::Open),
        Kind::MessageDelayed => ("to be tried again", Tone::Doubtful),
        Kind::MessageReleased => ("handed to Tropo", Tone::Open),
        Kind::MessageSent => ("sent", Tone::Good),
        Kind::MessageDelivered => ("delivered", Tone::Good),
        Kind::MessageFailed => ("failed", Tone::Bad),
        Kind::MessageUnconfirmed => ("no result came", Tone::Doubtful),
        Kind::MessageExpired => ("too late to send", Tone::Bad),
        Kind::MessageSuppressed => ("held back: opted out", Tone::Doubtful),
        Kind::SessionResult => ("Tropo's result", Tone::Plain),
        Kind::SessionIgnored => ("session ignored", Tone::Plain),
        Kind::DeliveryReported => ("carrier's report", Tone::Plain),
    }
}
