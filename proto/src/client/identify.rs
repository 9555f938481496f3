//! Which of the three programs answers at an address.

use std::fmt;
use std::time::Duration;

use shared::model::HostPort;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::dial;
use crate::messages::control::EntryPoint;
use crate::v1::catalog_server::SERVICE_NAME as CATALOG;
use crate::v1::directory_server::SERVICE_NAME as DIRECTORY;
use crate::v1::transfer_server::SERVICE_NAME as TRANSFER;

/// Longer than a program takes that is there, shorter than a person's patience with a wrong address.
const DEADLINE: Duration = Duration::from_secs(2);

/// A program of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It knows names and holders.
    Tracker,
    /// It knows trackers.
    Webserver,
    /// It holds fragments.
    Peer,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tracker => "tracker",
            Self::Webserver => "webserver",
            Self::Peer => "peer",
        })
    }
}

impl Program {
    /// Returns the flag of `peer` that takes the address of such a program.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Tracker => "--tracker",
            Self::Webserver => "--webserver",
            Self::Peer => "--join",
        }
    }

    /// Returns the program that an entry point takes its address for.
    #[must_use]
    pub const fn meant_by(entry: &EntryPoint) -> Self {
        match entry {
            EntryPoint::Tracker(_) => Self::Tracker,
            EntryPoint::Webserver(_) => Self::Webserver,
            EntryPoint::Peer(_) => Self::Peer,
        }
    }
}

/// Asks which program answers at an address, by the services that it reports; none when nothing answers in
/// time, or something else.
pub async fn identify(address: &HostPort) -> Option<Program> {
    let asking = async {
        let channel = dial::channel(address).ok()?;
        // A peer serves the directory as well as a webserver does.
        for (service, program) in [
            (CATALOG, Program::Tracker),
            (TRANSFER, Program::Peer),
            (DIRECTORY, Program::Webserver),
        ] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            match HealthClient::new(channel.clone()).check(request).await {
                Ok(_) => return Some(program),
                Err(status) if status.code() == Code::NotFound => {}
                Err(_) => return None,
            }
        }
        None
    };
    tokio::time::timeout(DEADLINE, asking).await.ok().flatten()
}

/// Returns the program that answers at the address of an entry point, if it is another one than the entry
/// point means.
pub async fn misdirected(entry: &EntryPoint) -> Option<Program> {
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) = entry;
    let found = identify(address).await?;
    (found != Program::meant_by(entry)).then_some(found)
}
