//! Phases of a fetch and its reasons to wait, on the wire.

use shared::model::{ByteRate, FetchPhase, PeerId, Waiting};

use crate::v1;
use v1::fetch_progress::phase::Kind;
use v1::fetch_progress::waiting::Code;

/// Reads a reason: in codes or, when it has none that this program knows, in words.
pub(super) fn waiting_from(wire: Option<v1::fetch_progress::Waiting>, words: &str) -> Option<Waiting> {
    let known = wire.and_then(|wire| {
        let (count, rate) = (wire.count, ByteRate::new(wire.bytes));
        Some(match wire.code() {
            Code::Unspecified => return None,
            Code::Searching => Waiting::Searching,
            Code::Connecting => Waiting::Connecting(count),
            Code::NoSource => Waiting::NoSource,
            Code::NoSourceOfSome => Waiting::NoSourceOfSome(count),
            Code::SourcesBusy => Waiting::SourcesBusy(count),
            Code::SourcesSilent => Waiting::SourcesSilent(count),
            Code::SlowSource => {
                let peer: [u8; 16] = wire.peer_id.as_ref().try_into().ok()?;
                Waiting::SlowSource(PeerId::from_bytes(peer), rate)
            }
            Code::SlowSources => Waiting::SlowSources(count, rate),
            Code::Memory => Waiting::Memory(wire.bytes),
            Code::Disk => Waiting::Disk,
            Code::Limit => Waiting::Limit(rate?),
        })
    });
    let told = || {
        if let Some(failures) = words.strip_prefix(Waiting::UNREACHED) {
            Waiting::Unreached(failures.to_owned())
        } else if let Some(addresses) = words.strip_prefix(Waiting::FOREIGN) {
            Waiting::Foreign(addresses.to_owned())
        } else {
            Waiting::Other(words.to_owned())
        }
    };
    known.or_else(|| (!words.is_empty()).then(told))
}

/// Returns a reason in codes; none for one that came in words.
pub(super) fn waiting_to(waiting: &Waiting) -> Option<v1::fetch_progress::Waiting> {
    let of = |rate: &Option<ByteRate>| rate.map_or(0, ByteRate::get);
    let (code, count, bytes) = match waiting {
        Waiting::Searching => (Code::Searching, 0, 0),
        Waiting::Connecting(count) => (Code::Connecting, *count, 0),
        Waiting::NoSource => (Code::NoSource, 0, 0),
        Waiting::NoSourceOfSome(count) => (Code::NoSourceOfSome, *count, 0),
        Waiting::SourcesBusy(count) => (Code::SourcesBusy, *count, 0),
        Waiting::SourcesSilent(count) => (Code::SourcesSilent, *count, 0),
        Waiting::SlowSource(_, rate) => (Code::SlowSource, 1, of(rate)),
        Waiting::SlowSources(count, rate) => (Code::SlowSources, *count, of(rate)),
        Waiting::Memory(bytes) => (Code::Memory, 0, *bytes),
        Waiting::Disk => (Code::Disk, 0, 0),
        Waiting::Limit(rate) => (Code::Limit, 0, rate.get()),
        // Their words say it all.
        Waiting::Unreached(_) | Waiting::Foreign(_) | Waiting::Other(_) => return None,
    };
    let peer = match waiting {
        Waiting::SlowSource(peer, _) => peer.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    Some(v1::fetch_progress::Waiting {
        code: code.into(),
        count,
        bytes,
        peer_id: peer.into(),
    })
}

impl From<v1::fetch_progress::Phase> for FetchPhase {
    /// A phase that this program does not know is about peers, as all were before there were phases.
    fn from(wire: v1::fetch_progress::Phase) -> Self {
        match wire.kind() {
            Kind::Connecting => Self::Connecting,
            Kind::Unspecified | Kind::Fetching => Self::Fetching,
            Kind::Checking => Self::Checking,
            Kind::Writing => Self::Writing {
                done: wire.done,
                total: wire.total,
            },
        }
    }
}

impl From<FetchPhase> for v1::fetch_progress::Phase {
    fn from(phase: FetchPhase) -> Self {
        let (kind, done, total) = match phase {
            FetchPhase::Connecting => (Kind::Connecting, 0, 0),
            FetchPhase::Fetching => (Kind::Fetching, 0, 0),
            FetchPhase::Checking => (Kind::Checking, 0, 0),
            FetchPhase::Writing { done, total } => (Kind::Writing, done, total),
        };
        Self {
            kind: kind.into(),
            done,
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_phases_survive_the_wire() {
        let (peer, rate) = (PeerId::from_bytes([7; 16]), ByteRate::new(1 << 20));
        let all = [
            Waiting::Searching,
            Waiting::Connecting(2),
            Waiting::Unreached("10.0.0.7:5: connection refused".to_owned()),
            Waiting::Foreign("10.0.0.7:5".to_owned()),
            Waiting::NoSource,
            Waiting::NoSourceOfSome(3),
            Waiting::SourcesBusy(1),
            Waiting::SourcesSilent(4),
            Waiting::SlowSource(peer, None),
            Waiting::SlowSource(peer, rate),
            Waiting::SlowSources(5, rate),
            Waiting::Memory(64 << 20),
            Waiting::Disk,
            Waiting::Limit(rate.expect("above zero")),
            Waiting::Other("a reason of the past".to_owned()),
        ];
        for waiting in all {
            let told = waiting_from(waiting_to(&waiting), &waiting.to_string());
            assert_eq!(told, Some(waiting));
        }
        assert_eq!(waiting_from(None, ""), None);
        for phase in [
            FetchPhase::Connecting,
            FetchPhase::Fetching,
            FetchPhase::Checking,
            FetchPhase::Writing {
                done: 6_251,
                total: 15_740,
            },
        ] {
            assert_eq!(FetchPhase::from(v1::fetch_progress::Phase::from(phase)), phase);
        }
    }
}
