//! A node's membership in a secured network, from and to the wire.

use shared::model::{ClusterId, Timestamp};
use shared::security::authorization::Mode;

use super::EntryPoint;
use crate::messages::{Invalid, parsed};
use crate::v1;

/// The membership of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The degree to which the network is secured.
    pub mode: Mode,
    /// The network.
    pub cluster: ClusterId,
    /// The end of the node's certificate.
    pub ends: Timestamp,
    /// The failure of the latest renewal; none when it has succeeded, or is not due.
    pub failure: Option<String>,
}

/// The outcome of joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The way into the network.
    pub entry: EntryPoint,
    /// Whether the node was a member before, so that the line was not used.
    pub was_member: bool,
}

impl TryFrom<v1::NodeSecurity> for Membership {
    type Error = Invalid;

    fn try_from(wire: v1::NodeSecurity) -> Result<Self, Invalid> {
        let cluster = wire.cluster_id[..].try_into();
        let cluster = cluster.map_err(|_| Invalid::Missing("cluster_id"))?;
        Ok(Self {
            mode: parsed("mode", &wire.mode)?,
            cluster: ClusterId::from_bytes(cluster),
            ends: Timestamp::from_millis(wire.certificate_ends_ms),
            failure: (!wire.renewal_failure.is_empty()).then_some(wire.renewal_failure),
        })
    }
}

impl From<Membership> for v1::NodeSecurity {
    fn from(membership: Membership) -> Self {
        Self {
            mode: membership.mode.to_string(),
            cluster_id: membership.cluster.as_bytes().to_vec().into(),
            certificate_ends_ms: membership.ends.as_millis(),
            renewal_failure: membership.failure.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::JoinReply> for Joined {
    type Error = Invalid;

    fn try_from(wire: v1::JoinReply) -> Result<Self, Invalid> {
        Ok(Self {
            entry: wire.entry.ok_or(Invalid::Missing("entry"))?.try_into()?,
            was_member: wire.was_member,
        })
    }
}

impl From<Joined> for v1::JoinReply {
    fn from(joined: Joined) -> Self {
        Self {
            entry: Some((&joined.entry).into()),
            was_member: joined.was_member,
        }
    }
}
