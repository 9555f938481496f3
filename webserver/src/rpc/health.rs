//! One question to a tracker's gRPC health service.

use proto::client::identify;
use proto::dial::{self, Server};
use proto::tls::Tls;
use proto::v1::catalog_server::SERVICE_NAME as CATALOG;
use shared::model::HostPort;
use shared::security::Role;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Asks whether the tracker serves its `Catalog`; when it does not, why, in words for a person.
///
/// Every call dials anew: a client that is sent there has to dial as well, and a tracker that is draining, or
/// has no room for another connection, still answers on old ones. The caller sets the deadline.
pub(crate) async fn check_tracker(tracker: &HostPort, tls: &Tls) -> Result<(), String> {
    let channel =
        dial::secured(tracker, tls, Server::Any(Role::Tracker)).map_err(|error| error.to_string())?;
    let request = HealthCheckRequest {
        service: CATALOG.to_owned(),
    };
    match HealthClient::new(channel).check(request).await {
        Ok(reply) => match reply.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            ServingStatus::NotServing => Err("it says that it is not serving".to_owned()),
            ServingStatus::Unknown | ServingStatus::ServiceUnknown => {
                Err("it does not know whether it is serving".to_owned())
            }
        },
        Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented) => {
            Err(match identify(tracker, tls).await {
                Some(program) => format!("it is {program}, not a tracker"),
                None => format!("it answers, but does not serve {CATALOG}: not a tracker?"),
            })
        }
        Err(status) => Err(root_cause(&status)),
    }
}

/// The innermost error: the outer ones only say that the transport failed.
fn root_cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
