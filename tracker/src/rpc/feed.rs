//! Feed: every follower reads the same bounded queue of events at its own speed, and nothing waits for it.

use std::time::Duration;

use proto::v1;
use shared::model::FeedPosition;
use tokio::sync::mpsc;
use tonic::Status;

use super::refused;
use crate::ledger::Ledger;

/// Pages that wait for a slow follower.
pub(super) const PAGES: usize = 1;

/// Time between two looks, so that a busy moment is one page and not a hundred.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends the events after a position, and later ones as they come. Ends when the follower goes or the ledger
/// stops.
pub(super) async fn follow(
    ledger: Ledger,
    after: Option<FeedPosition>,
    answers: mpsc::Sender<Result<v1::EventsReply, Status>>,
) {
    let mut versions = ledger.versions();
    let (mut after, mut is_first) = (after, true);
    loop {
        versions.mark_unchanged();
        let page = match ledger.read(|state| state.events_after(after)).await {
            Ok(page) => page,
            Err(error) => {
                // The follower may be gone too.
                drop(answers.send(Err(refused(error))).await);
                return;
            }
        };
        let (is_news, has_more) = (is_first || page.is_gap || !page.events.is_empty(), page.has_more);
        (after, is_first) = (Some(page.position), false);
        if is_news && answers.send(Ok(page.into())).await.is_err() {
            return;
        }
        if has_more {
            continue;
        }
        let goes_on = tokio::select! {
            changed = versions.changed() => changed.is_ok(),
            () = answers.closed() => false,
        };
        if !goes_on {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
