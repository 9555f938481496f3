//! The words of the system as types.
//!
//! Every type here has private fields, a constructor that validates, and (where it has a text form) a
//! `Display` and a `FromStr` that agree. Nothing here performs I/O, reads a clock or knows a wire format.

mod amount;
mod catalog;
mod digest_buckets;
mod durability;
mod feed;
mod fragment;
mod id;
mod manifest;
mod mark;
mod name;
mod parts;
mod peer;
mod peer_mode;
mod rate;
mod reason;
mod revision;
mod session;
mod source_fault;
mod time;

pub use amount::{ByteCount, ParseByteCountError};
pub use catalog::{
    Binding, CollectionSize, ContentState, Expectation, Health, Holder, Listing, Location, PeerInfo,
    PeerState,
};
pub use digest_buckets::{DigestBuckets, DigestBucketsError, HoldingsDigest};
pub use durability::{Durability, Endangered, FetchStanding, Losses, Repair, Survey, Why};
pub use feed::{FeedEvent, FeedPage, FeedPosition};
pub use fragment::{BlockSpan, FragmentIndex, FragmentSet, FragmentSetError};
pub use id::{ContentId, Digest, Epoch, Incarnation, ParseIdError, PeerId, Revision};
pub use manifest::{
    BLOCK_LENGTH, FragmentLength, FragmentLengthError, MAX_FRAGMENTS, Manifest, ManifestError,
};
pub use mark::Mark;
pub use name::{ContentRef, Name, NameError};
pub use parts::{Parts, PartsError};
pub use peer::{HostPort, HostPortError, ReplicationTarget, ReplicationTargetError, Zone, ZoneError};
pub use peer_mode::{DrainStatus, PeerMode, RequestedMode};
pub use rate::{ByteRate, ParseByteRateError};
pub use reason::{Reason, ReasonCode};
pub use revision::{
    NamedRevision, NamedRevisionError, PinCount, PinWish, RevisedContent, RevisionEntry, RevisionLimit,
    RevisionLimitError, RevisionState,
};
pub use session::{AssignmentFailure, EvictReason, Hello, Holding, Numbered, Order, Report, Source, Welcome};
pub use source_fault::{FaultKind, SourceFault};
pub use time::{ParseDurationError, Timestamp, format_duration, parse_duration};
