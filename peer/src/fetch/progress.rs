//! How far a fetch is, in numbers and words.

use shared::model::{ByteCount, ByteRate, Reason, ReasonCode};

use super::scheduler::Outlook;

/// How far a fetch is.
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
    /// Those of them that were in vain.
    pub wasted_bytes: u64,
    /// Why nothing comes, why little comes, or why not everything can come; in words for a person.
    pub waiting_for: Option<String>,
}

/// What may keep a fetch waiting, as its session knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) outlook: Outlook,
    /// The limit on downloads, when it has held requests up lately.
    pub(super) limit: Option<ByteRate>,
    /// Bytes that all fetches may have asked for, when they have and nothing could be asked for here.
    pub(super) memory: Option<u64>,
    /// Whether what has arrived waits for the disk.
    pub(super) is_disk_behind: bool,
    /// What is to be said about slow sources.
    pub(super) slow: Option<String>,
}

impl Circumstances {
    /// All that keeps the fetch waiting, the gravest first.
    pub(super) fn reasons(self) -> Vec<Reason> {
        if self.outlook.pending == 0 {
            return Vec::new();
        }
        let reason = |code, detail| Reason { code, detail };
        let mut reasons: Vec<_> = waiting_for(&self.outlook).into_iter().collect();
        reasons.extend(self.memory.map(|bytes| {
            let all = ByteCount::new(bytes);
            let detail = format!("other fetches here have asked for all that may be in memory ({all})");
            reason(ReasonCode::MemoryBudget, detail)
        }));
        reasons.extend(self.is_disk_behind.then(|| {
            let detail = "this peer's disk is slower than what arrives".to_owned();
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

/// What is being waited for, if anything is.
pub(super) fn waiting_for(outlook: &Outlook) -> Option<Reason> {
    let fragments = |n: u32| {
        if n == 1 {
            "1 of the fragments".to_owned()
        } else {
            format!("{n} of the fragments")
        }
    };
    let missing = outlook.pending.saturating_sub(outlook.in_flight);
    let (code, detail) = if outlook.pending == 0 {
        return None;
    } else if outlook.unsourced > 0 && outlook.unsourced == outlook.pending {
        let detail = "no peer that is online holds what is missing".to_owned();
        (ReasonCode::NoSource, detail)
    } else if outlook.unsourced > 0 {
        let detail = format!("no peer that is online holds {}", fragments(outlook.unsourced));
        (ReasonCode::NoSource, detail)
    } else if outlook.in_flight == 0 && missing > 0 {
        let detail = match outlook.sources {
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
    fn what_is_waited_for_is_said_in_words() {
        let outlook = Outlook {
            pending: 10,
            in_flight: 0,
            unsourced: 0,
            sources: 2,
            serving: 0,
            waiting: 2,
        };
        for (outlook, words) in [
            (outlook, Some("all 2 sources are busy")),
            (
                Outlook {
                    sources: 1,
                    waiting: 1,
                    ..outlook
                },
                Some("the only source is busy"),
            ),
            (
                Outlook {
                    unsourced: 3,
                    in_flight: 7,
                    ..outlook
                },
                Some("no peer that is online holds 3 of the fragments"),
            ),
            (
                Outlook {
                    unsourced: 10,
                    sources: 0,
                    ..outlook
                },
                Some("no peer that is online holds what is missing"),
            ),
            (
                Outlook {
                    in_flight: 4,
                    serving: 2,
                    ..outlook
                },
                None,
            ),
            (
                Outlook {
                    pending: 0,
                    ..outlook
                },
                None,
            ),
        ] {
            let told = waiting_for(&outlook).map(|reason| reason.detail);
            assert_eq!(told.as_deref(), words, "{outlook:?}");
        }
    }

    #[test]
    fn everything_that_keeps_a_fetch_is_told_with_its_code_and_nothing_when_it_is_done() {
        let outlook = Outlook {
            pending: 10,
            in_flight: 3,
            unsourced: 2,
            sources: 2,
            serving: 2,
            waiting: 0,
        };
        let all = Circumstances {
            outlook,
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
        let outlook = Outlook {
            pending: 0,
            ..outlook
        };
        assert_eq!(codes(Circumstances { outlook, ..all }), []);
        let outlook = Outlook {
            pending: 1,
            in_flight: 1,
            ..outlook
        };
        let outlook = Outlook {
            unsourced: 0,
            ..outlook
        };
        assert_eq!(
            codes(Circumstances {
                outlook,
                ..Circumstances::default()
            }),
            []
        );
    }
}
