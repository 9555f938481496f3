//! Logs: readable on a terminal, JSON lines otherwise; never on stdout, which belongs to results.
//!
//! What is logged can be changed while the program runs; how it looks cannot.

use std::fmt;
use std::io::IsTerminal as _;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::settings::{Key, Values, text};

/// What is logged; without it, what the program logs by itself, and more with `-v`.
pub static LOG: Key<LogFilter> = Key::new("log", text)
    .told("info for servers, otherwise warn")
    .at_once();

/// How log lines look.
pub static LOG_FORMAT: Key<LogFormat> = Key::new("log_format", text).or("auto");

/// Changes the filter of the one subscriber of this process.
static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

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

/// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`), which is about our own code while of
/// libraries only warnings are logged; or `tracing`'s directives, such as `peer::fetch=trace,info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Text was no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no log filter; give a level (error, warn, info, debug, trace) or directives such as peer=debug,info"
)]
pub struct ParseLogFilterError {
    pub(crate) text: String,
}

impl LogFilter {
    fn ours(level: &str) -> Self {
        let others = if matches!(level, "off" | "error") {
            level
        } else {
            "warn"
        };
        Self(format!(
            "{others},shared={level},proto={level},tracker={level},peer={level},webserver={level}"
        ))
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl From<Verbosity> for LogFilter {
    fn from(verbosity: Verbosity) -> Self {
        Self::ours(match verbosity {
            Verbosity::Warnings => "warn",
            Verbosity::Info => "info",
            Verbosity::Debug => "debug",
            Verbosity::Trace => "trace",
        })
    }
}

impl FromStr for LogFilter {
    type Err = ParseLogFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim().to_ascii_lowercase();
        if matches!(
            word.as_str(),
            "off" | "error" | "warn" | "info" | "debug" | "trace"
        ) {
            return Ok(Self::ours(&word));
        }
        // A word alone would be a filter too: everything of a crate of that name. It is a mistyped level.
        let is_directives = word.contains(['=', ',']) && EnvFilter::try_new(text).is_ok();
        is_directives
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| ParseLogFilterError {
                text: text.to_owned(),
            })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Text was no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log format; give auto, text or json")]
pub struct ParseLogFormatError(pub(crate) String);

impl LogFormat {
    /// Every format, as it is written.
    pub const NAMES: &[&str] = &["auto", "text", "json"];
}

impl FromStr for LogFormat {
    type Err = ParseLogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(ParseLogFormatError(text.to_owned())),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// What the settings say of the filter, or else what the program logs by itself.
#[must_use]
pub fn filter(values: &Values, verbosity: Verbosity) -> LogFilter {
    values.get(&LOG).unwrap_or_else(|| verbosity.into())
}

/// Starts logging as the settings say.
pub fn start(values: &Values, verbosity: Verbosity) {
    init(
        &filter(values, verbosity),
        values.get(&LOG_FORMAT).unwrap_or_default(),
    );
}

/// Starts logging to stderr. On a terminal text is coloured unless `NO_COLOR` is set.
///
/// A second call in one process changes nothing, so that tests can call it freely.
pub fn init(filter: &LogFilter, format: LogFormat) {
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let (filter, handle) = reload::Layer::new(filter.filter());
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = if is_text {
        let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        registry
            .with(lines.with_ansi(colour).with_target(false))
            .try_init()
    } else {
        let lines = lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        registry.with(lines).try_init()
    };
    // It fails only when logging has been started before.
    if started.is_ok() {
        drop(HANDLE.set(handle));
    }
}

/// Changes what is logged from now on. Nothing happens when logging was not started by [`init`].
pub fn change(filter: &LogFilter) {
    if let Some(handle) = HANDLE.get() {
        // It fails only when the subscriber is gone, which it never is.
        drop(handle.reload(filter.filter()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_about_our_own_code_and_a_mistyped_one_is_refused() {
        let debug: LogFilter = " Debug ".parse().expect("a level");
        assert_eq!(debug, Verbosity::Debug.into());
        assert!(debug.0.starts_with("warn,") && debug.0.contains("peer=debug"));
        for fine in ["peer::fetch=trace,info", "h2=debug", "info,tracker=off"] {
            assert_eq!(fine.parse(), Ok(LogFilter(fine.to_owned())));
        }
        for bad in ["", "debgu", "peer=loud", "loud,quiet=="] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_have_words() {
        for format in [LogFormat::Auto, LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
