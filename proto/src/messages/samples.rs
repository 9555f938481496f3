//! Samples of copies, and what came of reading them.

use shared::model::{
    Digest, Epoch, FragmentLength, FragmentSet, MAX_FRAGMENTS, Order, Received, Remaining, Report, Sample,
    SampleOutcome, Source,
};

use super::types::{content_id, peer_id, words};
use super::{Invalid, required};
use crate::v1;
use crate::v1::sample_outcome::{Outcome, Proved};

impl TryFrom<v1::Received> for Received {
    type Error = Invalid;

    fn try_from(wire: v1::Received) -> Result<Self, Invalid> {
        Ok(Self {
            content: content_id(&wire.content_id)?,
            from: peer_id(&wire.peer_id)?,
        })
    }
}

impl From<Received> for v1::Received {
    fn from(received: Received) -> Self {
        Self {
            content_id: received.content.as_bytes().to_vec().into(),
            peer_id: received.from.as_bytes().to_vec().into(),
        }
    }
}

impl TryFrom<v1::SampleOutcome> for SampleOutcome {
    type Error = Invalid;

    fn try_from(wire: v1::SampleOutcome) -> Result<Self, Invalid> {
        Ok(match required("outcome", wire.outcome)? {
            Outcome::Proved(Proved {}) => Self::Proved,
            Outcome::Denied(reason) => Self::Denied(words(&reason)),
            Outcome::Unreached(reason) => Self::Unreached(words(&reason)),
        })
    }
}

impl From<SampleOutcome> for v1::SampleOutcome {
    fn from(outcome: SampleOutcome) -> Self {
        let outcome = match outcome {
            SampleOutcome::Proved => Outcome::Proved(Proved {}),
            SampleOutcome::Denied(reason) => Outcome::Denied(reason),
            SampleOutcome::Unreached(reason) => Outcome::Unreached(reason),
        };
        Self {
            outcome: Some(outcome),
        }
    }
}

impl TryFrom<v1::Checked> for Report {
    type Error = Invalid;

    fn try_from(wire: v1::Checked) -> Result<Self, Invalid> {
        Ok(Self::Checked {
            check: wire.check,
            outcome: required("outcome", wire.outcome)?.try_into()?,
        })
    }
}

impl TryFrom<v1::Kept> for Report {
    type Error = Invalid;

    fn try_from(wire: v1::Kept) -> Result<Self, Invalid> {
        Ok(Self::Kept {
            content: content_id(&wire.content_id)?,
            holder: peer_id(&wire.peer_id)?,
            outcome: required("outcome", wire.outcome)?.try_into()?,
        })
    }
}

impl TryFrom<v1::Sample> for Sample {
    type Error = Invalid;

    fn try_from(wire: v1::Sample) -> Result<Self, Invalid> {
        let fragment_length = FragmentLength::new(u64::from(wire.fragment_length))
            .map_err(|error| Invalid::field("fragment_length", error))?;
        let root =
            <[u8; 32]>::try_from(&wire.root[..]).map_err(|_| Invalid::field("root", "must have 32 bytes"))?;
        let sample = Self::new(
            content_id(&wire.content_id)?,
            wire.length,
            fragment_length,
            wire.fragment,
            Digest::from_bytes(root),
            wire.block,
        );
        sample.ok_or_else(|| Invalid::field("block", "the content has no such block"))
    }
}

impl From<Sample> for v1::Sample {
    fn from(sample: Sample) -> Self {
        Self {
            content_id: sample.content().as_bytes().to_vec().into(),
            length: sample.length(),
            fragment_length: sample.fragment_length().get(),
            fragment: sample.fragment().get(),
            root: sample.root().as_bytes().to_vec().into(),
            block: sample.block(),
        }
    }
}

impl TryFrom<v1::Remaining> for Remaining {
    type Error = Invalid;

    fn try_from(wire: v1::Remaining) -> Result<Self, Invalid> {
        if wire.fragment_count > MAX_FRAGMENTS {
            return Err(Invalid::field(
                "fragment_count",
                format!("at most {MAX_FRAGMENTS} are allowed"),
            ));
        }
        Ok(Self {
            holder: required("holder", wire.holder)?.try_into()?,
            fragments: FragmentSet::from_bytes(wire.fragment_count, &wire.fragments)
                .map_err(|error| Invalid::field("fragments", error))?,
        })
    }
}

impl From<Remaining> for v1::Remaining {
    fn from(remaining: Remaining) -> Self {
        Self {
            holder: Some(remaining.holder.into()),
            fragment_count: remaining.fragments.capacity(),
            fragments: remaining.fragments.to_bytes().into(),
        }
    }
}

impl TryFrom<v1::Check> for Order {
    type Error = Invalid;

    fn try_from(wire: v1::Check) -> Result<Self, Invalid> {
        Ok(Self::Check {
            epoch: Epoch::new(wire.epoch),
            check: wire.check,
            holder: required("holder", wire.holder)?.try_into()?,
            sample: required("sample", wire.sample)?.try_into()?,
        })
    }
}

/// An order to read a sample.
pub(super) fn check(epoch: Epoch, check: u64, holder: Source, sample: Sample) -> v1::Check {
    v1::Check {
        epoch: epoch.get(),
        check,
        holder: Some(holder.into()),
        sample: Some(sample.into()),
    }
}
