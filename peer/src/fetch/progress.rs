//! Progress of a fetch, in numbers and words, and its result.

use std::time::Duration;

use shared::model::{ByteCount, ByteRate, FetchSource, Reason, ReasonCode};

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
    /// Reason why nothing comes, little comes, or not everything can come; in words for a person.
    pub waiting_for: Option<String>,
    /// The sources since the fetch began, and the part that each has given: at most [`FetchSource::MAX`].
    pub from: Vec<FetchSource>,
}

/// Result of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes of blocks received meanwhile, for all callers of the same job.
    pub received_bytes: u64,
    /// Bytes received in vain: wrong, of requests that did not deliver, or here already.
    pub wasted_bytes: u64,
    /// Sources that delivered a fragment since the job began.
    pub sources_used: u32,
    /// Time from the call to the last commit.
    pub elapsed: Duration,
}

/// Facts that may keep a fetch waiting, as its session knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) summary: SchedulerSummary,
    /// Failures to dial sources, in words.
    pub(super) unreached: String,
    /// The limit on downloads, when it has held requests up lately.
    pub(super) limit: Option<ByteRate>,
    /// Bytes that all fetches together may have asked for, when others have taken them all.
    pub(super) memory: Option<u64>,
    /// Whether arrived fragments wait for the disk.
    pub(super) is_disk_behind: bool,
    /// Complaint about slow sources.
    pub(super) slow: Option<String>,
}

impl Circumstances {
    /// Returns the reasons for which the fetch waits, the gravest first.
    pub(super) fn reasons(self) -> Vec<Reason> {
        if self.summary.pending == 0 {
            return Vec::new();
        }
        let reason = |code, detail| Reason { code, detail };
        let mut reasons: Vec<_> = waiting_for(&self.summary, &self.unreached).into_iter().collect();
        reasons.extend(self.memory.map(|bytes| {
            let all = ByteCount::new(bytes);
            let detail = format!("other fetches here have asked for all that may be in memory ({all})");
            reason(ReasonCode::MemoryBudget, detail)
        }));
        reasons.extend(self.is_disk_behind.then(|| {
            let detail = "this peer's disk is slower than its sources".to_owned();
            reason(ReasonCode::DiskBusy, detail)
        }));
        reasons.extend(self.limit.map(|rate| {
            let detail = format!("this peer downloads at most {rate}");
            reason(ReasonCode::DownloadLimit, detail)
        }));
        reasons.extend(self.slow.map(|detail| reason(ReasonCode::SourcesSlow, detail)));
        reasons
    }
}

/// Returns the reason for which the sources deliver nothing, or not everything.
pub(super) fn waiting_for(summary: &SchedulerSummary, unreached: &str) -> Option<Reason> {
    let fragments = |n: u32| {
        if n == 1 {
            "1 of the fragments".to_owned()
        } else {
            format!("{n} of the fragments")
        }
    };
    let missing = summary.pending.saturating_sub(summary.in_flight);
    let (code, detail) = if summary.pending == 0 {
        return None;
    } else if summary.unsourced > 0 && !unreached.is_empty() {
        let detail = format!("holders exist but cannot be reached: {unreached}");
        (ReasonCode::Unreachable, detail)
    } else if summary.unsourced > 0 && summary.unsourced == summary.pending {
        let detail = "no peer that is online holds what is missing".to_owned();
        (ReasonCode::NoSource, detail)
    } else if summary.unsourced > 0 {
        let detail = format!("no peer that is online holds {}", fragments(summary.unsourced));
        (ReasonCode::NoSource, detail)
    } else if summary.in_flight == 0 && missing > 0 {
        let detail = match summary.sources {
            1 => "the only source is busy".to_owned(),
            n => format!("all {n} sources are busy"),
        };
        (ReasonCode::SourcesBusy, detail)
    } else {
        return None;
    };
    Some(Reason { code, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let told = waiting_for(&summary, "").map(|reason| reason.detail);
            assert_eq!(told.as_deref(), words, "{summary:?}");
        }
        let summary = SchedulerSummary {
            unsourced: 10,
            sources: 0,
            ..summary
        };
        let told = waiting_for(&summary, "10.0.0.7:5: connection refused").expect("a reason");
        assert_eq!(told.code, ReasonCode::Unreachable);
        assert_eq!(
            told.detail,
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
            unreached: String::new(),
            limit: ByteRate::new(1 << 20),
            memory: Some(64 << 20),
            is_disk_behind: true,
            slow: Some("2 sources send 1 KiB/s".to_owned()),
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
