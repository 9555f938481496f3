//! Logs: readable on a terminal, JSON lines otherwise; never on stdout, which belongs to results.
//!
//! The filter of the log can change while the program runs; its format cannot.

use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

pub use super::log_filter::{LogFilter, LogFormat, ParseLogFilterError, ParseLogFormatError, Verbosity};
use crate::settings::{Key, Values, text};

/// Filter of the log; without it, the program's default, and more with `-v`.
pub static LOG: Key<LogFilter> = Key::new("log", text)
    .told("info for servers, otherwise warn")
    .at_once();

/// Format of log lines.
pub static LOG_FORMAT: Key<LogFormat> = Key::new("log_format", text).or("auto");

/// Changes the filter of the one subscriber of this process.
static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Returns the filter of the settings, or the program's default.
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
    let lines = tracing_subscriber::fmt::layer().with_writer(move || Line {
        out: io::stderr(),
        clears: is_terminal,
    });
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
    // Fails only when logging has been started before.
    if started.is_ok() {
        drop(HANDLE.set(handle));
    }
}

/// Beginning of a line at a terminal: a bar that is being drawn there has no end of line, and is drawn anew
/// below.
const CLEAR: &[u8] = b"\r\x1b[2K";

/// Writes one line of the log, as a whole.
struct Line<W> {
    out: W,
    clears: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::mem::take(&mut self.clears) {
            true => self.out.write_all(&[CLEAR, line].concat())?,
            false => self.out.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Changes the filter from now on. Does nothing when logging was not started by [`init`].
pub fn change(filter: &LogFilter) {
    if let Some(handle) = HANDLE.get() {
        // Fails only when the subscriber is gone, which never happens.
        drop(handle.reload(filter.filter()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_a_terminal_takes_the_place_of_a_bar() {
        for (clears, expected) in [(true, "\r\x1b[2Kone two\n"), (false, "one two\n")] {
            let mut line = Line {
                out: Vec::new(),
                clears,
            };
            for part in ["one", " two\n"] {
                line.write_all(part.as_bytes()).expect("writes");
            }
            assert_eq!(String::from_utf8(line.out).expect("text"), expected);
        }
    }
}
