//! The events that a watcher prints, in which order, and never twice.

use std::time::Duration;

use shared::model::{
    ContentId, Epoch, FeedPage, FeedPosition, Incarnation, Mark, ReplicationTarget, Timestamp,
};

use super::super::follower::Follower;
use super::*;

use ContentState::{Degraded, Replicated, Unavailable};

fn health(state: ContentState, fewest: u32) -> Health {
    Health {
        state,
        target: ReplicationTarget::new(3).expect("in bounds"),
        fewest,
        fragments_at_target: 0,
        fragments: 1,
        copies_under_way: 0,
    }
}

fn binding(text: &str, revision: u64) -> Binding {
    Binding {
        name: text.parse().expect("a name"),
        revision: Revision::new(revision),
        content: ContentId::from_bytes([1; 32]),
        length: 5,
        target: ReplicationTarget::new(3).expect("in bounds"),
        published_at: Timestamp::from_millis(1),
        metadata: None,
        collection: None,
    }
}

fn peer(state: PeerState, mode: PeerMode) -> PeerInfo {
    PeerInfo {
        id: PeerId::from_bytes([1; 16]),
        address: "h:1".parse().expect("an address"),
        zone: None,
        state,
        capacity: 1,
        free: 1,
        incarnation: Incarnation::new(1),
        contents: 0,
        mode,
        reach: shared::model::Reach::Reachable,
        is_visitor: false,
        copy: None,
    }
}

fn at(names: &[(Binding, Health)], peers: &[PeerInfo]) -> Look {
    Look {
        names: names.to_vec(),
        peers: peers.to_vec(),
        is_in_safe_mode: false,
    }
}

fn nothing() -> Seen {
    Seen::new(at(&[], &[]))
}

fn published(text: &str, revision: u64) -> FeedEvent {
    FeedEvent::Published(binding(text, revision))
}

fn gone(text: &str, revision: u64) -> FeedEvent {
    FeedEvent::Removed {
        name: text.parse().expect("a name"),
        revision: Revision::new(revision),
    }
}

fn file(text: &str, revision: u64, absence: Option<Absence>) -> FeedEvent {
    FeedEvent::File {
        name: text.parse().expect("a name"),
        revision: Revision::new(revision),
        peer: PeerId::from_bytes([1; 16]),
        address: "h:1".parse().expect("an address"),
        absence,
    }
}

#[test]
fn a_file_is_away_once_and_back_once() {
    let mut seen = nothing();
    assert_eq!(
        seen.learn(file("a", 1, Some(Absence::Gone))),
        [],
        "nothing is known of the name"
    );
    seen.learn(published("a", 1));
    let away = seen.learn(file("a", 1, Some(Absence::Gone)));
    assert!(
        matches!(
            &away[..],
            [Event::FileAway {
                absence: Absence::Gone,
                ..
            }]
        ),
        "{away:?}"
    );
    assert_eq!(seen.learn(file("a", 1, Some(Absence::Gone))), []);
    assert!(matches!(
        &seen.learn(file("a", 1, None))[..],
        [Event::FileBack { .. }]
    ));
    assert_eq!(seen.learn(file("a", 1, None)), []);
}

#[test]
fn a_file_that_came_back_while_the_tracker_was_away_is_back() {
    let mut seen = nothing();
    for name in ["a", "b"] {
        seen.learn(published(name, 1));
        seen.learn(file(name, 1, Some(Absence::Gone)));
    }
    seen.learn(FeedEvent::EpochBegun(Epoch::new(2)));
    assert_eq!(seen.learn(file("a", 1, Some(Absence::Gone))), [], "it is known");
    let back = seen.learn(FeedEvent::Settled);
    assert!(
        matches!(&back[..], [Event::FileBack { name, .. }] if name == "b"),
        "{back:?}"
    );
    assert_eq!(seen.learn(FeedEvent::Settled), []);
    // The next revision is another content, whose file is there.
    seen.learn(published("a", 2));
    assert_eq!(seen.learn(file("a", 2, None)), []);
}

fn standing(text: &str, revision: u64, state: ContentState, fewest: u32) -> FeedEvent {
    FeedEvent::Standing {
        name: text.parse().expect("a name"),
        revision: Revision::new(revision),
        health: health(state, fewest),
    }
}

fn renamed(from: &str, tombstone: u64, to: &str, revision: u64) -> FeedEvent {
    FeedEvent::Renamed {
        from: from.parse().expect("a name"),
        tombstone: Revision::new(tombstone),
        to: binding(to, revision),
    }
}

/// The kinds of the events, with the name and the revision if they have them.
fn told(events: &[Event]) -> Vec<String> {
    let told = |event: &Event| {
        let json = serde_json::to_value(event).expect("an object");
        let words = ["event", "name", "revision"].map(|field| match &json[field] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => String::new(),
        });
        words.join(" ").trim_end().to_owned()
    };
    events.iter().map(told).collect()
}

