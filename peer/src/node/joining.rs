//! Membership of a node in a secured network: the papers in its data directory, and the join line that it
//! needs once.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::RemoteError;
use proto::membership::{Membership, MembershipError};
use proto::messages::control::EntryPoint;
use proto::tls::Tls;
use shared::runtime::{Backoff, Clock};
use shared::security::{JoinLine, Role};
use shared::{Coded as _, ErrorCode};
use tracing::{info, warn};

use super::join_source::JoinSourceError;
use super::{NodeConfig, NodeError};
use crate::blocking::blocking;
use crate::identity::{self, Identity};
use crate::session::Acquaintances;

/// Between two attempts of a serving node to join.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Puts the membership of a node into force, if its data directory has one.
pub(super) async fn open(
    config: &NodeConfig,
    identity: &Identity,
    tls: Tls,
    clock: Clock,
) -> Result<Membership, NodeError> {
    tls.set_news_max_age(config.settings.news_max_age);
    let (data_dir, peer) = (config.data_dir.clone(), identity.peer());
    let key = std::sync::Arc::clone(identity.key());
    let opened =
        blocking(move || Membership::open(&data_dir, Role::Peer, Some((peer.into(), &key)), tls, clock));
    let stopping = |_| NodeError::Join(RemoteError::new(ErrorCode::Cancelled, "this node is stopping"));
    opened.await.map_err(stopping)?.map_err(NodeError::Membership)
}

/// Returns the security of the connections of a data directory's node, for programs of its user; that of a
/// network without security where there is none, or the user may not read it.
#[must_use]
pub fn security_of(data_dir: &Path) -> Tls {
    membership_of(data_dir).map_or_else(|_| Tls::default(), |membership| membership.tls().clone())
}

/// Reads the membership of a data directory, on which a node may run.
///
/// # Errors
/// When it cannot be used.
pub fn membership_of(data_dir: &Path) -> Result<Membership, MembershipError> {
    let own = identity::read_key(data_dir);
    let own = own.as_ref().map(|(peer, key)| ((*peer).into(), key));
    Membership::open(data_dir, Role::Peer, own, Tls::default(), Clock::system())
}

/// Joins the network of the node's join line, unless the node is a member already. Returns the way into the
/// network, where nothing else tells it.
pub(super) async fn join(
    config: &NodeConfig,
    membership: &Membership,
) -> Result<Option<EntryPoint>, NodeError> {
    let Some(source) = config.join.clone() else {
        return Ok(None);
    };
    let acquaintances = Acquaintances::of(&config.data_dir);
    let read = blocking(move || source.read()).await;
    let read = read.unwrap_or_else(|_| {
        let (path, source) = (PathBuf::new(), io::ErrorKind::Interrupted.into());
        Err(JoinSourceError::Read { path, source })
    });
    if membership.is_member() {
        // A file that is gone is not needed any more.
        let Ok(line) = read else { return Ok(None) };
        membership.check(&line).map_err(NodeError::Join)?;
        info!("this node is a member of the network of the join line: the line is not needed any more");
        return Ok(match acquaintances.last_entry() {
            Some(_) => None,
            None => Membership::entry_of(&line).await.ok(),
        });
    }
    let line = read.map_err(NodeError::JoinSource)?;
    let entry = joined(membership, &line, config.waits_to_join).await;
    let entry = entry.map_err(NodeError::Join)?;
    let noted = entry.clone();
    // Without it the next start asks again.
    drop(blocking(move || acquaintances.note(&noted)).await);
    Ok(Some(entry))
}

async fn joined(membership: &Membership, line: &JoinLine, waits: bool) -> Result<EntryPoint, RemoteError> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match membership.join(line).await {
            Err(error) if waits && error.code() == ErrorCode::Unavailable => {
                let wait = backoff.next_wait();
                warn!(%error, wait_s = wait.as_secs(), "this node has not joined its network yet; it tries again");
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::JoinSource;

    const LINE: &str = "enjambre-join://10.0.0.1:50052/1.\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.0707070707070707.uwszljntqawsuuxlqqlnrwwlwe";

    #[test]
    fn a_line_is_read_from_its_file_and_a_fault_names_the_file_only() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("join");
        let source = JoinSource::File(path.clone());
        let error = source.read().expect_err("no file");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
        std::fs::write(&path, format!("{LINE}\n")).expect("written");
        let line = source.read().expect("a line");
        assert_eq!(JoinSource::Line(line.clone()).read().expect("the same"), line);
        std::fs::write(&path, &LINE[..LINE.len() - 3]).expect("written");
        let error = source.read().expect_err("cut off").to_string();
        assert!(error.contains("cut off") && error.contains("join"), "{error}");
        assert!(!error.contains("uwszl"), "{error} repeats the secret");
    }
}
