//! Interop: applications written with the published client libraries of Tropo run on the simulator, unchanged. Each is a
//! process of its own beside that of the simulator, and virtual phones talk to it. A RapidSMS project runs behind the
//! router, too. The API of the console is asked by Schemathesis, which makes its requests of the API's description.
//!
//! The applications are in `apps`, the versions of the libraries in `clients`; `make clients` installs them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

mod asyncapi;
mod fuzzed;
mod migrated;
mod node;
mod openapi;
mod python;
mod rapidsms;
mod stage;
