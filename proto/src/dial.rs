//! The one place where connections are made.
//!
//! [`channel`] is for this machine. [`secured`] expects a certain server of the network at an address, and is
//! like [`channel`] where there is no security. `always_secured` is for calls about security. [`Entrance`] is
//! for a machine that has only a join line.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use shared::model::{HostPort, KeyHash};
use shared::security::authorization::Mode;
use shared::security::{Identity, Role};
use shared::{ErrorCode, describe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::status::RemoteError;
pub use crate::tls::Server;
use crate::tls::{Connection, Tls, TlsError, Way, enrolment, explained, is_no_tls};

/// Longer than any handshake in a data centre, shorter than a person's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection that stopped answering is given up after about this long, twice.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Covers 10 Gbit/s at 12 ms; smaller windows throttle a transfer to window / round trip.
const WINDOW_BYTES: u32 = 16 << 20;

/// Any tracker.
pub(crate) const TRACKER: Server = Server::Any(Role::Tracker);

/// Returns why a connection could not be made, as short as the system says it: `connection refused`.
#[must_use]
pub fn cause(error: &RemoteError) -> String {
    let text = error.to_string();
    let last = text.rsplit(": ").next().unwrap_or(&text);
    let plain = last.split(" (os error").next().unwrap_or(last);
    let mut chars = plain.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Returns the first bytes that come back for a question in any protocol; none when the other side closes the
/// connection without a word. The caller sets the deadline.
///
/// # Errors
/// When the address does not take the connection.
pub async fn first_bytes(address: &HostPort, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((address.host(), address.port())).await?;
    stream.write_all(question).await?;
    let mut bytes = vec![0; 16];
    let got = stream.read(&mut bytes).await?;
    bytes.truncate(got);
    Ok(bytes)
}

/// A channel that dials when it is first used, and again whenever the connection is lost.
///
/// # Errors
/// When the address cannot be one (no connection is tried here).
pub fn channel(address: &HostPort) -> Result<Channel, RemoteError> {
    Ok(endpoint(address)?.tcp_nodelay(true).connect_lazy())
}

/// A channel like [`channel`], over which only the expected server is spoken to. Each time it dials, it takes
/// the credentials and the mode of that moment. In a permissive network a server that does not speak TLS is
/// spoken to without. Without security, it is [`channel`].
///
/// # Errors
/// When the address cannot be one (no connection is tried here).
pub fn secured(address: &HostPort, tls: &Tls, server: Server) -> Result<Channel, RemoteError> {
    if !tls.is_on() {
        return channel(address);
    }
    let endpoint = endpoint(address)?;
    let (address, tls) = (address.clone(), tls.clone());
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move { Ok::<_, io::Error>(TokioIo::new(dial(&address, &tls, server).await?)) }
    })))
}

/// A channel like [`secured`] that is by TLS in every mode: for calls about security itself. News that came
/// without TLS could make a member trust another authority, and an administrator's token would be in clear.
///
/// # Errors
/// When the address cannot be one (no connection is tried here).
pub(crate) fn always_secured(address: &HostPort, tls: &Tls, server: Server) -> Result<Channel, RemoteError> {
    let endpoint = endpoint(address)?;
    let (address, tls) = (address.clone(), tls.clone());
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move {
            let secured = handshake(&address, &tls, server).await;
            Ok::<_, io::Error>(TokioIo::new(secured.map_err(explained)?))
        }
    })))
}

/// A way into a secured network, for a machine that has a join line: one connection to a server whose
/// authority has the key that the line names. When the connection is lost, so is the entrance.
#[derive(Debug)]
pub struct Entrance {
    channel: Channel,
    server: Identity,
}

impl Entrance {
    /// Finds the network with this authority at an address. Nothing secret is sent for that.
    ///
    /// # Errors
    /// When nothing answers, or it is another network.
    pub async fn find(address: &HostPort, pin: KeyHash) -> Result<Self, RemoteError> {
        let failed = |code, error: &dyn std::error::Error| {
            let why = describe(error);
            RemoteError::new(code, format!("cannot enter the network at {address}: {why}"))
        };
        let found = async { enrolment::find(connect(address).await?, pin).await };
        let found = tokio::time::timeout(CONNECT_TIMEOUT, found).await;
        let found = found.unwrap_or_else(|_| Err(TlsError::Late.into()));
        let enrolment::Found { stream, server } = found.map_err(|error| failed(code_of(&error), &error))?;
        let only = Mutex::new(Some(TokioIo::new(stream)));
        let connector = service_fn(move |_: Uri| {
            let stream = only.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move { stream.ok_or(io::Error::from(io::ErrorKind::NotConnected)) }
        });
        let channel = endpoint(address)?.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| failed(ErrorCode::Unavailable, &error))?;
        let server = server.identity;
        Ok(Self { channel, server })
    }

    /// The server, as its certificate names it.
    #[must_use]
    pub const fn server(&self) -> Identity {
        self.server
    }

    /// The connection, for questions that anybody may ask.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The connection, for the secret of the join line: none unless a tracker is at its other end, because no
    /// other member has to know it.
    #[must_use]
    pub fn authority(&self) -> Option<Channel> {
        (self.server.role == Role::Tracker).then(|| self.channel())
    }
}

/// Makes the settings of a channel. Requests name the address, whoever is expected there.
fn endpoint(address: &HostPort) -> Result<Endpoint, RemoteError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| {
        RemoteError::new(
            ErrorCode::InvalidArgument,
            format!("{address} cannot be dialled: {error}"),
        )
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES))
}

/// Returns whether it is worth the while to try an address of a join line again. Another network, or a
/// program of another kind, stays what it is; clocks are set.
fn code_of(error: &io::Error) -> ErrorCode {
    let why = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match why {
        Some(TlsError::Pin) => ErrorCode::PermissionDenied,
        Some(TlsError::NoRoot | TlsError::NoTls | TlsError::Certificate | TlsError::Identity(_)) => {
            ErrorCode::FailedPrecondition
        }
        _ => ErrorCode::Unavailable,
    }
}

async fn connect(address: &HostPort) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host(), address.port())).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake(address: &HostPort, tls: &Tls, server: Server) -> io::Result<Connection> {
    let expected = tls.expected(server)?;
    tls.connect(connect(address).await?, expected).await
}

async fn dial(address: &HostPort, tls: &Tls, server: Server) -> io::Result<Connection> {
    match tls.way_out() {
        Way::Plain => Ok(Connection::plain(connect(address).await?)),
        Way::None => Err(TlsError::NoCredentials.into()),
        Way::Tls => match handshake(address, tls, server).await {
            // The mode is read again: it may have been tightened meanwhile.
            Err(error) if is_no_tls(&error) && tls.mode() == Mode::Permissive => {
                Ok(Connection::plain(connect(address).await?))
            }
            secured => secured.map_err(explained),
        },
    }
}
