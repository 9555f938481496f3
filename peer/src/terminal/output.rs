//! The output of a command: results on stdout, everything else on stderr.
//!
//! A reader that has gone away (`peer list | head -1`) is no error and never ends the process with a panic.
//! Any other write error is remembered and reported by [`Output::finish`], so that a result lost on a full
//! disk is not exit 0. Text from outside cannot move the cursor or start a second line: control characters in
//! messages become spaces. Characters that override the direction of writing are shown as their codes.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;
use serde::Serialize;
use shared::json::ErrorLine;

use super::exit::Failure;
use super::table::Table;
use crate::settings::Style;
use crate::words;

/// The ways in which a long operation shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// No display, or JSON.
    Silent,
    /// Lines on stderr, at growing intervals.
    Lines,
    /// A bar on stderr, redrawn in place.
    Bar,
}

/// The two streams of a command.
pub struct Output {
    style: Style,
    is_terminal: bool,
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    /// Bars of operations under way.
    bars: MultiProgress,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    failure: Option<io::Error>,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = self.writer.write_all(bytes).and_then(|()| self.writer.flush()) {
            self.failure = Some(error);
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// The process's own stdout and stderr.
    #[must_use]
    pub fn standard(style: Style) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self::new(style, is_terminal, io::stdout(), io::stderr())
    }

    /// Any two writers; `is_terminal` allows a bar on the second.
    #[must_use]
    pub fn new(
        style: Style,
        is_terminal: bool,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        let sink = |writer: Box<dyn Write + Send>| {
            Mutex::new(Sink {
                writer,
                failure: None,
            })
        };
        Self {
            style,
            is_terminal,
            out: sink(Box::new(out)),
            err: sink(Box::new(err)),
            bars: MultiProgress::new(),
        }
    }

    /// The bars on the terminal.
    pub(super) const fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Takes the bars off the line that text is written to; they are drawn again below it. A terminal that is
    /// gone shows neither.
    fn clear_bars(&self) {
        if self.liveness() == Liveness::Bar {
            drop(self.bars.clear());
        }
    }

    /// Whether results are JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.style.json
    }

    /// The way in which long operations show their progress.
    #[must_use]
    pub const fn liveness(&self) -> Liveness {
        match (self.style, self.is_terminal) {
            (Style { json: true, .. } | Style { quiet: true, .. }, _) => Liveness::Silent,
            (
                Style {
                    no_progress: true, ..
                },
                _,
            )
            | (_, false) => Liveness::Lines,
            (_, true) => Liveness::Bar,
        }
    }

    /// Writes a result for people; nothing when results are JSON.
    pub fn line(&self, text: &str) {
        if !self.style.json {
            self.text(&format!("{}\n", visible(text)));
        }
    }

    /// Writes a table for people: on a terminal in its columns, elsewhere each row in one line.
    pub fn table(&self, table: &Table) {
        self.line(&table.render_at(self.columns()));
    }

    /// Returns the columns of the terminal on which results for people are shown; none elsewhere.
    pub fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let columns = usize::from(size.ws_col);
        (columns > 0 && !self.style.json).then_some(columns)
    }

    /// Writes text on stdout unchanged and flushes it: prompts and screens.
    pub fn text(&self, text: &str) {
        self.clear_bars();
        lock(&self.out).write(text.as_bytes());
    }

    /// Writes bytes on stdout unchanged and flushes them.
    pub fn bytes(&self, bytes: &[u8]) {
        lock(&self.out).write(bytes);
    }

    /// Writes a line of JSON on stdout; nothing when results are for people.
    pub fn json(&self, value: &impl Serialize) {
        if !self.style.json {
            return;
        }
        let mut line =
            serde_json::to_string(value).expect("the documents of shared::json have text keys only");
        line.push('\n');
        self.text(&line);
    }

    /// Writes a remark on stderr; nothing with `--quiet` or JSON.
    pub fn note(&self, text: &str) {
        if !self.style.quiet && !self.style.json {
            self.clear_bars();
            lock(&self.err).write(format!("{}\n", visible(text)).as_bytes());
        }
    }

    /// Writes a failure: a line on stderr and, with JSON, an object as the last line of stdout.
    pub fn failure(&self, failure: &Failure) {
        let message = one_line(&failure.to_string());
        self.clear_bars();
        lock(&self.err).write(format!("peer: {message}\n").as_bytes());
        self.json(&ErrorLine::new(failure.exit().code(), message));
    }

    /// Checks that the results were written, or that their reader went away.
    ///
    /// # Errors
    /// When stdout failed for any other reason.
    pub fn finish(&self) -> Result<(), Failure> {
        match &lock(&self.out).failure {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
                error.into(),
                words::cannot_write_result(words::io_error(error)),
            )),
            _ => Ok(()),
        }
    }
}

