//! How far a fetch is, in numbers and words.

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

/// What is being waited for, if anything is.
pub(super) fn waiting_for(outlook: &Outlook) -> Option<String> {
    let fragments = |n: u32| {
        if n == 1 {
            "1 of the fragments".to_owned()
        } else {
            format!("{n} of the fragments")
        }
    };
    let missing = outlook.pending.saturating_sub(outlook.in_flight);
    if outlook.pending == 0 {
        None
    } else if outlook.unsourced > 0 && outlook.unsourced == outlook.pending {
        Some("no peer that is online holds what is missing".to_owned())
    } else if outlook.unsourced > 0 {
        Some(format!(
            "no peer that is online holds {}",
            fragments(outlook.unsourced)
        ))
    } else if outlook.in_flight == 0 && missing > 0 {
        Some(match outlook.sources {
            1 => "the only source is busy".to_owned(),
            n => format!("all {n} sources are busy"),
        })
    } else {
        None
    }
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
            assert_eq!(waiting_for(&outlook).as_deref(), words, "{outlook:?}");
        }
    }
}
