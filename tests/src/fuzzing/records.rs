//! Byte forms of our own making, and certificates.

use rustls::pki_types::CertificateDer;
use shared::collection::{Attributes, Builder, Catalog, Data, File, Kind, Mode, ModifiedAt};
use shared::model::{
    CollectionSize, ContentId, Digest, Epoch, FileMetadata, FragmentLength, FragmentSet, Holding,
    Incarnation, KeyHash, Manifest, Mark, NetworkId, Parts, PeerId, PeerMode, PinCount, PublicKey,
    ReplicationTarget, RevisedContent, Revision, RevisionLimit, Timestamp,
};
use tracker::authority::Proved;
use tracker::journal::codec;
use tracker::state::{EpochBegin, Fact, NameFact, Past, Record, Registration};

use super::Target;

/// A member's certificate. Its life and its signature do not matter here.
const MEMBER: &[u8] = include_bytes!("../../fixtures/member.der");

/// A request for a certificate, by a key of P-256 that nobody has kept.
const REQUEST: &[u8] = include_bytes!("../../fixtures/request.der");

/// Length of a point of P-256, as certificate requests have it.
const POINT: usize = 65;

pub(super) const JOURNAL: Target = Target {
    name: "journal",
    run: journal,
    samples: || {
        facts()
            .into_iter()
            .map(|fact| codec::encode(&record(fact)))
            .collect()
    },
    words: &[
        "\0\0\0\0",
        "\u{1}\0\0\0",
        "a/b",
        "10.1.2.3:50053",
        ":+5",
        "[::1]:1",
    ],
    inputs: 10_000,
};

pub(super) const CATALOG: Target = Target {
    name: "catalog",
    run: catalog,
    samples: catalogs,
    words: &["ENJC\u{1}", "ENJC\u{2}", "\0\0", "..", "a/b", "\u{2}\u{1}a"],
    inputs: 10_000,
};

pub(super) const CERTIFICATE: Target = Target {
    name: "certificate",
    run: certificate,
    samples: || vec![MEMBER.to_vec()],
    words: &[
        "Z",
        ".enjambre",
        ".peer.",
        "\u{17}\u{d}",
        "\u{18}\u{f}",
        "0\u{1e}",
        "99991231235959Z",
    ],
    inputs: 10_000,
};

pub(super) const CERTIFICATE_REQUEST: Target = Target {
    name: "certificate_request",
    run: certificate_request,
    samples: || vec![REQUEST.to_vec()],
    words: &[
        "0\u{13}",
        "\u{6}\u{7}*",
        "\u{3}B\0\u{4}",
        "\u{a0}\0",
        "1.2.840.10045",
        "CN",
    ],
    inputs: 2_000,
};

fn journal(bytes: &[u8]) {
    let Ok(record) = codec::decode(bytes) else { return };
    let again = codec::encode(&record);
    assert_eq!(codec::decode(&again).as_ref(), Ok(&record));
    // A record takes no more than its bytes say. An address alone has several forms: `[::0]:05` is `[::]:5`.
    assert!(
        again.len() <= bytes.len() + 40,
        "{} bytes of {}",
        again.len(),
        bytes.len()
    );
    if !matches!(record.fact, Fact::PeerRegistered(_)) {
        assert_eq!(
            again.escape_ascii().to_string(),
            bytes.escape_ascii().to_string(),
            "{record:?}"
        );
    }
}

fn catalog(bytes: &[u8]) {
    let Ok(catalog) = Catalog::decode(bytes) else {
        return;
    };
    assert!(Catalog::may_begin_with(bytes));
    assert_eq!(
        catalog.encode().expect("as long as before"),
        bytes,
        "one form for one catalog"
    );
    assert!(
        2 * catalog.entries().len() + 32 * catalog.parts().len() < bytes.len(),
        "more than there is"
    );
    for (at, entry) in catalog.entries().iter().enumerate() {
        let name = entry.name();
        assert!(
            !name.is_empty() && !name.contains('/') && name != "." && name != "..",
            "{name:?}"
        );
        if let Some(parent) = entry.parent() {
            let above = catalog.entries().get(parent);
            let is_directory = above.is_some_and(|above| matches!(above.kind, Kind::Directory(_)));
            assert!(parent < at && is_directory, "{name:?} lies in no directory");
        }
        if let Kind::File(file) = &entry.kind {
            assert!(
                file.holes.last().is_none_or(|hole| hole.end <= file.length),
                "{name:?}"
            );
            assert_eq!(file.data == Data::Empty, file.length == 0, "{name:?}");
        }
    }
}

