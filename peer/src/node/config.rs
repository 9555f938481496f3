//! What a node has to be told.

use std::path::PathBuf;

use proto::control::EntryPoint;
use shared::model::{HostPort, Zone};

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
}
