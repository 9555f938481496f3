//! The `Directory` service: addresses of the trackers.

use proto::client::{Gateways, TrackerEntry};
use proto::v1;
use proto::v1::directory_server::{Directory as Service, DirectoryServer};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::directory::{Directory, Tracker};

/// Answers from the latest probe results; probes nothing itself.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryService(watch::Receiver<Directory>);

impl DirectoryService {
    pub(crate) fn server(directory: watch::Receiver<Directory>) -> DirectoryServer<Self> {
        DirectoryServer::new(Self(directory))
    }
}

#[tonic::async_trait]
impl Service for DirectoryService {
    async fn trackers(
        &self,
        _request: Request<v1::TrackersRequest>,
    ) -> Result<Response<v1::TrackersReply>, Status> {
        let gateways = Gateways {
            webserver: None,
            peer: None,
            trackers: self.0.borrow().live_first().map(entry).collect(),
        };
        Ok(Response::new(gateways.into()))
    }
}

fn entry(tracker: &Tracker) -> TrackerEntry {
    TrackerEntry {
        address: tracker.address().clone(),
        is_live: tracker.is_live(),
        reason: tracker.reason().to_owned(),
    }
}
