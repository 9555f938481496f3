//! The path `-`: standard input as a content to add, standard output as the place of a fetched file. The
//! node's end is `operations/standard_streams.rs`.
//!
//! A thread reads or writes, because neither can be cancelled. It is no task, and a command does not wait for
//! it at its end. A few pieces fit between the thread and the node, so the faster side waits for the slower.
//!
//! Invariant: the node receives the end of the input only when the input has ended, and only verified bytes,
//! in their order, go to the output.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::time::Duration;

use bytes::Bytes;
use proto::client::Incoming;
use proto::messages::control::{AddStep, AddStream, GetEvent, ReadEvent};
use proto::{Invalid, RemoteError};
use shared::ErrorCode;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::terminal::exit::Failure;
use crate::terminal::getting::GetEvents;
use crate::words;

/// Pieces between a thread and the node.
const PIECES_AHEAD: usize = 4;

/// Bytes read at a time; a pipe rarely has more.
const PIECE: usize = 256 << 10;

/// Time between the end of the input and its report: Ctrl-C ends the programs before this one in a pipe as
/// well, and the end that they leave behind must not come before the signal is noticed.
const END_OF_INPUT: Duration = Duration::from_millis(100);

/// A failed read of standard input, if it comes to that.
pub(super) struct StdinFailure(Option<oneshot::Receiver<io::Error>>);

impl StdinFailure {
    /// The value for a content that is not read from standard input.
    pub(super) const fn never() -> Self {
        Self(None)
    }

    /// Completes when standard input cannot be read any further; never when its end was reached.
    pub(super) async fn failure(self) -> Failure {
        match self.0 {
            Some(failed) => match failed.await {
                Ok(error) => unreadable(&error),
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// Standard input as the steps of a publication.
///
/// # Errors
/// When the operating system has no thread left.
pub(super) fn input(
    begin: AddStream,
) -> Result<(impl Stream<Item = AddStep> + Send + 'static, StdinFailure), Failure> {
    let (steps, stream) = mpsc::channel(PIECES_AHEAD);
    let (failure, failed) = oneshot::channel();
    thread("stdin", move || {
        if let Err(error) = send(begin, io::stdin().lock(), &steps) {
            // Before the stream ends, so that the reader knows the reason.
            drop(failure.send(error));
        }
    })?;
    Ok((ReceiverStream::new(stream), StdinFailure(Some(failed))))
}

/// Reads standard input, up to `most` bytes.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn beginning(most: u64) -> Result<Vec<u8>, Failure> {
    let (done, read) = oneshot::channel();
    thread("stdin", move || {
        let mut bytes = Vec::new();
        let result = io::stdin().lock().take(most).read_to_end(&mut bytes);
        std::thread::sleep(END_OF_INPUT);
        drop(done.send(result.map(|_| bytes)));
    })?;
    let read = read.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    read.map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(error.into(), words::cannot_read_input(words::io_error(error)))
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::new(error.into(), words::cannot_write_result(words::io_error(error)))
}

/// Sends the input, and its end when it is reached.
fn send(begin: AddStream, mut input: impl Read, steps: &mpsc::Sender<AddStep>) -> io::Result<()> {
    let mut step = AddStep::Begin(begin);
    let (mut buffer, mut length) = (vec![0; PIECE], 0);
    // A receiver that takes no more has told its reason.
    while steps.blocking_send(step).is_ok() {
        let read = loop {
            match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            std::thread::sleep(END_OF_INPUT);
            drop(steps.blocking_send(AddStep::End(length)));
            break;
        }
        length += read as u64;
        step = AddStep::Data(Bytes::copy_from_slice(&buffer[..read]));
    }
    Ok(())
}

/// Standard output, for bytes.
pub(super) struct StdoutSink {
    pieces: Option<mpsc::Sender<Bytes>>,
    written: Option<oneshot::Receiver<io::Result<()>>>,
    /// The error after which nothing more can be written.
    failure: Option<io::Error>,
}

impl StdoutSink {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When the operating system has no thread left, or there is no standard output.
    pub(super) fn standard() -> Result<Self, Failure> {
        // A descriptor of its own: the library's writer searches everything for line ends.
        let output = io::stdout().as_fd().try_clone_to_owned();
        let output = File::from(output.map_err(|error| unwritable(&error))?);
        Self::to(output)
    }

    fn to(mut output: impl Write + Send + 'static) -> Result<Self, Failure> {
        let (pieces, mut taken) = mpsc::channel::<Bytes>(PIECES_AHEAD);
        let (done, written) = oneshot::channel();
        thread("stdout", move || {
            let mut write = || {
                while let Some(piece) = taken.blocking_recv() {
                    output.write_all(&piece)?;
                }
                output.flush()
            };
            let result = write();
            // Before the channel is closed, so that a sender that finds it closed learns the reason.
            drop(done.send(result));
            drop(taken);
        })?;
        Ok(Self {
            pieces: Some(pieces),
            written: Some(written),
            failure: None,
        })
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), RemoteError> {
        if let Some(pieces) = &self.pieces
            && pieces.send(piece).await.is_ok()
        {
            return Ok(());
        }
        self.finish().await?;
        Err(closed())
    }

    /// Waits until everything is written.
    async fn finish(&mut self) -> Result<(), RemoteError> {
        self.pieces = None;
        let Some(written) = self.written.take() else {
            return Ok(());
        };
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.failure = Some(error);
                Err(closed())
            }
            Err(_) => Err(closed()),
        }
    }

    /// Returns the result of a command that wrote here; a reader that went away is no failure.
    pub(super) fn judge(self, result: Result<(), Failure>) -> Result<(), Failure> {
        match self.failure {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Some(error) => Err(unwritable(&error)),
            None => result,
        }
    }
}

/// An error that is never shown: [`StdoutSink::judge`] replaces it.
fn closed() -> RemoteError {
    RemoteError::new(ErrorCode::Cancelled, "standard output is closed")
}

/// The events of a content that is read, whose bytes go to standard output on the way.
pub(super) struct StdoutReader<W> {
    events: Incoming<W, ReadEvent>,
    delivered: u64,
    pub(super) sink: StdoutSink,
}

impl<W> StdoutReader<W> {
    pub(super) const fn new(events: Incoming<W, ReadEvent>, sink: StdoutSink) -> Self {
        Self {
            events,
            delivered: 0,
            sink,
        }
    }
}

impl<W: Send> GetEvents for StdoutReader<W>
where
    ReadEvent: TryFrom<W, Error = Invalid>,
{
    async fn next(&mut self) -> Result<Option<GetEvent>, RemoteError> {
        loop {
            let Some(event) = self.events.next().await? else {
                return Ok(None);
            };
            let mut told = match event {
                ReadEvent::Data(piece) => {
                    self.delivered += piece.len() as u64;
                    self.sink.write(piece).await?;
                    continue;
                }
                ReadEvent::Told(told) => told,
            };
            match &mut told {
                // Bytes that wait here for a slow reader are no sign of a stalled fetch.
                GetEvent::Progress { held, .. } => *held = self.delivered,
                GetEvent::Done { length, .. } => {
                    self.sink.finish().await?;
                    if *length != self.delivered {
                        let why = format!("{} bytes came of {length}", self.delivered);
                        return Err(RemoteError::new(ErrorCode::Internal, why));
                    }
                }
                GetEvent::Started { .. } => {}
            }
            return Ok(Some(told));
        }
    }
}

/// Starts a thread that a command does not wait for.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned
        .map(drop)
        .map_err(|error| Failure::new((&error).into(), words::no_thread(words::io_error(&error))))
}

