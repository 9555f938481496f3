//! One session with one tracker, without I/O: from Hello to the end of the connection.
//!
//! A [`Session`] is told what happens ([`Input`]) and returns what is to be done ([`Output`]). `driver`
//! drives it over sockets and disks; the simulated cluster of `tests` drives the same code over simulated
//! ones. A driver
//!
//! * carries out outputs in their order, and answers a look-up with [`Input::Found`]. Other inputs may come
//!   between: the
//!   session obeys no eviction of a content while it is being looked up;
//! * gives [`Input::TimeUp`] when the time of [`Session::next_timer`] has come;
//! * drops the session when an output cannot be carried out or the connection is lost. A new session tells
//!   everything
//!   anew, so nothing of an old one matters.
//!
//! Invariants: a change is announced [`ANNOUNCE_DELAY`] after it was noticed, or with an announce that comes
//! sooner; the end of a protection is announced at once; what happens between Hello and Welcome is announced
//! after the listing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::messages::MAX_FILE_NEWS;
use shared::model::{
    Absence, ContentId, DigestBuckets, Epoch, FileNews, FragmentSet, Hello, HelloRefusal, Holding,
    HoldingsDigest, HostPort, Incarnation, NetworkId, Numbered, Order, PeerId, Received, Report,
    SampleOutcome, Timestamp, Welcome,
};

use super::inventory::{Inventory, Refusal};
use super::protected::Protected;
use store::{Entry, FragmentStore};

/// Changes within this time are announced together: a fetch commits many fragments a second.
pub const ANNOUNCE_DELAY: Duration = Duration::from_millis(50);

/// The epoch of a peer that has seen none.
const NO_EPOCH: Epoch = Epoch::new(0);

/// The last epoch in which a tracker is believed: so many remain that no peer sees the end of them.
const LAST_EPOCH: Epoch = Epoch::new(u64::MAX / 2);

/// A session with a tracker.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    inventory: Inventory,
    protected: Protected,
    /// Contents whose eviction waits for a look at the copies that remain.
    looking: BTreeSet<ContentId>,
    /// Absent files of which the tracker was told; none when it takes no such news.
    absences: Option<BTreeMap<ContentId, Absence>>,
    /// Deliveries that wait for a heartbeat.
    received: Vec<Received>,
    /// The run that says hello, its network, and the newest epoch that it has seen there.
    run: Incarnation,
    network: Option<NetworkId>,
    seen: Epoch,
    /// When the changes are due to be announced; none when there are none.
    announce_at: Option<Timestamp>,
}

/// How far a session is.
#[derive(Debug)]
enum Phase {
    /// The holdings are being summed up for Hello.
    Introducing(Box<Hello>),
    /// Hello was sent.
    Greeting,
    /// The holdings are being looked up for the listing.
    Listing { heartbeat: Duration },
    /// The tracker knows what is held.
    Open {
        heartbeat: Duration,
        heartbeat_at: Timestamp,
    },
    /// The session is over.
    Closed,
}

/// An event in the life of a session.
#[derive(Debug)]
pub enum Input {
    /// The answer to a look-up.
    Found(Found),
    /// The tracker's answer to Hello.
    Welcomed(Welcome),
    /// The tracker's answer to Hello in place of Welcome.
    Refused(HelloRefusal),
    /// An order of the tracker.
    Ordered(Order),
    /// The store's copy of a content changed, or its fetching began or ended.
    Changed(ContentId),
    /// Some changes were dropped before they could be read.
    ChangesMissed(u64),
    /// A publication ended.
    ProtectionEnded,
    /// There is something else to report: an assignment that failed, the result of a probe.
    Say(Report),
    /// The time of [`Session::next_timer`] has come.
    TimeUp {
        /// Bytes in the store.
        used: u64,
        /// Bytes that its disk has free, if it knows.
        disk_free: Option<u64>,
        /// Holders that have delivered something since the last time.
        received: Vec<Received>,
    },
    /// The answer to [`Output::Look`].
    Looked {
        /// The order.
        order: Order,
        /// Holders of copies that were to remain and could not be read.
        unread: Vec<(PeerId, SampleOutcome)>,
    },
    /// The peer leaves this network, stops, or has to register anew.
    Leave,
}

