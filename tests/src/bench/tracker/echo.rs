//! A service with an empty call, as tonic has it out of the box: the lower bound of a call's cost on this
//! machine.
//!
//! The service is a process of its own, as the tracker is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::v1;
use proto::v1::directory_client::DirectoryClient;
use proto::v1::directory_server::{Directory, DirectoryServer};
use shared::model::HostPort;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

use super::load;

#[derive(Debug)]
struct Empty;

#[tonic::async_trait]
impl Directory for Empty {
    async fn trackers(&self, _: Request<v1::TrackersRequest>) -> Result<Response<v1::TrackersReply>, Status> {
        Ok(Response::new(v1::TrackersReply::default()))
    }
}

/// Serves until it is killed; prints its address on stdout.
///
/// # Errors
/// When it cannot listen.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().add_service(DirectoryServer::new(Empty));
        Ok(server.serve_with_incoming(incoming).await?)
    })
}

/// The process that serves; killed when this is dropped.
pub(super) struct Child {
    process: Process,
    pub(super) address: HostPort,
}

impl Child {
    pub(super) fn start() -> Result<Self> {
        let own = std::env::current_exe().context("find this program")?;
        let mut process = Command::new(own).arg("echo").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = process.stdout.take().context("stdout is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("where the empty service listens")?;
        Ok(Self { process, address })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Empty calls a second.
pub(super) async fn rate(address: &HostPort, callers: u32, time: Duration) -> Result<f64> {
    let clients = load::channels(address)?.into_iter().map(DirectoryClient::new);
    let call = |mut client: DirectoryClient<Channel>, _| async move {
        client.trackers(v1::TrackersRequest {}).await.map(drop)
    };
    load::rate(callers, time, clients.collect(), call).await
}
