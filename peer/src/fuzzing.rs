//! Private decoders, for the fuzz targets in `tests/src/fuzzing`. Each reads a text, and returns the text
//! that is written for the same value; none when the text is refused.

use shared::model::PeerId;

use crate::{cli, identity, session};

/// Reads the file of a peer's key.
#[must_use]
pub fn key_file(text: &str) -> Option<String> {
    identity::rewritten(text)
}

/// Makes the file of a new key.
///
/// # Panics
/// When the system has no randomness.
#[must_use]
pub fn new_key_file() -> String {
    identity::new_file(PeerId::from_bytes([7; 16])).expect("randomness")
}

/// Reads `network.json`.
#[must_use]
pub fn network_file(text: &str) -> Option<String> {
    session::rewritten(text)
}

/// Reads a line of `peer send`.
#[must_use]
pub fn ticket(text: &str) -> Option<String> {
    let ticket: cli::Ticket = text.parse().ok()?;
    Some(ticket.to_string())
}
