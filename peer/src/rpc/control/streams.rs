//! Contents that come from nobody's file and go to nobody's: what `peer add -` sends and `peer get --output -` reads.
//!
//! The bytes go the ways of [`crate::inlet`] and [`crate::outflow`], as those of the node's HTTP do. Nothing is published before its
//! sender has said that it was all, and nothing counts as read before the last byte of it was sent.

use std::sync::Arc;

use proto::RemoteError;
use proto::messages::control::{AddEvent, AddStep, GetEvent, ReadEvent};
use shared::ErrorCode;
use shared::model::ContentRef;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_stream::{Stream, StreamExt as _};

use super::add::publish;
use super::get::{PROGRESS_INTERVAL, resolve};
use super::{ControlParts, Events, caller_gone};
use crate::blocking::try_blocking;
use crate::inlet::Inlet;
use crate::outflow::Found;
use crate::store::{Publication, PublicationState};

fn tick() -> Interval {
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tick
}

/// Publishes what the steps bring.
pub(super) async fn add(
    parts: Arc<ControlParts>,
    steps: impl Stream<Item = Result<AddStep, RemoteError>> + Send,
    events: Events<AddEvent>,
) -> Result<(), RemoteError> {
    tokio::pin!(steps);
    let begin = match steps.next().await.transpose()? {
        Some(AddStep::Begin(begin)) => begin,
        Some(AddStep::Data(_) | AddStep::End(_)) => {
            return Err(invalid("a stream begins by saying what it is"));
        }
        None => return Err(broken_off()),
    };
    let mut inlet = Inlet::open(&parts.store, None).await?;
    let (mut tick, token) = (tick(), parts.tasks.token());
    loop {
        let step = tokio::select! {
            step = steps.next() => step.transpose()?,
            _ = tick.tick() => {
                // A caller that is slow misses some.
                drop(events.try_send(Ok(AddEvent::Received(inlet.length()))));
                continue;
            }
            // Bytes come as slowly as whoever makes them; a node that stops does not wait for more.
            () = token.cancelled() => return Err(stopping()),
            () = events.closed() => return Err(broken_off()),
        };
        match step {
            Some(AddStep::Data(bytes)) => inlet.append(vec![bytes]).await?,
            Some(AddStep::End(length)) if length == inlet.length() => break,
            Some(AddStep::End(length)) => {
                let came = inlet.length();
                return Err(invalid(format!("{came} bytes came where {length} were sent")));
            }
            Some(AddStep::Begin(_)) => return Err(invalid("a stream begins once")),
            None => return Err(broken_off()),
        }
    }
    let (inflow, name, fragment_length) = (inlet.close()?, begin.name.clone(), begin.fragment_length);
    let manifest = try_blocking(move || inflow.keep(&name, fragment_length)).await?;
    let _guard = parts.network.protect(manifest.content());
    let publication = Publication {
        name: begin.name,
        content: manifest.content(),
        target: begin.target,
        update: begin.update,
        state: PublicationState::Pending(None),
    };
    let length = manifest.length();
    publish(&parts, publication, &manifest, length, begin.wait, &events)
        .await
        .map(drop)
}

/// Sends a content in its order, and how that goes.
pub(super) async fn read(
    parts: Arc<ControlParts>,
    content: ContentRef,
    events: Events<ReadEvent>,
) -> Result<(), RemoteError> {
    let begun = parts.clock.now();
    let wanted = resolve(&parts, &content).await?;
    let found = Found::of(&parts, wanted).await?;
    let (name, span) = (found.name.clone(), found.span.clone());
    let (content, fragments) = (found.manifest.content(), found.manifest.fragment_count());
    let length = span.end - span.start;
    let outflow = found.prepare(&parts, span, true).await?.ok_or_else(stopping)?;
    let course = outflow.course();
    let started = GetEvent::Started {
        name,
        content,
        length,
        fragments,
        already_held: outflow.already_held(),
    };
    let tell = async |event| events.send(Ok(event)).await.map_err(caller_gone);
    tell(ReadEvent::Told(started)).await?;
    let (mut sent, mut tick) = (0, tick());
    let mut pieces = (length > 0).then(|| outflow.start(()));
    while let Some(pieces) = pieces.as_mut().filter(|_| sent < length) {
        tokio::select! {
            piece = pieces.recv() => {
                let piece = piece.ok_or_else(stopping)??;
                sent += piece.len() as u64;
                tell(ReadEvent::Data(piece)).await?;
            }
            () = events.closed() => return Err(broken_off()),
            _ = tick.tick() => {
                let now = course.now();
                let progress = GetEvent::Progress {
                    held: sent,
                    length,
                    sources: now.sources,
                    received: now.received,
                    wasted: now.wasted,
                    waiting_for: now.waiting_for.unwrap_or_default(),
                };
                drop(events.try_send(Ok(ReadEvent::Told(progress))));
            }
        }
    }
    let fetched = course.now();
    let done = GetEvent::Done {
        content,
        length,
        received: fetched.received,
        wasted: fetched.wasted,
        elapsed: parts.clock.now().since(begun),
        sources_used: fetched.sources_used,
    };
    tell(ReadEvent::Told(done)).await
}

fn invalid(why: impl Into<String>) -> RemoteError {
    RemoteError::new(ErrorCode::InvalidArgument, why)
}

fn broken_off() -> RemoteError {
    RemoteError::new(ErrorCode::Cancelled, "the stream broke off before its end")
}

fn stopping() -> RemoteError {
    RemoteError::new(ErrorCode::Unavailable, "this node is stopping")
}
