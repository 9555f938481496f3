//! Texts for people.

use std::time::Duration;

use shared::model::{
    CollectionSize, ContentId, Digest, Endangered, Epoch, Extent, FaultKind, FragmentLength, Holder,
    Incarnation, Manifest, PeerState, PinCount, ReasonCode, ReplicationTarget, RevisedContent, Share,
    SourceRank, Whole,
};

use super::*;

fn peer() -> PeerInfo {
    PeerInfo {
        id: PeerId::from_bytes([0xab; 16]),
        address: "127.0.0.1:50053".parse().expect("an address"),
        zone: None,
        state: PeerState::Suspect,
        capacity: 50 << 30,
        free: 49 << 30,
        incarnation: Incarnation::new(1),
        contents: 2,
        mode: shared::model::PeerMode::Active,
        reach: shared::model::Reach::Reachable,
        is_visitor: false,
        copy: None,
    }
}

fn set(count: u32, members: &[u32]) -> FragmentSet {
    let mut bytes = vec![0_u8; count.div_ceil(8) as usize];
    for member in members {
        bytes[*member as usize / 8] |= 1 << (member % 8);
    }
    FragmentSet::from_bytes(count, &bytes).expect("members of the content")
}

#[test]
fn fragments_are_shown_as_runs() {
    assert_eq!(ranges(&FragmentSet::full(40)), "all 40");
    assert_eq!(ranges(&set(40, &[0, 1, 2, 7, 20, 21])), "0-2,7,20-21 (6 of 40)");
    let odd: Vec<u32> = (0..20).map(|n| n * 2 + 1).collect();
    assert_eq!(ranges(&set(40, &odd)), "1,3,5,7,9,11,… (20 of 40)");
}

#[test]
fn peers_are_a_table() {
    let expected = "\
PEER        ADDRESS          ZONE  STATE        FREE  CAPACITY  CONTENTS
ababababab  127.0.0.1:50053  -     suspect  49.0 GiB  50.0 GiB         2";
    assert_eq!(peers(&[peer()]).render(), expected);
}

#[test]
fn a_location_says_who_holds_what_and_how_many_are_not_shown() {
    let roots = vec![Digest::from_bytes([1; 32]); 3];
    let manifest = Manifest::from_roots(150_000, FragmentLength::MIN, roots).expect("three fragments");
    let target = ReplicationTarget::new(2).expect("a target");
    let found = Location {
        binding: Binding {
            name: "a/x".parse().expect("a name"),
            revision: Revision::new(4),
            content: manifest.content(),
            length: 150_000,
            target,
            published_at: Timestamp::from_millis(1),
            metadata: None,
            collection: None,
        },
        health: Health {
            state: ContentState::Degraded,
            target,
            fewest: 1,
            fragments_at_target: 1,
            fragments: 3,
            copies_under_way: 0,
        },
        holders: vec![Holder {
            peer: peer(),
            fragments: set(3, &[0, 1]),
            keeps: true,
            rank: SourceRank::Keeper,
            proved_at: Some(Timestamp::from_millis(1)),
        }],
        holder_count: 9,
        manifest,
        whole: None,
    };
    let told = location("a/x", &found, None);
    let expected = format!(
        "\
a/x  revision 4  146.5 KiB
3 fragments of 64.0 KiB, 1 of them with 2 replicas or more; each fragment has at least 1 replica (wanted: 2): degraded
id {}

PEER        ADDRESS          ZONE  STATE    KEEPS        FRAGMENTS
ababababab  127.0.0.1:50053  -     suspect  yes, proved  0-1 (2 of 3)
(1 of 9 holders)",
        found.binding.content
    );
    assert_eq!(told, expected);
    // The table folds to the terminal.
    let narrow = location("a/x", &found, Some(40));
    let table = narrow.split_once("\n\n").expect("a table").1;
    assert!(table.lines().all(|line| line.chars().count() <= 40), "{narrow}");
    // Of a directory it says how all of it stands.
    let share = |held, kept| Share {
        peer: peer(),
        held,
        kept,
        bytes: 1,
    };
    let mut of_all = found.clone();
    of_all.binding.collection = Some(CollectionSize {
        parts: 2,
        length: 194_720_563,
    });
    of_all.health.fragments = 3_001;
    of_all.health.fragments_at_target = 2_994;
    of_all.whole = Some(Whole {
        extent: Extent {
            contents: 3,
            length: 194_870_563,
        },
        holder_count: 300,
        keeper_count: 2,
        shares: vec![share(3_001, 3_001), share(3_000, 7), share(5, 0)],
    });
    let told = location("a/x", &of_all, None);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "a/x  revision 4  185.7 MiB");
    let stands = "a directory, its catalog and 2 parts: 3001 fragments, 2994 of them with 2 replicas or more; each fragment has at least 1 replica (wanted: 2): degraded";
    assert_eq!(lines[1], stands);
    assert!(lines[5].ends_with("yes    all 3001"), "{told}");
    assert!(lines[6].ends_with("yes    3000 of 3001, keeps 7"), "{told}");
    assert!(lines[7].ends_with("no     5 of 3001"), "{told}");
    assert_eq!(lines[8], "(3 of 300 holders, 2 of which keep something)");
}

