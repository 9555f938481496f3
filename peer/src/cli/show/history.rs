//! The revisions of a name as people see them.

use shared::model::{ByteCount, RevisionEntry, RevisionState, Timestamp, format_duration};

use super::super::table::Align::{Left, Right};
use super::super::table::Table;
use crate::words;

/// The revisions of a name, in the order in which they come; `now` is this machine's time.
#[must_use]
pub fn history(revisions: &[RevisionEntry], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        (words::title_revision(), Right),
        (words::title_when(), Left),
        (words::title_size(), Right),
        (words::title_replicas(), Right),
        (words::title_state(), Left),
        ("ID", Left),
    ]);
    let none = || "-".to_owned();
    for entry in revisions {
        let size = entry.bound.map(|bound| {
            bound
                .collection
                .map_or(bound.length, |collection| collection.length)
        });
        let replicas = entry
            .health
            .map(|health| format!("{}/{}", health.fewest, health.target));
        table.row([
            entry.revision.to_string(),
            words::ago(format_duration(now.since(entry.at))),
            size.map_or_else(none, |size| ByteCount::new(size).to_string()),
            replicas.unwrap_or_else(none),
            match entry.state {
                RevisionState::Current if entry.pins.is_pinned() => words::current_pinned().to_owned(),
                state => words::revision_state(state).to_owned(),
            },
            entry.bound.map_or_else(none, |bound| bound.content.short()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::model::{ContentId, PinCount, ReplicationTarget, RevisedContent, Revision};

    use super::*;

    #[test]
    fn a_history_is_a_table_of_what_is_there_and_what_is_not() {
        let now = Timestamp::from_millis(10_000_000);
        let entry = |revision: u64, state, pins, is_bound: bool| RevisionEntry {
            revision: Revision::new(revision),
            at: Timestamp::from_millis(10_000_000 - (9 - revision) * 60_000),
            state,
            pins: PinCount::new(pins),
            bound: is_bound.then(|| RevisedContent {
                content: ContentId::from_bytes([0xab; 32]),
                length: 2048,
                target: ReplicationTarget::new(2).expect("in bounds"),
                collection: None,
            }),
            health: None,
        };
        let all = [
            entry(8, RevisionState::Current, 1, true),
            entry(7, RevisionState::Removed, 0, false),
            entry(6, RevisionState::Collected, 2, true),
        ];
        let expected = "\
REV  WHEN          SIZE  REPLICAS  STATE            ID
  8  1m 0s ago  2.0 KiB         -  current, pinned  ababababab
  7  2m 0s ago        -         -  removed          -
  6  3m 0s ago  2.0 KiB         -  collected        ababababab";
        assert_eq!(history(&all, now).render(), expected);
        assert_eq!(now.since(all[0].at), Duration::from_secs(60));
    }
}
