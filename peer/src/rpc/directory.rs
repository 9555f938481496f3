//! The `Directory` service of a peer: the webserver and trackers by which others can enter its network, and
//! who it is.
//!
//! The service only says addresses, to every caller that reaches the peer's port. A peer vouches for nobody:
//! a caller that enters by a peer trusts it about the tracker, as it would trust a webserver.

use proto::client::Gateways;
use proto::v1;
use proto::v1::directory_server::{Directory, DirectoryServer};
use shared::model::PeerId;
use tonic::{Request, Response, Status};

use crate::session::Network;

/// Answers with the addresses that the session knows.
#[derive(Clone, Debug)]
pub struct DirectoryService {
    network: Network,
    own: PeerId,
}

impl DirectoryService {
    /// Makes the service, ready to be served.
    #[must_use]
    pub fn server(network: Network, own: PeerId) -> DirectoryServer<Self> {
        DirectoryServer::new(Self { network, own })
    }
}

#[tonic::async_trait]
impl Directory for DirectoryService {
    async fn trackers(
        &self,
        _request: Request<v1::TrackersRequest>,
    ) -> Result<Response<v1::TrackersReply>, Status> {
        let gateways = Gateways {
            peer: Some(self.own),
            ..self.network.gateways()
        };
        Ok(Response::new(gateways.into()))
    }
}
