//! A connection whose first bytes must come in time.
//!
//! The server cannot tell HTTP/1 from HTTP/2 before it has seen the first bytes, and its own deadlines begin
//! only then: a silent client would keep one of a bounded number of connections for ever. After the first
//! bytes this wrapper costs nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes of HTTP/2's preface; no HTTP/1 request with a host is shorter.
const PREFACE: usize = 24;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Opening<S> {
    stream: S,
    /// Bytes that have still to come, and when it is too late.
    awaited: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> Opening<S> {
    /// Wraps a connection whose first bytes must come within the deadline.
    pub(crate) fn within(stream: S, deadline: Duration) -> Self {
        let late = Box::pin(tokio::time::sleep(deadline));
        Self {
            stream,
            awaited: Some((PREFACE, late)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some((left, late)) = &mut this.awaited else {
            return read;
        };
        *left = left.saturating_sub(buffer.filled().len() - before);
        if *left == 0 {
            this.awaited = None;
        } else if read.is_pending() && late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn whoever_says_nothing_or_stops_in_the_first_bytes_is_cut_off() {
        for begun in [&b""[..], b"PRI * HTTP/2.0\r\n\r\n"] {
            let (mut client, server) = duplex(64);
            let mut server = Opening::within(server, SHORT);
            client.write_all(begun).await.expect("there is room");
            let mut got = [0; 64];
            let mut read = 0;
            let end = loop {
                match server.read(&mut got).await {
                    Ok(0) => panic!("the client is still there"),
                    Ok(n) => read += n,
                    Err(error) => break error,
                }
            };
            assert_eq!((end.kind(), read), (io::ErrorKind::TimedOut, begun.len()));
        }
    }

    #[tokio::test]
    async fn whoever_has_begun_may_be_silent_for_longer() {
        let (mut client, server) = duplex(64);
        let mut server = Opening::within(server, SHORT);
        let mut got = [0; PREFACE];
        client.write_all(&[7; PREFACE]).await.expect("there is room");
        server.read_exact(&mut got).await.expect("it has come");
        let silence = tokio::time::timeout(SHORT * 3, server.read(&mut got)).await;
        assert!(silence.is_err(), "nothing comes, and nothing ends it");
    }
}
