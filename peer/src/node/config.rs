//! The configuration of one node.

use std::path::PathBuf;

use proto::messages::control::EntryPoint;
use shared::model::HostPort;
use shared::settings::InForce;

use super::join_source::JoinSource;
use super::settings::NodeSettings;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The address to listen on beside 127.0.0.1; anything but loopback exposes the node. None lets a member
    /// of a secured network listen on the address that leads to its network, and others on loopback.
    pub host: Option<String>,
    /// Whether the node may listen for other machines without security.
    pub is_insecure: bool,
    /// The port to listen on; 0 picks one.
    pub port: u16,
    /// The address that other peers dial; none means the address that it listens on.
    pub advertise: Option<HostPort>,
    /// The directory of identity, index and assigned data; made when it does not exist.
    pub data_dir: PathBuf,
    /// The network to enter at the start; none stays offline until told.
    pub entry: Option<EntryPoint>,
    /// The join line of a secured network, needed once.
    pub join: Option<JoinSource>,
    /// Whether the start goes on trying to join when nobody answers.
    pub waits_to_join: bool,
    /// Whether the node runs for one command only: it keeps nothing for others.
    pub is_transient: bool,
    /// Capacity, zone, limits.
    pub settings: NodeSettings,
    /// All settings as they were said, for those who ask the node.
    pub in_force: InForce,
}
