//! The address on which a program listens: resolved, bound, and in words when that fails. And which addresses
//! are this machine's.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use shared::{Coded, ErrorCode};
use tokio::net::{TcpListener, lookup_host};

/// A host and port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {fault}{}", cause(fault, source))]
pub struct ListenError {
    /// Host and port as they were given.
    pub address: String,
    /// The kind of failure.
    pub fault: ListenFault,
    /// The operating system's error.
    pub source: io::Error,
}

/// The reason why an address cannot be listened on; each has its advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenFault {
    /// The host is no address, and no address is known for it.
    Unresolvable,
    /// The address is another machine's, or nobody's.
    NotOfThisMachine,
    /// The address is one of a group of machines.
    Group,
    /// An address of IPv6 that needs the name of its interface.
    NeedsInterface,
    /// The port is another program's.
    InUse,
    /// A port below 1024, for which a program needs special rights.
    LowPort,
    /// Any other failure.
    Other,
}

impl ListenFault {
    fn of(source: &io::Error, address: SocketAddr) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse,
            io::ErrorKind::AddrNotAvailable => Self::NotOfThisMachine,
            io::ErrorKind::PermissionDenied if address.port() < 1024 => Self::LowPort,
            io::ErrorKind::InvalidInput if is_link_local(address.ip()) => Self::NeedsInterface,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ListenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolvable => {
                "no address is known for this host; give --host a name or address of this machine, and --port the port"
            }
            Self::NotOfThisMachine => {
                "this machine does not have the address; give --host one of its own"
            }
            Self::Group => {
                "this is an address of many machines; give --host one of this machine's own"
            }
            Self::NeedsInterface => {
                "a link-local address needs its interface; give --host both, such as fe80::1%eth0"
            }
            Self::InUse => "the port is in use; choose another with --port, or 0 for any free one",
            Self::LowPort => "ports below 1024 need special rights; choose another with --port",
            Self::Other => "the system refuses the address; check --host and --port",
        })
    }
}

/// Details that the kind of a failure does not tell.
fn cause(fault: &ListenFault, source: &io::Error) -> String {
    match fault {
        ListenFault::Unresolvable | ListenFault::Other => format!(" ({source})"),
        _ => String::new(),
    }
}

impl Coded for ListenError {
    fn code(&self) -> ErrorCode {
        match self.fault {
            ListenFault::InUse => ErrorCode::Conflict,
            ListenFault::LowPort => ErrorCode::PermissionDenied,
            ListenFault::Other => match (&self.source).into() {
                // A name that nobody knows has no number of the system's.
                ErrorCode::Internal => ErrorCode::InvalidArgument,
                code => code,
            },
            _ => ErrorCode::InvalidArgument,
        }
    }
}

/// Takes a port of a host; with port 0, a free one. Of the addresses of a name, takes the first that can be
/// had.
///
/// # Errors
/// When none of the host's addresses can be had; the error is that of the first.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, ListenError> {
    let failed = |fault, source| ListenError {
        address: match host.contains(':') {
            true => format!("[{}]:{port}", bare(host)),
            false => format!("{host}:{port}"),
        },
        fault,
        source,
    };
    let found = lookup_host((bare(host), port)).await;
    let addresses = found.map_err(|source| failed(ListenFault::Unresolvable, source))?;
    let mut first = None;
    for address in addresses {
        if is_group(address.ip()) {
            let none = io::ErrorKind::AddrNotAvailable.into();
            first.get_or_insert_with(|| failed(ListenFault::Group, none));
            continue;
        }
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(source) => {
                first.get_or_insert_with(|| failed(ListenFault::of(&source, address), source));
            }
        }
    }
    Err(first.unwrap_or_else(|| failed(ListenFault::Unresolvable, io::ErrorKind::NotFound.into())))
}

/// Returns a host without the brackets that IPv6 addresses have in URLs.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(host)
}

fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Returns the name that this machine has for itself, if the system tells.
#[must_use]
pub fn machine_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether this machine has an address, on any interface: whether a socket can have it. A kernel that gives
/// sockets any address (`ip_nonlocal_bind`) does not tell; then no address is this machine's but loopback.
#[must_use]
pub fn has_address(ip: IpAddr) -> bool {
    /// Reserved, and a target for what is discarded (RFC 1112, RFC 6666): no machine has them.
    const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1));
    const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));
    let ip = ip.to_canonical();
    let nobody = if ip.is_ipv4() { NOBODY_V4 } else { NOBODY_V6 };
    let can_have = |ip| UdpSocket::bind((ip, 0)).is_ok();
    let is_one = !ip.is_unspecified() && !is_group(ip);
    ip.is_loopback() || (is_one && can_have(ip) && !can_have(nobody))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fault(host: &str, port: u16) -> (ListenFault, ErrorCode, String) {
        let error = bind(host, port).await.expect_err("it cannot be had");
        (error.fault, error.code(), error.to_string())
    }

    #[tokio::test]
    async fn every_wrong_host_has_its_own_advice() {
        let taken = bind("127.0.0.1", 0).await.expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let (kind, code, text) = fault("127.0.0.1", port).await;
        assert_eq!((kind, code), (ListenFault::InUse, ErrorCode::Conflict));
        assert!(text.contains("--port") && text.contains("in use"), "{text}");
        for (host, expected) in [
            // Reserved for documentation and for no host at all (RFC 5737, RFC 6761).
            ("192.0.2.1", ListenFault::NotOfThisMachine),
            ("nowhere.invalid", ListenFault::Unresolvable),
            ("127.0.0.1:50053", ListenFault::Unresolvable),
            ("http://127.0.0.1", ListenFault::Unresolvable),
            ("", ListenFault::Unresolvable),
            ("224.0.0.1", ListenFault::Group),
            ("255.255.255.255", ListenFault::Group),
        ] {
            let (kind, code, text) = fault(host, 0).await;
            assert_eq!(
                (kind, code),
                (expected, ErrorCode::InvalidArgument),
                "{host}: {text}"
            );
            assert!(text.contains("--host") && text.contains(host), "{text}");
            assert!(!text.contains("another with --port"), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_in_brackets_is_an_address() {
        // Without IPv6 the address is refused, but understood.
        match bind("[::1]", 0).await {
            Ok(listener) => assert!(listener.local_addr().expect("bound").ip().is_loopback()),
            Err(error) => assert_ne!(error.fault, ListenFault::Unresolvable, "{error}"),
        }
    }

    #[test]
    fn addresses_of_this_machine_are_told_from_others() {
        for own in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert!(has_address(own.parse().expect("an address")), "{own}");
        }
        for other in ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::", "224.0.0.1"] {
            assert!(!has_address(other.parse().expect("an address")), "{other}");
        }
    }
}
