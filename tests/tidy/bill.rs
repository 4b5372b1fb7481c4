//! What the binary is made of: `bill sbom` writes a CycloneDX document, `bill licences` the licences that go with it.
#![expect(clippy::panic, reason = "whoever makes a release reads it")]

mod crates;
mod materials;

use std::io::Write;

fn main() {
    let told = match std::env::args().nth(1).as_deref() {
        Some("sbom") => materials::sbom(&crates::Graph::read()),
        Some("licences") => materials::licences(&crates::Graph::read()),
        _ => panic!("say `sbom` or `licences`"),
    };
    if let Err(error) = std::io::stdout().write_all(told.as_bytes()) {
        panic!("{error}");
    }
}
