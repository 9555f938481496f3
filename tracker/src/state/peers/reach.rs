//! Reachability: whether other peers can dial a peer.
//!
//! The tracker dials nobody. It has members dial a peer and ask who answers (`Order::Probe`): when the peer
//! says hello, when its address has changed, when readers could not dial it, and every so often
//! (`timing.probe`): nobody reads most copies before the others are lost. One member that reaches the peer is
//! enough to believe that it can be reached. Two members have to fail before it is *unreachable*, those on
//! other machines asked first; where there are fewer others, all of them. A peer that is unreachable is tried
//! again, less and less often. A peer has one open probe, the one that was due first comes first, and probes
//! in excess of [`PROBES`] in a tick or of [`AT_ONCE`] at a member wait.
//!
//! A new peer is *unconfirmed* until then. When no answer comes for a while, the peer is believed: members of
//! earlier versions cannot dial, and a tracker that would not go on without them could not be upgraded.
//!
//! A peer whose address means its own machine, in a session from another machine than the tracker's, is
//! *stranded*: no member need try. All of this is belief, learnt anew after a restart.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::model::{Answer, DialFailure, Hello, HostPort, PeerId, Reach, Timestamp};

use super::{Peer, Peers};
use crate::state::command::{Origin, SessionId};
use crate::state::steps::visited;
use crate::timing::Timing;

/// Time for which a new peer waits to be confirmed: several probes.
const CONFIRM: Duration = Duration::from_secs(10);

/// Time in which a member answers a probe: longer than it dials.
const ANSWER: Duration = Duration::from_secs(8);

/// Pause between a probe and one that readers cause: a crowd of readers causes no crowd of probes.
const AGAIN: Duration = Duration::from_secs(5);

/// Pause before a peer that is unreachable is tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Probes that begin in one tick: each looks at all members.
const PROBES: usize = 64;

/// Open probes of one member; half of what a peer makes at once.
const AT_ONCE: usize = 8;

/// Members that have to fail before a peer is unreachable.
const WITNESSES: usize = 2;

/// Belief about a peer's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The peer has not said hello in this run of the tracker, or from another address.
    Unknown,
    /// No member has dialled it yet; it is believed at this time.
    Unconfirmed { until: Timestamp },
    /// A member has dialled it, or none could try.
    Reachable,
    /// Members have failed to dial it.
    Unreachable {
        failure: DialFailure,
        /// End of the time for which no other copies are made instead; none when it is over.
        grace: Option<Timestamp>,
    },
}

/// Reach of one peer, and the probes of it.
#[derive(Debug)]
pub(super) struct Reachability {
    standing: Standing,
    /// Machine from which its session comes.
    machine: Option<IpAddr>,
    /// Whether no member need try.
    is_stranded: bool,
    /// Members that have failed since one succeeded, and how.
    failures: BTreeMap<PeerId, String>,
    /// Time at which it is to be dialled; none while it is, and when it need not be.
    due: Option<Timestamp>,
    dialled_at: Timestamp,
    /// Number of times in a row that it was found unreachable.
    rounds: u32,
}

/// A probe that is under way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) subject: PeerId,
    by: PeerId,
    address: HostPort,
    until: Timestamp,
}

/// A probe to be ordered.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) session: SessionId,
    pub(crate) probe: u64,
    pub(crate) peer: PeerId,
    pub(crate) address: HostPort,
}

/// A member that can dial others.
struct Prober {
    id: PeerId,
    session: SessionId,
    busy: usize,
}

/// Returns the reason for which no other machine can dial an address, in words.
pub(crate) fn stranded(address: &HostPort, origin: Option<Origin>) -> Option<String> {
    if let Some(why) = address.undialable() {
        return Some(format!("nobody can dial this address: {why}"));
    }
    let is_elsewhere = origin.is_some_and(|origin| !origin.is_here());
    let why = "the peer listens for its own machine only, and is on another one than the tracker";
    (is_elsewhere && address.is_loopback()).then(|| why.to_owned())
}

impl Reachability {
    pub(super) const fn new() -> Self {
        Self {
            standing: Standing::Unknown,
            machine: None,
            is_stranded: false,
            failures: BTreeMap::new(),
            due: None,
            dialled_at: Timestamp::from_millis(0),
            rounds: 0,
        }
    }

