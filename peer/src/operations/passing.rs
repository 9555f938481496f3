//! Names that pass: each is removed when the call that keeps it ends, or at the next start of a node that
//! ended before.

use std::sync::Arc;
use std::time::Duration;

use proto::messages::Remove;
use proto::messages::control::Noted;
use shared::model::Revision;
use shared::runtime::OnExit;
use shared::{Coded as _, Failure};
use tracing::{info, warn};

use super::report::Events;
use super::{Node, local};

/// The pause before a removal is tried again that could not be made.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps a name until the caller has gone, and removes it then.
///
/// # Errors
/// As the contract says.
pub(crate) async fn keep(node: &Node, remove: Remove, events: &Events<Noted>) -> Result<(), Failure> {
    let (name, revision) = (remove.name.clone(), remove.expected.unwrap_or(Revision::NONE));
    node.with_store(move |store| store.note_passing(&name, revision))
        .await?;
    if events.tell(Noted).await.is_ok() {
        events.caller_gone().await;
    }
    withdraw(node, &remove).await
}

/// Removes a name, and the note of it unless the removal may be made later.
async fn withdraw(node: &Node, remove: &Remove) -> Result<(), Failure> {
    match local::remove(node, remove).await {
        Err(error) if error.code().is_retryable() => return Err(error),
        // It was removed already, or has been bound anew by others.
        Err(error) => info!(name = %remove.name, %error, "a name that was to be removed is none any more"),
        Ok(_) => info!(name = %remove.name, "removed a name whose command has ended"),
    }
    let name = remove.name.clone();
    node.with_store(move |store| store.forget_passing(&name)).await
}

/// Begins to remove the names that earlier runs of the node left; those that are noted from now on stay.
pub(crate) async fn withdraw_left(node: &Arc<Node>) {
    let withdrawing = withdraw_all(Arc::clone(node), left(node).await);
    node.tasks.spawn("passing names", OnExit::Continue, withdrawing);
}

/// Returns the names that are noted.
async fn left(node: &Node) -> Vec<Remove> {
    let left = node.with_store(|store| store.passing()).await;
    let left = left.unwrap_or_else(|error| {
        warn!(%error, "cannot read which names are to be removed");
        Vec::new()
    });
    let remove = |(name, revision)| Remove {
        name,
        expected: (revision != Revision::NONE).then_some(revision),
    };
    left.into_iter().map(remove).collect()
}

/// Removes names as soon as the node has a tracker.
async fn withdraw_all(node: Arc<Node>, left: Vec<Remove>) {
    let all = async {
        let mut connections = node.network.connections();
        for remove in left {
            while connections.wait_for(Option::is_some).await.is_ok()
                && withdraw(&node, &remove).await.is_err()
            {
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    tokio::select! {
        () = all => {}
        () = node.tasks.token().cancelled() => {}
    }
}
