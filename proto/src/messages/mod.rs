//! Conversions from the wire to the vocabulary, with a precise complaint for each bad field, and back without
//! loss.
//!
//! Inward conversions are `TryFrom` and check everything: a missing field, a wrong length and a number out of
//! bounds are each their own message. After them nothing is optional unless absence means something. Outward
//! conversions are `From` and cannot fail.

mod catalog;
mod collection;
pub mod control;
mod feed;
mod revision;
mod samples;
pub mod security;
mod session;
mod transfer;
pub mod types;
mod upkeep;

#[cfg(test)]
mod tests;

pub use catalog::{List, Locate, Page, Peers, Publish, Published, Remove, Rename};
pub use collection::Gathering;
pub(crate) use collection::publication;
pub use session::{FromPeer, FromTracker, MAX_FILE_NEWS, MAX_HOLDINGS, MAX_SOURCES};
pub use transfer::{Chunk, Fetch, FetchRange};
pub use upkeep::{SetPeerMode, SetTarget, peer_or_self};

use shared::{Coded, ErrorCode};

/// A message that breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field that must be there is not.
    #[error("missing {0}")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("invalid {field}: {reason}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Fault of the field.
        reason: String,
    },
}

impl Invalid {
    /// A field has a value that it cannot have.
    pub fn field(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Field {
            field,
            reason: reason.to_string(),
        }
    }
}

impl Coded for Invalid {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

impl From<Invalid> for tonic::Status {
    fn from(invalid: Invalid) -> Self {
        crate::status::to_status(&invalid)
    }
}

/// An answer that does not convert comes from a broken or foreign program.
impl From<Invalid> for crate::RemoteError {
    fn from(invalid: Invalid) -> Self {
        Self::new(
            ErrorCode::Internal,
            format!("the answer makes no sense: {invalid}"),
        )
    }
}

/// A field that must be there.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Invalid> {
    value.ok_or(Invalid::Missing(field))
}

/// A text that must parse.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Invalid> {
    if text.is_empty() {
        return Err(Invalid::Missing(field));
    }
    text.parse().map_err(|error| Invalid::field(field, error))
}

/// Bytes that must have exactly this length.
fn fixed<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], Invalid> {
    bytes.try_into().map_err(|_| match bytes.len() {
        0 => Invalid::Missing(field),
        got => Invalid::field(field, format!("must be {N} bytes, got {got}")),
    })
}

/// A list of at most `max` elements, each of which must convert.
fn bounded<T, U: TryFrom<T, Error = Invalid>>(
    field: &'static str,
    max: usize,
    list: Vec<T>,
) -> Result<Vec<U>, Invalid> {
    if list.len() > max {
        return Err(Invalid::field(
            field,
            format!("at most {max} are allowed, got {}", list.len()),
        ));
    }
    list.into_iter().map(U::try_from).collect()
}
