//! A connection that was taken, until its first byte and its handshake say how to serve it.

use std::io;
use std::time::Duration;

use shared::security::authorization::Caller;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{Door, Ends};
use crate::listen::has_address;
use crate::tls::{Connection, TlsError, Way};

/// Time for the first byte and the handshake: an honest client needs a few round trips.
const DEADLINE: Duration = Duration::from_secs(5);

/// The first byte of a connection by TLS; no request of HTTP begins with it.
const TLS_BYTE: u8 = 0x16;

/// The fatal alert "protocol version", from which a client that begins otherwise sees what is spoken here.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 70];

/// Opens a connection that came through the door, and tells who is at its other end.
///
/// # Errors
/// When the other end may not come in like this, or does not in time.
pub(super) async fn open(door: &Door, stream: TcpStream, ends: Ends) -> io::Result<(Connection, Caller)> {
    // Without security nobody asks who the caller is, and the system is not asked either.
    let is_own = ends.are_of_own_machine(|ip| door.tls().is_on() && has_address(ip));
    let stranger = match is_own {
        true => Caller::OwnMachine,
        false => Caller::Anonymous,
    };
    if !door.tls().is_on() {
        return Ok((Connection::plain(stream), stranger));
    }
    let secured = secure(door, stream, ends, is_own, stranger);
    let secured = tokio::time::timeout(DEADLINE, secured).await;
    secured.unwrap_or_else(|_| Err(TlsError::Late.into()))
}

async fn secure(
    door: &Door,
    mut stream: TcpStream,
    ends: Ends,
    is_own: bool,
    stranger: Caller,
) -> io::Result<(Connection, Caller)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let is_tls = first == [TLS_BYTE];
    match door.tls().way_in(is_own, is_tls) {
        Way::Plain => Ok((Connection::plain(stream), stranger)),
        Way::Tls => {
            let (_place, lost) = door.handshakes().admit(ends).ok_or(TlsError::Late)?;
            tokio::select! {
                secured = door.tls().accept(stream, stranger) => secured,
                Ok(()) = lost => Err(TlsError::Late.into()),
            }
        }
        Way::None => {
            stream.write_all(&ALERT).await?;
            Err(if is_tls {
                TlsError::NoCredentials
            } else {
                TlsError::Plain
            }
            .into())
        }
    }
}
