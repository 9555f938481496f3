//! Lines typed at a terminal: editing, recalling with the arrow keys, completing with Tab.
//!
//! rustyline runs on a thread of its own: reading a terminal blocks and cannot be cancelled. The terminal is
//! in raw mode only while a question is open, so Ctrl-C is a signal as usual while something is being done.

use std::io;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter as _, Helper};
use tokio::sync::mpsc;

use super::completion::Completes;

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The end of the input, or Ctrl-D at a terminal.
    End,
}

/// A question, and the offers of Tab for it.
#[derive(Debug)]
pub(super) struct Question {
    /// The prompt.
    pub(super) text: String,
    /// The offers of Tab.
    pub(super) completes: Completes,
}

/// Editor of lines at the terminal.
pub(super) struct LineEditor(Editor<Tab, MemHistory>);

/// Prints lines above the line that is being typed, which stays.
pub(super) type Printer = Box<dyn FnMut(String) + Send>;

impl LineEditor {
    /// Begins to edit lines at the terminal of the process.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(super) fn new() -> io::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            // A long list is paged without a question, which would be English.
            .completion_prompt_limit(usize::MAX)
            // It would stay on in a shell whose menu a signal has ended.
            .bracketed_paste(false)
            .auto_add_history(true)
            .build();
        let editor = Editor::with_history(config, MemHistory::new()).map_err(io::Error::other)?;
        Ok(Self(editor))
    }

    /// Returns the way to print while a line is being typed. Printing may block until somebody types again.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(super) fn printer(&mut self) -> io::Result<Printer> {
        let mut printer = self.0.create_external_printer().map_err(io::Error::other)?;
        Ok(Box::new(move |text| {
            if let Err(error) = printer.print(text) {
                tracing::warn!(%error, "cannot print above the line that is being typed");
            }
        }))
    }

    /// Answers questions until the sender is dropped.
    pub(super) fn answer_questions(
        mut self,
        mut questions: mpsc::Receiver<Question>,
        answers: &mpsc::Sender<Answer>,
    ) {
        let editor = &mut self.0;
        while let Some(Question { text, completes }) = questions.blocking_recv() {
            editor.set_helper(Some(Tab(completes)));
            let answer = match editor.readline(&text) {
                Ok(line) => Answer::Line(line),
                Err(ReadlineError::Eof) => Answer::End,
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Answer::Interrupted,
                Err(error) => {
                    tracing::warn!(%error, "cannot read from the terminal");
                    return;
                }
            };
            if answers.blocking_send(answer).is_err() {
                return;
            }
        }
    }
}

/// The helper that completes lines.
struct Tab(Completes);

impl Completer for Tab {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let offers = self.0.offers(&line[..at]);
        let pair = |offer: super::completion::Offer| Pair {
            display: offer.shown,
            replacement: offer.line,
        };
        Ok((0, offers.into_iter().map(pair).collect()))
    }
}

impl Hinter for Tab {
    type Hint = String;
}

impl Highlighter for Tab {}

impl Validator for Tab {}

impl Helper for Tab {}