/// An instruction to whoever drives a session.
#[derive(Debug)]
pub enum Output {
    /// Look at the store and answer with [`Input::Found`].
    LookUp(LookUp),
    /// Send Hello.
    Hello(Box<Hello>),
    /// Turn to this network: durably, before the next output.
    TurnTo(NetworkId),
    /// Keep the tracker's epoch: durably, before the next output.
    RaiseEpoch(Epoch),
    /// Go on as the run after this one: durably, before the next output.
    CountOn(Incarnation),
    /// The session is open: orders are obeyed, and anything can be reported.
    Opened(Epoch),
    /// Send a report.
    Report(Numbered<Report>),
    /// Read a block of every copy that is to remain, and answer with [`Input::Looked`]: the eviction is
    /// obeyed then, if it still may be.
    Look(Order),
    /// Carry out an order.
    Obey(Order),
    /// An order is not carried out.
    Refused(Refusal),
    /// End the connection; no output follows.
    Close(End),
}

/// Why a session ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The driver asked the session to leave.
    Left,
    /// Changes were missed: a new session tells what differs.
    ChangesMissed(u64),
    /// The tracker broke the protocol.
    Protocol(&'static str),
    /// Another run of this peer, at this address, may have ended without the tracker's notice: a new
    /// session is to be tried in a moment.
    ContestedBy(HostPort),
    /// The data directory is a copy of the one at this address: a new session is to be tried seldom, as a run
    /// that was refused.
    CopyOf(HostPort),
    /// The tracker counts the runs of this peer otherwise, or is of another network: a new session is to be
    /// tried soon, as the run that comes next there, or as a peer of that network.
    SayAgain,
}

/// A question about the store.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// The digest of everything that is held.
    Digest,
    /// The holdings in these buckets, or all.
    Listing(Option<DigestBuckets>),
    /// How these contents are held.
    Contents(BTreeSet<ContentId>),
}

/// The answer to a [`LookUp`].
#[derive(Clone, Debug)]
pub enum Found {
    /// To [`LookUp::Digest`].
    Digest(HoldingsDigest),
    /// To the others; with news of the files of these contents, and of all absent files to a listing.
    Holdings(Vec<Holding>, Vec<FileNews>),
}

impl LookUp {
    /// Looks at a store; `is_fetching` says which contents are being fetched. Blocks on the disk.
    #[must_use]
    pub fn answer(&self, store: &dyn FragmentStore, is_fetching: impl Fn(ContentId) -> bool) -> Found {
        // Contents of other networks are not told of, as if they were not here.
        let held = |is_asked: &dyn Fn(ContentId) -> bool| {
            let holding = |entry: Entry| {
                let content = entry.manifest.content();
                let is_asked = is_asked(content) && !store.is_elsewhere(content);
                let holding = is_asked.then(|| holding(content, Some(entry), is_fetching(content)));
                // A listing is silent about a content that is neither held nor coming.
                holding.filter(|holding| !holding.fragments.is_empty() || holding.is_fetching)
            };
            let holdings: Vec<Holding> = store.entries().into_iter().filter_map(holding).collect();
            holdings
        };
        match self {
            Self::Digest => Found::Digest(held(&|_| true).iter().collect()),
            Self::Listing(buckets) => {
                let is_asked = |content| buckets.is_none_or(|buckets| buckets.contains(content));
                let entries = store.entries().into_iter();
                let is_here = |entry: &Entry| !store.is_elsewhere(entry.manifest.content());
                let absent = entries.filter(|entry| entry.away.is_some() && is_here(entry));
                let news = absent.map(|entry| news(entry.manifest.content(), Some(&entry)));
                Found::Holdings(held(&is_asked), news.collect())
            }
            Self::Contents(contents) => {
                let current = |content: &ContentId| {
                    let content = *content;
                    let entry = store.entry(content).filter(|_| !store.is_elsewhere(content));
                    let news = news(content, entry.as_ref());
                    (holding(content, entry, is_fetching(content)), news)
                };
                let (holdings, news) = contents.iter().map(current).unzip();
                Found::Holdings(holdings, news)
            }
        }
    }
}

