//! Progress of a fetch, in numbers and words, and its result.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{ByteRate, FetchPhase, FetchSource, PeerId, Reason, Waiting};

use super::scheduler::SchedulerSummary;

/// Progress of a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the wanted fragments that are held.
    pub held_bytes: u64,
    /// Bytes of the wanted fragments.
    pub length: u64,
    /// Sources that are sending something now.
    pub sources: u32,
    /// Bytes of blocks that have been received since the fetch began.
    pub received_bytes: u64,
    /// Bytes of blocks that have been received in vain.
    pub wasted_bytes: u64,
    /// Reason for which nothing comes, or little; none while bytes come as they should.
    pub waiting_for: Option<Waiting>,
    /// Work that is being done.
    pub phase: FetchPhase,
    /// The sources since the fetch began, and the part that each has given: at most [`FetchSource::MAX`].
    pub from: Vec<FetchSource>,
}

/// Result of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes of blocks received meanwhile, for all callers of the same job.
    pub received_bytes: u64,
    /// Bytes received in vain: wrong, of requests that did not deliver, or here already.
    pub wasted_bytes: u64,
    /// Sources that gave something of use since the job began.
    pub used: BTreeSet<PeerId>,
    /// Time from the call to the last commit.
    pub elapsed: Duration,
}

/// Facts that may keep a fetch waiting, as its session knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) summary: SchedulerSummary,
    /// Failures to reach sources.
    pub(super) unreached: Option<Waiting>,
    /// The limit on downloads, when it has held requests up lately.
    pub(super) limit: Option<ByteRate>,
    /// Bytes that all fetches together may have asked for, when others have taken them all.
    pub(super) memory: Option<u64>,
    /// Whether arrived fragments wait for the disk.
    pub(super) is_disk_behind: bool,
    /// Complaint about slow sources.
    pub(super) slow: Option<Waiting>,
}

impl Circumstances {
    /// Returns the reasons for which the fetch waits, the gravest first.
    pub(super) fn reasons(self) -> Vec<Reason> {
        if self.summary.pending == 0 {
            return Vec::new();
        }
        let all = [
            waiting_for(&self.summary, self.unreached),
            self.memory.map(Waiting::Memory),
            self.is_disk_behind.then_some(Waiting::Disk),
            self.limit.map(Waiting::Limit),
            self.slow,
        ];
        let reason = |waiting: Waiting| Reason {
            code: waiting.code(),
            detail: waiting.to_string(),
        };
        all.into_iter().flatten().map(reason).collect()
    }
}

/// Returns the reason for which the sources deliver nothing, or not everything.
pub(super) fn waiting_for(summary: &SchedulerSummary, unreached: Option<Waiting>) -> Option<Waiting> {
    let missing = summary.pending.saturating_sub(summary.in_flight);
    if summary.pending == 0 {
        None
    } else if summary.unsourced > 0 && unreached.is_some() {
        unreached
    } else if summary.unsourced > 0 && summary.unsourced == summary.pending {
        Some(Waiting::NoSource)
    } else if summary.unsourced > 0 {
        Some(Waiting::NoSourceOfSome(summary.unsourced))
    } else if summary.in_flight == 0 && missing > 0 {
        Some(Waiting::SourcesBusy(summary.sources))
    } else {
        None
    }
}

/// Returns the reason for which nothing has come for a while; there always is one. So many peers are
/// `connecting`.
pub(super) fn standstill(summary: &SchedulerSummary, connecting: u32) -> Option<Waiting> {
    if summary.pending == 0 {
        return None;
    }
    if summary.unsourced > 0 && connecting > 0 {
        // Their holdings are not known yet.
        return Some(Waiting::Connecting(connecting));
    }
    waiting_for(summary, None).or(Some(Waiting::SourcesSilent(summary.serving.max(1))))
}

#[cfg(test)]
mod tests {
    use shared::model::ReasonCode;

    use super::*;

