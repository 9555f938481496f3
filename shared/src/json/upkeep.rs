//! Documents about upkeep: `drain`, `maintenance`, `durability`, `why`.

use super::{Replicas, millis};
use crate::model::{
    DrainStatus, Durability, Endangered, Extent, Losses, PeerMode, Reason, Repair, Survey, Why,
};
use serde::Serialize;

/// `peer maintenance` and `peer drain --cancel`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModeReport {
    /// `active`, `maintenance` or `draining`.
    duty: &'static str,
    /// End of a maintenance, in milliseconds since the Unix epoch; null otherwise.
    maintenance_until_ms: Option<u64>,
}

/// `peer drain`; with `--wait` inside a [`DrainLine`].
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drained {
    #[serde(flatten)]
    duty: ModeReport,
    contents: u64,
    bytes: u64,
    /// Contents that still need this peer, and the bytes of their fragments.
    contents_left: u64,
    bytes_left: u64,
    /// Whether the peer can be switched off, now and for good.
    safe: bool,
    reasons: Vec<Explanation>,
    /// Null when nothing moves or nothing is left.
    remaining_ms: Option<u64>,
}

/// A line of `peer drain --wait`: `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DrainLine {
    /// Progress.
    Progress(Drained),
    /// The result: the peer can be switched off.
    Done(Drained),
}

/// A reason with its code; `docs/reasons.md` explains the codes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Explanation {
    code: &'static str,
    detail: String,
}

/// `peer why`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explained {
    name: String,
    content: String,
    #[serde(flatten)]
    replicas: Replicas,
    /// The gravest first.
    reasons: Vec<Explanation>,
    /// Null when this peer is not fetching it.
    fetch: Option<Fetching>,
    /// Size of everything that is counted; null when the tracker counts only the catalog of a directory.
    extent: Option<Size>,
}

/// State of a fetch, and the reasons why it waits.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Fetching {
    held_bytes: u64,
    length: u64,
    /// Peers that are sending something now.
    sources: u32,
    /// The gravest first; empty when nothing delays the fetch.
    reasons: Vec<Explanation>,
}

/// `peer durability NAME`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Durable {
    name: String,
    content: String,
    #[serde(flatten)]
    replicas: Replicas,
    survives_any: u32,
    keepers: u32,
    /// Keepers whose copies other peers have read; null when the tracker does not tell.
    proved: Option<u32>,
    draining: u32,
    away: u32,
    sources: u32,
    fatal: Fatal,
    repair: Repairing,
    reasons: Vec<Explanation>,
    /// Size of everything that is counted; null when the tracker counts only the catalog of a directory.
    extent: Option<Size>,
}

/// Size of a file, or of a directory with its catalog and all parts that are meant.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Size {
    contents: u32,
    length: u64,
}

impl From<Extent> for Size {
    fn from(extent: Extent) -> Self {
        Self {
            contents: extent.contents,
            length: extent.length,
        }
    }
}

/// `peer durability`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Surveyed {
    contents: u64,
    bytes: u64,
    replicated: u64,
    degraded: u64,
    unavailable: u64,
    /// Contents by how many lost peers they survive.
    survives: Survives,
    fatal: Fatal,
    /// The worst first, at most 100.
    endangered: Vec<EndangeredName>,
    /// All names of contents below their target, also those that are not listed.
    endangered_names: u64,
    repair: Repairing,
    safe_mode: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Survives {
    none: u64,
    any_one: u64,
    any_two: u64,
    any_three: u64,
}