/// The news of the file with a content that is kept like this, or not at all.
fn news(content: ContentId, entry: Option<&Entry>) -> FileNews {
    let away = entry.and_then(|entry| entry.away);
    FileNews {
        content,
        absence: away.map(|away| away.absence),
    }
}

/// The announcement of a content that is kept like this, or not at all.
fn holding(content: ContentId, entry: Option<Entry>, is_fetching: bool) -> Holding {
    match entry {
        Some(entry) => Holding {
            content,
            keeps: entry.roles.keeps(),
            is_assigned: entry.roles.assigned,
            is_fetching,
            fragments: entry.held,
        },
        None => Holding {
            content,
            fragments: FragmentSet::empty(0),
            keeps: false,
            is_assigned: false,
            is_fetching: false,
        },
    }
}

impl Session {
    /// Begins a session. The driver reads changes of the store from before this on.
    #[must_use]
    pub fn begin(hello: Hello, protected: Protected) -> (Self, Vec<Output>) {
        let session = Self {
            run: hello.incarnation,
            network: hello.network,
            seen: hello.epoch,
            phase: Phase::Introducing(Box::new(hello)),
            inventory: Inventory::new(),
            protected,
            looking: BTreeSet::new(),
            absences: None,
            received: Vec::new(),
            announce_at: None,
        };
        (session, vec![Output::LookUp(LookUp::Digest)])
    }

