//! The conversation with the user of the menu, a person or a script.
//!
//! At a terminal lines are edited and completed (`editor`), and output is wrapped to its width; from a pipe
//! lines are read ahead, and the transcript shows them. A question is asked once; the caller handles a wrong
//! answer. Notices of the background appear above the line that is being typed; a view is drawn again in
//! place, and only at a terminal.

use std::io::{BufRead, IsTerminal as _, Read as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use shared::runtime::{OnExit, Tasks};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::answer;
use super::completion::Completes;
use super::editor::{Answer, LineEditor, Question};
use super::screen::{COLUMNS, wrapped};
use crate::terminal::exit::Failure;
use crate::terminal::output::{Liveness, Output, visible};
use crate::words;

/// Notices that may wait until the next question.
const NOTICES: usize = 64;

/// Lines typed ahead; the reader waits when there are more.
const LINES_AHEAD: usize = 64;

/// The longest answer; the rest of a longer line is the next answer.
const MAX_LINE_BYTES: u64 = 16 << 10;

/// Terminals that cannot move the cursor; their lines are read like a pipe's.
const DUMB: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Signals of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C: stop what is being done.
    Interrupt,
    /// SIGTERM: leave.
    Terminate,
}

/// The source of answers.
#[derive(Debug)]
enum Source {
    /// A pipe, or a terminal without a cursor.
    Lines(mpsc::Receiver<String>),
    /// A terminal: questions go to a thread that edits lines.
    Editor {
        questions: mpsc::Sender<Question>,
        answers: mpsc::Receiver<Answer>,
        /// Whether a signal left a question open; its answer is the next one.
        is_open: bool,
        /// Lines to print above the line that is being typed.
        printing: mpsc::Sender<String>,
        /// The terminal's modes, restored at the end in any case.
        #[expect(dead_code, reason = "its drop restores the terminal")]
        before: Before,
    },
}

/// Both directions of the conversation.
#[derive(Debug)]
pub struct Console<'a> {
    out: &'a Output,
    source: Source,
    interrupts: mpsc::Receiver<Interrupt>,
    notices: mpsc::Receiver<String>,
    notifier: mpsc::Sender<String>,
    /// Lines of the view on the screen.
    drawn: usize,
    is_terminal: bool,
    is_over: bool,
}

impl<'a> Console<'a> {
    /// Talks over any pair of channels.
    #[must_use]
    pub fn new(
        out: &'a Output,
        lines: mpsc::Receiver<String>,
        interrupts: mpsc::Receiver<Interrupt>,
        is_terminal: bool,
    ) -> Self {
        Self::of(out, Source::Lines(lines), interrupts, is_terminal)
    }

    fn of(out: &'a Output, source: Source, interrupts: mpsc::Receiver<Interrupt>, is_terminal: bool) -> Self {
        let (notifier, notices) = mpsc::channel(NOTICES);
        Self {
            out,
            source,
            interrupts,
            notices,
            notifier,
            drawn: 0,
            is_terminal,
            is_over: false,
        }
    }

