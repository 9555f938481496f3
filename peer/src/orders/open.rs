//! The tracker's orders to hold fragments that are open here, and the ones that are worked on. Pure.
//!
//! Invariants: no fragment is ordered twice, so an order that is repeated adds nothing. At most [`WORKERS`]
//! orders have a worker at a time; an order loses its worker when its sources hold it up, and after [`TURN`]
//! in any case, and is fetched on beside the workers. At most [`MAX_RUNNING`] are fetched at a time: one more
//! pushes out the one of them that has received nothing for the longest time. So the first order in the queue
//! begins within a turn, whatever the others do. An order for which nothing came for [`STALL`] is given up.
//! Orders of which nothing has come take a limited number of bytes together, or are a single one: nobody has
//! proved that such a content exists. The room of an order that ends before it is carried out is given back.
//!
//! Deliberately absent: the store, and the choice of sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use shared::model::{ContentId, Epoch, FragmentSet, Manifest, Source, Timestamp};

/// Orders that are open; each carries a manifest. A tracker that has more will try again or elsewhere.
const MAX_OPEN: usize = 256;

/// Orders that have a worker; each uses several sources already.
const WORKERS: usize = 4;

/// Orders that are fetched at a time: those that lost their workers need little.
const MAX_RUNNING: usize = 32;

/// Time for which an order has a worker at most, when others wait.
const TURN: Duration = Duration::from_secs(10);

/// Time in which no order is said to be held up: sources are looked for and dialled in it.
const BEGINNING: Duration = Duration::from_secs(1);

/// Time without a useful byte after which an order is given up: as long as a tracker waits by default.
const STALL: Duration = Duration::from_secs(60);

/// An order to hold fragments.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Of the tracker that gave it.
    pub epoch: Epoch,
    /// The content.
    pub manifest: Manifest,
    /// The fragments to hold.
    pub fragments: FragmentSet,
    /// Peers that have some.
    pub sources: Vec<Source>,
}

/// Number of an order, unique in a run; later ones are higher.
pub type OrderNumber = u64;

/// An instruction to the shell.
#[derive(Debug)]
pub enum Action {
    /// Make room, fetch the fragments, and then say [`OpenOrders::ended`].
    Begin(OrderNumber, Assignment),
    /// End the fetch of this order soon; [`OpenOrders::ended`] is said then.
    End(OrderNumber),
    /// Tell the tracker that nothing came for this content for so long.
    GiveUp(ContentId, Duration),
    /// Give back the room of these fragments, as far as they are not held, before the next action.
    GiveBack(ContentId, FragmentSet),
}

/// Result of [`OpenOrders::ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The order was open to the end: a failure of it is told.
    Open,
    /// The order was put off, given up, or came from a tracker that is gone.
    PutOff,
    /// The content was evicted or forgotten: what was made for the order since goes.
    Withdrawn,
}

/// The open orders, in the order in which they came.
#[derive(Debug, Default)]
pub struct OpenOrders {
    orders: BTreeMap<OrderNumber, Order>,
    last: OrderNumber,
    /// Fragments whose room is to be given back.
    unused: VecDeque<(ContentId, FragmentSet)>,
    /// Bytes that orders of which nothing has come may take together; no limit until one is set.
    unproved_limit: Option<u64>,
}

#[derive(Debug)]
struct Order {
    assignment: Assignment,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Line),
    Running(Run),
    /// Ends soon, for a reason.
    Leaving {
        why: Leaving,
        is_told: bool,
    },
}

/// The line in which an order waits for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    New,
    /// It was begun before; if it received nothing, since when.
    Again(Option<Timestamp>),
}

/// Why an order ends before it is carried out; a later one of these outweighs an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leaving {
    /// Another order takes its place; it waits again after that.
    PushedOut(Option<Timestamp>),
    GivenUp,
    /// Its tracker is gone.
    Outdated,
    /// The content was evicted or forgotten.
    Withdrawn,
}

/// A fetch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    begun: Timestamp,
    has_worker: bool,
    /// Useful bytes that it has received.
    useful: u64,
    /// When they last grew; for an order that is begun again, when its last byte came before.
    moved_at: Timestamp,
}

impl OpenOrders {
    /// Takes an order; false when there is no place for it. Fragments that are ordered already are not
    /// ordered again; the rest joins an order of the content that waits.
    pub fn accept(&mut self, mut new: Assignment) -> bool {
        let mut waiting = None;
        for order in self.orders.values_mut() {
            let known = &mut order.assignment;
            if known.manifest != new.manifest || order.state.is_final() {
                continue;
            }
            known.epoch = known.epoch.max(new.epoch);
            new.fragments.subtract(&known.fragments);
            if let State::Waiting(_) = order.state {
                waiting = Some(known);
            }
        }
        if let Some(known) = waiting {
            known.fragments.union_with(&new.fragments);
            known.sources = new.sources;
            return true;
        }
        let has_place = new.fragments.is_empty() || self.orders.len() < MAX_OPEN;
        if has_place && !new.fragments.is_empty() {
            self.put(new, Line::New);
        }
        has_place
    }