    pub(super) const fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(super) const fn is_stranded(&self) -> bool {
        self.is_stranded
    }

    /// Takes a hello in; `must_wait` says that members may be there who can dial the peer.
    pub(super) fn greet(&mut self, hello: &Hello, origin: Option<Origin>, now: Timestamp, must_wait: bool) {
        self.machine = origin.map(Origin::machine);
        let was_stranded = std::mem::take(&mut self.is_stranded);
        if let Some(error) = stranded(&hello.address, origin) {
            let failure = DialFailure {
                address: hello.address.clone(),
                error,
                since: now,
            };
            (self.is_stranded, self.due) = (true, None);
            self.standing = Standing::Unreachable { failure, grace: None };
            return;
        }
        if was_stranded || self.standing == Standing::Unknown {
            self.standing = match must_wait {
                true => Standing::Unconfirmed {
                    until: now.after(CONFIRM),
                },
                false => Standing::Reachable,
            };
        }
        self.due = Some(now);
    }

    /// Waits longer, by the time for which the tracker stood still.
    pub(super) fn put_off(&mut self, by: Duration) {
        match &mut self.standing {
            Standing::Unconfirmed { until } => *until = until.after(by),
            Standing::Unreachable {
                grace: Some(until), ..
            } => *until = until.after(by),
            Standing::Unreachable { .. } | Standing::Unknown | Standing::Reachable => {}
        }
    }

    fn succeed(&mut self, next: Timestamp) {
        self.standing = Standing::Reachable;
        self.failures.clear();
        (self.due, self.rounds) = (Some(next), 0);
    }

    /// Makes the peer unreachable, or leaves it so.
    fn give_up(&mut self, address: &HostPort, now: Timestamp, grace: Duration) {
        let errors = std::mem::take(&mut self.failures);
        let error = errors.into_values().next().unwrap_or_default();
        let (since, grace) = match &self.standing {
            Standing::Unreachable { failure, grace } => (failure.since, *grace),
            Standing::Reachable => (now, Some(now.after(grace))),
            Standing::Unknown | Standing::Unconfirmed { .. } => (now, None),
        };
        let address = address.clone();
        self.standing = Standing::Unreachable {
            failure: DialFailure {
                address,
                error,
                since,
            },
            grace,
        };
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.rounds.min(10));
        self.due = Some(now.after(pause.min(LONGEST_PAUSE)));
        self.rounds = self.rounds.saturating_add(1);
    }
}

impl Peer {
    pub(crate) const fn standing(&self) -> &Standing {
        self.reach.standing()
    }

    /// Describes its reach to users.
    pub(crate) fn reach(&self) -> Reach {
        match self.standing() {
            Standing::Unknown | Standing::Reachable => Reach::Reachable,
            Standing::Unconfirmed { .. } => Reach::Unconfirmed,
            Standing::Unreachable { failure, .. } => Reach::Unreachable(failure.clone()),
        }
    }

    /// Returns whether it keeps nothing for others: it runs for one command, no other machine can dial it, or
    /// it has gone and kept nothing.
    pub(crate) const fn is_visitor(&self) -> bool {
        self.is_transient() || self.reach.is_stranded() || self.kept_nothing
    }

    /// Whether its session can be told to dial others.
    fn can_probe(&self) -> bool {
        self.traits.can_probe && !self.is_visitor() && self.ready_session().is_some()
    }

    pub(super) fn is_on_machine_of(&self, other: &Self) -> bool {
        match (self.reach.machine, other.reach.machine) {
            (Some(one), Some(two)) => one == two,
            _ => self.address().host() == other.address().host(),
        }
    }
}

impl Peers {
    /// Returns whether a peer that says hello now has to wait until it is confirmed: members are there that
    /// can dial it, or may be there when all have reported.
    pub(super) fn has_probers(&self, except: PeerId) -> bool {
        let others = visited(self.dialers.iter()).filter(|id| **id != except);
        let mut others = others.filter_map(|id| self.get(*id));
        self.is_in_safe_mode() || others.any(Peer::can_probe)
    }

