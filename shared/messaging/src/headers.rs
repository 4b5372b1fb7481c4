//! The names of the message headers that tropomq writes.

/// The id of the event that caused this one.
pub const CAUSATION_ID: &str = "causation-id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace state; left out where it is empty.
pub const TRACESTATE: &str = "tracestate";
/// Which attempt at handling the message this is, from 1; left out on the first.
pub const ATTEMPT: &str = "tropomq-attempt";
/// The queue that a waiting or dead message came from.
pub const QUEUE: &str = "tropomq-queue";
/// The routing key that the message was first published with.
pub const ROUTING_KEY: &str = "tropomq-routing-key";
/// Why a message is dead, in one word.
pub const REASON: &str = "tropomq-reason";
/// The chain of causes of the last failure, outermost first.
pub const ERROR: &str = "tropomq-error";
/// When an operator had a dead message handled anew, as RFC 3339: its time to live counts from then.
pub const REPLAYED_AT: &str = "tropomq-replayed-at";
/// When the message was given up, as RFC 3339.
pub const DEAD_AT: &str = "tropomq-dead-at";
/// When an operator last changed what a dead message says and had it handled anew, as RFC 3339.
pub const EDITED_AT: &str = "tropomq-edited-at";
