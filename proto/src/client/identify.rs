//! Which of the three programs answers at an address, or which kind of other program.

use std::fmt;
use std::time::Duration;

use shared::model::HostPort;
use shared::security::Role;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::dial;
use crate::messages::control::EntryPoint;
use crate::tls::Tls;
use crate::v1::catalog_server::SERVICE_NAME as CATALOG;
use crate::v1::directory_server::SERVICE_NAME as DIRECTORY;
use crate::v1::transfer_server::SERVICE_NAME as TRANSFER;

/// Longer than a program takes that is there, shorter than a person's patience with a wrong address.
const DEADLINE: Duration = Duration::from_secs(2);

/// A question that every web server answers.
const HTTP_QUESTION: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// A ClientHello of TLS 1.2 without extensions: every TLS server answers it, if only with an alert.
const TLS_QUESTION: &[u8] = b"\x16\x03\x01\x00\x33\x01\x00\x00\x2f\x03\x03enjambre enjambre enjambre enjam\
\x00\x00\x08\xc0\x2f\xc0\x30\x00\x9c\x00\x2f\x01\x00";

/// A program that answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It knows names and holders.
    Tracker,
    /// It knows trackers.
    Webserver,
    /// It holds fragments.
    Peer,
    /// It is none of the system's, and speaks HTTP.
    Http,
    /// It speaks TLS: it is none of the system's, or of a secured network that this program has not joined.
    Tls,
    /// It is none of the system's, and speaks something else.
    Other,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tracker => "a tracker",
            Self::Webserver => "a webserver",
            Self::Peer => "a peer",
            Self::Http => "another program that speaks HTTP",
            Self::Tls => "a program that speaks TLS (a secured network is entered with a join line)",
            Self::Other => "another program",
        })
    }
}

impl Program {
    /// Returns the flag of `peer` that takes the address of such a program, if there is one.
    #[must_use]
    pub const fn flag(self) -> Option<&'static str> {
        match self {
            Self::Tracker => Some("--tracker"),
            Self::Webserver => Some("--webserver"),
            Self::Peer => Some("--join"),
            Self::Http | Self::Tls | Self::Other => None,
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

/// Asks which program answers at an address: ours by the services that they report, others by the first bytes
/// that they say. None when nothing answers in time, or says nothing.
pub async fn identify(address: &HostPort, tls: &Tls) -> Option<Program> {
    if tls.is_on() {
        let asked = tokio::time::timeout(DEADLINE, ask_members(address, tls));
        if let Ok(Some(program)) = asked.await {
            return Some(program);
        }
    }
    let health = || tokio::time::timeout(DEADLINE, ask_health(address));
    match health().await.ok()? {
        Answer::Is(program) => Some(program),
        Answer::Nothing => None,
        Answer::Unclear => {
            let stranger = tokio::time::timeout(DEADLINE, ask_stranger(address));
            let stranger = stranger.await.ok().flatten()?;
            // One of ours that began to listen in between answers a stranger's questions as well.
            match health().await {
                Ok(Answer::Is(program)) => Some(program),
                _ => Some(stranger),
            }
        }
    }
}

/// Asks for each of the members of the own network that could be there.
async fn ask_members(address: &HostPort, tls: &Tls) -> Option<Program> {
    for (role, program) in [
        (Role::Tracker, Program::Tracker),
        (Role::Peer, Program::Peer),
        (Role::Webserver, Program::Webserver),
    ] {
        let channel = dial::secured(address, tls, dial::Server::Any(role)).ok()?;
        let request = HealthCheckRequest::default();
        if HealthClient::new(channel).check(request).await.is_ok() {
            return Some(program);
        }
    }
    None
}

/// An answer to the question of health.
enum Answer {
    Is(Program),
    Nothing,
    /// The connection does not speak gRPC.
    Unclear,
}

async fn ask_health(address: &HostPort) -> Answer {
    let Ok(channel) = dial::channel(address) else {
        return Answer::Nothing;
    };
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
            Ok(_) => return Answer::Is(program),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => {
                let is_transport = std::error::Error::source(&status).is_some();
                // All of ours serve health; a web server that speaks HTTP/2 has no such page.
                return match status.code() {
                    _ if is_transport => Answer::Unclear,
                    Code::Unimplemented | Code::Unknown | Code::Internal => Answer::Is(Program::Http),
                    _ => Answer::Nothing,
                };
            }
        }
    }
    Answer::Is(Program::Other)
}

