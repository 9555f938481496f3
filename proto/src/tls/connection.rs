//! A connection, plain or by TLS. One that stands on a certificate ends with it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::TlsError;
use super::failure::explained;

/// The event that the certificate counts no longer.
type End = Pin<Box<dyn Future<Output = TlsError> + Send>>;

/// See the [module](self). All reads and writes fail after the end.
pub(crate) struct Connection {
    stream: Stream,
    end: Option<End>,
    ended: Option<TlsError>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls a method of the stream, whichever it is.
macro_rules! stream {
    ($connection:ident . $method:ident ( $($argument:expr),* )) => {
        match &mut $connection.stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl Connection {
    /// Wraps a connection without TLS.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            end: None,
            ended: None,
        }
    }

    /// Wraps a connection that ends with an event, if there is one. The event does not wait for a turn of the
    /// task: a connection that always has something to read uses its turns up.
    pub(super) fn secured(
        stream: TlsStream<TcpStream>,
        end: Option<impl Future<Output = TlsError> + Send + 'static>,
    ) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            end: end.map(|end| Box::pin(tokio::task::unconstrained(end)) as End),
            ended: None,
        }
    }

    /// Returns whether it is by TLS.
    pub(crate) const fn is_secured(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Returns the failure of every operation after the end.
    fn after_end<T>(&self) -> Option<Poll<io::Result<T>>> {
        let why = self.ended.clone()?;
        Some(Poll::Ready(Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            why,
        ))))
    }

    /// Looks at the end when the connection would wait: each turn of a busy one comes to that. The task is
    /// woken when the end comes.
    fn or_ended<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending()
            && let Some(end) = &mut self.end
            && let Poll::Ready(why) = end.as_mut().poll(context)
        {
            (self.end, self.ended) = (None, Some(why));
        }
        self.after_end().unwrap_or_else(|| polled.map_err(explained))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, end, ended } = self;
        f.debug_struct("Connection")
            .field("stream", stream)
            .field("has_end", &end.is_some())
            .field("ended", ended)
            .finish()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(ended) = self.after_end() {
            return ended;
        }
        let read = stream!(self.poll_read(context, buffer));
        self.or_ended(context, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(ended) = self.after_end() {
            return ended;
        }
        let written = stream!(self.poll_write(context, bytes));
        self.or_ended(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(ended) = self.after_end() {
            return ended;
        }
        let written = stream!(self.poll_write_vectored(context, parts));
        self.or_ended(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(ended) = self.after_end() {
            return ended;
        }
        let flushed = stream!(self.poll_flush(context));
        self.or_ended(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        stream!(self.poll_shutdown(context))
    }
}
