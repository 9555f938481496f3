//! The two ends of a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

/// The two addresses of a connection; in the extensions of every request. A listener on all of IPv6 sees
/// addresses of IPv4 inside addresses of IPv6; here they are plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The caller's address.
    pub remote: IpAddr,
    /// The address that the caller has reached.
    pub local: IpAddr,
}

/// The mark of a request that came by TLS; in the extensions of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByTls;

impl Ends {
    /// Makes the ends of a connection.
    #[must_use]
    pub const fn new(remote: IpAddr, local: IpAddr) -> Self {
        Self {
            remote: remote.to_canonical(),
            local: local.to_canonical(),
        }
    }

    /// Whether the caller is on the program's own machine: at loopback, at the address that it has reached,
    /// or at another address of the machine (from which the kernel dials a second address of one interface).
    /// No other machine can hold a connection from such an address, because the answers to it do not leave
    /// this one. The address that a program advertises proves nothing: others may be told a name, or a
    /// translated address.
    #[must_use]
    pub fn are_of_own_machine(self, has_address: impl FnOnce(IpAddr) -> bool) -> bool {
        self.remote.is_loopback() || self.remote == self.local || has_address(self.remote)
    }

    pub(crate) fn of(stream: &TcpStream, remote: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(remote.ip(), stream.local_addr()?.ip()))
    }
}