    #[test]
    fn a_standstill_always_has_a_reason_and_a_finished_fetch_has_none() {
        let summary = SchedulerSummary {
            pending: 10,
            in_flight: 10,
            unsourced: 0,
            sources: 2,
            serving: 2,
            waiting: 0,
        };
        assert_eq!(standstill(&summary, 0), Some(Waiting::SourcesSilent(2)));
        let unsourced = SchedulerSummary {
            unsourced: 10,
            ..summary
        };
        assert_eq!(standstill(&unsourced, 3), Some(Waiting::Connecting(3)));
        assert_eq!(standstill(&unsourced, 0), Some(Waiting::NoSource));
        let done = SchedulerSummary {
            pending: 0,
            ..summary
        };
        assert_eq!(standstill(&done, 3), None);
    }

    #[test]
    fn the_reason_to_wait_is_given_in_words() {
        let summary = SchedulerSummary {
            pending: 10,
            in_flight: 0,
            unsourced: 0,
            sources: 2,
            serving: 0,
            waiting: 2,
        };
        for (summary, words) in [
            (summary, Some("all 2 sources are busy")),
            (
                SchedulerSummary {
                    sources: 1,
                    waiting: 1,
                    ..summary
                },
                Some("the only source is busy"),
            ),
            (
                SchedulerSummary {
                    unsourced: 3,
                    in_flight: 7,
                    ..summary
                },
                Some("no peer that is online holds 3 of the fragments"),
            ),
            (
                SchedulerSummary {
                    unsourced: 10,
                    sources: 0,
                    ..summary
                },
                Some("no peer that is online holds what is missing"),
            ),
            (
                SchedulerSummary {
                    in_flight: 4,
                    serving: 2,
                    ..summary
                },
                None,
            ),
            (
                SchedulerSummary {
                    pending: 0,
                    ..summary
                },
                None,
            ),
        ] {
            let told = waiting_for(&summary, None).map(|waiting| waiting.to_string());
            assert_eq!(told.as_deref(), words, "{summary:?}");
        }
        let summary = SchedulerSummary {
            unsourced: 10,
            sources: 0,
            ..summary
        };
        let unreached = "10.0.0.7:5: connection refused".to_owned();
        let told = waiting_for(&summary, Some(Waiting::Unreached(unreached))).expect("a reason");
        assert_eq!(told.code(), ReasonCode::Unreachable);
        assert_eq!(
            told.to_string(),
            "holders exist but cannot be reached: 10.0.0.7:5: connection refused"
        );
    }

    #[test]
    fn every_reason_has_its_code_and_a_finished_fetch_has_none() {
        let summary = SchedulerSummary {
            pending: 10,
            in_flight: 3,
            unsourced: 2,
            sources: 2,
            serving: 2,
            waiting: 0,
        };
        let all = Circumstances {
            summary,
            unreached: None,
            limit: ByteRate::new(1 << 20),
            memory: Some(64 << 20),
            is_disk_behind: true,
            slow: Some(Waiting::SlowSources(2, ByteRate::new(1024))),
        };
        let codes = |of: Circumstances| -> Vec<_> { of.reasons().iter().map(|reason| reason.code).collect() };
        assert_eq!(
            codes(all.clone()),
            [
                ReasonCode::NoSource,
                ReasonCode::MemoryBudget,
                ReasonCode::DiskBusy,
                ReasonCode::DownloadLimit,
                ReasonCode::SourcesSlow
            ]
        );
        let summary = SchedulerSummary {
            pending: 0,
            ..summary
        };
        assert_eq!(codes(Circumstances { summary, ..all }), []);
        let summary = SchedulerSummary {
            pending: 1,
            in_flight: 1,
            ..summary
        };
        let summary = SchedulerSummary {
            unsourced: 0,
            ..summary
        };
        assert_eq!(
            codes(Circumstances {
                summary,
                ..Circumstances::default()
            }),
            []
        );
    }
}
