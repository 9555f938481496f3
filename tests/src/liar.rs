//! A liar: a member that says that it keeps contents of which it has nothing. Its readers, and those who look
//! at its copies, get rubbish or hear that nothing is there, in turn; it denies the copies of others.
//!
//! It runs as a process of its own, in the network of a peer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use proto::client::SessionClient;
use proto::tls::Tls;
use proto::v1;
use proto::v1::directory_server::{Directory, DirectoryServer};
use proto::v1::transfer_server::{Transfer, TransferServer};
use shared::model::{BLOCK_LENGTH, ContentId, FragmentSet, Holding, PeerId, RunTraits};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::codegen::BoxStream;
use tonic::codegen::tokio_stream::{self, StreamExt as _};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::crowd::{hello, lie};

/// Bytes of a leaf's hash.
const LEAF: usize = 32;

/// Fragments of each content that it keeps, as it says.
type Claims = BTreeMap<ContentId, u32>;

/// Lies until its session ends. The words are the tracker's HOST:PORT, the host to listen on, the liar's id,
/// and CONTENT:FRAGMENTS for each content.
///
/// # Errors
/// When the words are others, it cannot listen, or the tracker does not let it in.
pub fn run(words: &[String]) -> Result<()> {
    let [tracker, host, id, claims @ ..] = words else {
        bail!("a liar needs a tracker, a host, an id and contents");
    };
    let id: PeerId = id.parse()?;
    let claim = |word: &String| {
        let (content, fragments) = word.split_once(':').context("CONTENT:FRAGMENTS")?;
        Ok((content.parse()?, fragments.parse()?))
    };
    let claims = claims.iter().map(claim).collect::<Result<Claims>>()?;
    let holdings = claims.iter().map(|(content, fragments)| Holding {
        content: *content,
        fragments: FragmentSet::full(*fragments),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    });
    let holdings = holdings.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = SessionClient::new(&tracker.parse()?, &Tls::default())?;
        let listener = TcpListener::bind((host.as_str(), 0)).await?;
        let mut hello = hello(listener.local_addr()?.to_string().parse()?);
        hello.peer = id;
        hello.traits = RunTraits {
            can_check: true,
            ..RunTraits::default()
        };
        let answers = Arc::new(Answers {
            id,
            claims,
            reads: AtomicUsize::new(0),
        });
        let server = Server::builder()
            .add_service(DirectoryServer::from_arc(Arc::clone(&answers)))
            .add_service(TransferServer::from_arc(answers));
        runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let (joined, _joins) = mpsc::channel(1);
        Ok(lie(client, hello, holdings, joined).await?)
    })
}

/// Answers to those who dial the liar.
#[derive(Debug)]
struct Answers {
    id: PeerId,
    claims: Claims,
    reads: AtomicUsize,
}

#[tonic::async_trait]
impl Directory for Answers {
    async fn trackers(&self, _: Request<v1::TrackersRequest>) -> Result<Response<v1::TrackersReply>, Status> {
        let peer_id = self.id.as_bytes().to_vec().into();
        Ok(Response::new(v1::TrackersReply {
            peer_id,
            ..v1::TrackersReply::default()
        }))
    }
}

#[tonic::async_trait]
impl Transfer for Answers {
    type FetchStream = BoxStream<v1::FetchChunk>;
    type FollowStream = BoxStream<v1::FollowReply>;

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        if self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(Status::not_found("nothing is here"));
        }
        let chunks = request.into_inner().ranges.into_iter().map(|range| {
            let bytes = |each: usize| vec![0x5a; range.block_count as usize * each].into();
            Ok(v1::FetchChunk {
                fragment: range.fragment,
                first_block: range.first_block,
                leaves: bytes(LEAF),
                data: bytes(BLOCK_LENGTH as usize),
            })
        });
        let chunks: Vec<_> = chunks.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeReply>, Status> {
        Err(Status::not_found("nothing is here"))
    }

    async fn follow(
        &self,
        request: Request<v1::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let content = request.into_inner().content_id;
        let content = <[u8; 32]>::try_from(&content[..]).map(ContentId::from_bytes);
        let count = content.ok().and_then(|content| self.claims.get(&content));
        let count = count.ok_or_else(|| Status::not_found("nothing is here"))?;
        let all = v1::FollowReply {
            fragments: FragmentSet::full(*count).to_bytes().into(),
            ..v1::FollowReply::default()
        };
        Ok(Response::new(Box::pin(
            tokio_stream::once(Ok(all)).chain(tokio_stream::pending()),
        )))
    }

    async fn dispute(&self, _: Request<v1::DisputeRequest>) -> Result<Response<v1::DisputeReply>, Status> {
        Ok(Response::new(v1::DisputeReply { is_damaged: false }))
    }
}