/// Losses that would lose a content; at most 16 of each kind are listed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Fatal {
    peers: Vec<String>,
    peer_count: u64,
    pairs: Vec<[String; 2]>,
    pair_count: u64,
    zones: Vec<String>,
    zone_count: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EndangeredName {
    name: String,
    fewest: u32,
    target: u32,
    copies_under_way: u32,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Repairing {
    bytes_under_way: u64,
    bytes_waiting: u64,
    bytes_per_second: u64,
    /// Null when there is nothing to do or nothing moves.
    remaining_ms: Option<u64>,
}

impl From<PeerMode> for ModeReport {
    fn from(mode: PeerMode) -> Self {
        Self {
            duty: mode.word(),
            maintenance_until_ms: match mode {
                PeerMode::Maintenance { until } => Some(until.as_millis()),
                PeerMode::Active | PeerMode::Draining => None,
            },
        }
    }
}

impl From<&DrainStatus> for Drained {
    fn from(status: &DrainStatus) -> Self {
        Self {
            duty: status.mode.into(),
            contents: status.contents,
            bytes: status.bytes,
            contents_left: status.contents_left,
            bytes_left: status.bytes_left,
            safe: status.is_safe,
            reasons: explanations(&status.reasons),
            remaining_ms: status.remaining.map(millis),
        }
    }
}

impl From<&Why> for Explained {
    fn from(why: &Why) -> Self {
        Self {
            name: why.name.to_string(),
            content: why.content.to_string(),
            replicas: (&why.health).into(),
            reasons: explanations(&why.reasons),
            fetch: why.fetch.as_ref().map(|fetch| Fetching {
                held_bytes: fetch.held_bytes,
                length: fetch.length,
                sources: fetch.sources,
                reasons: explanations(&fetch.reasons),
            }),
            extent: why.extent.map(Into::into),
        }
    }
}

impl From<&Durability> for Durable {
    fn from(of: &Durability) -> Self {
        Self {
            name: of.name.to_string(),
            content: of.content.to_string(),
            replicas: (&of.health).into(),
            survives_any: of.survives_any,
            keepers: of.keepers,
            proved: of.proved,
            draining: of.draining,
            away: of.away,
            sources: of.sources,
            fatal: (&of.fatal).into(),
            repair: (&of.repair).into(),
            reasons: explanations(&of.reasons),
            extent: of.extent.map(Into::into),
        }
    }
}

impl From<&Survey> for Surveyed {
    fn from(survey: &Survey) -> Self {
        let [none, any_one, any_two, any_three] = survey.survives;
        Self {
            contents: survey.contents,
            bytes: survey.bytes,
            replicated: survey.replicated,
            degraded: survey.degraded,
            unavailable: survey.unavailable,
            survives: Survives {
                none,
                any_one,
                any_two,
                any_three,
            },
            fatal: (&survey.fatal).into(),
            endangered: survey.endangered.iter().map(Into::into).collect(),
            // A tracker of an earlier version does not count them.
            endangered_names: survey.endangered_names.max(survey.endangered.len() as u64),
            repair: (&survey.repair).into(),
            safe_mode: survey.in_safe_mode,
        }
    }
}

impl From<&Endangered> for EndangeredName {
    fn from(one: &Endangered) -> Self {
        Self {
            name: one.name.to_string(),
            fewest: one.fewest,
            target: one.target,
            copies_under_way: one.copies_under_way,
        }
    }
}

impl From<&Losses> for Fatal {
    fn from(losses: &Losses) -> Self {
        Self {
            peers: losses.peers.iter().map(ToString::to_string).collect(),
            peer_count: losses.peer_count,
            pairs: losses
                .pairs
                .iter()
                .map(|(one, other)| [one.to_string(), other.to_string()])
                .collect(),
            pair_count: losses.pair_count,
            zones: losses.zones.iter().map(ToString::to_string).collect(),
            zone_count: losses.zone_count,
        }
    }
}

impl From<&Repair> for Repairing {
    fn from(repair: &Repair) -> Self {
        Self {
            bytes_under_way: repair.bytes_under_way,
            bytes_waiting: repair.bytes_waiting,
            bytes_per_second: repair.pace,
            remaining_ms: repair.remaining.map(millis),
        }
    }
}

fn explanations(reasons: &[Reason]) -> Vec<Explanation> {
    let explanation = |reason: &Reason| Explanation {
        code: reason.code.as_str(),
        detail: reason.detail.clone(),
    };
    reasons.iter().map(explanation).collect()
}
