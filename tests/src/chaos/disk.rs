//! A small disk: a file system in memory that can be full.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// More than a peer's share of the published bytes, so that the disk is full only when the test fills it.
const SIZE: &str = "size=256m,mode=700";

/// A disk that is mounted until it is dropped; no process may use it then.
#[derive(Debug)]
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one.
    ///
    /// # Errors
    /// When this process may not mount.
    pub(super) fn mount(at: &Path) -> Result<Self> {
        std::fs::create_dir_all(at).context("make a directory")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "enjambre-chaos"]).arg(at);
        let status = mount.stderr(Stdio::null()).status().context("run mount")?;
        ensure!(status.success(), "cannot mount a file system at {}", at.display());
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may not be gone altogether.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        drop(unmounted);
    }
}
