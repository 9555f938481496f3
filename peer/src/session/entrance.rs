//! The entrance to a network: from the address that the user names to a tracker, and the memory for the next
//! time.
//!
//! [`ways`] decides (pure) which addresses are tried, in which order: the one that the user names, and, if
//! the network was entered by it the last time, the addresses that were known then. [`Acquaintances`] is the
//! file `network.json` in the data directory. It is only a help: a file that cannot be read or written is as
//! good as none.

use std::io;
use std::path::{Path, PathBuf};

use proto::RemoteError;
use proto::client::{DirectoryClient, Gateways, Program, TrackerEntry, misdirected};
use proto::messages::control::EntryPoint;
use proto::tls::Tls;
use serde::{Deserialize, Serialize};
use shared::model::{HostPort, NetworkId};
use shared::security::authorization::{Denial, Mode};
use shared::{ErrorCode, data_files};

const FILE_NAME: &str = "network.json";

/// Trackers that are remembered: each that is gone costs a starting node the time to find out.
const MAX_TRACKERS: usize = 8;

/// A tracker to register with, and other ways into the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) tracker: HostPort,
    pub(super) webserver: Option<HostPort>,
    /// Other trackers; none of a tracker that was dialled itself: it knows no others.
    pub(super) others: Option<Vec<HostPort>>,
}

/// The way by which a network was entered the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The address that the user named.
    pub(super) entry: EntryPoint,
    pub(super) webserver: Option<HostPort>,
    /// All of them; first the one that welcomed this peer.
    pub(super) trackers: Vec<HostPort>,
    /// The network, if its tracker said it.
    pub(super) network: Option<NetworkId>,
    /// Other networks of which the peer has something: an index that is made anew may not tell.
    pub(super) other_networks: Vec<NetworkId>,
}

/// The networks of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    pub(super) current: Option<NetworkId>,
    /// Those of which it has something beside.
    pub(super) others: Vec<NetworkId>,
}

/// Returns the ways to try, in order, to enter by `entry`.
pub(super) fn ways(entry: &EntryPoint, known: Option<&Known>) -> Vec<EntryPoint> {
    let mut ways = vec![entry.clone()];
    if let Some(known) = known.filter(|known| known.entry == *entry) {
        let webserver = known.webserver.iter().cloned().map(EntryPoint::Webserver);
        let trackers = known.trackers.iter().cloned().map(EntryPoint::Tracker);
        for way in webserver.chain(trackers) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    ways
}

impl Known {
    /// Returns the memory of an entry that succeeded; `before` is the memory until then. A way that names no
    /// other trackers and no webserver makes none of them worth less.
    pub(super) fn of(entry: &EntryPoint, found: &Found, networks: Networks, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.entry == *entry);
        let known = before
            .map(|before| before.trackers.as_slice())
            .unwrap_or_default();
        let others = found.others.as_deref().unwrap_or(known);
        let mut trackers = vec![found.tracker.clone()];
        trackers.extend(others.iter().filter(|other| **other != found.tracker).cloned());
        trackers.truncate(MAX_TRACKERS);
        let webserver = found.webserver.clone();
        Self {
            entry: entry.clone(),
            webserver: webserver.or_else(|| before?.webserver.clone()),
            trackers,
            network: networks.current,
            other_networks: networks.others,
        }
    }

    pub(super) fn networks(&self) -> Networks {
        Networks {
            current: self.network,
            others: self.other_networks.clone(),
        }
    }

    /// Returns the gateways for other peers; `current` is the tracker that this peer is registered with now.
    pub(super) fn gateways(&self, current: Option<&HostPort>) -> Gateways {
        let entry = |tracker: &HostPort| {
            let is_live = Some(tracker) == current;
            let reason = if is_live {
                ""
            } else {
                "this peer is not registered with it now"
            };
            TrackerEntry {
                address: tracker.clone(),
                is_live,
                reason: reason.to_owned(),
            }
        };
        let mut trackers: Vec<_> = self.trackers.iter().map(entry).collect();
        trackers.sort_by_key(|tracker| !tracker.is_live);
        Gateways {
            webserver: self.webserver.clone(),
            trackers,
            peer: None,
        }
    }
}

