//! Watchers are sent every change once, in order, and through a restart; or the notice that events are
//! missing.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{
    Absence, ContentRef, ContentState, Epoch, FeedEvent, FeedPosition, FileNews, Listing, Manifest, Name,
    PeerId, PeerState, ReasonCode, Report, RequestedMode, Revision,
};

use super::world::{World, content, name, peer};
use crate::state::State;

const SECOND: Duration = Duration::from_secs(1);

/// State, fewest replicas (at most the target), and revision of a name.
type Stands = (Revision, ContentState, u32);

/// Reader that follows the feed, and looks at the state only when the feed says so.
pub(super) struct Reader {
    position: FeedPosition,
    names: BTreeMap<Name, Revision>,
    standings: BTreeMap<Name, Stands>,
    peers: BTreeMap<PeerId, PeerState>,
    pub(super) gaps: u32,
}

impl Reader {
    pub(super) fn new(state: &State) -> Self {
        let mut reader = Self {
            position: state.events_after(None).position,
            names: BTreeMap::new(),
            standings: BTreeMap::new(),
            peers: BTreeMap::new(),
            gaps: 0,
        };
        reader.look(state);
        reader
    }

    /// Reads all new events.
    pub(super) fn read(&mut self, state: &State) -> Vec<FeedEvent> {
        let (mut all, mut has_more, mut wants_look) = (Vec::new(), true, false);
        while has_more {
            let page = state.events_after(Some(self.position));
            (self.position, has_more) = (page.position, page.has_more);
            self.gaps += u32::from(page.is_gap);
            wants_look |= page.is_gap;
            for event in page.events {
                wants_look |= matches!(event, FeedEvent::EpochBegun(_) | FeedEvent::Settled);
                self.learn(&event);
                all.push(event);
            }
        }
        if wants_look {
            self.look(state);
        }
        assert!(
            state.events_after(Some(self.position)).events.is_empty(),
            "nothing is told twice"
        );
        all
    }

    fn learn(&mut self, event: &FeedEvent) {
        match event {
            FeedEvent::Published(bound) => drop(self.names.insert(bound.name.clone(), bound.revision)),
            FeedEvent::Renamed { from, to, .. } => {
                self.names.remove(from);
                self.names.insert(to.name.clone(), to.revision);
            }
            FeedEvent::Removed { name, .. } => drop(self.names.remove(name)),
            FeedEvent::Standing {
                name,
                revision,
                health,
            } => {
                let fewest = health.fewest.min(health.target.get());
                self.standings
                    .insert(name.clone(), (*revision, health.state, fewest));
            }
            FeedEvent::Peer { peer, .. } => drop(self.peers.insert(peer.id, peer.state)),
            FeedEvent::File { .. } | FeedEvent::EpochBegun(_) | FeedEvent::Settled => {}
        }
    }

    fn look(&mut self, state: &State) {
        self.names = state
            .list("", None, 1000)
            .names
            .into_iter()
            .map(|listed| (listed.binding.name, listed.binding.revision))
            .collect();
        if !state.is_in_safe_mode() {
            self.standings = standings(state);
            self.peers = peers(state);
        }
    }

    /// Asserts that the reader knows all names and, once there was time for all events, the health of their
    /// contents.
    pub(super) fn check(&self, state: &State, is_calm: bool) {
        let names: BTreeMap<_, _> = state
            .list("", None, 1000)
            .names
            .into_iter()
            .map(|listed| (listed.binding.name, listed.binding.revision))
            .collect();
        assert_eq!(self.names, names, "the feed leads to the names that there are");
        if is_calm && !state.is_in_safe_mode() {
            assert_eq!(self.peers, peers(state), "the feed leads to how peers live");
            for (name, stands) in standings(state) {
                assert_eq!(
                    self.standings.get(&name),
                    Some(&stands),
                    "how {name} stands was told"
                );
            }
        }
    }
}

fn standings(state: &State) -> BTreeMap<Name, Stands> {
    let all = state.list("", None, 1000).names.into_iter();
    all.map(
        |Listing {
             binding: bound,
             health,
             ..
         }| {
            let fewest = health.fewest.min(health.target.get());
            (bound.name, (bound.revision, health.state, fewest))
        },
    )
    .collect()
}

fn peers(state: &State) -> BTreeMap<PeerId, PeerState> {
    let all = state.peers(None, 1000).peers.into_iter();
    all.map(|peer| (peer.id, peer.state)).collect()
}

/// Returns events in a word or two each.
fn summaries(events: &[FeedEvent]) -> Vec<String> {
    let one = |event: &FeedEvent| match event {
        FeedEvent::Published(bound) => format!("published {}@{}", bound.name, bound.revision),
        FeedEvent::Renamed { from, tombstone, to } => {
            format!("renamed {from}@{tombstone} to {}@{}", to.name, to.revision)
        }
        FeedEvent::Removed { name, revision } => format!("removed {name}@{revision}"),
        FeedEvent::Standing { name, health, .. } => format!("{name} {} {}", health.state, health.fewest),
        FeedEvent::Peer { peer, has_left: true } => format!("{} left", peer.id.as_bytes()[0]),
        FeedEvent::Peer { peer, .. } => {
            format!("{} {} {}", peer.id.as_bytes()[0], peer.state, peer.mode.word())
        }
        FeedEvent::File { name, absence, .. } => match absence {
            Some(absence) => format!("file of {name} {absence}"),
            None => format!("file of {name} back"),
        },
        FeedEvent::EpochBegun(epoch) => format!("epoch {epoch}"),
        FeedEvent::Settled => "settled".to_owned(),
    };
    events.iter().map(one).collect()
}

