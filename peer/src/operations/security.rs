//! The node's membership in a secured network.

use proto::messages::control::{Joined, Membership};
use shared::Failure;
use shared::security::JoinLine;

use super::Node;

/// Makes the node a member of the network of a join line, unless it is one already.
///
/// # Errors
/// When the node is a member of another network, nobody answers, or the line does not count.
pub(crate) async fn join(node: &Node, line: &JoinLine) -> Result<Joined, Failure> {
    if node.membership.is_member() {
        node.membership.check(line)?;
        let entry = proto::membership::Membership::entry_of(line).await?;
        return Ok(Joined {
            entry,
            was_member: true,
        });
    }
    let entry = node.membership.join(line).await?;
    // The failure domain that the user names counts for more.
    if let Some(zone) = node.membership.zone() {
        node.zone.send_if_modified(|named| {
            let is_new = named.is_none();
            named.get_or_insert(zone);
            is_new
        });
    }
    Ok(Joined {
        entry,
        was_member: false,
    })
}

/// Returns the state of the membership.
pub(crate) fn membership(node: &Node) -> Option<Membership> {
    let standing = node.membership.standing()?;
    Some(Membership {
        mode: standing.mode,
        cluster: standing.cluster,
        ends: standing.ends,
        failure: standing.failure,
    })
}
