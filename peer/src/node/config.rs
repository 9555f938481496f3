//! What a node has to be told.

use std::num::NonZeroU16;
use std::path::PathBuf;

use proto::messages::control::{EntryPoint, RateLimits};
use shared::model::{ByteRate, HostPort, Zone};

use super::memory::MemoryBudget;
use crate::rpc::DEFAULT_UPLOAD_SLOTS;
use crate::scrubber;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The address to listen on, such as `127.0.0.1`; anything but loopback exposes the node.
    pub host: String,
    /// The port to listen on; 0 picks one.
    pub port: u16,
    /// Where other peers are told to dial this one; none means the address that it listens on.
    pub advertise: Option<HostPort>,
    /// Where identity, index and assigned data are kept; made when it does not exist.
    pub data_dir: PathBuf,
    /// Bytes lent to the cluster for replicas.
    pub capacity: u64,
    /// The failure domain.
    pub zone: Option<Zone>,
    /// The network to enter at the start; none stays offline until told.
    pub entry: Option<EntryPoint>,
    /// What transfers may take.
    pub limits: NodeLimits,
}

/// What all transfers of a node together may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// How fast they may go, until someone changes that while the node runs.
    pub rates: RateLimits,
    /// Uploads at once; whoever asks for more is sent elsewhere.
    pub upload_slots: NonZeroU16,
    /// Bytes of blocks in memory.
    pub memory: MemoryBudget,
    /// How fast what is held is read again in the background; none: never.
    pub scrub: Option<ByteRate>,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            rates: RateLimits::default(),
            upload_slots: DEFAULT_SLOTS,
            memory: MemoryBudget::DEFAULT,
            scrub: Some(scrubber::DEFAULT_RATE),
        }
    }
}

/// As many as the service takes when nobody says otherwise.
#[expect(clippy::cast_possible_truncation, reason = "192 fits")]
const DEFAULT_SLOTS: NonZeroU16 = NonZeroU16::new(DEFAULT_UPLOAD_SLOTS as u16).expect("some slots");