    /// Says how far a fetch is: its useful bytes, and whether its sources hold it up.
    pub fn progress(&mut self, now: Timestamp, number: OrderNumber, useful: u64, is_held_up: bool) {
        let Some(State::Running(run)) = self.orders.get_mut(&number).map(|order| &mut order.state) else {
            return;
        };
        if useful > run.useful {
            (run.useful, run.moved_at) = (useful, now);
        }
        let took = now.since(run.begun);
        run.has_worker &= took < TURN && !(is_held_up && took >= BEGINNING);
    }

    /// Limits the bytes that orders of which nothing has come may take together.
    pub const fn limit_unproved(&mut self, bytes: u64) {
        self.unproved_limit = Some(bytes);
    }

    /// Takes note that a fetch has ended.
    pub fn ended(&mut self, number: OrderNumber) -> Ending {
        let Some(order) = self.orders.remove(&number) else {
            return Ending::PutOff;
        };
        // An order that is pushed out keeps the room in which something has come already.
        let is_kept = matches!(
            order.state,
            State::Leaving {
                why: Leaving::PushedOut(None) | Leaving::Withdrawn,
                ..
            }
        );
        if !is_kept {
            self.give_back(&order.assignment);
        }
        match order.state {
            State::Leaving { why, .. } => match why {
                Leaving::PushedOut(still_since) => {
                    self.put(order.assignment, Line::Again(still_since));
                    Ending::PutOff
                }
                Leaving::GivenUp | Leaving::Outdated => Ending::PutOff,
                Leaving::Withdrawn => Ending::Withdrawn,
            },
            State::Waiting(_) | State::Running(_) => Ending::Open,
        }
    }

    /// Withdraws all orders of a content: it was evicted or forgotten.
    pub fn withdraw(&mut self, content: ContentId) {
        let is_meant = |assignment: &Assignment| assignment.manifest.content() == content;
        self.drop_those(Leaving::Withdrawn, is_meant);
    }

