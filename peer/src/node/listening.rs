//! The addresses on which a node listens: the one of its settings, for everybody, and 127.0.0.1 with the same
//! port, for its own machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proto::listen::{self, ListenError, ListenFault};
use proto::membership::Membership;
use proto::messages::control::EntryPoint;
use shared::model::HostPort;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use super::NodeConfig;

/// Ports that are tried until one is free on both addresses. A free one of many thousand is rarely taken on
/// the other address.
const ATTEMPTS: usize = 32;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The time for which a member waits for the address that leads to its network, and between two looks: a
/// machine that starts may have none yet.
const ADDRESS_WAIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);

/// Returns the host on which a node listens: that of the settings, or for a member of a secured network the
/// address of this machine that leads to the network.
pub(super) async fn host(config: &NodeConfig, membership: &Membership, entry: Option<&EntryPoint>) -> String {
    if let Some(host) = &config.host {
        return host.clone();
    }
    if !membership.is_member() {
        return LOCALHOST.to_string();
    }
    // A command enters its network when its node runs already.
    let entry = entry.cloned().or_else(|| super::last_entry(&config.data_dir));
    let Some(EntryPoint::Webserver(network) | EntryPoint::Tracker(network) | EntryPoint::Peer(network)) =
        &entry
    else {
        return LOCALHOST.to_string();
    };
    if network.is_loopback() {
        return LOCALHOST.to_string();
    }
    let found = async {
        loop {
            match own_address(network).await {
                Ok(own) => return own,
                Err(error) => {
                    debug!(%network, %error, "no address of this machine leads to its network yet");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    };
    match tokio::time::timeout(ADDRESS_WAIT, found).await {
        Ok(own) => own.to_string(),
        Err(_) => {
            warn!(
                %network,
                "no address of this machine leads to its network, so that it listens for itself only; start it again, or \
                 with --host"
            );
            LOCALHOST.to_string()
        }
    }
}

/// Returns the address of this machine from which it would send to another. No datagram is sent.
///
/// # Errors
/// When the other one has no address, or nothing leads there.
pub async fn own_address(other: &HostPort) -> io::Result<IpAddr> {
    let remote = tokio::net::lookup_host((other.host(), other.port()))
        .await?
        .next();
    let remote = remote.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
    socket.connect(remote).await?;
    Ok(socket.local_addr()?.ip())
}

/// The open ports of a node.
#[derive(Debug)]
pub(super) struct Listening {
    /// The address of the settings, with the port that was picked.
    pub(super) address: SocketAddr,
    /// The address that this machine's commands dial.
    pub(super) control: SocketAddr,
    listener: TcpListener,
    /// The listener at 127.0.0.1, unless the other one takes those connections as well.
    own: Option<TcpListener>,
}

impl Listening {
    /// Opens the ports; with port 0, one number that is free on both addresses.
    ///
    /// When another program has the port at 127.0.0.1, such as a second node with another `host`, the node
    /// runs all the same: its commands dial the address of the settings then, and a warning says so.
    ///
    /// # Errors
    /// When the address of the settings cannot be had.
    pub(super) async fn start(host: &str, port: u16) -> Result<Self, ListenError> {
        for _ in 1..ATTEMPTS {
            let listener = listen::bind(host, port).await?;
            let taken = TakenPort::of(&listener).map_err(|source| failed(host, port, source))?;
            if let Some(listening) = Self::beside(listener, taken, port == 0).await {
                return Ok(listening);
            }
        }
        let listener = listen::bind(host, port).await?;
        let taken = TakenPort::of(&listener).map_err(|source| failed(host, port, source))?;
        Ok(Self::alone(listener, taken.address, dialled(taken.address)))
    }

    /// Opens 127.0.0.1 beside a listener; none when the number is taken there and `may_retry`.
    async fn beside(listener: TcpListener, taken: TakenPort, may_retry: bool) -> Option<Self> {
        let address = taken.address;
        let control = SocketAddr::new(LOCALHOST, address.port());
        if taken.includes_localhost {
            return Some(Self::alone(listener, address, dialled(address)));
        }
        match TcpListener::bind(control).await {
            Ok(own) => Some(Self {
                address,
                control,
                listener,
                own: Some(own),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                if may_retry {
                    return None;
                }
                warn!(
                    "another program listens on {control}, perhaps another node: use {address} on this machine too, \
                     or give one of them another --port"
                );
                Some(Self::alone(listener, address, dialled(address)))
            }
            // A machine without IPv4, most likely.
            Err(error) => {
                warn!(%error, "cannot listen on {control}; use {address} on this machine too");
                Some(Self::alone(listener, address, dialled(address)))
            }
        }
    }

    const fn alone(listener: TcpListener, address: SocketAddr, control: SocketAddr) -> Self {
        Self {
            address,
            control,
            listener,
            own: None,
        }
    }

    /// Returns the address that others are told: the one that they are to be told, or that of the settings.
    pub(super) fn advertised(&self, wish: Option<&HostPort>) -> HostPort {
        wish.cloned().unwrap_or_else(|| dialled(self.address).into())
    }

    /// Returns the addresses on which the node listens.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let own = self.own.as_ref().map(|_| self.control);
        std::iter::once(self.address).chain(own)
    }

    /// Returns the listeners.
    pub(super) fn into_listeners(self) -> impl Iterator<Item = TcpListener> {
        std::iter::once(self.listener).chain(self.own)
    }
}

/// The port of a listener.
#[derive(Clone, Copy)]
struct TakenPort {
    address: SocketAddr,
    /// Whether connections to 127.0.0.1 come to it.
    includes_localhost: bool,
}

impl TakenPort {
    fn of(listener: &TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let includes_localhost = match address.ip() {
            IpAddr::V4(ip) => ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST,
            IpAddr::V6(ip) => ip.is_unspecified() && !socket2::SockRef::from(listener).only_v6()?,
        };
        Ok(Self {
            address,
            includes_localhost,
        })
    }
}

fn failed(host: &str, port: u16, source: std::io::Error) -> ListenError {
    ListenError {
        address: format!("{host}:{port}"),
        fault: ListenFault::Other,
        source,
    }
}

/// Returns an address that can be dialled: an unspecified one becomes loopback, of IPv4 when the machine has
/// it.
fn dialled(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() && !has_ipv4() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip if ip.is_unspecified() => LOCALHOST,
        _ => return address,
    };
    SocketAddr::new(ip, address.port())
}

fn has_ipv4() -> bool {
    std::net::UdpSocket::bind((LOCALHOST, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listening: &Listening) -> Vec<String> {
        let port = listening.address.port();
        let one = |address: SocketAddr| {
            assert_eq!(address.port(), port, "one number on all addresses");
            address.ip().to_string()
        };
        listening.addresses().map(one).collect()
    }

    #[tokio::test]
    async fn a_node_listens_on_127_0_0_1_as_well() {
        for (host, expected) in [
            ("127.0.0.1", &["127.0.0.1"][..]),
            ("0.0.0.0", &["0.0.0.0"]),
            ("127.0.0.2", &["127.0.0.2", "127.0.0.1"]),
        ] {
            let listening = Listening::start(host, 0).await.expect("free ports");
            assert_eq!(hosts(&listening), expected, "{host}");
            let control = listening.control;
            assert_eq!(control.ip(), LOCALHOST);
            let dial = tokio::net::TcpStream::connect(control).await;
            assert!(dial.is_ok(), "{host}: {control}");
            assert_eq!(listening.into_listeners().count(), expected.len());
        }
    }

    #[tokio::test]
    async fn the_node_runs_when_another_program_has_its_port_at_127_0_0_1() {
        let first = Listening::start("127.0.0.2", 0).await.expect("free ports");
        let port = first.address.port();
        let second = Listening::start("127.0.0.3", port)
            .await
            .expect("another address");
        assert_eq!(hosts(&second), ["127.0.0.3"]);
        assert_eq!(
            second.control, second.address,
            "its commands dial the node itself"
        );
        assert_eq!(first.control.ip(), LOCALHOST);
        let refused = Listening::start("127.0.0.2", port).await.expect_err("taken");
        assert_eq!(refused.fault, ListenFault::InUse);
    }
}
