//! The files by which a command finds the node that runs on a data directory.
//!
//! A running node writes `node.json` beside its data, readable by its owner only, and holds the directory's
//! lock. A killed node leaves the file behind, so that it counts only while the directory is locked. Beside
//! it, as private, `http-token` has the header for the node's HTTP side: `curl -H @DIR/http-token`.

use std::fs::TryLockError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use shared::data_files;
use shared::model::HostPort;
use shared::own_data::TOKEN_HEADER;

const FILE_NAME: &str = shared::own_data::NODE_FILE;

/// The file for `curl -H @FILE`, which keeps the token off the command line, where others could see it.
const HEADER_NAME: &str = "http-token";

/// The lock that a store holds for as long as it is open.
const LOCK_NAME: &str = "lock";

/// A node that runs on some data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningNode {
    /// The address at which this machine's commands dial it.
    pub address: HostPort,
    /// Every address on which it listens.
    pub listens: Vec<HostPort>,
    /// The proof that the caller may read the data directory.
    pub token: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct NodeFile {
    address: String,
    #[serde(default)]
    listens: Vec<String>,
    token: String,
}

/// A data directory of which this user may not know whether a node runs there, or which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hidden {
    /// A node runs there, and its files are for another user.
    #[error("a node of another user runs there")]
    Node,
    /// The directory is for another user.
    #[error("this user may not read the data directory")]
    Directory,
}

/// Returns the node that runs on a data directory, if one does.
///
/// # Errors
/// When the directory belongs to another user.
pub fn find_running(data_dir: &Path) -> Result<Option<RunningNode>, Hidden> {
    let locked = is_locked(&data_dir.join(LOCK_NAME)).map_err(|error| error.kind());
    let text = data_files::read_to_string(&data_dir.join(FILE_NAME)).map_err(|error| error.kind());
    match told(locked, text)? {
        Some(text) => Ok(read(&text)),
        None => Ok(None),
    }
}

/// Returns the text of the file about a running node, if one runs.
fn told(
    locked: Result<bool, io::ErrorKind>,
    text: Result<String, io::ErrorKind>,
) -> Result<Option<String>, Hidden> {
    match (locked, text) {
        (Err(io::ErrorKind::PermissionDenied), _) => Err(Hidden::Directory),
        (Ok(true), Err(io::ErrorKind::PermissionDenied)) => Err(Hidden::Node),
        (Ok(true), Ok(text)) => Ok(Some(text)),
        _ => Ok(None),
    }
}

fn read(text: &str) -> Option<RunningNode> {
    let file: NodeFile = serde_json::from_str(text).ok()?;
    Some(RunningNode {
        address: file.address.parse().ok()?,
        listens: file.listens.iter().filter_map(|text| text.parse().ok()).collect(),
        token: file.token,
    })
}

impl RunningNode {
    /// Whether connections to an address come to this node.
    pub(crate) fn listens_on(&self, address: SocketAddr, has_address: impl Fn(IpAddr) -> bool) -> bool {
        let ip = address.ip().to_canonical();
        let takes = |own: &HostPort| {
            let host: Option<IpAddr> = own.host().parse().ok();
            let is_there = |own: IpAddr| own == ip || (own.is_unspecified() && has_address(ip));
            own.port() == address.port() && host.is_some_and(is_there)
        };
        takes(&self.address) || self.listens.iter().any(takes)
    }
}

/// Writes the files; nobody sees a half-written one.
pub(super) fn announce(data_dir: &Path, node: &RunningNode) -> io::Result<()> {
    let file = NodeFile {
        address: node.address.to_string(),
        listens: node.listens.iter().map(ToString::to_string).collect(),
        token: node.token.clone(),
    };
    let text = serde_json::to_string(&file).map_err(io::Error::other)?;
    let header = format!("{TOKEN_HEADER}{}\n", node.token);
    data_files::replace(&data_dir.join(HEADER_NAME), &header)?;
    data_files::replace(&data_dir.join(FILE_NAME), &text)
}

/// Removes the files when the node stops.
pub(super) fn withdraw(data_dir: &Path) {
    // A file that stays behind does not count without the lock.
    for name in [FILE_NAME, HEADER_NAME] {
        drop(std::fs::remove_file(data_dir.join(name)));
    }
}

fn is_locked(path: &Path) -> io::Result<bool> {
    let file = data_files::open_to_read(path)?;
    Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_only_while_its_directory_is_locked() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let node = RunningNode {
            address: "127.0.0.1:1".parse().expect("an address"),
            listens: vec!["[::]:1".parse().expect("an address")],
            token: "secret".to_owned(),
        };
        assert_eq!(find_running(dir.path()), Ok(None));
        announce(dir.path(), &node).expect("written");
        assert_eq!(
            find_running(dir.path()),
            Ok(None),
            "a file that a killed node left behind"
        );
        let lock = std::fs::File::create(dir.path().join(LOCK_NAME)).expect("created");
        lock.lock().expect("locked");
        assert_eq!(find_running(dir.path()), Ok(Some(node)));
        withdraw(dir.path());
        assert_eq!(find_running(dir.path()), Ok(None));
    }

    #[test]
    fn what_another_user_keeps_private_is_not_taken_for_nothing() {
        use io::ErrorKind::{NotFound, PermissionDenied};
        let text = || Ok("text".to_owned());
        for (locked, found, expected) in [
            (Ok(true), text(), Ok(Some("text".to_owned()))),
            (Ok(false), text(), Ok(None)),
            (Ok(true), Err(PermissionDenied), Err(Hidden::Node)),
            (Ok(false), Err(PermissionDenied), Ok(None)),
            (Ok(true), Err(NotFound), Ok(None)),
            (Err(NotFound), Err(NotFound), Ok(None)),
            (
                Err(PermissionDenied),
                Err(PermissionDenied),
                Err(Hidden::Directory),
            ),
        ] {
            assert_eq!(told(locked, found.clone()), expected, "{locked:?} {found:?}");
        }
    }

    #[test]
    fn a_node_is_known_by_every_address_on_which_it_listens() {
        let node = |listens: &[&str]| RunningNode {
            address: "127.0.0.1:1".parse().expect("an address"),
            listens: listens
                .iter()
                .map(|one| one.parse().expect("an address"))
                .collect(),
            token: "secret".to_owned(),
        };
        let is_own = |ip: IpAddr| ip.is_loopback() || ip == IpAddr::from([10, 0, 0, 7]);
        for (listens, address, is_it) in [
            (&[][..], "127.0.0.1:1", true),
            (&[], "[::ffff:127.0.0.1]:1", true),
            (&[], "127.0.0.1:2", false),
            (&[], "10.0.0.7:1", false),
            (&["10.0.0.7:1", "127.0.0.1:1"], "10.0.0.7:1", true),
            (&["10.0.0.8:1"], "10.0.0.7:1", false),
            (&["0.0.0.0:1"], "10.0.0.7:1", true),
            (&["[::]:1"], "10.0.0.7:1", true),
            (&["[::]:1"], "[::1]:1", true),
            (&["[::]:1"], "10.0.0.9:1", false),
            (&["[::]:1"], "10.0.0.7:2", false),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(
                node(listens).listens_on(address, is_own),
                is_it,
                "{listens:?} {address}"
            );
        }
    }
}
