//! Tropo's language, both sides of it: session, result, document, launch, signal and ticket.
//!
//! Pure: nothing here does I/O, reads a clock or starts a task. Readers are lenient where Tropo, its eras and its
//! client libraries differ, and total: no input makes one panic. Writers are strict. What quotes a person or holds a
//! secret redacts itself in `Debug`.

pub mod charset;
pub mod choices;
pub mod document;
#[cfg(test)]
mod fixtures;
mod form;
mod json;
pub mod launch;
mod member;
pub mod result;
pub mod session;
pub mod shape;
pub mod signal;
pub mod ticket;
pub mod webhook;
mod xml;