#[test]
fn a_content_s_life_is_told_once_each_however_it_is_learnt() {
    let story = [
        (published("a", 1), vec!["published a 1"]),
        (standing("a", 1, Degraded, 1), vec![]),
        (standing("a", 1, Degraded, 2), vec![]),
        (standing("a", 1, Replicated, 3), vec!["replicated a 1"]),
        (standing("a", 1, Degraded, 2), vec!["endangered a 1"]),
        (standing("a", 1, Unavailable, 0), vec!["endangered a 1"]),
        (standing("a", 1, Degraded, 1), vec![]),
        (standing("a", 1, Replicated, 3), vec!["repaired a 1"]),
        (published("a", 2), vec!["published a 2"]),
        (standing("a", 1, Degraded, 1), vec![]),
        (standing("a", 2, Replicated, 3), vec!["replicated a 2"]),
        (gone("a", 3), vec!["removed a"]),
        (standing("a", 2, Degraded, 2), vec![]),
    ];
    let mut by_events = nothing();
    for (event, expected) in story {
        assert_eq!(told(&by_events.learn(event.clone())), expected, "{event:?}");
        assert_eq!(by_events.learn(event.clone()), [], "{event:?} again");
        if let Some(known) = by_events.names.values().next().cloned()
            && let Some(health) = known.health
        {
            let look = at(&[(known.binding, health)], &[]);
            assert_eq!(by_events.clone().look(look), [], "a look after {event:?}");
        }
    }
}

#[test]
fn looks_alone_tell_the_same_story() {
    let mut seen = nothing();
    let mut next = |names: &[(Binding, Health)]| {
        let events = told(&seen.look(at(names, &[])));
        assert_eq!(seen.look(at(names, &[])), [], "looking twice says nothing");
        events
    };
    let a = |revision, state, fewest| [(binding("a", revision), health(state, fewest))];
    assert_eq!(next(&a(1, Degraded, 1)), ["published a 1"]);
    assert_eq!(next(&a(1, Replicated, 3)), ["replicated a 1"]);
    assert_eq!(next(&a(1, Degraded, 2)), ["endangered a 1"]);
    assert_eq!(next(&a(1, Replicated, 3)), ["repaired a 1"]);
    assert_eq!(next(&a(2, Replicated, 3)), ["published a 2", "replicated a 2"]);
    assert_eq!(next(&[]), ["removed a"]);
}