/// Finds a tracker by one way.
///
/// # Errors
/// When the address does not answer, belongs to another program, or knows no tracker.
pub(super) async fn find(way: &EntryPoint, tls: &Tls) -> Result<Found, RemoteError> {
    let found = ask(way, tls).await;
    // The certificate has told which program that is.
    if found.is_ok() && tls.mode() == Mode::Required {
        return found;
    }
    // Webservers and peers answer the same question; only a webserver is worth remembering as one.
    match way {
        EntryPoint::Webserver(_) | EntryPoint::Peer(_) => match misdirected(way, tls).await {
            Some(Program::Tls) if tls.is_on() => found,
            Some(program) => Err(wrong_program(way, program)),
            None => found,
        },
        EntryPoint::Tracker(_) => found,
    }
}

/// Returns the failure of a session, or that of its way when another program answers there.
pub(super) async fn explained(way: &EntryPoint, failure: RemoteError, tls: &Tls) -> RemoteError {
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) = way;
    if !tls.is_on() && failure.to_string().ends_with(&Denial::Stranger.to_string()) {
        return secured(address);
    }
    match misdirected(way, tls).await {
        Some(Program::Tls) if tls.is_on() => failure,
        Some(program) => wrong_program(way, program),
        None => failure,
    }
}

/// Says of which program a failure is, unless it says so itself.
pub(super) fn named(failure: RemoteError, address: &HostPort, program: &str) -> RemoteError {
    match failure.to_string().contains(&address.to_string()) {
        true => failure,
        false => failure.context(program),
    }
}

fn wrong_program(way: &EntryPoint, found: Program) -> RemoteError {
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) = way;
    if found == Program::Tls {
        return secured(address);
    }
    let meant = Program::meant_by(way);
    let text = match found.flag() {
        Some(flag) => format!("{address} is {found}, not {meant}; use {flag} {address}"),
        None => format!("{address} is {found}, not {meant}; check the address"),
    };
    RemoteError::new(ErrorCode::InvalidArgument, text)
}

/// Says that a network has to be joined first.
fn secured(address: &HostPort) -> RemoteError {
    let text = format!(
        "the network at {address} is secured, and this node has not joined it; get a join line from its operator \
         (`tracker token create --join peer`), and start the node with it in ENJAMBRE_JOIN or --join-file"
    );
    RemoteError::new(ErrorCode::FailedPrecondition, text)
}

async fn ask(way: &EntryPoint, tls: &Tls) -> Result<Found, RemoteError> {
    match way {
        EntryPoint::Tracker(tracker) => Ok(Found {
            tracker: tracker.clone(),
            webserver: None,
            others: None,
        }),
        EntryPoint::Webserver(webserver) => ask_webserver(webserver, tls).await,
        EntryPoint::Peer(peer) => {
            let asked = DirectoryClient::of_peer(peer, tls)?.gateways().await;
            let asked = asked.map_err(|error| named(error, peer, &format!("peer {peer}")))?;
            let gateways = seen_from(peer, asked);
            // The webserver knows best which trackers are live now.
            if let Some(webserver) = &gateways.webserver
                && let Ok(found) = ask_webserver(webserver, tls).await
            {
                return Ok(found);
            }
            first(&gateways, false).ok_or_else(|| {
                let text = format!(
                    "peer {peer} knows neither a webserver that answers nor a tracker; it is in no network"
                );
                RemoteError::new(ErrorCode::Unavailable, text)
            })
        }
    }
}

async fn ask_webserver(webserver: &HostPort, tls: &Tls) -> Result<Found, RemoteError> {
    let asked = DirectoryClient::of_webserver(webserver, tls)?.gateways().await;
    let mut gateways = asked.map_err(|error| named(error, webserver, &format!("webserver {webserver}")))?;
    gateways.webserver = Some(webserver.clone());
    first(&gateways, true).ok_or_else(|| {
        let reasons: Vec<_> = gateways
            .trackers
            .iter()
            .map(|entry| format!("{}: {}", entry.address, entry.reason))
            .collect();
        let reasons = reasons.join("; ");
        let text = format!("webserver {webserver} knows no live tracker ({reasons})");
        RemoteError::new(ErrorCode::Unavailable, text)
    })
}

