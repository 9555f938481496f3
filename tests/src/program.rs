//! One running program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use crate::binaries;
use crate::security::Entry;

/// Time within which a program becomes ready, even on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A program that was asked to stop has stopped within this time.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A tracker, webserver or peer, as a process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
    /// Arguments before the program's path, to run it elsewhere.
    prefix: Vec<OsString>,
    address: String,
    child: Option<Child>,
}

impl Program {
    /// Starts a program on a free port and waits until it is ready. Its log goes to a file.
    ///
    /// # Errors
    /// When it does not become ready; quotes its log.
    pub fn start(name: &'static str, arguments: Vec<OsString>, log: &Path) -> Result<Self> {
        Self::start_at(name, arguments, log, "127.0.0.1", Vec::new())
    }

    /// Starts a program that listens on another address, by way of a command that is replaced by it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(
        name: &'static str,
        arguments: Vec<OsString>,
        log: &Path,
        host: &str,
        prefix: Vec<OsString>,
    ) -> Result<Self> {
        let entry = Entry {
            arguments,
            environment: Vec::new(),
        };
        Self::start_by(name, entry, log, host, prefix)
    }

    /// Starts a program likewise, with an environment besides.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_by(
        name: &'static str,
        entry: Entry,
        log: &Path,
        host: &str,
        prefix: Vec<OsString>,
    ) -> Result<Self> {
        let mut program = Self {
            name,
            arguments: entry.arguments,
            environment: entry.environment,
            log: log.to_owned(),
            prefix,
            address: format!("{host}:0"),
            child: None,
        };
        program.launch()?;
        Ok(program)
    }

    /// Returns the listening address: the same after every restart.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts it again where it was, with the same data directory and port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch()
    }

    /// Starts it again without the environment that it was first given.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart_without_environment(&mut self) -> Result<()> {
        self.environment.clear();
        self.restart()
    }

    /// Ends it at once, as a power cut would end the process: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A program that has ended by itself cannot be killed; waiting reaps it.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks it to stop with SIGTERM and returns its exit code.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(&mut self) -> Result<i32> {
        let Some(child) = &mut self.child else {
            bail!("{} does not run", self.name)
        };
        rustix::process::kill_process(Pid::from_child(child), Signal::TERM).context("signal")?;
        let ended = crate::eventually(
            "the program to stop",
            STOP_TIMEOUT,
            || child.try_wait(),
            |status| matches!(status, Ok(Some(_)) | Err(_)),
        );
        let status = ended?.with_context(|| format!("wait for {}", self.name))?;
        self.child = None;
        Ok(status.and_then(|status| status.code()).unwrap_or(-1))
    }

    /// Lets it run on when this is dropped; returns its process id if it runs.
    pub fn leave_running(&mut self) -> Option<u32> {
        if !self.is_running() {
            return None;
        }
        self.child.take().map(|child| child.id())
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Returns its resident memory and the peak of that, in bytes.
    ///
    /// # Errors
    /// When it does not run, or the system does not tell.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let child = self.child.as_ref().context("does not run")?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace()
                .nth(1)?
                .parse::<u64>()
                .ok()
                .map(|kib| kib << 10)
        };
        Ok((
            field("VmRSS:").context("VmRSS")?,
            field("VmHWM:").context("VmHWM")?,
        ))
    }

    /// Returns its process id, if it runs or has ended by itself.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the log of all its runs.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn launch(&mut self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .context("open the log")?;
        let (host, port) = self.address.rsplit_once(':').context("an address has a port")?;
        let path = binaries::path(self.name).into_os_string();
        let mut line = self.prefix.iter().chain([&path]);
        let first = line.next().context("a command begins with a program")?;
        let mut child = Command::new(first)
            .args(line)
            .args(&self.arguments)
            .args(["--host", host, "--port", port])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.name))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        self.child = Some(child);
        let (ready_tx, ready_rx) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            // The receiver is gone after the wait; the rest is read so that the program never blocks.
            drop(ready_tx.send(lines.next()));
            lines.for_each(drop);
        });
        let first = ready_rx
            .recv_timeout(READY_TIMEOUT)
            .ok()
            .flatten()
            .and_then(Result::ok)
            .unwrap_or_default();
        let Some(address) = first.strip_prefix(&format!("{} ready on ", self.name)) else {
            self.kill();
            bail!(
                "{} did not become ready, it said {first:?}; its log:\n{}",
                self.name,
                self.log()
            );
        };
        address.clone_into(&mut self.address);
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
