//! Transfers as text: the view of one that runs, drawn again several times a second, and the list. Pure; no
//! line is wider than the terminal.

use std::cmp::Reverse;
use std::time::Duration;

use shared::model::{FetchPhase, FetchSourceState, Timestamp};

use super::transfer::{State, Transfer, Work};
use crate::terminal::getting::remark;
use crate::terminal::progress::{Bar, Unit, how_far, measured};
use crate::terminal::sources::{SHOWN, asking};
use crate::terminal::table::shortened;
use crate::words;

/// The time after which a reason to wait is one.
const FIRST_IMPRESSION: Duration = Duration::from_secs(2);

/// Returns the view of a transfer: whom it asks for what, why it waits, and how far it is.
#[must_use]
pub fn live(transfer: &Transfer, columns: usize, now: Timestamp) -> Vec<String> {
    let name = transfer.work.name();
    let mut sources: Vec<_> = transfer.from.iter().collect();
    sources.sort_by_key(|source| (source.state == FetchSourceState::Gone, Reverse(source.bytes)));
    // The last column stays free: some terminals begin a new line when it is filled.
    let columns = columns.saturating_sub(1);
    let lines = sources
        .iter()
        .take(SHOWN)
        .map(|source| asking(source, name, columns));
    let mut lines: Vec<String> = lines.collect();
    if sources.len() > SHOWN {
        lines.push(words::and_more_peers(words::peers(
            (sources.len() - SHOWN) as u64,
        )));
    }
    // At first no source has said yet what it holds, so that nobody is known to hold anything.
    let has_begun = now.since(transfer.begun) >= FIRST_IMPRESSION;
    lines.extend(standing(transfer).filter(|_| has_begun));
    let label = match (&transfer.work, transfer.amount.total) {
        (Work::Get(..), 0) => words::asking_network(name),
        (Work::Add(_), total) if total > 0 && transfer.amount.done == total => words::publishing(name),
        (Work::Add(_), _) => words::hashing(name),
        (Work::Get(..), _) => words::fetching(name),
    };
    let (unit, amount) = measured(transfer.amount, transfer.phase);
    let bar = Bar {
        label: &label,
        unit,
        amount,
        rate: transfer.rate.per_second(),
        elapsed: now.since(transfer.begun),
        remark: "",
    };
    lines.push(bar.line(columns));
    lines.push(words::ctrl_c_leaves_view().to_owned());
    lines.iter().map(|line| shortened(line, columns)).collect()
}

/// Returns the list of transfers, one line each.
#[must_use]
pub fn list(transfers: &[Transfer], columns: usize) -> String {
    let line = |transfer: &Transfer| {
        let how = match transfer.state {
            State::Running => running(transfer),
            State::Done | State::Failed(_) | State::Cancelled => {
                transfer.result().unwrap_or_default().to_owned()
            }
        };
        let first = how.lines().next().unwrap_or_default().to_owned();
        shortened(&format!("{:>3}  {first}", transfer.number), columns)
    };
    transfers.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn running(transfer: &Transfer) -> String {
    let how_far = match transfer.amount.total {
        0 => "…".to_owned(),
        _ => {
            let (unit, amount) = measured(transfer.amount, transfer.phase);
            how_far(unit, amount, transfer.rate.per_second())
        }
    };
    let text = format!("{}: {how_far}", transfer.work.text());
    match standing(transfer) {
        None => text,
        Some(why) => format!("{text}, {why}"),
    }
}

/// Returns the words for what a fetch does besides fetching, or for the reason that it does little.
fn standing(transfer: &Transfer) -> Option<String> {
    match (transfer.phase, &transfer.waiting_for) {
        (FetchPhase::Connecting | FetchPhase::Fetching, waiting) => waiting.as_ref().map(words::waiting),
        // The bar says it.
        (phase, _) if measured(transfer.amount, phase).0 == Unit::Files => None,
        (phase, _) => Some(remark(phase, 0, None)),
    }
}

#[cfg(test)]
mod tests {
    use shared::language::{Language, here};
    use shared::model::Waiting;

    use super::super::transfer::Transfers;
    use super::super::transfer::tests::get;
    use super::*;
    use crate::terminal::progress::Amount;
    use crate::terminal::sources::tests::source;

    fn transfer() -> Transfer {
        let mut transfers = Transfers::default();
        let number = transfers
            .begin(get("file2"), Timestamp::from_millis(0))
            .expect("room");
        let mut transfer = transfers.get(number).expect("listed").clone();
        transfer.amount = Amount::new(1 << 20, 4 << 20);
        transfer.from = vec![source(85, 11, &[3, 7]), source(86, 2, &[1])];
        transfer
    }

    #[test]
    fn the_view_says_whom_it_asks_for_what_and_how_far_it_is() {
        let lines = live(&transfer(), 100, Timestamp::from_millis(2000));
        assert_eq!(
            lines[0],
            "asking 192.168.20.85:50053 for fragments 3, 7 of file2 … received 11 fragments, 11.0 KiB"
        );
        assert!(
            lines[1].starts_with("asking 192.168.20.86:50053 for fragment 1 "),
            "{lines:?}"
        );
        assert!(
            lines[2].contains("fetching file2") && lines[2].contains("25%"),
            "{lines:?}"
        );
        assert!(lines[3].contains("Ctrl-C"), "{lines:?}");
    }

    #[test]
    fn the_bar_follows_files_while_they_are_written() {
        let mut transfer = transfer();
        (transfer.amount, transfer.from) = (Amount::new(0, 4 << 20), Vec::new());
        transfer.phase = FetchPhase::Writing { done: 3, total: 4 };
        let lines = live(&transfer, 100, Timestamp::from_millis(9000));
        assert!(lines[0].contains("75%, writing files, 3 of 4"), "{lines:?}");
        assert!(list(&[transfer], 100).contains("75%, writing files, 3 of 4"));
    }

    #[test]
    fn no_line_of_the_view_is_wider_than_the_terminal() {
        let mut transfer = transfer();
        transfer.from = (0..40).map(|number| source(number, 100, &[7; 8])).collect();
        transfer.waiting_for = Some(Waiting::NoSource);
        for language in Language::ALL {
            let _speaking = here(language);
            for columns in [20, 40, 56, 80, 81, 120, 200] {
                for amount in [
                    Amount::new(0, 0),
                    Amount::new(1 << 20, 4 << 30),
                    Amount::new(7, 7),
                ] {
                    transfer.amount = amount;
                    let lines = live(&transfer, columns, Timestamp::from_millis(90_000));
                    let widest = lines.iter().map(|line| line.chars().count()).max();
                    assert!(widest < Some(columns), "{columns}: {lines:#?}");
                    assert!(lines.len() <= SHOWN + 4, "{lines:#?}");
                    assert!(list(&[transfer.clone()], columns).chars().count() <= columns);
                }
            }
        }
    }
}