#[test]
fn every_change_of_a_name_is_told_once_and_in_order() {
    let mut world = World::with_peers(1);
    let mut reader = Reader::new(&world.state);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "a", &content(2, 1), 1);
    world.rename("a", "b", None).expect("renamed");
    world.remove("b", None).expect("removed");
    world.remove("b", Some(1)).expect("removed before");
    let expected = [
        "published a@1",
        "published a@2",
        "renamed a@3 to b@1",
        "removed b@2",
    ];
    assert_eq!(summaries(&reader.read(&world.state)), expected);
    reader.check(&world.state, false);
}

#[test]
fn replicas_are_told_as_they_appear_go_and_come_back() {
    let mut world = World::with_peers(2);
    let mut reader = Reader::new(&world.state);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    assert_eq!(
        summaries(&reader.read(&world.state)),
        ["published a@1", "a degraded 1"]
    );
    world.obey();
    assert_eq!(summaries(&reader.read(&world.state)), ["a replicated 2"]);
    world.pass(SECOND * 5, &[]);
    assert_eq!(reader.read(&world.state), [], "nothing happens");
    world.disconnect(2);
    world.tick();
    assert_eq!(
        summaries(&reader.read(&world.state)),
        ["2 suspect active", "a degraded 1"]
    );
    world.hello(2, 1, Epoch::new(0)).expect("welcome");
    world.holds(2, &bytes, bytes.all_fragments(), true);
    world.tick();
    assert_eq!(
        summaries(&reader.read(&world.state)),
        ["2 live active", "a replicated 2"]
    );
    world.set_target("a", 1).expect("another target");
    world.tick();
    let events = reader.read(&world.state);
    assert!(
        matches!(&events[..], [FeedEvent::Standing { health, .. }] if health.target.get() == 1),
        "{events:?}"
    );
}

#[test]
fn an_absent_file_is_told_once_and_given_as_a_reason() {
    let mut world = World::with_peers(2);
    let mut reader = Reader::new(&world.state);
    let (bytes, nameless) = (content(1, 3), content(2, 1));
    world.publish(1, "a", &bytes, 1);
    world.publish(1, "b", &bytes, 1);
    world.obey();
    drop(reader.read(&world.state));
    let reasons = |world: &World| {
        let why = world
            .state
            .why(&ContentRef::Name(name("a")).into())
            .expect("bound");
        let files = why
            .reasons
            .into_iter()
            .filter(|reason| reason.code == ReasonCode::FileAway);
        files.collect::<Vec<_>>()
    };
    assert_eq!(reasons(&world), []);
    let news = |manifest: &Manifest, absence| FileNews {
        content: manifest.content(),
        absence,
    };
    world.holds(1, &bytes, bytes.no_fragments(), false);
    let gone = vec![
        news(&bytes, Some(Absence::Gone)),
        news(&nameless, Some(Absence::Gone)),
    ];
    world.say(1, Report::Files(gone.clone())).expect("taken");
    world.say(1, Report::Files(gone)).expect("taken again");
    assert_eq!(
        summaries(&reader.read(&world.state)),
        ["file of a gone", "file of b gone"]
    );
    let said = reasons(&world);
    assert!(
        matches!(&said[..], [one] if one.detail.contains("gone")),
        "{said:?}"
    );
    world
        .say(1, Report::Files(vec![news(&bytes, None)]))
        .expect("taken");
    world
        .say(1, Report::Files(vec![news(&bytes, None)]))
        .expect("taken again");
    assert_eq!(
        summaries(&reader.read(&world.state)),
        ["file of a back", "file of b back"]
    );
    // A new session tells again, before the end of its inventory.
    let away = Report::Files(vec![news(&bytes, Some(Absence::Failing))]);
    world.say(1, away.clone()).expect("taken");
    drop(reader.read(&world.state));
    let mut come_back = |tells: bool| {
        world.disconnect(1);
        world.hello(1, 1, Epoch::new(0)).expect("welcome");
        if tells {
            world.say(1, away.clone()).expect("taken");
        }
        assert_eq!(reasons(&world).len(), 1);
        world.announce(1, Vec::new(), true);
        let events = reader.read(&world.state).into_iter();
        let files: Vec<_> = events
            .filter(|event| matches!(event, FeedEvent::File { .. }))
            .collect();
        (summaries(&files), reasons(&world).len())
    };
    assert_eq!(come_back(true), (Vec::new(), 1));
    let back = ["file of a back", "file of b back"].map(str::to_owned).to_vec();
    assert_eq!(come_back(false), (back, 0));
}