#[test]
fn what_was_not_seen_is_counted_and_not_made_up() {
    let mut seen = Seen::new(at(&[(binding("a", 2), health(Replicated, 3))], &[]));
    let events = seen.look(at(&[(binding("a", 6), health(Degraded, 1))], &[]));
    assert!(
        matches!(
            &events[..],
            [Event::Published {
                revision: 6,
                missed: 3,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_look_between_events_and_their_telling_doubles_and_hides_nothing() {
    // The feed has the removal and the new binding still to tell; the look shows their result.
    let mut seen = Seen::new(at(&[(binding("a", 1), health(Replicated, 3))], &[]));
    let events = seen.look(at(&[(binding("a", 3), health(Replicated, 3))], &[]));
    assert_eq!(told(&events), ["published a 3", "replicated a 3"]);
    for late in [gone("a", 2), published("a", 3), standing("a", 3, Replicated, 3)] {
        assert_eq!(seen.learn(late), []);
    }
    // A name that came and went before the look is told all the same.
    let events = [published("b", 1), gone("b", 2)].map(|event| told(&seen.learn(event)));
    assert_eq!(events, [["published b 1"], ["removed b"]]);
}

#[test]
fn a_renamed_content_keeps_what_is_known_of_its_replicas() {
    let mut seen = Seen::new(at(&[(binding("a", 1), health(Replicated, 3))], &[]));
    let events = seen.learn(renamed("a", 2, "b", 1));
    assert_eq!(told(&events), ["removed a", "published b 1"]);
    assert!(matches!(&events[0], Event::Removed { renamed_to: Some(to), .. } if to == "b"));
    assert!(matches!(&events[1], Event::Published { renamed_from: Some(from), .. } if from == "a"));
    assert_eq!(seen.learn(standing("b", 1, Replicated, 3)), []);
    assert_eq!(
        told(&seen.learn(standing("b", 1, Degraded, 2))),
        ["endangered b 1"]
    );
    assert_eq!(seen.learn(renamed("a", 2, "b", 1)), []);
}

#[test]
fn peers_come_and_go_and_are_used_for_this_and_that() {
    let mut seen = nothing();
    let until = Timestamp::from_millis(9);
    for (state, mode, expected) in [
        (PeerState::Live, PeerMode::Active, vec!["peer_joined"]),
        (PeerState::Suspect, PeerMode::Active, vec!["peer_suspect"]),
        (PeerState::Lost, PeerMode::Active, vec!["peer_lost"]),
        (PeerState::Live, PeerMode::Active, vec!["peer_returned"]),
        (
            PeerState::Live,
            PeerMode::Maintenance { until },
            vec!["peer_in_maintenance"],
        ),
        (
            PeerState::Suspect,
            PeerMode::Active,
            vec!["peer_suspect", "peer_active"],
        ),
        (PeerState::Suspect, PeerMode::Draining, vec!["peer_draining"]),
    ] {
        let event = FeedEvent::Peer {
            peer: peer(state, mode),
            has_left: false,
        };
        assert_eq!(told(&seen.learn(event.clone())), expected);
        assert_eq!(seen.learn(event), []);
        assert_eq!(seen.look(at(&[], &[peer(state, mode)])), []);
    }
    let left = FeedEvent::Peer {
        peer: peer(PeerState::Lost, PeerMode::Draining),
        has_left: true,
    };
    let events = seen.learn(left);
    assert!(
        matches!(&events[..], [Event::PeerLost(peer)] if peer.left),
        "{events:?}"
    );
}

#[test]
fn a_tracker_that_has_just_restarted_knows_nothing_of_losses() {
    let name = (binding("a", 1), health(Replicated, 3));
    let live = peer(PeerState::Live, PeerMode::Active);
    let restarted = Look {
        names: vec![(binding("a", 1), health(Unavailable, 0))],
        peers: vec![peer(PeerState::Suspect, PeerMode::Active)],
        is_in_safe_mode: true,
    };
    let mut seen = Seen::new(at(std::slice::from_ref(&name), std::slice::from_ref(&live)));
    assert_eq!(seen.look(restarted.clone()), []);
    assert_eq!(
        seen.look(at(std::slice::from_ref(&name), std::slice::from_ref(&live))),
        []
    );
    let mut newcomer = Seen::new(restarted);
    assert_eq!(newcomer.look(at(&[name], &[live])), [], "nothing has changed");
    let lost = at(&[], &[peer(PeerState::Lost, PeerMode::Active)]);
    assert_eq!(told(&newcomer.look(lost)), ["peer_lost", "removed a"]);
}

fn page(epoch: u64, sequence: u64, events: Vec<FeedEvent>) -> FeedPage {
    FeedPage {
        position: FeedPosition {
            mark: Mark {
                epoch: Epoch::new(epoch),
                began: Timestamp::from_millis(epoch),
                facts: sequence,
            },
            sequence,
        },
        is_gap: false,
        has_more: false,
        events,
    }
}

#[test]
fn a_restart_in_the_middle_is_followed_without_a_miss_or_a_repetition() {
    let mut follower = Follower::default();
    assert_eq!(follower.read(page(1, 0, vec![]), None), []);
    assert!(follower.is_look_due());
    assert_eq!(told(&follower.look(at(&[], &[]))), ["watching"]);
    assert_eq!(
        told(&follower.read(page(1, 1, vec![published("a", 1)]), None)),
        ["published a 1"]
    );
    // Facts that were journaled and not told before the crash come out of the journal, then the new epoch.
    let first = FeedPage {
        has_more: true,
        ..page(
            2,
            3,
            vec![
                published("a", 2),
                gone("a", 3),
                FeedEvent::EpochBegun(Epoch::new(2)),
            ],
        )
    };
    let events = follower.read(first, Some(Duration::from_secs(2)));
    assert_eq!(told(&events), ["interrupted", "published a 2", "removed a"]);
    assert!(matches!(
        events[0],
        Event::Interrupted {
            for_ms: 2000,
            restarted: true,
            gap: false
        }
    ));
    assert!(!follower.is_look_due(), "the feed has more to tell");
    let events = follower.read(page(2, 4, vec![published("b", 1)]), None);
    assert_eq!(told(&events), ["published b 1"]);
    assert!(follower.is_look_due());
    assert_eq!(
        follower.look(at(&[(binding("b", 1), health(Degraded, 1))], &[])),
        []
    );
    assert!(!follower.is_look_due());
    assert_eq!(follower.read(page(2, 5, vec![FeedEvent::Settled]), None), []);
    assert!(follower.is_look_due());
}

#[test]
fn after_a_gap_the_watcher_says_so_and_looks_at_everything() {
    let mut follower = Follower::default();
    drop(follower.read(page(1, 0, vec![]), None));
    drop(follower.look(at(&[], &[])));
    let gap = FeedPage {
        is_gap: true,
        ..page(1, 90_000, vec![])
    };
    let events = follower.read(gap, None);
    assert!(
        matches!(
            events[..],
            [Event::Interrupted {
                for_ms: 0,
                restarted: false,
                gap: true
            }]
        ),
        "{events:?}"
    );
    assert!(follower.is_look_due());
    let events = follower.look(at(&[(binding("a", 1), health(Replicated, 3))], &[]));
    assert_eq!(told(&events), ["published a 1", "replicated a 1"]);
}