/// Looks at the first bytes that a program says.
async fn ask_stranger(address: &HostPort) -> Option<Program> {
    for question in [HTTP_QUESTION, TLS_QUESTION] {
        // A program that cuts this question off may answer the next.
        match dial::first_bytes(address, question).await.as_deref() {
            Ok([b'H', b'T', b'T', b'P', b'/', ..]) => return Some(Program::Http),
            // An alert or a handshake.
            Ok([0x15 | 0x16, 3, ..]) => return Some(Program::Tls),
            Ok([_, ..]) => return Some(Program::Other),
            Ok([]) | Err(_) => {}
        }
    }
    None
}

/// Returns the program that answers at the address of an entry point, if it is another one than the entry
/// point means.
pub async fn misdirected(entry: &EntryPoint, tls: &Tls) -> Option<Program> {
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) = entry;
    let found = identify(address, tls).await?;
    (found != Program::meant_by(entry)).then_some(found)
}

#[cfg(test)]
mod tests {
    use shared::runtime::Tasks;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers a first byte like its own, and closes the connection at any other.
    async fn speaker(first: u8, answer: &'static [u8]) -> HostPort {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").into();
        Tasks::new().spawn_detached("a program of others", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut got = [0; 256];
                if stream.read(&mut got).await.is_ok() && got[0] == first {
                    drop(stream.write_all(answer).await);
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn programs_of_others_are_named_by_what_they_speak() {
        let web = speaker(b'G', b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert_eq!(identify(&web, &Tls::default()).await, Some(Program::Http));
        let alert = b"\x15\x03\x03\x00\x02\x02\x28";
        for first in [b'G', 0x16] {
            let tls = speaker(first, alert).await;
            assert_eq!(identify(&tls, &Tls::default()).await, Some(Program::Tls));
        }
        let mail = speaker(b'G', b"220 mail ESMTP\r\n").await;
        assert_eq!(identify(&mail, &Tls::default()).await, Some(Program::Other));
        let closing = speaker(0, b"").await;
        assert_eq!(identify(&closing, &Tls::default()).await, None);
    }

    #[tokio::test]
    async fn a_program_that_is_just_starting_is_no_other_program() {
        let tasks = Tasks::new();
        let behind = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let started = behind.local_addr().expect("bound");
        let (router, health) = crate::accept::Services::new().into_router();
        health
            .set_service_status(CATALOG, tonic_health::ServingStatus::Serving)
            .await;
        let door = crate::accept::Door::with(crate::accept::places::Bounds::of(8));
        tasks.spawn_detached(
            "a tracker",
            crate::accept::serve(behind, router, tasks.clone(), door),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").into();
        tasks.spawn_detached("a port that is closed at first", async move {
            drop(listener.accept().await);
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut to = tokio::net::TcpStream::connect(started).await.expect("a tracker");
                drop(tokio::io::copy_bidirectional(&mut stream, &mut to).await);
            }
        });
        assert_eq!(identify(&address, &Tls::default()).await, Some(Program::Tracker));
    }

    #[tokio::test]
    async fn silent_and_closed_ports_are_nobody_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: HostPort = listener.local_addr().expect("bound").into();
        let asked = tokio::time::timeout(2 * DEADLINE, identify(&address, &Tls::default())).await;
        assert_eq!(asked.expect("in time"), None);
        drop(listener);
        assert_eq!(identify(&address, &Tls::default()).await, None);
    }

    #[test]
    fn the_tls_question_is_as_long_as_it_says() {
        let record = usize::from(TLS_QUESTION[4]);
        assert_eq!(TLS_QUESTION.len(), 5 + record);
        assert_eq!(usize::from(TLS_QUESTION[8]), record - 4);
    }
}
