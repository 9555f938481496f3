//! A program at a terminal: a pseudo-terminal, its input and its output.
//!
//! Output is kept as plain text: without escape sequences, carriage returns and bells. Line editors draw a
//! line again with every key, without a line feed before it: text after a line feed is new. Nothing here
//! waits for time to pass; everything waits for text.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::process::{Pid, Signal};

/// Text appears within this time, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ctrl-C, Ctrl-D, Tab, Enter, and the arrow up.
pub mod keys {
    /// Interrupt.
    pub const CTRL_C: &str = "\u{3}";
    /// End of the input.
    pub const CTRL_D: &str = "\u{4}";
    /// Complete.
    pub const TAB: &str = "\t";
    /// End of the line.
    pub const ENTER: &str = "\r";
    /// The line before.
    pub const UP: &str = "\u{1b}[A";
}

/// A program that runs at a terminal of its own. It is killed when this is dropped.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    shown: Arc<Shown>,
    /// Length of the output already expected.
    seen: usize,
}

#[derive(Debug, Default)]
struct Shown {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    plain: String,
    is_over: bool,
}

impl Terminal {
    /// Starts a program at a terminal with a number of rows and columns, in a directory, with a language.
    ///
    /// # Errors
    /// When the system has no terminal left or the program does not start.
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        directory: &Path,
        (rows, columns): (u16, u16),
        locale: &str,
    ) -> Result<Self> {
        let (pty, pts) = pty_process::blocking::open().context("open a terminal")?;
        pty.resize(Size::new(rows, columns))
            .context("size the terminal")?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", locale)
            .env_remove("ENJAMBRE_LANG")
            .spawn(pts)
            .with_context(|| format!("start {}", program.display()))?;
        let (pty, shown) = (Arc::new(pty), Arc::new(Shown::default()));
        let (reader, writer) = (Arc::clone(&pty), Arc::clone(&shown));
        std::thread::spawn(move || writer.fill(&reader));
        Ok(Self {
            pty,
            child,
            shown,
            seen: 0,
        })
    }

    /// Types keys.
    ///
    /// # Errors
    /// When nobody reads them.
    pub fn keys(&self, keys: &str) -> Result<()> {
        (&*self.pty).write_all(keys.as_bytes()).context("type")
    }

    /// Types a line and Enter.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn line(&self, line: &str) -> Result<()> {
        self.keys(line)?;
        self.keys(keys::ENTER)
    }

    /// Makes it another size, as dragging a window does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.pty
            .resize(Size::new(rows, columns))
            .context("size the terminal")
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).context("signal")
    }

    /// Waits until this text appears in new output; returns the output before it.
    ///
    /// # Errors
    /// When it does not appear in time, or the program ends; with all new output.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        let shown = self.shown.text.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.seen;
        let is_missing = |shown: &mut Text| !shown.is_over && !shown.plain[seen..].contains(text);
        let waited = self.shown.changed.wait_timeout_while(shown, PATIENCE, is_missing);
        let (shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let unseen = &shown.plain[seen..];
        let Some(at) = unseen.find(text) else {
            bail!(
                "{text:?} did not appear; after what was seen came:\n{unseen}\nbefore that:\n{}",
                &shown.plain[..seen]
            );
        };
        let before = unseen[..at].to_owned();
        self.seen = seen + at + text.len();
        Ok(before)
    }

    /// Waits until the program asks this on a new line; returns the output before it.
    ///
    /// # Errors
    /// As [`Self::expect`].
    pub fn question(&mut self, question: &str) -> Result<String> {
        self.expect(&format!("\n{question}"))
    }

    /// Waits until the program ends; returns its exit code and everything that was not seen yet.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn end(mut self) -> Result<(i32, String)> {
        let child = &mut self.child;
        let ended = crate::eventually(
            "the program to end",
            PATIENCE,
            || child.try_wait(),
            |status| matches!(status, Ok(Some(_)) | Err(_)),
        )
        .with_context(|| {
            format!(
                "shown so far:\n{}",
                self.shown
                    .text
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .plain
            )
        })?;
        let status = ended.context("wait for the program")?;
        let shown = self.shown.text.lock().unwrap_or_else(PoisonError::into_inner);
        let (shown, _) = self
            .shown
            .changed
            .wait_timeout_while(shown, PATIENCE, |shown| !shown.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        let rest = shown.plain[self.seen..].to_owned();
        drop(shown);
        Ok((status.and_then(|status| status.code()).unwrap_or(-1), rest))
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (child, seen) = (self.child.id(), self.seen);
        f.debug_struct("Terminal")
            .field("child", &child)
            .field("seen", &seen)
            .finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A program that has ended by itself cannot be killed; waiting reaps it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Shown {
    /// Reads until the program and its terminal are gone.
    fn fill(&self, pty: &Pty) {
        let mut escapes = Escapes::default();
        let mut bytes = [0; 4096];
        loop {
            // A terminal without a program gives an error, not an end.
            let count = (&*pty).read(&mut bytes).unwrap_or(0);
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            escapes.strip(&bytes[..count], &mut text.plain);
            text.is_over = count == 0;
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }
}

/// Takes escape sequences out of a stream of bytes.
#[derive(Debug, Default)]
struct Escapes {
    state: State,
    /// A character that is not complete yet.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Escape,
    /// After `ESC [`: until a letter.
    Control,
    /// After `ESC ]`: until a bell.
    Title,
}

impl Escapes {
    fn strip(&mut self, bytes: &[u8], plain: &mut String) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Plain, 0x1b) => State::Escape,
                (State::Plain, b'\r' | 7) => State::Plain,
                (State::Plain, _) => {
                    self.partial.push(byte);
                    State::Plain
                }
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']') => State::Title,
                (State::Control, 0x40..=0x7e) | (State::Title, 7) | (State::Escape, _) => State::Plain,
                (state, _) => state,
            };
        }
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                plain.push_str(text);
                self.partial.clear();
            }
            Err(error) => {
                let (valid, rest) = self.partial.split_at(error.valid_up_to());
                plain.push_str(&String::from_utf8_lossy(valid));
                // Bytes that never become a character are shown as such.
                let rest = rest.to_vec();
                self.partial = if error.error_len().is_some() || rest.len() > 3 {
                    plain.push(char::REPLACEMENT_CHARACTER);
                    rest[1..].to_vec()
                } else {
                    rest
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out_wherever_the_stream_is_cut() {
        let stream = "\u{1b}[1;32mañadir\u{1b}[0m \u{1b}]0;title\u{7}x\r\u{1b}[K\u{1b}=más\u{7}\n";
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            let (mut escapes, mut plain) = (Escapes::default(), String::new());
            escapes.strip(first, &mut plain);
            escapes.strip(second, &mut plain);
            assert_eq!(plain, "añadir xmás\n", "cut at {cut}");
        }
    }
}
