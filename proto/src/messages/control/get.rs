//! Fetching a content into a file: the request, and the events until the file is complete.

use std::path::PathBuf;
use std::time::Duration;

use shared::collection::{Mode, Selection};
use shared::model::{ContentId, ContentRef, FetchPhase, FetchSource, FetchSourceState, Name, Waiting};

use super::fetch::{waiting_from, waiting_to};
use super::wire::{absolute, selection, text_of};
use crate::messages::types::{content_id, peer_id};
use crate::messages::{Invalid, parsed};
use crate::v1;

/// Fetch a content into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Content to fetch.
    pub content: ContentRef,
    /// An absolute path.
    pub output: PathBuf,
    /// Whether an existing output file should be replaced once the content is complete.
    pub overwrite: bool,
    /// Selected entries of a collection.
    pub selection: Selection,
    /// Permissions that nothing written gets.
    pub umask: Mode,
    /// Directory that the user named, when `output` is the content's name in it: a collection that was not
    /// restored completely as that directory is continued there.
    pub directory: Option<PathBuf>,
}

/// Event of a [`Get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetEvent {
    /// The content to fetch; first event.
    Started {
        /// The name asked for, or one that the content has.
        name: Name,
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// Number of fragments.
        fragments: u32,
        /// Bytes that an earlier attempt left verified on disk.
        already_held: u64,
        /// The path that is written; none when the bytes go elsewhere, or the node does not say.
        output: Option<PathBuf>,
    },
    /// Several times a second.
    Progress {
        /// Verified bytes on disk.
        held: u64,
        /// Bytes in all.
        length: u64,
        /// Peers that are being fetched from.
        sources: u32,
        /// Bytes received from other peers in this attempt.
        received: u64,
        /// Wasted bytes among them.
        wasted: u64,
        /// Reason for little or no progress; none while bytes come as they should.
        waiting_for: Option<Waiting>,
        /// Work that is being done.
        phase: FetchPhase,
        /// The sources, and the part that each has given.
        from: Vec<FetchSource>,
    },
    /// Complete, verified, synced and in place; last.
    Done {
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// Bytes received from other peers in this attempt.
        received: u64,
        /// Wasted bytes among them.
        wasted: u64,
        /// Duration of this attempt.
        elapsed: Duration,
        /// Peers that served at least one fragment.
        sources_used: u32,
        /// Peers that gave something, or were asked.
        from: Vec<FetchSource>,
    },
}

/// The umask of commands that are older than its field, and of most users.
const USUAL_UMASK: u32 = 0o022;

impl TryFrom<v1::GetRequest> for Get {
    type Error = Invalid;

    fn try_from(wire: v1::GetRequest) -> Result<Self, Invalid> {
        Ok(Self {
            content: wire.r#ref.ok_or(Invalid::Missing("ref"))?.try_into()?,
            output: absolute("output", wire.output)?,
            overwrite: wire.overwrite,
            selection: selection(wire.include, wire.exclude)?,
            umask: Mode::of(wire.umask.unwrap_or(USUAL_UMASK)),
            directory: match wire.directory.as_str() {
                "" => None,
                _ => Some(absolute("directory", wire.directory)?),
            },
        })
    }
}