#[cfg(test)]
mod tests {
    use shared::model::ReplicationTarget;

    use super::*;
    use crate::terminal::exit::Exit;

    fn begin() -> AddStream {
        AddStream {
            name: "x".parse().expect("a name"),
            target: Some(ReplicationTarget::DEFAULT),
            fragment_length: None,
            update: false,
            wait: false,
        }
    }

    fn sent(input: impl Read) -> (io::Result<()>, Vec<AddStep>) {
        let (steps, mut stream) = mpsc::channel(16);
        let result = send(begin(), input, &steps);
        drop(steps);
        (result, std::iter::from_fn(|| stream.try_recv().ok()).collect())
    }

    #[test]
    fn the_end_is_told_only_when_the_input_has_ended() {
        let bytes = vec![7; PIECE + 1];
        let (result, steps) = sent(bytes.as_slice());
        assert!(result.is_ok());
        assert_eq!(steps.len(), 4);
        assert_eq!(steps[0], AddStep::Begin(begin()));
        assert_eq!(steps[3], AddStep::End(PIECE as u64 + 1));

        struct Torn(bool);
        impl Read for Torn {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(buffer.len())
            }
        }
        let (result, steps) = sent(Torn(false));
        assert!(result.is_err());
        assert!(
            !steps.iter().any(|step| matches!(step, AddStep::End(_))),
            "{steps:?}"
        );
    }

    /// A writer that takes a few bytes and then fails.
    struct Failing(io::ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.1.checked_sub(bytes.len()) {
                Some(left) => {
                    self.1 = left;
                    Ok(bytes.len())
                }
                None => Err(self.0.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_that_went_away_ends_it_well_and_a_full_disk_does_not() {
        for (kind, is_fine) in [
            (io::ErrorKind::BrokenPipe, true),
            (io::ErrorKind::StorageFull, false),
        ] {
            let mut sink = StdoutSink::to(Failing(kind, 10)).expect("a thread");
            let piece = || Bytes::from_static(b"seven..");
            let mut result = Ok(());
            while result.is_ok() {
                result = sink.write(piece()).await;
            }
            let failed = Failure::new(Exit::Interrupted, "never shown");
            let judged = sink.judge(Err(failed));
            assert_eq!(judged.is_ok(), is_fine, "{kind}: {judged:?}");
        }
        let mut sink = StdoutSink::to(Failing(io::ErrorKind::BrokenPipe, 10)).expect("a thread");
        sink.write(Bytes::from_static(b"seven..")).await.expect("written");
        sink.finish().await.expect("written");
        assert_eq!(sink.judge(Ok(())), Ok(()));
    }
}
