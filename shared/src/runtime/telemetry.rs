//! Logs: readable on a terminal, JSON lines otherwise; never on stdout, which belongs to results.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What one program logs by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors: one-shot commands.
    Warnings,
    /// Also what operators want to know: servers.
    Info,
    /// Also what developers want to know.
    Debug,
    /// Everything that our own code says.
    Trace,
}

impl Verbosity {
    /// `base` raised by the number of `-v` flags.
    #[must_use]
    pub const fn raised(self, flags: u8) -> Self {
        match (self, flags) {
            (_, 0) => self,
            (Self::Warnings, 1) => Self::Info,
            (Self::Warnings, 2) | (Self::Info, 1) => Self::Debug,
            _ => Self::Trace,
        }
    }
}

/// Starts logging to stderr; `ENJAMBRE_LOG` (a `tracing` filter) overrides the verbosity.
///
/// A second call in one process changes nothing, so that tests can call it freely.
pub fn init(verbosity: Verbosity) {
    let ours = match verbosity {
        Verbosity::Warnings => "warn",
        Verbosity::Info => "info",
        Verbosity::Debug => "debug",
        Verbosity::Trace => "trace",
    };
    let default = format!("warn,shared={ours},proto={ours},tracker={ours},peer={ours},webserver={ours}");
    let filter = EnvFilter::try_from_env("ENJAMBRE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let is_terminal = std::io::stderr().is_terminal();
    let started = if is_terminal {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(colour).with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    // It fails only when logging has been started before.
    drop(started);
}