    /// Returns the probes to be ordered now.
    pub(crate) fn begin_probes(&mut self, now: Timestamp, grace: Duration) -> (Vec<Dial>, Vec<PeerId>) {
        self.drop_probes(now);
        let mut probers = self.probers();
        let (mut dials, mut changed) = (Vec::new(), Vec::new());
        if probers.is_empty() {
            return (dials, changed);
        }
        let due = |peer: &Peer| Some((peer.reach.due.filter(|due| *due <= now)?, peer.id()));
        let mut due: Vec<_> = self
            .iter()
            .filter(|peer| peer.is_live())
            .filter_map(due)
            .collect();
        due.sort_unstable();
        for (_, subject) in due.into_iter().take(PROBES) {
            let Some(chosen) = self.choose(subject, &probers) else {
                // Everybody else has tried.
                if self.has_failures(subject) && self.give_up(subject, now, grace) {
                    changed.push(subject);
                }
                continue;
            };
            if probers[chosen].busy >= AT_ONCE {
                continue;
            }
            probers[chosen].busy += 1;
            let (by, session) = (probers[chosen].id, probers[chosen].session);
            self.last_probe += 1;
            let Some(peer) = self.peers.get_mut(&subject) else {
                continue;
            };
            (peer.reach.due, peer.reach.dialled_at) = (None, now);
            let address = peer.address().clone();
            let probe = Probe {
                subject,
                by,
                address: address.clone(),
                until: now.after(ANSWER),
            };
            self.probes.insert(self.last_probe, probe);
            dials.push(Dial {
                session,
                probe: self.last_probe,
                peer: subject,
                address,
            });
        }
        (dials, changed)
    }

    /// Takes the result of a probe; returns the peer whose standing has changed.
    pub(crate) fn probed(
        &mut self,
        by: PeerId,
        number: u64,
        outcome: Result<Answer, String>,
        now: Timestamp,
        timing: &Timing,
    ) -> Option<PeerId> {
        let probe = self.probes.get(&number).filter(|probe| probe.by == by)?;
        let (subject, address) = (probe.subject, probe.address.clone());
        self.probes.remove(&number);
        // A peer that has said another address since is dialled there.
        let peer = self
            .get(subject)
            .filter(|peer| *peer.address() == address && !peer.reach.is_stranded)?;
        match verdict(peer, outcome) {
            Ok(()) => {
                let peer = self.get_mut(subject)?;
                let is_news = peer.reach.standing != Standing::Reachable;
                peer.reach.succeed(now.after(timing.probe));
                is_news.then_some(subject)
            }
            Err(error) => {
                let reach = &mut self.peers.get_mut(&subject)?.reach;
                reach.failures.insert(by, error);
                let is_known = matches!(reach.standing, Standing::Unreachable { .. });
                let has_witnesses = is_known || reach.failures.len() >= WITNESSES;
                if has_witnesses || self.choose(subject, &self.probers()).is_none() {
                    return self.give_up(subject, now, timing.grace).then_some(subject);
                }
                self.peers.get_mut(&subject)?.reach.due = Some(now);
                None
            }
        }
    }

    /// Notes that a reader could not dial a peer: others try.
    pub(crate) fn unreached(&mut self, subject: PeerId, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(&subject).filter(|peer| peer.is_live()) else {
            return;
        };
        let reach = &mut peer.reach;
        let soon = now.max(reach.dialled_at.after(AGAIN));
        // Otherwise it is being dialled, or is dialled again as often as is worth it.
        if reach.standing == Standing::Reachable {
            reach.due = reach.due.map(|due| due.min(soon));
        }
    }

    /// Returns what a peer is to be told of its own reach, and in which session; none when it knows.
    pub(crate) fn reach_to_tell(&mut self, id: PeerId) -> Option<(SessionId, Option<DialFailure>)> {
        let peer = self.peers.get_mut(&id)?;
        let failure = peer.reach().failure().cloned();
        let session = peer.session.as_mut()?;
        if session.told_failure == failure || !session.is_of_today() {
            return None;
        }
        session.told_failure.clone_from(&failure);
        Some((session.id, failure))
    }

