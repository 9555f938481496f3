//! Which of several sources is asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;
use shared::model::{FragmentIndex, PeerId, Timestamp};

use super::standing::Standing;

/// A source that could serve more, while it is being decided what.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) source: PeerId,
    pub(super) standing: &'a Standing,
    /// Requests that it has just been given.
    pub(super) given: u32,
}

impl Candidate<'_> {
    pub(super) fn holds(&self, fragment: FragmentIndex) -> bool {
        self.standing.fragments.contains(fragment)
    }

    pub(super) fn has_room(&self) -> bool {
        self.standing.has_room_for(self.given)
    }
}

/// The least loaded of those that will do; near ones before others, and any of equal ones.
pub(super) fn choose(
    rng: &mut StdRng,
    candidates: &[Candidate<'_>],
    will_do: impl Fn(&Candidate<'_>) -> bool,
) -> Option<usize> {
    let cost = |candidate: &Candidate<'_>| {
        (
            candidate.standing.load_with(candidate.given),
            Reverse(candidate.standing.is_near),
        )
    };
    (0..candidates.len())
        .filter(|at| will_do(&candidates[*at]))
        .min_by_key(|at| (cost(&candidates[*at]), rng.random::<u32>()))
}

/// The sources that could serve one more request now and hold something useful.
pub(super) fn candidates(
    sources: &BTreeMap<PeerId, Standing>,
    now: Timestamp,
    is_useful: impl Fn(&Standing) -> bool,
) -> Vec<Candidate<'_>> {
    sources
        .iter()
        .filter(|(_, standing)| standing.is_open(now) && is_useful(standing))
        .map(|(source, standing)| Candidate {
            source: *source,
            standing,
            given: 0,
        })
        .collect()
}
