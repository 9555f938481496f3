//! The publication of a collection: a head, and its parts in as many messages as they need.

use shared::model::{Manifest, Parts};

use super::{Invalid, Publish};
use crate::v1;
use crate::v1::publish_collection_request::{Parts as WireParts, Step};

/// Bytes of fragment roots in one message, unless a single manifest has more (at most 2 MiB): below the 4 MiB
/// that gRPC servers read by default.
const MESSAGE_ROOTS: usize = 1 << 20;

/// Puts the publication of a collection together from its messages.
#[derive(Debug, Default)]
pub struct Gathering {
    head: Option<Publish>,
    parts: Vec<Manifest>,
    fragments: u64,
}

impl Gathering {
    /// Takes in the next message.
    ///
    /// # Errors
    /// When it is not one that may come now, or too much has come.
    pub fn take(&mut self, wire: v1::PublishCollectionRequest) -> Result<(), Invalid> {
        match (wire.step.ok_or(Invalid::Missing("step"))?, &self.head) {
            (Step::Head(head), None) => self.head = Some(head.try_into()?),
            (Step::Head(_), Some(_)) => return Err(Invalid::field("head", "it has come already")),
            (Step::Parts(_), None) => return Err(Invalid::Missing("head")),
            (Step::Parts(parts), Some(_)) => {
                // Checked before anything is built: a publication that is refused in the end is not gathered
                // until then.
                let fragments: u64 = parts
                    .manifests
                    .iter()
                    .map(|manifest| (manifest.fragment_roots.len() / 32) as u64)
                    .sum();
                self.fragments += fragments;
                if self.parts.len() + parts.manifests.len() > Parts::MAX
                    || self.fragments > Parts::MAX_FRAGMENTS
                {
                    return Err(Invalid::field(
                        "parts",
                        "there are too many; split the collection",
                    ));
                }
                for manifest in parts.manifests {
                    self.parts.push(manifest.try_into()?);
                }
            }
        }
        Ok(())
    }

    /// The publication, when all messages have come.
    ///
    /// # Errors
    /// When the head is missing, or the parts are too many.
    pub fn finish(self) -> Result<Publish, Invalid> {
        let head = self.head.ok_or(Invalid::Missing("head"))?;
        let parts = Parts::new(self.parts).map_err(|error| Invalid::field("parts", error))?;
        Ok(Publish {
            parts: Some(parts),
            ..head
        })
    }
}

/// The messages of a publication with these parts.
pub(crate) fn publication(publish: &Publish, parts: &Parts) -> Vec<v1::PublishCollectionRequest> {
    let step = |step| v1::PublishCollectionRequest { step: Some(step) };
    let mut messages = vec![step(Step::Head(publish.into()))];
    let mut batch = Vec::new();
    let mut filled = 0;
    for manifest in parts.manifests() {
        // Lengths and tags of a manifest are below 64 bytes.
        let size = manifest.roots().len() * 32 + 64;
        if filled + size > MESSAGE_ROOTS && !batch.is_empty() {
            let manifests = std::mem::take(&mut batch);
            messages.push(step(Step::Parts(WireParts { manifests })));
            filled = 0;
        }
        filled += size;
        batch.push(manifest.into());
    }
    if !batch.is_empty() {
        messages.push(step(Step::Parts(WireParts { manifests: batch })));
    }
    messages
}

#[cfg(test)]
mod tests {
    use shared::model::{Digest, Expectation, FragmentLength, Incarnation, PeerId, ReplicationTarget};

    use super::*;

    fn part(n: u32, fragments: u64) -> Manifest {
        let length = fragments * u64::from(FragmentLength::MIN.get());
        let root = |i: u64| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            bytes[4..12].copy_from_slice(&i.to_le_bytes());
            Digest::from_bytes(bytes)
        };
        let roots = (0..fragments).map(root).collect();
        Manifest::from_roots(length, FragmentLength::MIN, roots).expect("as many as needed")
    }

    fn publish(parts: Vec<Manifest>) -> Publish {
        Publish {
            name: "a/tree".parse().expect("a name"),
            manifest: part(0, 1),
            target: ReplicationTarget::new(2).expect("in bounds"),
            expectation: Expectation::Unbound,
            publisher: PeerId::from_bytes([1; 16]),
            incarnation: Incarnation::new(1),
            metadata: None,
            replaces_metadata: false,
            keeps_target: true,
            parts: Some(Parts::new(parts).expect("few")),
        }
    }

    #[test]
    fn what_is_sent_in_several_messages_is_put_together_again() {
        let sent = publish((1..40).map(|n| part(n, 2_000)).collect());
        let parts = sent.parts.clone().expect("a collection");
        let messages = publication(&sent, &parts);
        assert!(messages.len() > 2);
        let mut gathering = Gathering::default();
        for message in messages {
            assert!(prost::Message::encoded_len(&message) < 4 << 20);
            gathering.take(message).expect("in order");
        }
        let received = gathering.finish().expect("complete");
        assert_eq!((received.parts, received.name), (Some(parts), sent.name));
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let sent = publish(vec![part(1, 1)]);
        let messages = publication(&sent, &sent.parts.clone().expect("a collection"));
        let mut gathering = Gathering::default();
        assert_eq!(gathering.take(messages[1].clone()), Err(Invalid::Missing("head")));
        gathering.take(messages[0].clone()).expect("the head");
        assert!(gathering.take(messages[0].clone()).is_err());
        assert!(Gathering::default().finish().is_err());
    }
}
