//! Contents without a file, as commands send and read them.
//!
//! The sender marks the end of a stream explicitly: a stream that merely ends may have lost its sender.

use bytes::Bytes;
use shared::model::{FragmentLength, Name, ReplicationTarget};

use super::GetEvent;
use crate::messages::parsed;
use crate::messages::types::{chosen_fragment_length, chosen_target, fragment_length_number, target_number};
use crate::{Invalid, v1};

/// Publish the bytes that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddStream {
    /// The name to bind.
    pub name: Name,
    /// Replicas wanted; `None` means as many as the name has, or the network's default for a new one.
    pub target: Option<ReplicationTarget>,
    /// Length of the fragments; `None` lets the network's default, or else the content's length decide.
    pub fragment_length: Option<FragmentLength>,
    /// Whether a name that is bound to another content should be bound to this one.
    pub update: bool,
    /// Whether to go on reporting until every fragment has its target of replicas.
    pub wait: bool,
}

/// A message of an [`AddStream`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddStep {
    /// First.
    Begin(AddStream),
    /// Bytes that come next, at most 1 MiB.
    Data(Bytes),
    /// Last: how many bytes there were.
    End(u64),
}

/// A message about a content that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEvent {
    /// Progress; its `held` counts the bytes sent.
    Told(GetEvent),
    /// Bytes that come next, verified, at most 1 MiB.
    Data(Bytes),
}

impl From<GetEvent> for ReadEvent {
    fn from(event: GetEvent) -> Self {
        Self::Told(event)
    }
}

impl TryFrom<v1::AddStreamRequest> for AddStep {
    type Error = Invalid;

    fn try_from(wire: v1::AddStreamRequest) -> Result<Self, Invalid> {
        use v1::add_stream_request::Step;
        Ok(match wire.step.ok_or(Invalid::Missing("step"))? {
            Step::Begin(begin) => Self::Begin(AddStream {
                name: parsed("name", &begin.name)?,
                target: chosen_target(begin.target)?,
                fragment_length: chosen_fragment_length(begin.fragment_length)?,
                update: begin.update,
                wait: begin.wait,
            }),
            Step::Data(bytes) => Self::Data(bytes),
            Step::End(end) => Self::End(end.length),
        })
    }
}

impl From<AddStep> for v1::AddStreamRequest {
    fn from(step: AddStep) -> Self {
        use v1::add_stream_request::{Begin, End, Step};
        let step = match step {
            AddStep::Begin(begin) => Step::Begin(Begin {
                name: begin.name.to_string(),
                target: target_number(begin.target),
                fragment_length: fragment_length_number(begin.fragment_length),
                update: begin.update,
                wait: begin.wait,
            }),
            AddStep::Data(bytes) => Step::Data(bytes),
            AddStep::End(length) => Step::End(End { length }),
        };
        Self { step: Some(step) }
    }
}

impl TryFrom<v1::ReadEvent> for ReadEvent {
    type Error = Invalid;

    fn try_from(wire: v1::ReadEvent) -> Result<Self, Invalid> {
        use v1::read_event::Event;
        Ok(match wire.event.ok_or(Invalid::Missing("event"))? {
            Event::Told(told) => Self::Told(told.try_into()?),
            Event::Data(bytes) => Self::Data(bytes),
        })
    }
}

impl From<ReadEvent> for v1::ReadEvent {
    fn from(event: ReadEvent) -> Self {
        use v1::read_event::Event;
        let event = match event {
            ReadEvent::Told(told) => Event::Told(told.into()),
            ReadEvent::Data(bytes) => Event::Data(bytes),
        };
        Self { event: Some(event) }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::ContentId;

    use super::*;

    #[test]
    fn what_is_streamed_survives_the_wire() {
        let begin = AddStream {
            name: "a/b".parse().expect("a name"),
            target: Some(ReplicationTarget::DEFAULT),
            fragment_length: FragmentLength::new(1 << 16).ok(),
            update: true,
            wait: false,
        };
        for step in [
            AddStep::Begin(begin),
            AddStep::Data(Bytes::from_static(b"bytes")),
            AddStep::Data(Bytes::new()),
            AddStep::End(5),
        ] {
            assert_eq!(v1::AddStreamRequest::from(step.clone()).try_into(), Ok(step));
        }
        let started = GetEvent::Started {
            output: None,
            name: "a/b".parse().expect("a name"),
            content: ContentId::from_bytes([3; 32]),
            length: 5,
            fragments: 1,
            already_held: 0,
        };
        for event in [
            ReadEvent::Told(started),
            ReadEvent::Data(Bytes::from_static(b"bytes")),
        ] {
            assert_eq!(v1::ReadEvent::from(event.clone()).try_into(), Ok(event));
        }
    }

    #[test]
    fn a_message_that_says_nothing_is_refused() {
        let nothing = v1::AddStreamRequest { step: None };
        assert_eq!(AddStep::try_from(nothing), Err(Invalid::Missing("step")));
        let nothing = v1::ReadEvent { event: None };
        assert_eq!(ReadEvent::try_from(nothing), Err(Invalid::Missing("event")));
        let unnamed = v1::add_stream_request::Begin::default();
        let unnamed = v1::AddStreamRequest {
            step: Some(v1::add_stream_request::Step::Begin(unnamed)),
        };
        assert!(AddStep::try_from(unnamed).is_err());
    }
}