/// Returns the status of a node that is connecting, of which much can be told.
fn connecting() -> Status {
    let mut suspended = SuspendedFiles::default();
    for absence in [Absence::Gone, Absence::Unreadable] {
        suspended.add(SuspendedFile {
            path: format!("/a\n{absence}").into(),
            absence,
            lasted: Duration::from_secs(61),
        });
    }
    Status {
        peer: PeerId::from_bytes([1; 16]),
        incarnation: Incarnation::new(7),
        address: "127.0.0.1:1".parse().expect("an address"),
        zone: None,
        data_dir: "/d".into(),
        version: "0.1.0".to_owned(),
        capacity: 1 << 30,
        scrub: proto::messages::control::Scrub::default(),
        defaults: shared::model::NetworkDefaults::default(),
        used: 1 << 29,
        contents: 2,
        visitor_host: None,
        unreachable: None,
        session: SessionStatus::Connecting {
            reason: "refused\u{1b}[2J".to_owned(),
        },
        epoch: Epoch::new(0),
        pending_publications: 1,
        refused_publications: 1,
        network: None,
        kept_apart: Vec::new(),
        security: None,
        lost: shared::model::LostFiles {
            files: 3,
            bytes: 5 << 20,
        },
        suspended,
        uptime: Duration::from_secs(61),
        bytes_sent: 0,
        bytes_received: 2 << 20,
        bytes_wasted: 1 << 20,
        bytes_checked: 0,
        active_fetches: 0,
        active_uploads: 1,
        limits: RateLimits {
            upload: ByteRate::new(10 << 20),
            download: None,
        },
        source_faults: vec![
            SourceFault {
                peer: PeerId::from_bytes([2; 16]),
                address: "127.0.0.1:2".parse().expect("an address"),
                kind: FaultKind::Slow,
                times: 3,
                ago: Duration::from_secs(65),
                rate: ByteRate::new(30 << 10),
            },
            SourceFault {
                peer: PeerId::from_bytes([3; 16]),
                address: "127.0.0.1:3".parse().expect("an address"),
                kind: FaultKind::Lied,
                times: 1,
                ago: Duration::from_secs(2),
                rate: None,
            },
        ],
    }
}