    /// Withdraws the orders of trackers before this epoch: the present tracker decides anew.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.drop_those(Leaving::Outdated, |assignment| assignment.epoch < epoch);
    }

    /// Withdraws all orders: the peer is in another network.
    pub fn abandon(&mut self) {
        self.drop_those(Leaving::Outdated, |_| true);
    }

    /// Returns the next thing to do, if there is one now.
    pub fn next(&mut self, now: Timestamp) -> Option<Action> {
        let unused = self.unused.pop_front();
        unused
            .map(|(content, fragments)| Action::GiveBack(content, fragments))
            .or_else(|| self.tell_leaving())
            .or_else(|| self.give_up(now))
            .or_else(|| self.begin(now))
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.unused.is_empty()
    }

    fn give_back(&mut self, assignment: &Assignment) {
        let content = assignment.manifest.content();
        self.unused.push_back((content, assignment.fragments.clone()));
    }

    fn put(&mut self, assignment: Assignment, line: Line) {
        self.last += 1;
        let state = State::Waiting(line);
        self.orders.insert(self.last, Order { assignment, state });
    }

    fn drop_those(&mut self, why: Leaving, is_meant: impl Fn(&Assignment) -> bool) {
        let is_waiting = |order: &mut Order| matches!(order.state, State::Waiting(_));
        let dropped = self
            .orders
            .extract_if(.., |_, order| is_waiting(order) && is_meant(&order.assignment));
        let dropped: Vec<Order> = dropped.map(|(_, order)| order).collect();
        for order in dropped {
            // An evicted or forgotten content takes no room.
            if why != Leaving::Withdrawn {
                self.give_back(&order.assignment);
            }
        }
        for order in self
            .orders
            .values_mut()
            .filter(|order| is_meant(&order.assignment))
        {
            let (why, is_told) = match order.state {
                State::Leaving { why: before, is_told } => (why.max(before), is_told),
                State::Waiting(_) | State::Running(_) => (why, false),
            };
            order.state = State::Leaving { why, is_told };
        }
    }

    /// Ends a fetch that has to end and does not know yet.
    fn tell_leaving(&mut self) -> Option<Action> {
        self.orders
            .iter_mut()
            .find_map(|(number, order)| match &mut order.state {
                State::Leaving { is_told, .. } if !*is_told => {
                    *is_told = true;
                    Some(Action::End(*number))
                }
                _ => None,
            })
    }

    /// Gives an order up for which nothing came for too long.
    fn give_up(&mut self, now: Timestamp) -> Option<Action> {
        let mut orders = self.orders.iter();
        let (number, waited) = orders.find_map(|(number, order)| {
            let waited = now.since(order.state.still_since()?);
            (waited >= STALL).then_some((*number, waited))
        })?;
        let order = self.orders.get_mut(&number)?;
        let content = order.assignment.manifest.content();
        if let State::Waiting(_) = order.state {
            let order = self.orders.remove(&number)?;
            self.give_back(&order.assignment);
        } else {
            let (why, is_told) = (Leaving::GivenUp, false);
            order.state = State::Leaving { why, is_told };
        }
        Some(Action::GiveUp(content, waited))
    }

    /// Begins the order whose turn it is, or makes a place for it.
    fn begin(&mut self, now: Timestamp) -> Option<Action> {
        let is_running = |order: &&Order| !matches!(order.state, State::Waiting(_));
        let running = self.orders.values().filter(is_running).count();
        let has_worker = |order: &&Order| matches!(order.state, State::Running(run) if run.has_worker);
        if self.orders.values().filter(has_worker).count() >= WORKERS {
            return None;
        }
        let (number, line) = self.first_in_line()?;
        let is_over_limit = self.exceeds_unproved(number);
        if running >= MAX_RUNNING || is_over_limit {
            // An order that was begun before waits until there is a place.
            return (line == Line::New)
                .then(|| self.push_out(is_over_limit))
                .flatten();
        }
        let still_since = match line {
            Line::New => None,
            Line::Again(still_since) => still_since,
        };
        let order = self.orders.get_mut(&number)?;
        order.state = State::Running(Run {
            begun: now,
            has_worker: true,
            useful: 0,
            moved_at: still_since.unwrap_or(now),
        });
        Some(Action::Begin(number, order.assignment.clone()))
    }

    /// Whether an order has to wait until others of which nothing has come give their room back.
    fn exceeds_unproved(&self, number: OrderNumber) -> bool {
        let bytes = |order: &Order| {
            let assignment = &order.assignment;
            assignment.manifest.bytes_in(&assignment.fragments)
        };
        let unproved = self.orders.values().filter(|order| order.state.is_unproved());
        let before = unproved.map(bytes).fold(0, u64::saturating_add);
        let next = self.orders.get(&number).map_or(0, bytes);
        let limit = self.unproved_limit.unwrap_or(u64::MAX);
        before > 0 && before.saturating_add(next) > limit
    }

    /// Returns the order that begins next: the first new one, or else the first that was begun before. A
    /// fetch that is ending may still write, so another order of its content waits for that.
    fn first_in_line(&self) -> Option<(OrderNumber, Line)> {
        let leaving = |order: &&Order| matches!(order.state, State::Leaving { .. });
        let leaving: BTreeSet<_> = self.orders.values().filter(leaving).map(Order::content).collect();
        let waiting = self
            .orders
            .iter()
            .filter_map(|(number, order)| match order.state {
                State::Waiting(line) if !leaving.contains(&order.content()) => Some((*number, line)),
                _ => None,
            });
        waiting.min_by_key(|(number, line)| (*line != Line::New, *number))
    }

    /// Ends the fetch without a worker that has received nothing for the longest time, one at a time; only
    /// one of which nothing at all has come if it `must_be_unproved`.
    fn push_out(&mut self, must_be_unproved: bool) -> Option<Action> {
        let is_pushed_out = |order: &Order| matches!(order.state, State::Leaving { .. });
        if self.orders.values().any(is_pushed_out) {
            return None;
        }
        let idle = self
            .orders
            .iter()
            .filter_map(|(number, order)| match order.state {
                State::Running(run) if !run.has_worker && (run.useful == 0 || !must_be_unproved) => {
                    Some((run, *number))
                }
                _ => None,
            });
        let (run, number) = idle.min_by_key(|(run, number)| (run.moved_at, *number))?;
        // Being pushed out is no standstill of an order that moves.
        let still_since = (run.useful == 0).then_some(run.moved_at);
        let (why, is_told) = (Leaving::PushedOut(still_since), true);
        self.orders.get_mut(&number)?.state = State::Leaving { why, is_told };
        Some(Action::End(number))
    }
}

impl Order {
    const fn content(&self) -> ContentId {
        self.assignment.manifest.content()
    }
}

impl State {
    /// Whether the order ends for good.
    const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Leaving {
                why: Leaving::GivenUp | Leaving::Outdated | Leaving::Withdrawn,
                ..
            }
        )
    }

    /// Whether the order has room, and nothing of it has come.
    const fn is_unproved(self) -> bool {
        match self {
            Self::Running(run) => run.useful == 0,
            Self::Leaving { why, .. } => matches!(why, Leaving::PushedOut(Some(_)) | Leaving::GivenUp),
            Self::Waiting(_) => false,
        }
    }

    /// Returns the time since which nothing has come, of an order that was begun.
    const fn still_since(self) -> Option<Timestamp> {
        match self {
            Self::Waiting(Line::Again(since)) => since,
            Self::Running(run) => Some(run.moved_at),
            Self::Waiting(Line::New) | Self::Leaving { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