fn certificate(bytes: &[u8]) {
    let der = CertificateDer::from(bytes);
    let Ok(read) = proto::tls::Certificate::read(&der) else {
        return;
    };
    let [own, _] = read.identity.names();
    let is_named = bytes.windows(own.len()).any(|window| window == own.as_bytes());
    assert!(is_named, "{own} is not in the certificate");
    // The last moment that a certificate can name.
    let last = Timestamp::from_millis(253_402_300_799_000);
    assert!(read.begins <= last && read.ends <= last, "{read:?}");
}

fn certificate_request(bytes: &[u8]) {
    let Ok(request) = proto::messages::security::certificate_request(bytes) else {
        return;
    };
    let Ok(proved) = Proved::by(&request) else {
        return;
    };
    // The key that is certified is one of the request, and the signature of the request covers it.
    let is_of = |point: &[u8]| PublicKey::from_bytes(point).is_ok_and(|key| key.hash() == proved.hash());
    assert!(
        bytes.windows(POINT).any(is_of),
        "{proved:?} is not in the request"
    );
    let again = Proved::by(&request).expect("as before");
    assert_eq!(again.hash(), proved.hash());
}

fn record(fact: Fact) -> Record {
    let at = Timestamp::from_millis(1_796_060_229_000);
    Record { at, fact }
}

fn manifest(fragments: u8) -> Manifest {
    let length = u64::from(fragments) * u64::from(FragmentLength::MIN.get());
    let roots = (0..fragments).map(|n| Digest::from_bytes([n; 32])).collect();
    Manifest::from_roots(length, FragmentLength::MIN, roots).expect("as many roots as fragments")
}

/// One fact of each kind, some with all their parts.
fn facts() -> Vec<Fact> {
    let (peer, revision) = (PeerId::from_bytes([7; 16]), Revision::new(3));
    let name = || "a/ñ.bin".parse().expect("a name");
    let target = ReplicationTarget::new(3).expect("in bounds");
    let published = |parts: Option<Vec<Manifest>>| Fact::Published {
        name: name(),
        revision,
        target,
        manifest: manifest(2),
        publishers: vec![peer],
        parts: parts.map(|parts| Parts::new(parts).expect("few")),
    };
    let registered = |zone: Option<&str>| {
        Fact::PeerRegistered(Registration {
            peer,
            incarnation: Incarnation::new(5),
            address: "10.1.2.3:50053".parse().expect("an address"),
            zone: zone.map(|zone| zone.parse().expect("a zone")),
            capacity: 1 << 40,
        })
    };
    let mode = |mode| Fact::ModeChanged { peer, mode };
    let until = Timestamp::from_millis(9);
    let began = EpochBegin {
        epoch: Epoch::new(2),
        at: until,
        facts: 4,
    };
    let seen = Mark {
        epoch: Epoch::new(2),
        began: until,
        facts: 4,
    };
    let holdings = vec![holding(FragmentSet::full(9)), holding(FragmentSet::empty(9))];
    let mut facts = vec![
        Fact::EpochBegun(Epoch::new(2)),
        Fact::NetworkNamed(NetworkId::from_bytes([9; 16])),
        registered(None),
        registered(Some("rack-7")),
        Fact::KeyRecorded {
            peer,
            key: KeyHash::from_bytes([5; 32]),
        },
        Fact::PeerGone(peer),
        Fact::VisitorGone(peer),
        Fact::PeerForgotten(peer),
        published(None),
        published(Some(vec![manifest(1), manifest(3)])),
        Fact::Removed {
            name: name(),
            revision,
        },
        Fact::Renamed {
            from: name(),
            tombstone: revision,
            to: "b".parse().expect("a name"),
            revision,
        },
        Fact::TargetChanged { name: name(), target },
        mode(PeerMode::Active),
        mode(PeerMode::Draining),
        mode(PeerMode::Maintenance { until }),
        Fact::WentAway {
            peer,
            holdings,
            is_more: true,
        },
        Fact::History {
            facts: 10,
            epochs: vec![began, began],
        },
        Fact::GapDeclared,
        Fact::GapFound { peer, seen },
        Fact::GapAccepted,
    ];
    facts.extend(name_facts().into_iter().map(Fact::Name));
    facts
}

