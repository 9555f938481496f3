//! A webserver's list of trackers, and a peer's knowledge of its network and of itself.

use std::time::Duration;

use shared::ErrorCode;
use shared::model::{Answer, HostPort, PeerId};
use shared::security::Role;
use tonic::transport::Channel;

use super::{Patience, Remote, unary};
use crate::dial::Entrance;
use crate::messages::Invalid;
use crate::messages::types::peer_id;
use crate::tls::Tls;
use crate::v1::directory_client::DirectoryClient as Generated;
use crate::{RemoteError, dial, v1};

/// Largest number of trackers in a reply.
const MAX_TRACKERS: usize = 64;

/// A peer that is asked who it is has to answer by then: longer than any handshake in a data centre.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Talks to one webserver or peer; cheap to clone.
#[derive(Clone, Debug)]
pub struct DirectoryClient(Generated<Channel>, Remote);

/// A tracker as the webserver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerEntry {
    /// Address to dial.
    pub address: HostPort,
    /// Whether its last health check succeeded.
    pub is_live: bool,
    /// Reason for a failed check; empty when the tracker is live.
    pub reason: String,
}

/// Addresses through which a network is entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateways {
    /// A webserver; a webserver itself names none.
    pub webserver: Option<HostPort>,
    /// Trackers, live ones first.
    pub trackers: Vec<TrackerEntry>,
    /// The peer that answers; a webserver and an older peer do not say it.
    pub peer: Option<PeerId>,
}

impl DirectoryClient {
    /// Makes a client of a webserver that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn of_webserver(address: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        let webserver = dial::Server::Any(Role::Webserver);
        Self::new("the webserver", address, tls, webserver)
    }

    /// Makes a client of a peer that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn of_peer(address: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        Self::new("the peer", address, tls, dial::Server::Any(Role::Peer))
    }

    /// Makes a client of a machine that has not joined yet.
    #[must_use]
    pub fn entering(entrance: &Entrance, address: &HostPort) -> Self {
        Self(
            Generated::new(entrance.channel()),
            Remote::new("the program", address),
        )
    }

    fn new(
        program: &'static str,
        address: &HostPort,
        tls: &Tls,
        server: dial::Server,
    ) -> Result<Self, RemoteError> {
        let channel = dial::secured(address, tls, server)?;
        Ok(Self(Generated::new(channel), Remote::new(program, address)))
    }

    /// Returns who answers at an address where a peer should; in a secured network nobody else can.
    ///
    /// # Errors
    /// When nobody does within `PROBE_TIMEOUT`.
    pub async fn answers_at(address: &HostPort, tls: &Tls, peer: PeerId) -> Result<Answer, RemoteError> {
        let client = Self::new("the peer", address, tls, dial::Server::peer(peer))?;
        let answered = tokio::time::timeout(PROBE_TIMEOUT, client.gateways()).await;
        let answered = answered.map_err(|_| {
            let within = shared::model::format_duration(PROBE_TIMEOUT);
            RemoteError::new(ErrorCode::DeadlineExceeded, format!("no answer within {within}"))
        })?;
        Ok(answered?.peer.map_or(Answer::Nameless, Answer::Peer))
    }

    /// The trackers that it knows, and for a peer its webserver.
    ///
    /// # Errors
    /// When the webserver cannot be reached. The call is tried once: callers have loops of their own.
    pub async fn gateways(&self) -> Result<Gateways, RemoteError> {
        let request = v1::TrackersRequest {};
        let reply = unary(
            Patience::ONCE,
            &self.1,
            &self.0,
            request,
            |mut client, request| async move { client.trackers(request).await },
        )
        .await?;
        Ok(reply.try_into()?)
    }
}

impl TryFrom<v1::TrackersReply> for Gateways {
    type Error = Invalid;

    fn try_from(wire: v1::TrackersReply) -> Result<Self, Invalid> {
        let webserver = (!wire.webserver.is_empty()).then(|| wire.webserver.parse());
        let trackers = wire.trackers.into_iter().take(MAX_TRACKERS);
        Ok(Self {
            webserver: webserver
                .transpose()
                .map_err(|error| Invalid::field("webserver", error))?,
            trackers: trackers.map(TrackerEntry::try_from).collect::<Result<_, _>>()?,
            peer: match &wire.peer_id[..] {
                [] => None,
                id => Some(peer_id(id)?),
            },
        })
    }
}

impl From<Gateways> for v1::TrackersReply {
    fn from(gateways: Gateways) -> Self {
        Self {
            trackers: gateways.trackers.into_iter().map(Into::into).collect(),
            webserver: gateways
                .webserver
                .map(|address| address.to_string())
                .unwrap_or_default(),
            peer_id: gateways
                .peer
                .map(|peer| peer.as_bytes().to_vec().into())
                .unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::TrackerEntry> for TrackerEntry {
    type Error = Invalid;

    fn try_from(wire: v1::TrackerEntry) -> Result<Self, Invalid> {
        let address = wire
            .address
            .parse()
            .map_err(|error| Invalid::field("address", error))?;
        Ok(Self {
            address,
            is_live: wire.is_live,
            reason: wire.reason,
        })
    }
}

impl From<TrackerEntry> for v1::TrackerEntry {
    fn from(entry: TrackerEntry) -> Self {
        Self {
            address: entry.address.to_string(),
            is_live: entry.is_live,
            reason: entry.reason,
        }
    }
}