    /// Whether the tracker knows what is held, so that failures of assignments can be reported.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// When [`Input::TimeUp`] is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        let Phase::Open { heartbeat_at, .. } = self.phase else {
            return None;
        };
        let announce_at = self.announce_at.filter(|_| !self.inventory.is_looking());
        Some(announce_at.map_or(heartbeat_at, |at| at.min(heartbeat_at)))
    }

    /// Takes an input and returns what is to be done; a look-up comes last.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let outputs = match (input, &self.phase) {
            (_, Phase::Closed) => Vec::new(),
            (Input::Found(found), _) => self.found(now, found),
            (Input::Welcomed(welcome), Phase::Greeting) => self.welcomed(welcome),
            (Input::Refused(refusal), Phase::Greeting) => self.refused(refusal),
            (Input::Refused(_), _) => {
                self.close(End::Protocol("the tracker refused a hello that it had answered"))
            }
            (Input::Welcomed(_), _) => self.close(End::Protocol("the tracker sent Welcome twice")),
            (Input::Ordered(_), Phase::Introducing(_) | Phase::Greeting) => {
                self.close(End::Protocol("the tracker sent an order before Welcome"))
            }
            (Input::Ordered(order), _) => self.ordered(order),
            (Input::Changed(content), _) => {
                self.inventory.note(content);
                Vec::new()
            }
            (Input::ChangesMissed(missed), _) => self.close(End::ChangesMissed(missed)),
            (Input::ProtectionEnded, Phase::Open { .. }) => {
                self.take_ended(now);
                self.announce_due(now)
            }
            // The listing takes note of it.
            (Input::ProtectionEnded, _) => Vec::new(),
            (Input::Say(report), Phase::Open { .. }) => vec![self.report(report)],
            // The tracker finds out by its deadline.
            (Input::Say(_), _) => Vec::new(),
            (
                Input::TimeUp {
                    used,
                    disk_free,
                    received,
                },
                _,
            ) => self.time_up(now, used, disk_free, received),
            (Input::Looked { order, unread }, _) => self.looked(order, unread),
            (Input::Leave, phase) => {
                let is_known = matches!(phase, Phase::Listing { .. } | Phase::Open { .. });
                let farewell = is_known.then(|| self.report(Report::Leave));
                let close = self.close(End::Left);
                farewell.into_iter().chain(close).collect()
            }
        };
        // Runs from the first change that was not told: later changes do not put it off.
        if self.inventory.has_changes() && self.announce_at.is_none() {
            self.announce_at = Some(now.after(ANNOUNCE_DELAY));
        }
        outputs
    }

    fn welcomed(&mut self, welcome: Welcome) -> Vec<Output> {
        let turn = match (self.network, welcome.network) {
            (Some(said), Some(network)) if said != network => {
                return self.close(End::Protocol("the tracker welcomed this peer in another network"));
            }
            (None, Some(network)) => Some(Output::TurnTo(network)),
            _ => None,
        };
        if welcome.epoch < self.seen {
            return self.close(End::Protocol(
                "the tracker welcomed this peer in an epoch older than the peer has seen",
            ));
        }
        // A peer that has seen no epoch yet may come to a network in any, while enough numbers are left.
        let is_far = self.seen > NO_EPOCH && welcome.epoch.ahead_of(self.seen) > Epoch::MAX_LEAP;
        if is_far || welcome.epoch > LAST_EPOCH {
            return self.close(End::Protocol(
                "the tracker is in an epoch that no restarts lead to; it is not this network's, or its journal is damaged",
            ));
        }
        // The epochs and marks of an older tracker are of no network: they are not remembered as something of
        // the one that this peer knows, and its evictions delete nothing of that.
        let is_nameless = self.network.is_some() && welcome.network.is_none();
        self.inventory.welcomed(welcome.epoch, is_nameless);
        self.absences = welcome.takes_file_news.then(BTreeMap::new);
        self.phase = Phase::Listing {
            heartbeat: welcome.heartbeat,
        };
        let (epoch, defaults) = (welcome.epoch, welcome.defaults);
        let raise = Output::RaiseEpoch(if is_nameless { self.seen } else { epoch });
        let adopt = Output::Obey(Order::Adopt { epoch, defaults });
        let look = Output::LookUp(LookUp::Listing(welcome.listing));
        turn.into_iter().chain([raise, adopt, look]).collect()
    }

    fn refused(&mut self, refusal: HelloRefusal) -> Vec<Output> {
        match refusal {
            HelloRefusal::ContestedBy(address) => self.close(End::ContestedBy(address)),
            HelloRefusal::CopyOf(address) => self.close(End::CopyOf(address)),
            HelloRefusal::OlderThan(run) if run >= self.run => self.count_on(run),
            HelloRefusal::AheadOf(run) if run < self.run => self.count_on(run),
            HelloRefusal::OlderThan(_) | HelloRefusal::AheadOf(_) => {
                self.close(End::Protocol("the tracker refused a run that can follow"))
            }
            HelloRefusal::OtherNetwork(network) if self.network.is_some_and(|said| said != network) => {
                self.say_again(Output::TurnTo(network))
            }
            HelloRefusal::OtherNetwork(_) => {
                self.close(End::Protocol("the tracker refused a hello of its own network"))
            }
        }
    }

    fn count_on(&mut self, last: Incarnation) -> Vec<Output> {
        self.say_again(Output::CountOn(last))
    }

    fn say_again(&mut self, after: Output) -> Vec<Output> {
        let end = self.close(End::SayAgain);
        std::iter::once(after).chain(end).collect()
    }

    fn found(&mut self, now: Timestamp, found: Found) -> Vec<Output> {
        match (&mut self.phase, found) {
            (Phase::Introducing(hello), Found::Digest(digest)) => {
                hello.holdings = Some(digest);
                let Phase::Introducing(hello) = std::mem::replace(&mut self.phase, Phase::Greeting) else {
                    return Vec::new();
                };
                vec![Output::Hello(hello)]
            }
            (Phase::Listing { heartbeat }, Found::Holdings(holdings, news)) => {
                let heartbeat = *heartbeat;
                self.phase = Phase::Open {
                    heartbeat,
                    heartbeat_at: now,
                };
                // Before the end of the inventory: files of which the tracker hears nothing by then are back.
                let mut outputs = self.tell_of_files(news);
                let reports = self.inventory.list(holdings);
                outputs.extend(reports.into_iter().map(Output::Report));
                outputs.push(Output::Opened(self.inventory.epoch()));
                // A listing is silent about a content that is gone; the tracker may think otherwise of it.
                self.take_ended(now);
                outputs.extend(self.announce_due(now));
                outputs
            }
            (Phase::Open { .. }, Found::Holdings(holdings, news)) => {
                let reports = self.inventory.announce(holdings);
                let mut outputs: Vec<_> = reports.into_iter().map(Output::Report).collect();
                outputs.extend(self.tell_of_files(news));
                outputs
            }
            _ => Vec::new(),
        }
    }

    /// Reports the news that the tracker was not told, if it takes such.
    fn tell_of_files(&mut self, news: Vec<FileNews>) -> Vec<Output> {
        let Some(told) = &mut self.absences else {
            return Vec::new();
        };
        let is_new = |news: &FileNews| match news.absence {
            Some(absence) => told.insert(news.content, absence) != Some(absence),
            None => told.remove(&news.content).is_some(),
        };
        let new: Vec<_> = news.into_iter().filter(is_new).collect();
        let messages = new.chunks(MAX_FILE_NEWS);
        messages
            .map(|news| self.report(Report::Files(news.to_vec())))
            .collect()
    }

    fn ordered(&mut self, order: Order) -> Vec<Output> {
        let judged = self.judge(&order);
        if judged.is_ok()
            && let Order::Evict {
                content, remaining, ..
            } = &order
            && !remaining.is_empty()
        {
            // A repeated order is answered with the first. The copy is announced after the look.
            let is_new = self.looking.insert(*content);
            return is_new.then_some(Output::Look(order)).into_iter().collect();
        }
        // Its end does not matter: the tracker is told what is here then.
        self.inventory.answer(&order);
        vec![match judged {
            Ok(()) if let Order::Ask { question, .. } = order => self.report(Report::Alive { question }),
            Ok(()) => Output::Obey(order),
            Err(refusal) => Output::Refused(refusal),
        }]
    }

    /// Goes on with an eviction after a look at the copies that remain; much may have happened meanwhile.
    fn looked(&mut self, order: Order, unread: Vec<(PeerId, SampleOutcome)>) -> Vec<Output> {
        let Order::Evict { content, .. } = order else {
            return Vec::new();
        };
        if !self.looking.remove(&content) {
            return Vec::new();
        }
        let judged = self.judge(&order);
        let judged = match unread.is_empty() {
            true => judged,
            false => judged.and(Err(Refusal::Unread)),
        };
        let kept = unread.into_iter().map(|(holder, outcome)| Report::Kept {
            content,
            holder,
            outcome,
        });
        let mut outputs: Vec<_> = kept.map(|kept| self.report(kept)).collect();
        self.inventory.answer(&order);
        outputs.push(match judged {
            Ok(()) => Output::Obey(order),
            Err(refusal) => Output::Refused(refusal),
        });
        outputs
    }

    fn judge(&self, order: &Order) -> Result<(), Refusal> {
        self.inventory
            .judge(order, |content| self.protected.contains(content))
    }

    fn time_up(
        &mut self,
        now: Timestamp,
        used: u64,
        disk_free: Option<u64>,
        received: Vec<Received>,
    ) -> Vec<Output> {
        self.received.extend(received);
        let mut outputs = Vec::new();
        if let Phase::Open {
            heartbeat,
            heartbeat_at,
        } = &mut self.phase
            && *heartbeat_at <= now
        {
            *heartbeat_at = now.after(*heartbeat);
            let most = self.received.len().min(Received::MOST);
            let received = self.received.drain(..most).collect();
            outputs.push(self.report(Report::Heartbeat {
                used,
                disk_free,
                received,
            }));
        }
        outputs.extend(self.announce_due(now));
        outputs
    }

    /// Lifts the protection of contents whose publications have ended; they are announced at once.
    fn take_ended(&mut self, now: Timestamp) {
        for content in self.protected.take_ended() {
            self.inventory.note(content);
            self.announce_at = Some(now);
        }
    }

    /// Begins an announce of everything that changed, if one is due.
    fn announce_due(&mut self, now: Timestamp) -> Vec<Output> {
        let is_due = self.announce_at.is_some_and(|at| at <= now);
        if !is_due || !self.is_open() || self.inventory.is_looking() {
            return Vec::new();
        }
        self.announce_at = None;
        vec![Output::LookUp(LookUp::Contents(self.inventory.look_up()))]
    }

    fn report(&mut self, report: Report) -> Output {
        Output::Report(self.inventory.report(report))
    }

    fn close(&mut self, end: End) -> Vec<Output> {
        self.phase = Phase::Closed;
        vec![Output::Close(end)]
    }
}

#[cfg(test)]
mod tests;
