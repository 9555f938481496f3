//! Lets a changed configuration file take effect while a program runs.
//!
//! The file is read again after a change and on SIGHUP. A file with errors leaves everything as it was, also
//! when its values make no sense together; the log names the errors. Settings that need a restart are named
//! and left as they were.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::key::Effect;
use super::place::Places;
use super::values::{Change, Values, changes};
use crate::language::{Language, here};

/// Interval of the checks: the longest wait between a change by hand and the beginning of its effect.
const LOOK: Duration = Duration::from_secs(1);

/// Returns the faults of values taken together, in words.
pub type Usable = fn(&Values) -> Result<(), String>;

/// Follows the file until `stop`; `apply` receives the values in force and those among them that have just
/// changed.
///
/// # Panics
/// When called outside a tokio runtime or when SIGHUP cannot be listened to, both at start only.
pub fn follow(
    places: Places,
    values: Values,
    stop: CancellationToken,
    usable: Usable,
    apply: impl FnMut(&Values, &[Change]) + Send + 'static,
) -> impl Future<Output = ()> + Send {
    // The handler is installed before this returns: from now on SIGHUP ends nothing.
    let hangups = signal(SignalKind::hangup()).expect("install the SIGHUP handler");
    let follower = Follower {
        places,
        values,
        usable,
        apply,
    };
    follower.run(hangups, stop)
}

/// Follower of the file.
pub(super) struct Follower<F> {
    pub(super) places: Places,
    /// Values in force.
    pub(super) values: Values,
    pub(super) usable: Usable,
    pub(super) apply: F,
}

/// Distinguishes two states of a file without reading it.
type Stamp = Option<(u64, u64, i64, i64)>;

impl<F: FnMut(&Values, &[Change]) + Send> Follower<F> {
    async fn run(mut self, mut hangups: Signal, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let file = self.places.file().map(Path::to_owned);
        // The file may have changed since the program read it, so it is read once more after two checks.
        let (mut read, mut before): (Stamp, Stamp) = (None, None);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                hangup = hangups.recv() => {
                    if hangup.is_none() {
                        return;
                    }
                    read = stamp(file.as_deref()).await;
                    before = read;
                    self.reload(true).await;
                }
                _ = looks.tick() => {
                    let now = stamp(file.as_deref()).await;
                    // The writer may not be done: the file is read when it has been unchanged for a while.
                    if now != read && now == before {
                        read = now;
                        self.reload(false).await;
                    }
                    before = now;
                }
            }
        }
    }

    /// Returns the present values of the file and the other places, and those of them that can be in force;
    /// or a message for the log.
    async fn read(&mut self) -> Result<(Values, Values), String> {
        let (places, old, usable) = (self.places.clone(), self.values.clone(), self.usable);
        let read = move || {
            // Logs are English in every language.
            let _english = here(Language::English);
            let new = places.values().map_err(|error| error.to_string())?;
            usable(&new)?;
            // New values must fit the old ones that cannot change yet.
            let in_force = old.in_force(&new);
            usable(&in_force)?;
            Ok((new, in_force))
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Reads the file again and puts changed values in force.
    pub(super) async fn reload(&mut self, is_asked: bool) {
        let Some(file) = self.places.file().map(Path::to_owned) else {
            info!("told to read the configuration file again, but none is named");
            return;
        };
        let (new, in_force) = match self.read().await {
            Ok(read) => read,
            Err(error) => {
                warn!(%error, "the changed configuration file cannot be used; everything stays as it was");
                return;
            }
        };
        let (waiting, current): (Vec<_>, Vec<_>) = changes(&self.values, &new)
            .into_iter()
            .partition(|change| change.effect == Effect::AtRestart);
        for change in &waiting {
            warn!(file = %file.display(), "{change}: that takes effect when the program is started again");
        }
        self.values = in_force;
        let current: Vec<_> = current
            .into_iter()
            .filter(|change| change.effect == Effect::AtOnce)
            .collect();
        if current.is_empty() {
            if is_asked && waiting.is_empty() {
                info!(file = %file.display(), "read the configuration file again; nothing has changed");
            }
            return;
        }
        (self.apply)(&self.values, &current);
        for change in &current {
            info!(file = %file.display(), "{change}, from now on");
        }
    }
}

async fn stamp(file: Option<&Path>) -> Stamp {
    let stamp = |meta: Metadata| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    tokio::fs::metadata(file?).await.ok().map(stamp)
}
