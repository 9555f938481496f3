//! Sources that did harm, from and to the wire.

use std::time::Duration;

use shared::model::{ByteRate, FaultKind, SourceFault};

use crate::messages::Invalid;
use crate::messages::types::peer_id;
use crate::v1;

impl TryFrom<v1::Culprit> for SourceFault {
    type Error = Invalid;

    fn try_from(wire: v1::Culprit) -> Result<Self, Invalid> {
        let kind = match wire.offence() {
            v1::Offence::Unspecified => return Err(Invalid::Missing("offence")),
            v1::Offence::Lied => FaultKind::Lied,
            v1::Offence::Stalled => FaultKind::Stalled,
            v1::Offence::Slow => FaultKind::Slow,
        };
        let address = wire.address.parse();
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            address: address.map_err(|error| Invalid::field("address", error))?,
            kind,
            times: wire.times,
            ago: Duration::from_millis(wire.ago_ms),
            rate: ByteRate::new(wire.bytes_per_second),
        })
    }
}

impl From<SourceFault> for v1::Culprit {
    fn from(culprit: SourceFault) -> Self {
        let offence = match culprit.kind {
            FaultKind::Lied => v1::Offence::Lied,
            FaultKind::Stalled => v1::Offence::Stalled,
            FaultKind::Slow => v1::Offence::Slow,
        };
        Self {
            peer_id: culprit.peer.as_bytes().to_vec().into(),
            address: culprit.address.to_string(),
            offence: offence.into(),
            times: culprit.times,
            ago_ms: u64::try_from(culprit.ago.as_millis()).unwrap_or(u64::MAX),
            bytes_per_second: culprit.rate.map_or(0, ByteRate::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::PeerId;

    use super::*;

    #[test]
    fn culprits_survive_the_wire_and_need_an_offence() {
        for (kind, rate) in [
            (FaultKind::Lied, None),
            (FaultKind::Stalled, None),
            (FaultKind::Slow, ByteRate::new(30_000)),
        ] {
            let culprit = SourceFault {
                peer: PeerId::from_bytes([7; 16]),
                address: "host:1".parse().expect("an address"),
                kind,
                times: 3,
                ago: Duration::from_millis(1500),
                rate,
            };
            let mut wire = v1::Culprit::from(culprit.clone());
            assert_eq!(wire.clone().try_into(), Ok(culprit));
            wire.offence = 0;
            assert_eq!(SourceFault::try_from(wire), Err(Invalid::Missing("offence")));
        }
    }
}