    /// Talks over the process's stdin and its signals.
    ///
    /// # Errors
    /// When the operating system has no thread or no signal handler left for it.
    pub fn standard(out: &'a Output, tasks: &Tasks) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new((&error).into(), words::cannot_open_menu(words::io_error(&error)))
        };
        let is_terminal = std::io::stdin().is_terminal();
        let source = match Before::of_terminal() {
            Some(before) => edited(before),
            None => read_ahead(),
        };
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
        Ok(Self::of(out, source.map_err(failed)?, interrupts, is_terminal))
    }

    /// Returns the way for the background to tell something.
    #[must_use]
    pub fn notifier(&self) -> mpsc::Sender<String> {
        self.notifier.clone()
    }

    /// Whether the user is a person, who can be asked to confirm something.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether no more answers will come.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the width of the output: the terminal's current width. Nothing else has one: whatever reads a
    /// pipe gets each line whole.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self.source {
            Source::Editor { .. } => columns_of_terminal(),
            Source::Lines(_) => self.out.columns().unwrap_or(usize::MAX),
        }
    }

    /// Writes text, wrapped at a terminal.
    pub fn say(&self, text: &str) {
        let text = &visible(text);
        match self.source {
            Source::Editor { .. } => self.out.text(&format!("{}\n", wrapped(text, self.columns()))),
            Source::Lines(_) => self.out.text(&format!("{text}\n")),
        }
    }

    /// Writes text that has its columns already: a table.
    pub fn say_as_it_is(&self, text: &str) {
        self.out.text(&format!("{}\n", visible(text)));
    }

    /// Whether a view can be drawn.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.completes() && self.out.liveness() == Liveness::Bar
    }

    /// Draws a view in place of the one before; its lines fit the terminal. No lines take it away.
    pub fn draw(&mut self, lines: &[String]) {
        if self.drawn == 0 && lines.is_empty() || !self.draws() {
            return;
        }
        let mut text = match self.drawn {
            0 => String::new(),
            // To the beginning of the first line, and everything after it is cleared.
            drawn => format!("\r\u{1b}[{drawn}A\u{1b}[J"),
        };
        for line in lines {
            text.push_str(&visible(line));
            text.push('\n');
        }
        self.out.text(&text);
        self.drawn = lines.len();
    }

    /// Whether Tab completes.
    #[must_use]
    pub const fn completes(&self) -> bool {
        matches!(self.source, Source::Editor { .. })
    }

    /// Asks for a line.
    pub async fn ask(&mut self, question: &str) -> Answer {
        self.ask_for(question, Completes::Nothing).await
    }

    /// Asks for a line that Tab completes at a terminal. Notices appear meanwhile.
    pub async fn ask_for(&mut self, question: &str, completes: Completes) -> Answer {
        while let Ok(notice) = self.notices.try_recv() {
            self.say(&notice);
        }
        if self.is_over {
            return Answer::End;
        }
        let answer = match &mut self.source {
            Source::Lines(lines) => {
                self.out.text(question);
                loop {
                    tokio::select! {
                        wish = self.interrupts.recv() => {
                            self.is_over |= wish != Some(Interrupt::Interrupt);
                            break Answer::Interrupted;
                        }
                        line = lines.recv() => break line.map_or(Answer::End, Answer::Line),
                        Some(notice) = self.notices.recv() => {
                            self.out.text(&format!("\n{}\n{question}", visible(&notice)));
                        }
                    }
                }
            }
            Source::Editor {
                questions,
                answers,
                is_open,
                printing,
                ..
            } => {
                let text = wrapped(question, columns_of_terminal());
                if *is_open {
                    // The terminal still shows the question before this one.
                    self.out.text(&text);
                } else if questions.send(Question { text, completes }).await.is_err() {
                    self.is_over = true;
                    return Answer::End;
                }
                *is_open = true;
                loop {
                    tokio::select! {
                        wish = self.interrupts.recv() => {
                            self.is_over |= wish != Some(Interrupt::Interrupt);
                            self.out.text("\r\n");
                            return Answer::Interrupted;
                        }
                        answer = answers.recv() => {
                            *is_open = false;
                            self.is_over |= answer.is_none();
                            return answer.unwrap_or(Answer::End);
                        }
                        Some(notice) = self.notices.recv() => {
                            let text = wrapped(&visible(&notice), columns_of_terminal());
                            // A terminal that takes nothing loses notices, not the menu.
                            drop(printing.try_send(format!("{text}\n")));
                        }
                    }
                }
            }
        };
        self.is_over |= answer == Answer::End;
        match &answer {
            // A terminal has shown the line; a transcript of a script has not.
            Answer::Line(line) if !self.is_terminal && answer::is_secret(line) => self.say("(hidden)"),
            Answer::Line(line) if !self.is_terminal => self.say(line),
            Answer::Line(_) => {}
            Answer::Interrupted | Answer::End => self.say(""),
        }
        answer
    }

    /// Runs work that Ctrl-C cancels; none when it did.
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

/// The terminal's modes before the menu; dropping them restores them.
#[derive(Debug)]
struct Before(Termios);

impl Before {
    /// The modes of the terminal; none when stdin or stdout is no terminal, or it cannot move the cursor.
    fn of_terminal() -> Option<Self> {
        let is_able =
            std::env::var("TERM").is_ok_and(|term| !term.is_empty() && !DUMB.contains(&term.as_str()));
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let modes = tcgetattr(std::io::stdin()).ok()?;
        (is_able && is_terminal).then_some(Self(modes))
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // A signal may end the menu while a question is open, with the terminal in raw mode.
        if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0) {
            tracing::warn!(%error, "cannot put the terminal back as it was");
        }
    }
}

fn columns_of_terminal() -> usize {
    let size = tcgetwinsize(std::io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(COLUMNS)
}

/// Starts a thread that edits lines, and one that prints above them. They are no tasks: a read of stdin
/// cannot be cancelled, so the end must not wait for it.
fn edited(before: Before) -> std::io::Result<Source> {
    let (questions, asked) = mpsc::channel(1);
    let (answered, answers) = mpsc::channel(1);
    let (printing, mut printed) = mpsc::channel::<String>(NOTICES);
    let mut editor = LineEditor::new()?;
    let mut print = editor.printer()?;
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || editor.answer_questions(asked, &answered))?;
    std::thread::Builder::new()
        .name("notices".to_owned())
        .spawn(move || {
            while let Some(text) = printed.blocking_recv() {
                print(text);
            }
        })?;
    Ok(Source::Editor {
        questions,
        answers,
        is_open: false,
        printing,
        before,
    })
}

/// Starts a thread that reads lines ahead; no task, as with [`edited`].
fn read_ahead() -> std::io::Result<Source> {
    let (read, lines) = mpsc::channel(LINES_AHEAD);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read_lines(std::io::stdin().lock(), &read))?;
    Ok(Source::Lines(lines))
}

/// Reads lines until the input ends or the receiver is dropped.
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
