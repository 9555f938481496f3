//! The one place where connections are made.

use std::time::Duration;

use shared::ErrorCode;
use shared::model::HostPort;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

use crate::status::RemoteError;

/// Longer than any handshake in a data centre, shorter than a person's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection that stopped answering is given up after about this long, twice.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Covers 10 Gbit/s at 12 ms; smaller windows throttle a transfer to window / round trip.
const WINDOW_BYTES: u32 = 16 << 20;

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
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| {
        RemoteError::new(
            ErrorCode::InvalidArgument,
            format!("{address} cannot be dialled: {error}"),
        )
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_lazy())
}