/// Returns the first tracker, and the rest.
fn first(gateways: &Gateways, must_be_live: bool) -> Option<Found> {
    let is_chosen = |entry: &&TrackerEntry| entry.is_live || !must_be_live;
    let tracker = gateways.trackers.iter().find(is_chosen)?.address.clone();
    let others = gateways.trackers.iter().map(|entry| entry.address.clone());
    Some(Found {
        others: Some(others.filter(|other| *other != tracker).collect()),
        webserver: gateways.webserver.clone(),
        tracker,
    })
}

/// Translates addresses of loopback that a peer on another machine tells: it means its own machine.
fn seen_from(peer: &HostPort, mut gateways: Gateways) -> Gateways {
    let seen = |address: &HostPort| address.seen_from(peer);
    for tracker in &mut gateways.trackers {
        tracker.address = seen(&tracker.address);
    }
    gateways.webserver = gateways.webserver.as_ref().map(seen);
    gateways
}

/// Where the addresses last known are kept.
#[derive(Clone, Debug)]
pub struct Acquaintances(PathBuf);

#[derive(Serialize, Deserialize)]
struct NetworkFile {
    /// `webserver`, `tracker` or `peer`.
    by: String,
    address: String,
    webserver: Option<String>,
    trackers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    other_networks: Vec<String>,
}

impl Acquaintances {
    /// Returns the file of a data directory.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(FILE_NAME))
    }

    /// Returns the address by which the network was entered the last time.
    #[must_use]
    pub fn last_entry(&self) -> Option<EntryPoint> {
        self.read().map(|known| known.entry)
    }

    /// Returns the trackers that were known the last time.
    #[must_use]
    pub fn trackers(&self) -> Vec<HostPort> {
        let Some(known) = self.read() else {
            return Vec::new();
        };
        let mut trackers = known.trackers;
        if let EntryPoint::Tracker(tracker) = known.entry
            && !trackers.contains(&tracker)
        {
            trackers.push(tracker);
        }
        trackers
    }

    /// Notes the way into the network that the node has joined, before it has been there. A half-written file
    /// is never seen.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, entry: &EntryPoint) -> io::Result<()> {
        let networks = self.read().map(|known| known.networks()).unwrap_or_default();
        self.write(&Known {
            entry: entry.clone(),
            webserver: None,
            trackers: Vec::new(),
            network: networks.current,
            other_networks: networks.others,
        })
    }

    pub(super) fn read(&self) -> Option<Known> {
        parse(&data_files::read_to_string(&self.0).ok()?)
    }

    /// Writes the file; a half-written one is never seen.
    pub(super) fn write(&self, known: &Known) -> io::Result<()> {
        data_files::replace(&self.0, &text(known)?)
    }
}

fn parse(text: &str) -> Option<Known> {
    let file: NetworkFile = serde_json::from_str(text).ok()?;
    let address = file.address.parse().ok()?;
    let parsed = |text: &String| text.parse().ok();
    Some(Known {
        entry: match file.by.as_str() {
            "webserver" => EntryPoint::Webserver(address),
            "tracker" => EntryPoint::Tracker(address),
            "peer" => EntryPoint::Peer(address),
            _ => return None,
        },
        webserver: file.webserver.as_ref().and_then(parsed),
        trackers: file
            .trackers
            .iter()
            .filter_map(parsed)
            .take(MAX_TRACKERS)
            .collect(),
        network: file.network.and_then(|text| text.parse().ok()),
        other_networks: file
            .other_networks
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
    })
}

