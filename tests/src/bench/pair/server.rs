//! A tool's server, running for as long as it is needed.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::measure::end;
use crate::eventually;

/// A server listens within this time.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A process that serves; ended when this is dropped.
#[derive(Debug)]
pub(super) struct Server(Child);

impl Server {
    /// Starts it and waits until something listens on the port.
    pub(super) fn start(command: &mut Command, port: u16) -> Result<Self> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = silent.spawn().with_context(|| format!("run {command:?}"))?;
        let server = Self(child);
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        eventually("a server that listens", START_LIMIT, listens, |listens| *listens)?;
        Ok(server)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// A port that was free a moment ago, for tools that cannot pick one themselves.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A command as it is written in a shell; none of ours has arguments that need more than this.
pub(super) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '\'', '"', ';']) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