#[test]
fn a_status_says_why_there_is_no_session_and_cannot_move_the_cursor() {
    let told = status(&connecting(), Some(PeerMode::Active), Timestamp::from_millis(0));
    let expected = format!(
        "\
peer       {} (run 7)
address    127.0.0.1:1
network    connecting
           refused [2J
data       /d
capacity   512.0 MiB of 1.0 GiB used
contents   2
traffic    0 B sent, 2.0 MiB received, 1.0 MiB of it wasted
limits     upload 10.0 MiB/s, download unlimited
transfers  0 downloads, 1 upload
faults     0202020202 at 127.0.0.1:2 slow, 30.0 KiB/s; 3 times, the last 1m 5s ago
           0303030303 at 127.0.0.1:3 lied; 2.0s ago
scrubbing  not begun yet
waiting    1 to be published
refused    1 by the tracker; `peer list --local` says why
lost       3 files with 5.0 MiB in /d/lost: nothing refers to them and they prove nothing; look at them, and delete them when nobody misses them
away       2 files shared in place (1 gone, 1 unreadable): nobody is served from there; shared again when they are back, given up after 30 days
           /a gone: gone for 1m 1s
           /a unreadable: unreadable for 1m 1s
version    0.1.0, up 1m 1s",
        "01".repeat(16)
    );
    assert_eq!(told, expected);
}

#[test]
fn a_status_says_that_a_peer_is_drained_or_may_be_away() {
    let (shown, now) = (connecting(), Timestamp::from_millis(0));
    let active = status(&shown, Some(PeerMode::Active), now);
    assert_eq!(active, status(&shown, None, now), "no tracker tells it");
    let until = now.after(Duration::from_secs(60));
    for (mode, line) in [
        (PeerMode::Draining, "mode       this peer is being drained: "),
        (
            PeerMode::Maintenance { until },
            "mode       this peer may be away for 1m 0s: ",
        ),
    ] {
        let told = status(&shown, Some(mode), now);
        assert!(told.lines().any(|told| told.starts_with(line)), "{told}");
    }
}

#[test]
fn an_empty_file_is_always_complete() {
    let target = ReplicationTarget::new(3).expect("a target");
    let manifest = Manifest::from_roots(0, FragmentLength::MIN, Vec::new()).expect("empty");
    let health = Health {
        state: ContentState::Replicated,
        target,
        fewest: 0,
        fragments_at_target: 0,
        fragments: 0,
        copies_under_way: 0,
    };
    let binding = Binding {
        name: "a/empty".parse().expect("a name"),
        revision: Revision::new(1),
        content: manifest.content(),
        length: 0,
        target,
        published_at: Timestamp::from_millis(1),
        metadata: None,
        collection: None,
    };
    let listing = Listing {
        binding: binding.clone(),
        health,
        pinned: Vec::new(),
    };
    let table = names(&[listing]).render();
    assert!(
        table
            .lines()
            .nth(1)
            .is_some_and(|row| row.contains("0 B         -  empty ")),
        "{table}"
    );
    let found = Location {
        binding: binding.clone(),
        health,
        holders: Vec::new(),
        holder_count: 0,
        manifest,
        whole: None,
    };
    let located = location("a/empty", &found, None);
    assert!(
        located.contains("it needs no replicas, and is always complete"),
        "{located}"
    );
    let explained = Why {
        name: binding.name.clone(),
        content: binding.content,
        health,
        reasons: Vec::new(),
        fetch: None,
        extent: None,
    };
    let explained = why("a/empty", &explained);
    assert_eq!(
        explained,
        "a/empty: empty, and always complete; nothing is missing"
    );
    assert!(stands("a/empty", &health).ends_with("always complete"));
}

#[test]
fn a_history_is_a_table_of_what_is_there_and_what_is_not() {
    let now = Timestamp::from_millis(10_000_000);
    let entry = |revision: u64, state, pins, is_bound: bool| RevisionEntry {
        revision: Revision::new(revision),
        at: Timestamp::from_millis(10_000_000 - (9 - revision) * 60_000),
        state,
        pins: PinCount::new(pins),
        bound: is_bound.then(|| RevisedContent {
            attributes: None,
            content: ContentId::from_bytes([0xab; 32]),
            length: 2048,
            target: ReplicationTarget::new(2).expect("in bounds"),
            collection: None,
        }),
        health: None,
    };
    let all = [
        entry(8, RevisionState::Current, 1, true),
        entry(7, RevisionState::Removed, 0, false),
        entry(6, RevisionState::Collected, 2, true),
    ];
    let expected = "\
REV  WHEN          SIZE  REPLICAS  STATE            ID
  8  1m 0s ago  2.0 KiB         -  current, pinned  ababababab
  7  2m 0s ago        -         -  removed          -
  6  3m 0s ago  2.0 KiB         -  collected        ababababab";
    assert_eq!(history(&all, now).render(), expected);
    assert_eq!(now.since(all[0].at), Duration::from_secs(60));
}

fn drain_status() -> DrainStatus {
    DrainStatus {
        mode: PeerMode::Draining,
        contents: 3,
        bytes: 3 << 20,
        contents_left: 1,
        bytes_left: 1 << 20,
        is_safe: false,
        reasons: vec![Reason {
            code: ReasonCode::NoRoom,
            detail: "a: 1 of 1 peer without room for a copy".to_owned(),
        }],
        remaining: Some(Duration::from_secs(90)),
    }
}

#[test]
fn a_drain_says_what_is_left_why_and_for_how_long() {
    assert_eq!(
        drain(&drain_status()),
        "not safe to switch off yet: 1 of 3 contents still need this peer, 1.0 MiB of 3.0 MiB; about 1m 30s left\n  \
         no_room            a: 1 of 1 peer without room for a copy"
    );
    let safe = DrainStatus {
        is_safe: true,
        contents_left: 0,
        ..drain_status()
    };
    assert!(drain(&safe).starts_with("safe to switch off: "));
}

#[test]
fn a_survey_names_losses_and_the_endangered() {
    let endangered = Survey {
        contents: 2,
        bytes: 2 << 20,
        replicated: 1,
        degraded: 1,
        survives: [1, 0, 1, 0],
        fatal: Losses {
            peers: vec![PeerId::from_bytes([0xab; 16])],
            peer_count: 1,
            pair_count: 0,
            zones: vec!["north".parse().expect("a zone")],
            zone_count: 7,
            ..Losses::default()
        },
        endangered: vec![Endangered {
            fewest: 1,
            name: "a".parse().expect("a name"),
            target: 3,
            copies_under_way: 4,
        }],
        repair: Repair {
            bytes_waiting: 1 << 20,
            ..Repair::default()
        },
        ..Survey::default()
    };
    let counted = Survey {
        endangered_names: 12,
        ..endangered.clone()
    };
    let text = survey(&counted, None);
    assert!(text.ends_with(&words::shown_of(1, 12)), "{text}");
    let text = survey(&endangered, None);
    let expected = [
        "2 contents, 2.0 MiB: 1 replicated, 1 degraded, 0 unavailable",
        "1 survive none, 0 any one, 1 any two",
        "1 single peer (abababab",
        "no pair, 7 zones (north, …)",
        "1.0 MiB waiting",
        "nothing has arrived in the last minute",
        "1/3",
    ];
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_member_says_how_long_its_certificate_lasts() {
    let (now, hour) = (Timestamp::from_millis(1 << 40), 3_600_000);
    let mut status = connecting();
    assert!(!super::status(&status, None, now).contains("security"));
    status.security = Some(Membership {
        mode: shared::security::authorization::Mode::Required,
        cluster: shared::model::ClusterId::from_bytes([3; 8]),
        ends: Timestamp::from_millis(now.as_millis() + 5 * hour),
        failure: Some("no tracker\u{1b}[2J".to_owned()),
    });
    let told = super::status(&status, None, now);
    let line = format!(
        "security   required; member of {}, with a certificate for 5h 0m more\n",
        "03".repeat(8)
    );
    assert!(told.contains(&line), "{told}");
    assert!(told.contains("could not be renewed: no tracker"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told:?}");
    let later = Timestamp::from_millis(now.as_millis() + 6 * hour);
    assert!(super::status(&status, None, later).contains("has ended"));
}