fn text(known: &Known) -> io::Result<String> {
    let (by, address) = match &known.entry {
        EntryPoint::Webserver(address) => ("webserver", address),
        EntryPoint::Tracker(address) => ("tracker", address),
        EntryPoint::Peer(address) => ("peer", address),
    };
    let file = NetworkFile {
        by: by.to_owned(),
        address: address.to_string(),
        webserver: known.webserver.as_ref().map(ToString::to_string),
        trackers: known.trackers.iter().map(ToString::to_string).collect(),
        network: known.network.map(|network| network.to_string()),
        other_networks: known.other_networks.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_string(&file).map_err(io::Error::other)
}

/// Reads the text of a file, and writes it again.
#[cfg(feature = "testing")]
pub(crate) fn rewritten(file: &str) -> Option<String> {
    text(&parse(file)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> HostPort {
        text.parse().expect("an address")
    }

    fn known() -> Known {
        let found = Found {
            tracker: address("t:2"),
            webserver: Some(address("w:1")),
            others: Some(vec![address("t:1"), address("t:2")]),
        };
        let networks = Networks {
            current: Some(NetworkId::from_bytes([3; 16])),
            others: vec![NetworkId::from_bytes([4; 16])],
        };
        Known::of(&EntryPoint::Peer(address("p:1")), &found, networks, None)
    }

    #[test]
    fn the_named_address_comes_first_and_other_networks_are_not_tried() {
        let by_peer = EntryPoint::Peer(address("p:1"));
        let expected = [
            by_peer.clone(),
            EntryPoint::Webserver(address("w:1")),
            EntryPoint::Tracker(address("t:2")),
            EntryPoint::Tracker(address("t:1")),
        ];
        assert_eq!(ways(&by_peer, Some(&known())), expected);
        assert_eq!(ways(&by_peer, None), [by_peer]);
        let other = EntryPoint::Webserver(address("w:1"));
        assert_eq!(ways(&other, Some(&known())), [other]);
    }

    #[test]
    fn a_tracker_that_names_no_others_makes_none_forgotten() {
        let (before, by_peer) = (known(), EntryPoint::Peer(address("p:1")));
        let entered = |entry: &EntryPoint, others| {
            let (tracker, webserver) = (address("t:1"), None);
            let found = Found {
                tracker,
                webserver,
                others,
            };
            Known::of(entry, &found, Networks::default(), Some(&before))
        };
        let after = entered(&by_peer, None);
        assert_eq!(after.trackers, [address("t:1"), address("t:2")]);
        assert_eq!(after.webserver, Some(address("w:1")));
        // A list that was told is believed, and another network is another one.
        assert_eq!(entered(&by_peer, Some(Vec::new())).trackers, [address("t:1")]);
        let other = EntryPoint::Tracker(address("t:1"));
        assert_eq!(entered(&other, None).trackers, [address("t:1")]);
    }

    #[test]
    fn others_are_told_the_tracker_of_now_first() {
        let told = known().gateways(Some(&address("t:1")));
        let order: Vec<_> = told
            .trackers
            .iter()
            .map(|one| (one.address.to_string(), one.is_live))
            .collect();
        assert_eq!(order, [("t:1".to_owned(), true), ("t:2".to_owned(), false)]);
        assert_eq!(first(&told, true).expect("one").tracker, address("t:1"));
        let away = known().gateways(None);
        assert_eq!(first(&away, true), None);
        assert_eq!(first(&away, false).expect("one").tracker, address("t:2"));
    }

    #[test]
    fn localhost_of_a_peer_is_its_machine() {
        let gateways = Gateways {
            webserver: Some(address("127.0.0.1:50051")),
            trackers: known().gateways(None).trackers,
            peer: None,
        };
        let seen = seen_from(&address("10.0.0.7:50053"), gateways.clone());
        assert_eq!(seen.webserver, Some(address("10.0.0.7:50051")));
        assert_eq!(seen.trackers, gateways.trackers);
        assert_eq!(seen_from(&address("[::1]:50053"), gateways.clone()), gateways);
    }

    #[test]
    fn a_written_file_is_read_and_a_damaged_one_is_ignored() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let acquaintances = Acquaintances::of(dir.path());
        assert_eq!(acquaintances.read(), None);
        for entry in [EntryPoint::Peer, EntryPoint::Tracker, EntryPoint::Webserver] {
            let known = Known {
                entry: entry(address("[::1]:9")),
                ..known()
            };
            acquaintances.write(&known).expect("written");
            assert_eq!(acquaintances.read(), Some(known.clone()));
            assert_eq!(acquaintances.last_entry(), Some(known.entry));
        }
        let joined = EntryPoint::Webserver(address("w:2"));
        acquaintances.note(&joined).expect("written");
        let after = acquaintances.read().expect("written");
        assert_eq!((after.entry, after.network), (joined, known().network));
        std::fs::write(dir.path().join(FILE_NAME), "{\"by\":\"friend\"").expect("written");
        assert_eq!(acquaintances.read(), None);
    }
}
