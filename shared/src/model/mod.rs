//! The words of the system as types.
//!
//! Every type here has private fields, a constructor that validates, and (where it has a text form) a
//! `Display` and a `FromStr` that agree. Nothing here performs I/O, reads a clock or knows a wire format.

mod absence;
mod address;
mod amount;
mod asked;
mod attributes;
mod catalog;
mod digest_buckets;
mod durability;
mod feed;
mod fetch_progress;
mod fetch_source;
mod fragment;
mod id;
mod key;
mod manifest;
mod name;
mod peer;
mod reach;
mod reason;
mod revision;
mod sample;
mod session;
mod time;

pub use absence::{Absence, FileNews, LocalFile, NoAbsence, SuspendedFile, SuspendedFiles};
pub use address::{RemoteAddressError, Undialable, is_loopback, undialable};
pub use amount::{ByteCount, ByteRate, LostFiles, ParseByteCountError, ParseByteRateError};
pub use asked::{Asked, AskedPart};
pub use attributes::{Attributes, FileMetadata, FileMetadataError, Mode, ModifiedAt};
pub use catalog::{
    Binding, CollectionSize, ContentState, Expectation, Extent, Health, Holder, Listing, Location, PeerInfo,
    PeerState, Share, Whole,
};
pub use digest_buckets::{DigestBuckets, DigestBucketsError, Holding, HoldingsDigest};
pub use durability::{Durability, Endangered, FetchStanding, Losses, Repair, Survey, Why};
pub use feed::{FeedEvent, FeedPage, FeedPosition};
pub use fetch_progress::{FetchPhase, Waiting};
pub use fetch_source::{FetchSource, FetchSourceState, SourceRank};
pub use fragment::{
    BLOCK_LENGTH, BlockSpan, FragmentIndex, FragmentLength, FragmentLengthError, FragmentSet,
    FragmentSetError, MAX_FRAGMENTS,
};
pub use id::{
    ClusterId, ContentId, Digest, Epoch, FactCount, Incarnation, KeyHash, MemberId, NetworkId, ParseIdError,
    PeerId, Revision, RunId, SHORTEST_PREFIX, TokenId,
};
pub use key::{Challenge, NoPublicKey, PublicKey, SessionSecret, Signature};
pub use manifest::{Manifest, ManifestError, Parts, PartsError};
pub use name::{ContentRef, Name, NameError, PathInside};
pub use peer::{
    DrainStatus, FaultKind, HostPort, HostPortError, PeerMode, ReplicationTarget, ReplicationTargetError,
    RequestedMode, SourceFault, Zone, ZoneError,
};
pub use reach::{DialFailure, Reach};
pub use reason::{Reason, ReasonCode};
pub use revision::{
    NamedRevision, NamedRevisionError, PinCount, PinWish, RevisedContent, RevisionEntry, RevisionLimit,
    RevisionLimitError, RevisionState,
};
pub use sample::{Received, Sample, SampleOutcome};
pub use session::{
    Answer, AssignmentFailure, EvictReason, Hello, HelloRefusal, KeptApart, NetworkDefaults, Numbered, Order,
    Remaining, Report, RunTraits, Source, Welcome,
};
pub use time::{Mark, ParseDurationError, Timestamp, format_duration, parse_duration};
