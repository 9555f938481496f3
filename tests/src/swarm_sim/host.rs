//! A host: its links, its fragments, and the scheduler of a receiver.

use std::collections::VecDeque;

use peer::fetch::scheduler::Scheduler;
use shared::model::{FragmentIndex, FragmentSet, PeerId};

use super::plan::HostPlan;
use super::queue::{HostId, StreamId};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Host {
    pub(super) plan: HostPlan,
    pub(super) id: PeerId,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) is_present: bool,
    /// Hosts that it may meet, when all come together.
    pub(super) acquaintances: Vec<HostId>,
    /// Hosts that it has met and that are still there.
    pub(super) linked: Vec<HostId>,
    /// Fragments held.
    pub(super) held: FragmentSet,
    /// Fragments that have begun to arrive.
    pub(super) coming: FragmentSet,
    /// Whether its neighbours know no better than that it can serve more.
    pub(super) said_free: bool,
    /// Fragments that it is sending, or has sent lately.
    pub(super) handed_out: FragmentSet,
    /// Units held of each fragment, from the first on.
    pub(super) units: Vec<u32>,
    /// Streams that it serves, by fragment.
    pub(super) serves: Vec<Vec<StreamId>>,
    /// Streams that can send, in turn.
    pub(super) turns: VecDeque<StreamId>,
    /// Streams that could send if they had a slot, in the order in which they came.
    pub(super) waiting: VecDeque<StreamId>,
    pub(super) slots_used: usize,
    pub(super) is_sending: bool,
    /// Time at which the downlink has received everything that has landed.
    pub(super) down_free: u64,
    /// Streams that it has asked for and that have not ended.
    pub(super) asked: Vec<StreamId>,
    /// Whether an announce is planned.
    pub(super) is_telling: bool,
    /// Time at which it had everything.
    pub(super) completed: Option<u64>,
    /// Bytes that it sent.
    pub(super) sent: u64,
    /// Bytes that it received in vain.
    pub(super) wasted: u64,
}

impl Host {
    pub(super) fn new(
        plan: HostPlan,
        id: PeerId,
        count: u32,
        full: &[u32],
        scheduler: Option<Scheduler>,
    ) -> Self {
        let has_all = scheduler.is_none();
        Self {
            plan,
            id,
            scheduler,
            is_present: false,
            acquaintances: Vec::new(),
            linked: Vec::new(),
            held: if has_all {
                FragmentSet::full(count)
            } else {
                FragmentSet::empty(count)
            },
            coming: FragmentSet::empty(count),
            said_free: true,
            handed_out: FragmentSet::empty(count),
            units: if has_all {
                full.to_vec()
            } else {
                vec![0; full.len()]
            },
            serves: vec![Vec::new(); full.len()],
            turns: VecDeque::new(),
            waiting: VecDeque::new(),
            slots_used: 0,
            is_sending: false,
            down_free: 0,
            asked: Vec::new(),
            is_telling: false,
            completed: None,
            sent: 0,
            wasted: 0,
        }
    }

    pub(super) fn units_of(&self, fragment: FragmentIndex) -> u32 {
        self.units[fragment.get() as usize]
    }
}
