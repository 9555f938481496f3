//! libtorrent through its Python bindings: a seeder and a downloader, each a process, both up before the word to begin.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::super::measure::{self, Ends, Sample, end};
use super::super::report::first_line;
use super::server::line;
use super::{Contestant, Course, Entrance, Missing};

/// A side is up, with its files opened and checked, within this time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Speaks for libtorrent; says what it does on stdout, a word a line.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/torrent.py");

struct Libtorrent {
    seeder: Side,
    seeder_line: String,
    port: String,
    torrent: std::path::PathBuf,
    course: std::path::PathBuf,
}

/// A running side; ended when this is dropped.
struct Side {
    child: Child,
    orders: ChildStdin,
    words: Receiver<String>,
}

impl Side {
    fn start(command: &mut Command) -> Result<Self> {
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

    /// Waits for a line that begins with this word and returns the rest of it.
    fn wait_for(&self, word: &str) -> Result<String> {
        let said = self
            .words
            .recv_timeout(START_LIMIT)
            .with_context(|| format!("wait for {word:?}"))?;
        let rest = said
            .strip_prefix(word)
            .with_context(|| format!("{said:?} instead of {word:?}"))?;
        Ok(rest.trim().to_owned())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn has_said(words: &Receiver<String>, word: &str) -> Result<bool> {
    match words.try_recv() {
        Ok(said) if said == word => Ok(true),
        Ok(said) => bail!("it said {said:?}"),
        Err(TryRecvError::Empty) => Ok(false),
        Err(TryRecvError::Disconnected) => bail!("it ended"),
    }
}

/// Makes the torrent and starts the seeder.
pub(super) fn enter(course: &Course) -> Result<Entrance> {
    let version = "import libtorrent; print(libtorrent.__version__)";
    if first_line(Command::new("python3").args(["-c", version])).is_none() {
        let why = "`python3` cannot import libtorrent".to_owned();
        return Ok(Err(Missing {
            tool: "libtorrent",
            why,
        }));
    }
    let torrent = course.path("file.torrent");
    let mut make = Command::new("python3");
    make.arg(SCRIPT).arg("make").arg(course.file()).arg(&torrent);
    ensure!(make.status()?.success(), "{make:?} failed");
    let mut seed = Command::new("python3");
    seed.arg(SCRIPT)
        .arg("seed")
        .arg(&torrent)
        .arg(course.source())
        .arg("127.0.0.1");
    let seeder = Side::start(&mut seed)?;
    let port = seeder.wait_for("ready")?;
    Ok(Ok(Box::new(Libtorrent {
        seeder,
        seeder_line: line(&seed),
        port,
        torrent,
        course: course.directory.path().to_owned(),
    })))
}

impl Libtorrent {
    fn fetch(&self, directory: &Path) -> Command {
        let mut command = Command::new("python3");
        command
            .arg(SCRIPT)
            .arg("fetch")
            .arg(&self.torrent)
            .arg(directory)
            .arg("127.0.0.1");
        command.arg(format!("127.0.0.1:{}", self.port));
        command
    }
}

impl Contestant for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn verifies(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        let fetch = line(&self.fetch(Path::new("DIR")));
        vec![
            self.seeder_line.clone(),
            format!("{fetch}   (measured from the line `go` on its stdin to the line `done`)"),
        ]
    }

    fn run(&mut self, output: &Path) -> Result<Sample> {
        let directory = self.course.join("libtorrent-out");
        std::fs::create_dir(&directory)?;
        let mut receiver = Side::start(&mut self.fetch(&directory))?;
        receiver.wait_for("ready")?;
        let ends = Ends {
            senders: vec![self.seeder.child.id()],
            receivers: vec![receiver.child.id()],
        };
        let Side { orders, words, .. } = &mut receiver;
        let begin = || writeln!(orders, "go").context("say go");
        let sample = measure::work(&ends, begin, || has_said(words, "done"))?;
        drop(receiver);
        std::fs::rename(directory.join("file.bin"), output)?;
        std::fs::remove_dir_all(&directory)?;
        Ok(sample)
    }
}
