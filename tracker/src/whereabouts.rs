//! Addresses that commands on a data directory need: the one at which its tracker listens, and those by which
//! machines reach it. They are notes for convenience; commands do without.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use shared::data_files;
use shared::model::HostPort;

/// The file with the address at which the tracker listens, or did last.
const LISTENS: &str = "address";

/// The file with the addresses for join lines.
const JOINS: &str = "join-addresses";

/// Notes where a tracker listens. A wildcard is noted as loopback, which it includes.
pub(crate) fn note_listening(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    data_files::replace(&data_dir.join(LISTENS), &format!("{address}\n"))
}

/// Returns the address at which the tracker listens, or did last.
pub(crate) fn listening(data_dir: &Path) -> Option<HostPort> {
    read(data_dir, LISTENS).into_iter().next()
}

/// Notes the addresses for join lines.
pub(crate) fn note_joins(data_dir: &Path, addresses: &[HostPort]) -> io::Result<()> {
    let text: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    data_files::replace(&data_dir.join(JOINS), &text)
}

/// Returns the addresses for join lines; empty when none were noted.
pub(crate) fn joins(data_dir: &Path) -> Vec<HostPort> {
    read(data_dir, JOINS)
}

fn read(data_dir: &Path, file: &str) -> Vec<HostPort> {
    let text = data_files::read_to_string(&data_dir.join(file)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_find_the_tracker_and_lines_lead_to_it() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!((listening(dir.path()), joins(dir.path())), (None, Vec::new()));
        for (bound, dialled) in [
            ("10.0.0.1:7", "10.0.0.1:7"),
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
        ] {
            note_listening(dir.path(), bound.parse().expect("an address")).expect("noted");
            assert_eq!(listening(dir.path()), Some(dialled.parse().expect("an address")));
        }
        let addresses: Vec<HostPort> = ["a.lan:1", "10.0.0.1:2"]
            .map(|text| text.parse().expect("an address"))
            .into();
        note_joins(dir.path(), &addresses).expect("noted");
        assert_eq!(joins(dir.path()), addresses);
    }
}
