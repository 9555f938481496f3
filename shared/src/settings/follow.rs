//! Lets a changed configuration file take effect while a program runs.
//!
//! The file is looked at again when it has changed, and on SIGHUP. A file that cannot be used leaves
//! everything as it was, also when its values make no sense together; the log says what is wrong with it.
//! What needs a restart is named and left as it was too.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::change::{Change, changes};
use super::key::Effect;
use super::place::Places;
use super::values::Values;
use crate::language::{Language, here};

/// How often the file is looked at: nobody who changes it by hand waits longer than that for the effect to
/// begin.
const LOOK: Duration = Duration::from_secs(1);

/// Says what makes no sense about values together, in words.
pub type Usable = fn(&Values) -> Result<(), String>;

/// Follows the file until `stop`; `apply` is told the values that are in force and what of them has just
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
    // In place when this returns: from now on SIGHUP ends nothing.
    let hangups = signal(SignalKind::hangup()).expect("install the SIGHUP handler");
    let follower = Follower {
        places,
        values,
        usable,
        apply,
    };
    follower.run(hangups, stop)
}

/// What follows the file.
pub(super) struct Follower<F> {
    pub(super) places: Places,
    /// What is in force.
    pub(super) values: Values,
    pub(super) usable: Usable,
    pub(super) apply: F,
}

/// What tells one state of a file from another without reading it.
type Stamp = Option<(u64, u64, i64, i64)>;

impl<F: FnMut(&Values, &[Change]) + Send> Follower<F> {
    async fn run(mut self, mut hangups: Signal, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let file = self.places.file().map(Path::to_owned);
        // It may have changed since the program read it: it is read once more when it has been looked at
        // twice.
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
                    // Whoever writes it may be at it still: it is read when it has been the same for a while.
                    if now != read && now == before {
                        read = now;
                        self.reload(false).await;
                    }
                    before = now;
                }
            }
        }
    }

    /// What the file and the other places say now, and what of that can be in force; or why neither can, for
    /// the log.
    async fn read(&mut self) -> Result<(Values, Values), String> {
        let (places, old, usable) = (self.places.clone(), self.values.clone(), self.usable);
        let read = move || {
            // Logs are, whatever the program speaks.
            let _english = here(Language::English);
            let new = places.values().map_err(|error| error.to_string())?;
            usable(&new)?;
            // What changes must go with what cannot change yet.
            let in_force = old.in_force(&new);
            usable(&in_force)?;
            Ok((new, in_force))
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Reads the file again and lets what has changed take effect.
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