/// Returns the text on one line, without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let plain = text.replace(|c: char| c.is_control(), " ");
    visible(plain.trim_end()).into_owned()
}

/// Returns the text with the characters that move the cursor or reorder their neighbours shown as codes: a
/// name may have such characters to look like another one.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn lock(sink: &Mutex<Sink>) -> std::sync::MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::terminal::exit::Exit;

    /// Keeps the written bytes.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            let bytes = self.0.lock().expect("not poisoned");
            String::from_utf8(bytes.clone()).expect("text")
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Fails with a given error.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TEXT: Style = Style {
        json: false,
        quiet: false,
        no_progress: false,
    };

    #[test]
    fn a_reader_that_went_away_is_no_error_but_a_full_disk_is() {
        for (kind, is_fine) in [
            (io::ErrorKind::BrokenPipe, true),
            (io::ErrorKind::StorageFull, false),
        ] {
            let out = Output::new(TEXT, false, Failing(kind), io::sink());
            out.line("a result");
            out.line("another");
            assert_eq!(out.finish().is_ok(), is_fine, "{kind}");
        }
    }

    #[test]
    fn a_name_that_would_be_read_backwards_is_shown_with_what_does_that() {
        let captured = Captured::default();
        let out = Output::new(Style::default(), false, captured.clone(), io::sink());
        out.line("a\u{202e}gpj.exe  3\u{1b}[2J\nñandú.bin  4");
        assert_eq!(captured.text(), "a\\u{202e}gpj.exe  3\\u{1b}[2J\nñandú.bin  4\n");
        assert_eq!(one_line("x\u{2066}\ty\n"), "x\\u{2066} y");
    }

    #[test]
    fn an_error_is_one_line_and_with_json_also_the_last_line_of_stdout() {
        let failure = Failure::new(Exit::NotFound, "cannot get x:\n\u{1b}[2Jno such name");
        for json in [false, true] {
            let (stdout, stderr) = (Captured::default(), Captured::default());
            let out = Output::new(Style { json, ..TEXT }, false, stdout.clone(), stderr.clone());
            out.note("a remark");
            out.failure(&failure);
            let message = "cannot get x:  [2Jno such name";
            if json {
                assert_eq!(stderr.text(), format!("peer: {message}\n"));
                let told: serde_json::Value = serde_json::from_str(&stdout.text()).expect("JSON");
                let expected = serde_json::json!({"error": {"code": "not_found", "message": message}});
                assert_eq!(told, expected);
            } else {
                assert_eq!(stderr.text(), format!("a remark\npeer: {message}\n"));
                assert_eq!(stdout.text(), "");
            }
        }
    }

    /// A terminal whose output, and that of its captured writer, is one text.
    #[derive(Debug)]
    struct Screen(Captured);

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.clone().write_all(text.as_bytes())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("<cleared>")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn text_leaves_no_bar_behind_on_its_line() {
        use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
        let shown = Captured::default();
        let out = Output::new(TEXT, true, shown.clone(), shown.clone());
        let screen = ProgressDrawTarget::term_like(Box::new(Screen(shown.clone())));
        out.bars().set_draw_target(screen);
        let bar = out.bars().add(ProgressBar::no_length());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a template"));
        type Say = fn(&Output);
        let says: [Say; 3] = [
            |out| out.note("said"),
            |out| out.line("said"),
            |out| out.failure(&Failure::new(Exit::Done, "said")),
        ];
        for say in says {
            bar.set_message("hashing");
            bar.tick();
            let before = shown.text().len();
            assert!(shown.text().contains("hashing"), "{}", shown.text());
            say(&out);
            let text = shown.text();
            let (room, _) = text[before..].split_once("said").expect("it is said");
            assert!(room.contains("<cleared>"), "{text}");
        }
    }

    #[test]
    fn a_bar_is_drawn_only_where_somebody_sees_it() {
        let liveness = |json, quiet, no_progress, terminal| {
            let style = Style {
                json,
                quiet,
                no_progress,
            };
            Output::new(style, terminal, io::sink(), io::sink()).liveness()
        };
        assert_eq!(liveness(false, false, false, true), Liveness::Bar);
        assert_eq!(liveness(false, false, false, false), Liveness::Lines);
        assert_eq!(liveness(false, false, true, true), Liveness::Lines);
        assert_eq!(liveness(false, true, false, true), Liveness::Silent);
        assert_eq!(liveness(true, false, false, true), Liveness::Silent);
    }
}