    /// Believes peers that nobody has confirmed for long enough, or that nobody can dial any more, and waits
    /// no longer for those out of reach; returns them.
    pub(crate) fn pass_reach(&mut self, now: Timestamp) -> Vec<PeerId> {
        let able = self.iter().filter(|peer| peer.can_probe()).map(Peer::id);
        let able: Vec<_> = able.take(2).collect();
        let can_wait = |peer: &Peer| self.is_in_safe_mode() || able.iter().any(|other| *other != peer.id());
        // The members that could not dial it have gone, and no other finds out that it is in reach again.
        let is_long_due = |due: Timestamp| due.after(LONGEST_PAUSE) <= now;
        let is_forsaken = |peer: &Peer| !can_wait(peer) && peer.reach.due.is_some_and(is_long_due);
        let passed = |peer: &Peer| match *peer.standing() {
            Standing::Unconfirmed { until } if until <= now || !can_wait(peer) => Some(Standing::Reachable),
            Standing::Unreachable { .. } if is_forsaken(peer) => Some(Standing::Reachable),
            Standing::Unreachable {
                ref failure,
                grace: Some(grace),
            } if grace <= now => Some(Standing::Unreachable {
                failure: failure.clone(),
                grace: None,
            }),
            _ => None,
        };
        let passed = self.iter().filter_map(|peer| Some((peer.id(), passed(peer)?)));
        let passed: Vec<_> = passed.collect();
        let ids = passed.iter().map(|(id, _)| *id).collect();
        for (id, standing) in passed {
            if let Some(peer) = self.get_mut(id) {
                peer.reach.standing = standing;
            }
        }
        ids
    }

    /// Forgets probes of members that do not answer, and of peers that are gone; the others are tried anew.
    fn drop_probes(&mut self, now: Timestamp) {
        let is_over = |probe: &Probe| {
            probe.until <= now || !self.is_live(probe.by) || self.get(probe.subject).is_none_or(Peer::is_lost)
        };
        let over: Vec<_> = self.probes.iter().filter(|(_, probe)| is_over(probe)).collect();
        let over: Vec<_> = over
            .into_iter()
            .map(|(number, probe)| (*number, probe.subject))
            .collect();
        for (number, subject) in over {
            self.probes.remove(&number);
            if let Some(peer) = self.peers.get_mut(&subject) {
                peer.reach.due.get_or_insert(now);
            }
        }
    }

    fn probers(&self) -> Vec<Prober> {
        let mut busy: BTreeMap<PeerId, usize> = BTreeMap::new();
        for probe in self.probes.values() {
            *busy.entry(probe.by).or_default() += 1;
        }
        let able = self.iter().filter(|peer| peer.can_probe());
        let prober = |peer: &Peer| {
            Some(Prober {
                id: peer.id(),
                session: peer.ready_session()?.id(),
                busy: busy.get(&peer.id()).copied().unwrap_or_default(),
            })
        };
        able.filter_map(prober).collect()
    }

    /// Chooses the member that dials a peer next, if there is one that has not failed: one on another machine
    /// before one on the peer's own, one that is in reach itself, one with little to do.
    fn choose(&self, subject: PeerId, probers: &[Prober]) -> Option<usize> {
        let peer = self.get(subject)?;
        let turn = usize::try_from(self.last_probe).unwrap_or_default();
        let able = probers.iter().enumerate().filter_map(|(number, prober)| {
            let member = self.get(prober.id)?;
            let has_failed = peer.reach.failures.contains_key(&prober.id);
            let key = (
                member.is_on_machine_of(peer),
                *member.standing() != Standing::Reachable,
                prober.busy,
                (number + turn) % probers.len(),
            );
            (prober.id != subject && !has_failed).then_some((key, number))
        });
        able.min().map(|(_, number)| number)
    }

    fn has_failures(&self, subject: PeerId) -> bool {
        self.get(subject)
            .is_some_and(|peer| !peer.reach.failures.is_empty())
    }

    /// Makes a peer unreachable; returns whether that is news.
    fn give_up(&mut self, subject: PeerId, now: Timestamp, grace: Duration) -> bool {
        let Some(peer) = self.get_mut(subject) else {
            return false;
        };
        let is_news = !matches!(peer.standing(), Standing::Unreachable { .. });
        let address = peer.address().clone();
        peer.reach.give_up(&address, now, grace);
        is_news
    }
}

/// Judges an answer: the peer itself must be the one that answers.
fn verdict(peer: &Peer, outcome: Result<Answer, String>) -> Result<(), String> {
    match outcome? {
        Answer::Peer(id) if id == peer.id() => Ok(()),
        Answer::Peer(id) => Err(format!("another peer answers there: {}", id.short())),
        // Earlier versions do not say who they are.
        Answer::Nameless if !peer.traits.can_probe => Ok(()),
        Answer::Nameless => Err("another program answers there".to_owned()),
    }
}