#[test]
fn another_name_of_a_content_is_told_how_it_stands() {
    let mut world = World::with_peers(1);
    let mut reader = Reader::new(&world.state);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 1);
    world.tick();
    drop(reader.read(&world.state));
    world.publish(1, "b", &bytes, 1);
    world.tick();
    let events = summaries(&reader.read(&world.state));
    // The health of the first name has not changed.
    assert_eq!(events, ["published b@1", "b replicated 1"]);
    world.rename("b", "c", None).expect("renamed");
    world.tick();
    assert!(summaries(&reader.read(&world.state)).contains(&"c replicated 1".to_owned()));
}

#[test]
fn a_part_that_is_lost_is_told_of_the_collection() {
    let mut world = World::with_peers(2);
    let mut reader = Reader::new(&world.state);
    let (catalog, pack) = (content(1, 1), content(2, 3));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&pack), 2);
    world.obey();
    drop(reader.read(&world.state));
    world.holds(2, &pack, pack.no_fragments(), false);
    world.tick();
    assert_eq!(summaries(&reader.read(&world.state)), ["tree degraded 1"]);
}

#[test]
fn peers_are_told_as_they_come_fall_silent_leave_and_drain() {
    let mut world = World::with_peers(2);
    let mut reader = Reader::new(&world.state);
    world.join(3);
    assert_eq!(summaries(&reader.read(&world.state)), ["3 live active"]);
    world.pass(SECOND * 12, &[3]);
    assert_eq!(summaries(&reader.read(&world.state)), ["3 suspect active"]);
    world.pass(SECOND * 120, &[3]);
    assert_eq!(summaries(&reader.read(&world.state)), ["3 lost active"]);
    world.hello(3, 1, Epoch::new(0)).expect("welcome");
    world.set_peer_mode(3, RequestedMode::Drain).expect("known");
    world.say(3, Report::Leave).expect("it may leave");
    let expected = ["3 live active", "3 live draining", "3 left"];
    assert_eq!(summaries(&reader.read(&world.state)), expected);
    reader.check(&world.state, true);
}

#[test]
fn a_restart_hides_no_change_of_a_name_and_blames_nobody() {
    let mut world = World::with_peers(2);
    let mut reader = Reader::new(&world.state);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    drop(reader.read(&world.state));
    // These facts are journaled, and were not read before the crash.
    world.publish(1, "b", &content(2, 1), 1);
    world.remove("b", None).expect("removed");
    world.restart();
    let expected = ["published b@1", "removed b@2", "epoch 2"];
    assert_eq!(summaries(&reader.read(&world.state)), expected);
    world.tick();
    assert_eq!(reader.read(&world.state), [], "who is silent is waited for");
    world.hello(1, 1, Epoch::new(1)).expect("welcome");
    world.announce(1, Vec::new(), false);
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    assert_eq!(summaries(&reader.read(&world.state)), ["1 live active"]);
    world.pass(SECOND * 70, &[2]);
    let events = summaries(&reader.read(&world.state));
    assert_eq!(
        events[..3],
        ["settled", "a degraded 1", "2 lost active"],
        "{events:?}"
    );
    reader.check(&world.state, true);
    assert_eq!(reader.gaps, 0);
}

#[test]
fn what_a_snapshot_has_swallowed_or_a_backup_lost_is_a_gap() {
    let mut world = World::with_peers(1);
    let mut early = Reader::new(&world.state);
    world.publish(1, "a", &content(1, 1), 1);
    let mut late = Reader::new(&world.state);
    let snapshot = world.state.records();
    world.publish(1, "b", &content(2, 1), 1);
    let since = world.journal.last().cloned().expect("just published");
    let mut lost = Reader::new(&world.state);
    // Replays the snapshot and the later records.
    world.journal = snapshot.clone();
    world.journal.push(since);
    world.restart();
    assert_eq!(summaries(&late.read(&world.state)), ["published b@1", "epoch 2"]);
    assert_eq!(late.gaps, 0);
    drop(early.read(&world.state));
    assert_eq!(early.gaps, 1);
    early.check(&world.state, false);
    // Replays the snapshot alone: the publication of b is lost with the end of the journal.
    world.journal = snapshot;
    world.restart();
    drop(lost.read(&world.state));
    assert_eq!(lost.gaps, 1);
    lost.check(&world.state, false);
}

#[test]
fn whoever_reads_too_slowly_is_told_so_and_looks_again() {
    let mut world = World::with_peers(1);
    let mut reader = Reader::new(&world.state);
    let bytes = content(1, 1);
    for n in 0..crate::state::feed::CAPACITY {
        world.publish_unchecked(1, &format!("{}", n % 2), &bytes, 1 + u32::from(n % 4 < 2));
    }
    let mut quick = Reader::new(&world.state);
    world.publish_unchecked(1, "last", &bytes, 1);
    assert_eq!(summaries(&quick.read(&world.state)), ["published last@1"]);
    drop(reader.read(&world.state));
    assert_eq!((reader.gaps, quick.gaps), (1, 0));
    reader.check(&world.state, false);
    assert_eq!(world.peer_state(1), PeerState::Live, "{:?}", peer(1));
}
