//! Filter and format of the log, as settings have them.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// Default filter of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors: one-shot commands.
    Warnings,
    /// Information for operators: servers.
    Info,
    /// Information for developers.
    Debug,
    /// All messages of our own code.
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

/// Filter of the log: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`), which applies to our own
/// code while libraries log only warnings; or `tracing`'s directives, such as `peer::fetch=trace,info`.
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

    pub(super) fn filter(&self) -> EnvFilter {
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

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Lines for people.
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
