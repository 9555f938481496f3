//! libtorrent through its Python bindings (`tests/foreign/torrent.py`): processes that take commands as lines
//! on stdin and report as lines on stdout.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::measure::end;
use super::report::first_line;

/// A client is up, with its files opened and checked, and answers a question, within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Speaks for libtorrent.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/torrent.py");

/// Whether there is a libtorrent to measure.
#[must_use]
pub fn is_installed() -> bool {
    let version = "import libtorrent; print(libtorrent.__version__)";
    first_line(Command::new("python3").args(["-c", version])).is_some()
}

/// A session that seeds or fetches one file; ended when this is dropped.
#[derive(Debug)]
pub struct Client {
    child: Child,
    orders: ChildStdin,
    words: Receiver<String>,
}

/// Makes the torrent of a file.
///
/// # Errors
/// When the file cannot be read.
pub fn make(file: &Path, torrent: &Path) -> Result<()> {
    let mut make = Command::new("python3");
    make.arg(SCRIPT).arg("make").arg(file).arg(torrent);
    ensure!(make.status()?.success(), "{make:?} failed");
    Ok(())
}

/// Adds a seeder of a file in `directory`, listening on `listen`, to a command that runs its arguments.
pub fn seed<'a>(command: &'a mut Command, torrent: &Path, directory: &Path, listen: &str) -> &'a mut Command {
    command
        .arg(SCRIPT)
        .arg("seed")
        .arg(torrent)
        .arg(directory)
        .arg(listen)
}

/// Adds a client that fetches a file to `directory` from these peers and from every peer that connects.
pub fn fetch<'a>(
    command: &'a mut Command,
    torrent: &Path,
    directory: &Path,
    listen: &str,
    peers: &[String],
) -> &'a mut Command {
    let fetch = command.arg(SCRIPT).arg("fetch").arg(torrent).arg(directory);
    fetch.arg(listen).args(peers)
}

impl Client {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no Python.
    pub fn start(command: &mut Command) -> Result<Self> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().with_context(|| format!("run {command:?}"))?;
        let orders = child.stdin.take().context("stdin is piped")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (heard, words) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines {
                if heard.send(line).is_err() {
                    return; // nobody listens any more
                }
            }
        });
        Ok(Self { child, orders, words })
    }

    /// Waits until it is up; returns the port that it listens on.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn wait_until_ready(&self) -> Result<u16> {
        let said = self.hear()?;
        let port = said.strip_prefix("ready ").and_then(|port| port.parse().ok());
        port.with_context(|| format!("libtorrent said {said:?}"))
    }

    /// Tells it to fetch.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go(&mut self) -> Result<()> {
        writeln!(self.orders, "go").context("tell libtorrent to fetch")
    }

    /// Whether it has said that everything is verified and written, since this was asked before.
    ///
    /// # Errors
    /// When it has ended or complains.
    pub fn is_done(&self) -> Result<bool> {
        match self.words.try_recv() {
            Ok(said) if said == "done" => Ok(true),
            Ok(said) => bail!("libtorrent said {said:?}"),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => bail!("libtorrent has ended"),
        }
    }

    /// Bytes of the file that it has sent and received; only a client that is done or seeds answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn transferred(&mut self) -> Result<(u64, u64)> {
        writeln!(self.orders, "bytes").context("ask libtorrent")?;
        let said = self.hear()?;
        let bytes = said
            .split_once(' ')
            .map(|(sent, received)| (sent.parse(), received.parse()));
        match bytes {
            Some((Ok(sent), Ok(received))) => Ok((sent, received)),
            _ => bail!("libtorrent said {said:?}"),
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn hear(&self) -> Result<String> {
        self.words
            .recv_timeout(ANSWER_LIMIT)
            .context("wait for libtorrent")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
