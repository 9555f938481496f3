//! Peers that hold nothing and say that they do: real sessions, with nothing behind them.
//!
//! The peers carry out orders by reporting success.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proto::RemoteError;
use proto::client::SessionClient;
use proto::messages::FromTracker;
use proto::tls::Tls;
use shared::hash::leaf;
use shared::keys::PeerKey;
use shared::model::{
    ContentId, Digest, Epoch, FragmentLength, FragmentSet, Hello, Holding, HoldingsDigest, HostPort,
    Incarnation, Manifest, Name, Numbered, Order, PeerId, Report, RunTraits, SessionSecret,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::security::Member;

/// Sessions that share a connection: real peers have one each, which is a matter of sockets, not of the
/// tracker.
const SESSIONS_EACH: u32 = 50;

/// Holdings in one announce.
const BATCH: usize = 1_000;

/// Before a session that broke is opened again.
const PAUSE: Duration = Duration::from_millis(200);

/// Contents that a peer is told to hold, with their numbers of fragments.
type News = Vec<(ContentId, u32)>;

/// All peers.
pub(super) struct Fleet {
    ids: Arc<[PeerId]>,
    news: Vec<mpsc::Sender<News>>,
    secrets: Vec<watch::Receiver<Option<SessionSecret>>>,
    welcomed: Arc<AtomicU32>,
    running: JoinSet<()>,
}

impl Fleet {
    /// Connects a number of peers.
    pub(super) fn join(tracker: &HostPort, count: u32) -> Result<Self> {
        let mut client = SessionClient::new(tracker, &Tls::default())?;
        let mut peers = Vec::new();
        for number in 0..count {
            if number % SESSIONS_EACH == 0 {
                client = SessionClient::new(tracker, &Tls::default())?;
            }
            let mut id = [1; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            peers.push((PeerId::from_bytes(id), client.clone(), None));
        }
        Ok(Self::of(peers))
    }

    /// Connects members of a secured network, each over a connection of its own.
    pub(super) fn of_members(tracker: &HostPort, members: &[Member]) -> Result<Self> {
        let peer = |member: &Member| {
            let client = SessionClient::new(tracker, &member.tls)?;
            Ok((member.peer, client, member.key.clone()))
        };
        Ok(Self::of(members.iter().map(peer).collect::<Result<_>>()?))
    }

    fn of(peers: Vec<(PeerId, SessionClient, Option<Arc<PeerKey>>)>) -> Self {
        let welcomed = Arc::new(AtomicU32::new(0));
        let mut running = JoinSet::new();
        let (mut ids, mut news, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (id, client, key)) in (0..).zip(peers) {
            let (sender, told) = mpsc::channel(4);
            let secret = watch::Sender::new(None);
            secrets.push(secret.subscribe());
            let peer = Peer {
                id,
                number,
                held: BTreeMap::new(),
                told,
                key,
                secret: secret.clone(),
                welcomed: Arc::clone(&welcomed),
            };
            running.spawn(peer.live(client));
            ids.push(id);
            news.push(sender);
        }
        Self {
            ids: ids.into(),
            news,
            secrets,
            welcomed,
            running,
        }
    }

    pub(super) fn ids(&self) -> Arc<[PeerId]> {
        Arc::clone(&self.ids)
    }

    /// Returns the secrets of the sessions of the moment.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Option<SessionSecret>> + '_ {
        self.secrets.iter().map(|secret| *secret.borrow())
    }

    /// Returns the number of welcomes by trackers.
    pub(super) fn welcomed(&self) -> u32 {
        self.welcomed.load(Ordering::Relaxed)
    }

    /// Announces each of these contents from `replicas` peers: content `n` by peer `n` and those after it.
    pub(super) async fn hold(&self, contents: Contents, which: Range<u32>, replicas: u32) -> Result<()> {
        let mut news: BTreeMap<usize, News> = BTreeMap::new();
        for n in which {
            let content = contents.manifest(n)?.content();
            for replica in 0..replicas {
                let peer = (n as usize + replica as usize) % self.ids.len();
                news.entry(peer).or_default().push((content, contents.fragments));
            }
        }
        for (peer, news) in news {
            ensure!(self.news[peer].send(news).await.is_ok(), "a peer has ended");
        }
        Ok(())
    }

    /// Ends all sessions.
    pub(super) async fn stop(mut self) {
        self.running.shutdown().await;
    }
}

struct Peer {
    id: PeerId,
    number: u32,
    held: BTreeMap<ContentId, u32>,
    told: mpsc::Receiver<News>,
    key: Option<Arc<PeerKey>>,
    secret: watch::Sender<Option<SessionSecret>>,
    welcomed: Arc<AtomicU32>,
}

impl Peer {
    async fn live(mut self, client: SessionClient) {
        loop {
            // A failure leads to a new attempt.
            drop(self.serve(&client).await);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn serve(&mut self, client: &SessionClient) -> Result<(), RemoteError> {
        let all: Vec<_> = self
            .held
            .iter()
            .map(|(content, count)| holding(*content, *count))
            .collect();
        let hello = Hello {
            peer: self.id,
            incarnation: Incarnation::new(1),
            run: None,
            address: format!("10.0.0.1:{}", 1_024 + self.number % 60_000)
                .parse()
                .expect("an address and a port"),
            zone: None,
            capacity: 1 << 50,
            used: 0,
            network: None,
            epoch: Epoch::new(0),
            mark: None,
            holdings: Some(all.iter().collect::<HoldingsDigest>()),
            traits: RunTraits::default(),
        };
        let (welcome, reports, mut orders) = client.open(hello, self.key.as_deref()).await?;
        self.secret.send_replace(welcome.secret);
        let mut told = Told { reports, sequence: 1 };
        let is_asked = |holding: &Holding| {
            let listing = welcome.listing;
            listing.is_none_or(|listing| listing.contains(holding.content))
        };
        told.announce(all.into_iter().filter(is_asked).collect(), true)
            .await?;
        self.welcomed.fetch_add(1, Ordering::Relaxed);
        let mut heartbeat = tokio::time::interval(welcome.heartbeat);
        loop {
            tokio::select! {
                _ = heartbeat.tick() => told.say(Report::Heartbeat { used: 0, disk_free: None, received: Vec::new() }).await?,
                Some(news) = self.told.recv() => {
                    self.held.extend(news.iter().copied());
                    let all = news.into_iter().map(|(content, count)| holding(content, count));
                    told.announce(all.collect(), false).await?;
                }
                order = orders.next() => match order? {
                    Some(FromTracker::Order(order)) => self.obey(order, &mut told).await?,
                    _ => return Ok(()),
                },
            }
        }
    }

    async fn obey(&mut self, order: Order, told: &mut Told) -> Result<(), RemoteError> {
        match order {
            Order::Assign { manifest, .. } => {
                self.held.insert(manifest.content(), manifest.fragment_count());
                let held = holding(manifest.content(), manifest.fragment_count());
                told.announce(vec![held], false).await
            }
            Order::Evict { content, .. } => {
                let count = self.held.remove(&content).unwrap_or_default();
                let nothing = Holding {
                    fragments: FragmentSet::empty(count),
                    ..holding(content, 0)
                };
                told.announce(vec![nothing], false).await
            }
            Order::Remember(_)
            | Order::Probe { .. }
            | Order::Check { .. }
            | Order::Ask { .. }
            | Order::Reach { .. }
            | Order::Adopt { .. } => Ok(()),
        }
    }
}

fn holding(content: ContentId, fragments: u32) -> Holding {
    Holding {
        content,
        fragments: FragmentSet::full(fragments),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    }
}

/// Messages of a peer in a session.
struct Told {
    reports: mpsc::Sender<Numbered<Report>>,
    sequence: u64,
}

impl Told {
    async fn say(&mut self, message: Report) -> Result<(), RemoteError> {
        self.sequence += 1;
        let sequence = self.sequence;
        let sent = self.reports.send(Numbered { sequence, message }).await;
        sent.map_err(|_| RemoteError::new(shared::ErrorCode::Unavailable, "the session has ended"))
    }

    async fn announce(&mut self, mut holdings: Vec<Holding>, is_everything: bool) -> Result<(), RemoteError> {
        while holdings.len() > BATCH {
            let rest = holdings.split_off(BATCH);
            let holdings = std::mem::replace(&mut holdings, rest);
            let completes_inventory = false;
            self.say(Report::Announce {
                holdings,
                completes_inventory,
            })
            .await?;
        }
        let completes_inventory = is_everything;
        self.say(Report::Announce {
            holdings,
            completes_inventory,
        })
        .await
    }
}

/// A number of contents with equally many fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    pub(super) count: u32,
    /// Fragments of each content; at least 1.
    pub(super) fragments: u32,
}

impl Contents {
    /// Content `n`: always the same.
    pub(super) fn manifest(self, n: u32) -> Result<Manifest> {
        let root = |fragment: u32| -> Digest {
            let mut text = [0; 8];
            text[..4].copy_from_slice(&n.to_be_bytes());
            text[4..].copy_from_slice(&fragment.to_be_bytes());
            leaf(&text)
        };
        let length = FragmentLength::MIN;
        let bytes = u64::from(self.fragments) * u64::from(length.get());
        let roots = (0..self.fragments).map(root).collect();
        Manifest::from_roots(bytes, length, roots).context("as many roots as fragments")
    }

    /// Returns the name of a content, as long as people's names are.
    pub(super) fn text(self, n: u32) -> String {
        format!("data/set-{}/part-{n:08}", n / 1_000)
    }

    pub(super) fn name(self, n: u32) -> Result<Name> {
        Name::new(self.text(n)).context("a name")
    }
}
