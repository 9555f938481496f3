//! The `Directory` service of a peer: by which webserver and trackers others can enter its network.
//!
//! It only says addresses, to whoever can reach the peer's port. A peer vouches for nobody: whoever enters by a peer trusts it
//! about who the tracker is, as it would trust a webserver.

use proto::v1;
use proto::v1::directory_server::{Directory, DirectoryServer};
use tonic::{Request, Response, Status};

use crate::session::Network;

/// Answers from what the session knows.
#[derive(Clone, Debug)]
pub struct DirectoryService(Network);

impl DirectoryService {
    /// The service, ready to be served.
    #[must_use]
    pub fn server(network: Network) -> DirectoryServer<Self> {
        DirectoryServer::new(Self(network))
    }
}

#[tonic::async_trait]
impl Directory for DirectoryService {
    async fn trackers(
        &self,
        _request: Request<v1::TrackersRequest>,
    ) -> Result<Response<v1::TrackersReply>, Status> {
        Ok(Response::new(self.0.gateways().into()))
    }
}
