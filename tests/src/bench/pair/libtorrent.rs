//! libtorrent: a seeder and a downloader, each a process, both up before the word to begin.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::measure::{self, Ends, Sample};
use super::super::torrent::{self, Client};
use super::server::line;
use super::{Contestant, Course, Entrance, Missing};

/// Listening address of both; each picks a port.
const LISTEN: &str = "127.0.0.1:0";

struct Libtorrent {
    seeder: Client,
    seeder_line: String,
    source: String,
    torrent: PathBuf,
    directory: PathBuf,
}

/// Makes the torrent and starts the seeder.
pub(super) fn enter(course: &Course) -> Result<Entrance> {
    if !torrent::is_installed() {
        let tool = "libtorrent";
        let why = "`python3` cannot import libtorrent".to_owned();
        return Ok(Err(Missing { tool, why }));
    }
    let torrent = course.path("file.torrent");
    torrent::make(&course.file(), &torrent)?;
    let mut seed = Command::new("python3");
    torrent::seed(&mut seed, &torrent, &course.source(), LISTEN);
    let seeder = Client::start(&mut seed)?;
    let source = format!("127.0.0.1:{}", seeder.wait_until_ready()?);
    Ok(Ok(Box::new(Libtorrent {
        seeder,
        seeder_line: line(&seed),
        source,
        torrent,
        directory: course.path("libtorrent-out"),
    })))
}

impl Libtorrent {
    fn fetch(&self, directory: &Path) -> Command {
        let mut command = Command::new("python3");
        let peers = std::slice::from_ref(&self.source);
        torrent::fetch(&mut command, &self.torrent, directory, LISTEN, peers);
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
        std::fs::create_dir(&self.directory)?;
        let mut receiver = Client::start(&mut self.fetch(&self.directory))?;
        receiver.wait_until_ready()?;
        let ends = Ends {
            senders: vec![self.seeder.id()],
            receivers: vec![receiver.id()],
        };
        let sample = measure::work(&ends, &mut receiver, Client::go, Client::is_done)?;
        drop(receiver);
        std::fs::rename(self.directory.join("file.bin"), output)?;
        std::fs::remove_dir_all(&self.directory)?;
        Ok(sample)
    }
}
