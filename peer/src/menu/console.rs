//! The conversation with whoever sits at the menu, or with the script that plays that part.
//!
//! Lines come from a thread that reads stdin, so they work from a pipe as from a terminal; there are no terminal tricks.
//! Nothing is asked twice: whoever calls decides what a wrong answer means.

use std::io::{BufRead, IsTerminal as _, Read as _};

use shared::runtime::{OnExit, Tasks};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;

/// Lines typed ahead; the reader waits when there are more.
const LINES_AHEAD: usize = 64;

/// No answer is longer; the rest of it is the next line.
const MAX_LINE_BYTES: u64 = 16 << 10;

/// The operating system's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C: stop what is being done.
    Interrupt,
    /// SIGTERM: leave.
    Terminate,
}

/// What came back for a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The end of the input.
    End,
}

/// Both directions of the conversation.
#[derive(Debug)]
pub struct Console<'a> {
    out: &'a Output,
    lines: mpsc::Receiver<String>,
    interrupts: mpsc::Receiver<Interrupt>,
    is_terminal: bool,
    is_over: bool,
}

impl<'a> Console<'a> {
    /// Talks over any pair of channels.
    #[must_use]
    pub const fn new(
        out: &'a Output,
        lines: mpsc::Receiver<String>,
        interrupts: mpsc::Receiver<Interrupt>,
        is_terminal: bool,
    ) -> Self {
        Self {
            out,
            lines,
            interrupts,
            is_terminal,
            is_over: false,
        }
    }

    /// Talks over the process's stdin and its signals.
    ///
    /// # Errors
    /// When the operating system has no thread or no signal handler left for it.
    pub fn standard(out: &'a Output, tasks: &Tasks) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Internal, format!("cannot open the menu: {error}"));
        let (lines_tx, lines) = mpsc::channel(LINES_AHEAD);
        // Not a task: a read of stdin cannot be cancelled, so it must not be waited for when the menu closes.
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read_lines(std::io::stdin().lock(), &lines_tx))
            .map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (interrupts_tx, interrupts) = mpsc::channel(1);
        let token = tasks.token().clone();
        tasks.spawn("signals", OnExit::Continue, async move {
            loop {
                let wish = tokio::select! {
                    _ = interrupt.recv() => Interrupt::Interrupt,
                    _ = terminate.recv() => Interrupt::Terminate,
                    () = token.cancelled() => return,
                };
                if interrupts_tx.send(wish).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self::new(out, lines, interrupts, std::io::stdin().is_terminal()))
    }

    /// Whether a person sits there, who can be asked to confirm something.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether nobody will answer any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        self.out.text(&format!("{text}\n"));
    }

    /// Asks for a line.
    pub async fn ask(&mut self, question: &str) -> Answer {
        if self.is_over {
            return Answer::End;
        }
        self.out.text(question);
        let answer = tokio::select! {
            wish = self.interrupts.recv() => {
                self.is_over |= wish != Some(Interrupt::Interrupt);
                Answer::Interrupted
            }
            line = self.lines.recv() => line.map_or(Answer::End, Answer::Line),
        };
        match &answer {
            // A terminal has shown the line; a transcript of a script has not.
            Answer::Line(line) if !self.is_terminal => self.say(line),
            Answer::Line(_) => {}
            Answer::Interrupted => self.say(""),
            Answer::End => {
                self.is_over = true;
                self.say("");
            }
        }
        answer
    }

    /// Does something that Ctrl-C cancels; none when it did.
    pub async fn unless_interrupted<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            wish = self.interrupts.recv() => {
                self.is_over |= wish != Some(Interrupt::Interrupt);
                None
            }
        }
    }
}

/// Reads lines until the input or the interest in it ends.
fn read_lines(mut input: impl BufRead, lines: &mpsc::Sender<String>) {
    loop {
        let mut bytes = Vec::new();
        match input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot read from standard input");
                return;
            }
        }
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_they_are() {
        let (sender, mut receiver) = mpsc::channel(LINES_AHEAD);
        let long = "x".repeat(40_000);
        let input = format!("one\r\n\ntwo \u{f1}\n{long}\nlast");
        let mut bytes = input.into_bytes();
        bytes.extend_from_slice(b"\xff");
        read_lines(bytes.as_slice(), &sender);
        drop(sender);
        let lines: Vec<String> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(&lines[..3], ["one", "", "two \u{f1}"]);
        assert_eq!(lines[3..lines.len() - 1].concat(), long);
        assert_eq!(lines.last().map(String::as_str), Some("last\u{fffd}"));
    }
}