fn holding(fragments: FragmentSet) -> Holding {
    Holding {
        content: ContentId::from_bytes([3; 32]),
        fragments,
        keeps: true,
        is_assigned: true,
        is_fetching: false,
    }
}

fn name_facts() -> Vec<NameFact> {
    let (revision, pins) = (Revision::new(3), PinCount::new(2));
    let name = || "a/ñ.bin".parse().expect("a name");
    let target = ReplicationTarget::new(3).expect("in bounds");
    let attributes = Attributes {
        mode: Mode::of(0o644),
        modified: ModifiedAt::new(-5, 999_999_999).expect("within a second"),
    };
    let collected = |collection| Past::Collected {
        was: RevisedContent {
            content: ContentId::from_bytes([3; 32]),
            length: 77,
            target,
            collection,
            attributes: None,
        },
        pins,
    };
    let kept = |parts: Option<Vec<Manifest>>| Past::Kept {
        since: Timestamp::from_millis(9),
        pins,
        target,
        manifest: manifest(2),
        publishers: vec![PeerId::from_bytes([7; 16])],
        parts: parts.map(|parts| Parts::new(parts).expect("few")),
    };
    let size = CollectionSize { parts: 2, length: 99 };
    let metadata = FileMetadata::new(attributes, vec![0..5, 10..15]).expect("apart");
    let mut facts = vec![
        NameFact::RevisionsKept(RevisionLimit::new(8).expect("in bounds")),
        NameFact::Collected {
            name: name(),
            revision,
        },
        NameFact::PinChanged {
            name: name(),
            revision,
            pins,
        },
        NameFact::Described {
            name: name(),
            revision,
            metadata,
        },
        NameFact::NameForgotten(name()),
        NameFact::FloorRaised(revision),
    ];
    let pasts = [
        Past::Removed,
        Past::Moved,
        collected(None),
        collected(Some(size)),
        kept(None),
        kept(Some(vec![manifest(1)])),
    ];
    facts.extend(pasts.map(|past| NameFact::Remembered {
        name: name(),
        revision,
        past,
    }));
    facts
}

fn catalogs() -> Vec<Vec<u8>> {
    let attributes = |mode, seconds| Attributes {
        mode: Mode::of(mode),
        modified: ModifiedAt::new(seconds, 7).expect("within a second"),
    };
    let file = |length, data, holes| File {
        attributes: attributes(0o644, 1_796_060_229),
        length,
        data,
        holes,
    };
    let [pack, whole] = [1, 2].map(|n| ContentId::from_bytes([n; 32]));
    let root = attributes(0o755, 1_796_060_229);
    let empty = Builder::new(root).finish().and_then(|catalog| catalog.encode());
    let full = || {
        let mut builder = Builder::new(root);
        builder.file("a", file(0, Data::Empty, Vec::new()))?;
        builder.file("b", file(10, Data::Packed(pack, 0), Vec::new()))?;
        builder.enter("d", attributes(0o700, -1))?;
        builder.file("c", file(20, Data::Packed(pack, 10), vec![2..4, 6..8]))?;
        builder.file("e", file(1 << 40, Data::Whole(whole), Vec::new()))?;
        builder.enter("empty", attributes(0o700, 5))?;
        builder.leave()?;
        builder.leave()?;
        builder.link("l", "d/c", ModifiedAt::new(3, 0).expect("within a second"))?;
        builder.finish()?.encode()
    };
    [empty, full()].map(|made| made.expect("a catalog")).to_vec()
}
