//! `-`: standard input as a content to add, standard output as the place of one that is got.
//!
//! A thread reads or writes, because neither can be cancelled: it is no task, and nobody waits for it when a command ends. Between
//! it and the node are a few pieces, so whoever is slow is waited for.
//!
//! Invariant: the node is told the end of the input only when the input has said that it ended, and nothing but the verified
//! bytes, in their order, goes to the output.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::path::Path;

use bytes::Bytes;
use proto::client::Incoming;
use proto::messages::control::{AddStep, AddStream, GetEvent, ReadEvent};
use proto::{Invalid, RemoteError};
use shared::ErrorCode;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::exit::{Exit, Failure};
use super::get::GetEvents;
use crate::words;

/// Pieces on their way between a thread and the node.
const PIECES_AHEAD: usize = 4;

/// Read at a time; a pipe rarely has more.
const PIECE: usize = 256 << 10;

/// Whether a path stands for standard input or output. A file of that name is `./-`.
#[must_use]
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Completes when standard input cannot be read any further; never when its end was reached.
pub(super) struct Broken(Option<oneshot::Receiver<io::Error>>);

impl Broken {
    /// Of what is not read from standard input.
    pub(super) const fn never() -> Self {
        Self(None)
    }

    /// Why.
    pub(super) async fn failure(self) -> Failure {
        match self.0 {
            Some(broken) => match broken.await {
                Ok(error) => unreadable(error),
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// Standard input as what is to be published.
///
/// # Errors
/// When the operating system has no thread left.
pub(super) fn input(
    begin: AddStream,
) -> Result<(impl Stream<Item = AddStep> + Send + 'static, Broken), Failure> {
    let (steps, stream) = mpsc::channel(PIECES_AHEAD);
    let (broken, is_broken) = oneshot::channel();
    thread("stdin", move || {
        if let Err(error) = send(begin, io::stdin().lock(), &steps) {
            // Before the stream ends, so that this is why.
            drop(broken.send(error));
        }
    })?;
    Ok((ReceiverStream::new(stream), Broken(Some(is_broken))))
}

/// Standard input, or as much of it.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn beginning(most: u64) -> Result<Vec<u8>, Failure> {
    let (done, read) = oneshot::channel();
    thread("stdin", move || {
        let mut bytes = Vec::new();
        let result = io::stdin().lock().take(most).read_to_end(&mut bytes);
        drop(done.send(result.map(|_| bytes)));
    })?;
    let read = read.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    read.map_err(unreadable)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(Exit::Internal, words::cannot_read_input(error))
}

/// Sends what there is to read, and its end if it comes to that.
fn send(begin: AddStream, mut input: impl Read, steps: &mpsc::Sender<AddStep>) -> io::Result<()> {
    let mut step = AddStep::Begin(begin);
    let (mut buffer, mut length) = (vec![0; PIECE], 0);
    // Who does not take any more has said why.
    while steps.blocking_send(step).is_ok() {
        let read = loop {
            match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            drop(steps.blocking_send(AddStep::End(length)));
            break;
        }
        length += read as u64;
        step = AddStep::Data(Bytes::copy_from_slice(&buffer[..read]));
    }
    Ok(())
}

/// Standard output, for bytes.
pub(super) struct Outlet {
    pieces: Option<mpsc::Sender<Bytes>>,
    written: Option<oneshot::Receiver<io::Result<()>>>,
    /// Why nothing more can be written.
    failure: Option<io::Error>,
}

impl Outlet {
    /// Begins to write.
    ///
    /// # Errors
    /// When the operating system has no thread left, or there is no standard output.
    pub(super) fn standard() -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Internal, words::cannot_write_result(error));
        // Its own descriptor: the one of the library looks for line ends in everything.
        let output = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
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
            // Before the line to us is closed, so that whoever finds it closed finds out why.
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

    /// What became of a command that wrote here: that nobody wants to read on is no failure.
    pub(super) fn judge(self, result: Result<(), Failure>) -> Result<(), Failure> {
        match self.failure {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Some(error) => Err(Failure::new(Exit::Internal, words::cannot_write_result(error))),
            None => result,
        }
    }
}

/// Never shown: [`Outlet::judge`] says what happened.
fn closed() -> RemoteError {
    RemoteError::new(ErrorCode::Cancelled, "standard output is closed")
}

/// The events of a content that is read; its bytes go to standard output on the way.
pub(super) struct Reading<W> {
    events: Incoming<W, ReadEvent>,
    delivered: u64,
    pub(super) outlet: Outlet,
}

impl<W> Reading<W> {
    pub(super) const fn new(events: Incoming<W, ReadEvent>, outlet: Outlet) -> Self {
        Self {
            events,
            delivered: 0,
            outlet,
        }
    }
}

impl<W: Send> GetEvents for Reading<W>
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
                    self.outlet.write(piece).await?;
                    continue;
                }
                ReadEvent::Told(told) => told,
            };
            match &mut told {
                // What waits here for a slow reader is no sign that nothing comes.
                GetEvent::Progress { held, .. } => *held = self.delivered,
                GetEvent::Done { length, .. } => {
                    self.outlet.finish().await?;
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

/// A thread of its own, which nobody waits for.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned
        .map(drop)
        .map_err(|error| Failure::new(Exit::Internal, words::no_thread(error)))
}

#[cfg(test)]
mod tests {
    use shared::model::ReplicationTarget;

    use super::*;

    fn begin() -> AddStream {
        AddStream {
            name: "x".parse().expect("a name"),
            target: ReplicationTarget::DEFAULT,
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

    /// Takes a few bytes, then fails.
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
            let mut outlet = Outlet::to(Failing(kind, 10)).expect("a thread");
            let piece = || Bytes::from_static(b"seven..");
            let mut result = Ok(());
            while result.is_ok() {
                result = outlet.write(piece()).await;
            }
            let failed = Failure::new(Exit::Interrupted, "never shown");
            let judged = outlet.judge(Err(failed));
            assert_eq!(judged.is_ok(), is_fine, "{kind}: {judged:?}");
        }
        let mut outlet = Outlet::to(Failing(io::ErrorKind::BrokenPipe, 10)).expect("a thread");
        outlet
            .write(Bytes::from_static(b"seven.."))
            .await
            .expect("written");
        outlet.finish().await.expect("written");
        assert_eq!(outlet.judge(Ok(())), Ok(()));
    }
}