impl From<Get> for v1::GetRequest {
    fn from(get: Get) -> Self {
        Self {
            r#ref: Some((&get.content).into()),
            output: text_of(get.output),
            overwrite: get.overwrite,
            include: get.selection.include().to_vec(),
            exclude: get.selection.exclude().to_vec(),
            umask: Some(get.umask.get()),
            directory: get.directory.map(text_of).unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::GetEvent> for GetEvent {
    type Error = Invalid;

    fn try_from(wire: v1::GetEvent) -> Result<Self, Invalid> {
        use v1::get_event::Event;
        Ok(match wire.event.ok_or(Invalid::Missing("event"))? {
            Event::Started(started) => Self::Started {
                name: parsed("name", &started.name)?,
                content: content_id(&started.content_id)?,
                length: started.length,
                fragments: started.fragments,
                already_held: started.already_held,
                output: Some(started.output)
                    .filter(|path| !path.is_empty())
                    .map(Into::into),
            },
            Event::Progress(progress) => Self::Progress {
                held: progress.held,
                length: progress.length,
                sources: progress.sources,
                received: progress.received,
                wasted: progress.wasted,
                waiting_for: waiting_from(progress.waiting, &progress.waiting_for),
                phase: progress.phase.map(Into::into).unwrap_or_default(),
                from: sources(progress.from)?,
            },
            Event::Done(done) => Self::Done {
                content: content_id(&done.content_id)?,
                length: done.length,
                received: done.received,
                wasted: done.wasted,
                elapsed: Duration::from_millis(done.elapsed_ms),
                sources_used: done.sources_used,
                from: sources(done.from)?,
            },
        })
    }
}

impl From<GetEvent> for v1::GetEvent {
    fn from(event: GetEvent) -> Self {
        use v1::get_event::{Done, Event, Started};
        let event = match event {
            GetEvent::Started {
                name,
                content,
                length,
                fragments,
                already_held,
                output,
            } => Event::Started(Started {
                name: name.to_string(),
                content_id: content.as_bytes().to_vec().into(),
                length,
                fragments,
                already_held,
                output: output.map(text_of).unwrap_or_default(),
            }),
            GetEvent::Progress {
                held,
                length,
                sources,
                received,
                wasted,
                waiting_for,
                phase,
                from,
            } => Event::Progress(v1::FetchProgress {
                held,
                length,
                sources,
                waiting_for: waiting_for.as_ref().map(ToString::to_string).unwrap_or_default(),
                waiting: waiting_for.as_ref().and_then(waiting_to),
                phase: Some(phase.into()),
                received,
                wasted,
                from: from.into_iter().map(Into::into).collect(),
            }),
            GetEvent::Done {
                content,
                length,
                received,
                wasted,
                elapsed,
                sources_used,
                from,
            } => Event::Done(Done {
                content_id: content.as_bytes().to_vec().into(),
                length,
                received,
                wasted,
                elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                sources_used,
                from: from.into_iter().map(Into::into).collect(),
            }),
        };
        Self { event: Some(event) }
    }
}

fn sources(wire: Vec<v1::FetchSource>) -> Result<Vec<FetchSource>, Invalid> {
    let sources = wire.into_iter().take(FetchSource::MAX);
    sources.map(TryInto::try_into).collect()
}

impl TryFrom<v1::FetchSource> for FetchSource {
    type Error = Invalid;

    fn try_from(mut wire: v1::FetchSource) -> Result<Self, Invalid> {
        let state = match wire.state() {
            v1::FetchSourceState::Unspecified => return Err(Invalid::Missing("state")),
            v1::FetchSourceState::Connecting => FetchSourceState::Connecting,
            v1::FetchSourceState::Idle => FetchSourceState::Idle,
            v1::FetchSourceState::Asked => FetchSourceState::Asked,
            v1::FetchSourceState::Gone => FetchSourceState::Gone,
        };
        wire.asked.truncate(Self::MAX_ASKED);
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            address: parsed("address", &wire.address)?,
            state,
            fragments: wire.fragments,
            bytes: wire.bytes,
            asked: wire.asked,
        })
    }
}

impl From<FetchSource> for v1::FetchSource {
    fn from(source: FetchSource) -> Self {
        let state = match source.state {
            FetchSourceState::Connecting => v1::FetchSourceState::Connecting,
            FetchSourceState::Idle => v1::FetchSourceState::Idle,
            FetchSourceState::Asked => v1::FetchSourceState::Asked,
            FetchSourceState::Gone => v1::FetchSourceState::Gone,
        };
        Self {
            peer_id: source.peer.as_bytes().to_vec().into(),
            address: source.address.to_string(),
            state: state.into(),
            fragments: source.fragments,
            bytes: source.bytes,
            asked: source.asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::PeerId;

    use super::*;

    #[test]
    fn the_sources_of_a_fetch_survive_the_wire_and_need_a_state() {
        let of = |state| FetchSource {
            peer: PeerId::from_bytes([7; 16]),
            address: "192.168.20.85:50053".parse().expect("an address"),
            state,
            fragments: 3,
            bytes: 3 << 20,
            asked: vec![4, 9],
        };
        let states = [
            FetchSourceState::Connecting,
            FetchSourceState::Idle,
            FetchSourceState::Asked,
            FetchSourceState::Gone,
        ];
        let progress = GetEvent::Progress {
            held: 1,
            length: 2,
            sources: 4,
            received: 1,
            wasted: 0,
            waiting_for: Some(Waiting::NoSourceOfSome(3)),
            phase: FetchPhase::Fetching,
            from: states.map(of).to_vec(),
        };
        let mut wire = v1::GetEvent::from(progress.clone());
        assert_eq!(wire.clone().try_into(), Ok(progress));
        if let Some(v1::get_event::Event::Progress(progress)) = &mut wire.event {
            progress.from[2].state = 0;
        }
        assert_eq!(GetEvent::try_from(wire), Err(Invalid::Missing("state")));
    }
}
