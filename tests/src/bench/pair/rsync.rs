//! rsync from its own daemon over loopback; a copy between two paths would not go through a socket.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::measure::{self, Ends, Sample};
use super::super::report::first_line;
use super::server::{Server, free_port, line};
use super::{Contestant, Course, Entrance, Missing};

struct Rsync {
    daemon: Server,
    daemon_line: String,
    url: String,
}

/// Starts the daemon.
pub(super) fn enter(course: &Course) -> Result<Entrance> {
    if first_line(Command::new("rsync").arg("--version")).is_none() {
        let why = "`rsync` is not installed".to_owned();
        return Ok(Err(Missing { tool: "rsync", why }));
    }
    let port = free_port()?;
    let config = course.path("rsyncd.conf");
    // A daemon that root starts would serve as user nobody, which cannot read a private directory.
    let identity = if rustix::process::geteuid().is_root() {
        "uid = root\ngid = root\n"
    } else {
        ""
    };
    let source = course.source();
    std::fs::write(
        &config,
        format!(
            "use chroot = no\n{identity}[files]\npath = {}\nread only = yes\n",
            source.display()
        ),
    )?;
    let mut command = Command::new("rsync");
    command.args(["--daemon", "--no-detach", "--address=127.0.0.1"]);
    command
        .arg(format!("--port={port}"))
        .arg(format!("--config={}", config.display()));
    let daemon = Server::start(&mut command, port)?;
    Ok(Ok(Box::new(Rsync {
        daemon,
        daemon_line: line(&command),
        url: format!("rsync://127.0.0.1:{port}/files/file.bin"),
    })))
}

impl Rsync {
    fn fetch(&self, output: &Path) -> Command {
        let mut command = Command::new("rsync");
        command.args(["--whole-file", "--inplace", &self.url]).arg(output);
        command
    }
}

impl Contestant for Rsync {
    fn name(&self) -> &'static str {
        "rsync"
    }

    fn verifies(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        vec![self.daemon_line.clone(), line(&self.fetch(Path::new("OUT")))]
    }

    fn run(&mut self, output: &Path) -> Result<Sample> {
        let ends = Ends {
            senders: vec![self.daemon.id()],
            receivers: Vec::new(),
        };
        measure::command(ends, &mut self.fetch(output))
    }
}
