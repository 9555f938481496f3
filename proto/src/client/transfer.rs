//! Another peer's fragments.

use std::time::Duration;

use shared::ErrorCode;
use shared::model::{ContentId, FragmentIndex, FragmentSet, HostPort, Manifest, PeerId};
use tonic::transport::Channel;

use super::{Incoming, Patience, Remote, begun, unary};
use crate::messages::{Chunk, Fetch, Invalid};
use crate::status::from_status;
use crate::tls::Tls;
use crate::v1::transfer_client::TransferClient as Generated;
use crate::{RemoteError, dial, v1};

/// A stream must have begun by then.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Talks to one peer; cheap to clone, all clones share a connection.
#[derive(Clone, Debug)]
pub struct TransferClient(Generated<Channel>, Remote);

/// Fragments that a peer offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Fragments that it holds.
    pub held: FragmentSet,
    /// Fragments that are arriving there now: it passes their blocks on as they arrive.
    pub coming: FragmentSet,
    /// Fragments that it is sending to someone, or has lately sent.
    pub handed_out: FragmentSet,
    /// Whether it serves as many requests as it can.
    pub is_full: bool,
}

/// Stream of the bitmaps that a peer sends of its fragments.
#[derive(Debug)]
pub struct Following {
    stream: tonic::Streaming<v1::FollowReply>,
    fragment_count: u32,
}

impl TransferClient {
    /// A client of the peer with this id, that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(peer: &HostPort, tls: &Tls, id: PeerId) -> Result<Self, RemoteError> {
        let channel = dial::secured(peer, tls, dial::Server::peer(id))?;
        Ok(Self(Generated::new(channel), Remote::new("the peer", peer)))
    }

    /// Asks for blocks. The chunks are *not* verified.
    ///
    /// # Errors
    /// As the contract says, and when the stream does not begin in time.
    pub async fn fetch(&self, fetch: Fetch) -> Result<Incoming<v1::FetchChunk, Chunk>, RemoteError> {
        let mut client = self.0.clone();
        let call = client.fetch(v1::FetchRequest::from(fetch));
        match tokio::time::timeout(START_TIMEOUT, call).await {
            Ok(begun) => begun
                .map(|stream| Incoming::new(stream.into_inner()))
                .map_err(|status| self.1.failed(status)),
            // A source that takes too long may still be there: its next requests get more time.
            Err(_) => {
                let silent = self.1.silent(START_TIMEOUT);
                Err(RemoteError::new(ErrorCode::DeadlineExceeded, silent.to_string()))
            }
        }
    }

    /// The manifest of a content that the peer holds fragments of; it has been checked.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn describe(&self, content: ContentId) -> Result<Manifest, RemoteError> {
        let request = v1::DescribeRequest {
            content_id: content.as_bytes().to_vec().into(),
        };
        let reply = unary(
            Patience::ONCE,
            &self.1,
            &self.0,
            request,
            |mut client, request| async move { client.describe(request).await },
        )
        .await?;
        Ok(reply.manifest.ok_or(Invalid::Missing("manifest"))?.try_into()?)
    }

    /// Follows the fragments of a content that the peer holds.
    ///
    /// # Errors
    /// As the contract says, and when the stream does not begin in time.
    pub async fn follow(&self, manifest: &Manifest) -> Result<Following, RemoteError> {
        let mut client = self.0.clone();
        let request = v1::FollowRequest {
            content_id: manifest.content().as_bytes().to_vec().into(),
        };
        let stream = begun(START_TIMEOUT, &self.1, client.follow(request)).await?;
        Ok(Following {
            stream,
            fragment_count: manifest.fragment_count(),
        })
    }

    /// Tells the peer that a block it sent did not match; true when its own copy is damaged.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn dispute(&self, content: ContentId, fragment: FragmentIndex) -> Result<bool, RemoteError> {
        let content_id = content.as_bytes().to_vec().into();
        let request = v1::DisputeRequest {
            content_id,
            fragment: fragment.get(),
        };
        let reply = unary(
            Patience::ONCE,
            &self.1,
            &self.0,
            request,
            |mut client, request| async move { client.dispute(request).await },
        )
        .await?;
        Ok(reply.is_damaged)
    }
}

impl Following {
    /// The next state; none at the regular end. Cancel-safe.
    ///
    /// # Errors
    /// When the stream breaks or a bitmap does not fit the content.
    pub async fn next(&mut self) -> Result<Option<Availability>, RemoteError> {
        let Some(reply) = self.stream.message().await.map_err(from_status)? else {
            return Ok(None);
        };
        let set = |field, bytes: &[u8]| {
            FragmentSet::from_bytes(self.fragment_count, bytes).map_err(|error| Invalid::field(field, error))
        };
        let held = set("fragments", &reply.fragments)?;
        // Older peers leave the fields of arriving and handed-out fragments empty.
        let part = |field, bytes: &[u8]| match bytes {
            [] => Ok(FragmentSet::empty(self.fragment_count)),
            bytes => set(field, bytes),
        };
        Ok(Some(Availability {
            held,
            coming: part("coming", &reply.coming)?,
            handed_out: part("handed_out", &reply.handed_out)?,
            is_full: reply.is_full,
        }))
    }
}
