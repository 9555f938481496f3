//! Contents that come from standard input and go to standard output: `peer add -` and `peer get --output -`.
//!
//! The bytes go the ways of [`super::ingest`] and [`super::reader`], as those of HTTP do. Nothing is
//! published before its sender has said that all bytes were sent, and nothing counts as read before its last
//! byte was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::messages::control::{AddEvent, AddStep, ReadEvent};
use shared::model::ContentRef;
use shared::{ErrorCode, Failure};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::add::{self as adding, Ready};
use super::ingest::Ingest;
use super::reader::Readable;
use super::report::{Events, Report, Subject};
use super::resolve::resolve;
use super::{Node, stopping};
use crate::fetch::Progress;
use store::{Publication, PublicationState};

/// Publishes the bytes that the steps bring.
///
/// # Errors
/// As the contract says; nothing is published when the stream breaks off.
pub(crate) async fn add(
    node: &Node,
    steps: impl Stream<Item = Result<AddStep, Failure>> + Send,
    events: &Events<AddEvent>,
) -> Result<(), Failure> {
    tokio::pin!(steps);
    let begin = match steps.next().await.transpose()? {
        Some(AddStep::Begin(begin)) => begin,
        Some(AddStep::Data(_) | AddStep::End(_)) => {
            return Err(invalid("a stream begins by saying what it is"));
        }
        None => return Err(broken_off()),
    };
    let mut ingest = Ingest::begin(&node.store, None).await?;
    let (came, caller_gone) = (AtomicU64::new(0), CancellationToken::new());
    let taking = async {
        loop {
            let step = tokio::select! {
                step = steps.next() => step.transpose()?,
                // The sender may be slow without end; a node that stops does not wait for it.
                () = node.tasks.token().cancelled() => return Err(stopping()),
                () = caller_gone.cancelled() => return Err(broken_off()),
            };
            match step {
                Some(AddStep::Data(bytes)) => ingest.append(vec![bytes]).await?,
                Some(AddStep::End(length)) if length == ingest.length() => return ingest.finish(),
                Some(AddStep::End(length)) => {
                    let came = ingest.length();
                    return Err(invalid(format!("{came} bytes came where {length} were sent")));
                }
                Some(AddStep::Begin(_)) => return Err(invalid("a stream begins once")),
                None => return Err(broken_off()),
            }
            came.store(ingest.length(), Ordering::Relaxed);
        }
    };
    let progress = || AddEvent::Received(came.load(Ordering::Relaxed));
    let staged = events.during(taking, || caller_gone.cancel(), progress).await?;
    let name = begin.name.clone();
    let fragment_length = node.fragment_length(begin.fragment_length).await;
    let mut addition = adding::begin(node);
    let manifest = addition
        .run(move |addition| addition.upload(staged, &name, fragment_length))
        .await?;
    let _guard = node.network.protect(manifest.content());
    let publication = Publication {
        name: begin.name,
        content: manifest.content(),
        target: begin.target,
        update: begin.update,
        metadata: None,
        state: PublicationState::Pending(None),
    };
    let ready = Ready::of_file(publication, manifest, addition);
    adding::publish(node, ready, begin.wait, events).await.map(drop)
}

/// Sends the bytes of a content in their order, and reports how that goes.
///
/// # Errors
/// As the contract says.
pub(crate) async fn read(
    node: &Arc<Node>,
    content: &ContentRef,
    events: &Events<ReadEvent>,
) -> Result<(), Failure> {
    let begun = node.clock.now();
    let wanted = resolve(node, content).await?;
    let readable = Readable::of(node, wanted).await?;
    let span = readable.span.clone();
    let length = span.end - span.start;
    let subject = Subject {
        name: readable.name.clone(),
        content: readable.manifest.content(),
        length,
        fragments: readable.manifest.fragment_count(),
        output: None,
    };
    let reader = readable.open(node, span, true).await?.ok_or_else(stopping)?;
    let report = Report::start(node, events, begun, subject, reader.already_held()).await?;
    let tally = reader.tally();
    let (sent, caller_gone) = (AtomicU64::new(0), CancellationToken::new());
    let sending = async {
        let mut pieces = (length > 0).then(|| reader.start(()));
        while let Some(pieces) = pieces.as_mut().filter(|_| sent.load(Ordering::Relaxed) < length) {
            let piece = tokio::select! {
                piece = pieces.recv() => piece.ok_or_else(stopping)??,
                () = caller_gone.cancelled() => return Err(broken_off()),
            };
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            events.tell(ReadEvent::Data(piece)).await?;
        }
        Ok(())
    };
    let progress = || Progress {
        held_bytes: sent.load(Ordering::Relaxed),
        ..tally.now()
    };
    report.during(sending, &caller_gone, progress).await?;
    report.done(tally.totals()).await
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::InvalidArgument, why)
}

fn broken_off() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the stream broke off before its end")
}
