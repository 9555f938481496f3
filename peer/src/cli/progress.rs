//! How a long operation shows that it moves.
//!
//! On a terminal a bar; elsewhere a line now and then, so that the log of a fetch is a page and not a book. What a
//! line says and when it is due is decided without a clock; [`Progress`] draws.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::model::{ByteCount, Timestamp};
use shared::runtime::Clock;

use super::output::{Liveness, Output};
use crate::words;

/// Nothing is said about what is done sooner.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// Between the first two lines; doubles up to [`LAST_INTERVAL`], so that a night is not a book.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Between two lines of something long.
const LAST_INTERVAL: Duration = Duration::from_secs(60);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes of which nobody knows how many will come.
    Stream,
    /// Fragments.
    Fragments,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// So far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

impl Amount {
    /// So much of so much.
    #[must_use]
    pub const fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }
}

/// One operation that is under way.
#[derive(Debug)]
pub struct Progress<'a> {
    out: &'a Output,
    clock: Clock,
    label: String,
    unit: Unit,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Silent,
    Lines(Pace),
    Bar(ProgressBar),
}

impl<'a> Progress<'a> {
    /// Begins to show an operation, such as `fetching x`; `done` of it was there before.
    #[must_use]
    pub fn begin(out: &'a Output, clock: &Clock, label: String, unit: Unit, start: Amount) -> Self {
        let shown = match out.liveness() {
            Liveness::Silent => Shown::Silent,
            Liveness::Lines => Shown::Lines(Pace::new(clock.now(), start.done)),
            Liveness::Bar => Shown::Bar(bar(&label, unit, start)),
        };
        Self {
            out,
            clock: clock.clone(),
            label,
            unit,
            shown,
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Shows how far it is, and a remark.
    pub fn update(&mut self, amount: Amount, remark: &str) {
        match &mut self.shown {
            Shown::Silent => {}
            Shown::Lines(pace) => {
                if let Some(rate) = pace.due(self.clock.now(), amount.done) {
                    self.out
                        .note(&progress_line(&self.label, self.unit, amount, rate, remark));
                }
            }
            Shown::Bar(bar) => {
                bar.set_length(amount.total);
                bar.set_position(amount.done);
                bar.set_message(super::output::one_line(remark));
            }
        }
    }
}

impl Drop for Progress<'_> {
    /// Takes the bar away: what follows is the result.
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// How the columns of a line are given to what is called what, and to the bar; the rest is figures and a remark.
///
/// A line that does not fit would be broken, and its first part would stay behind when it is drawn again.
const fn shares(columns: usize) -> (usize, Option<usize>) {
    match columns {
        0..56 => (12, None),
        56..80 => (16, None),
        80..102 => (20, Some(10)),
        _ => (30, Some(24)),
    }
}

fn bar(label: &str, unit: Unit, start: Amount) -> ProgressBar {
    let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(COLUMNS, |size| size.ws_col.into());
    let (label_width, bar_width) = shares(columns);
    let bar = bar_width.map_or_else(String::new, |width| format!("{{bar:{width}}} "));
    let template = match unit {
        Unit::Bytes if bar_width.is_none() => {
            "{prefix} {percent:>3}% {binary_bytes_per_sec} {eta} {wide_msg}".to_owned()
        }
        Unit::Bytes => format!(
            "{{prefix}} {bar}{{percent:>3}}% {{binary_bytes}}/{{binary_total_bytes}} {{binary_bytes_per_sec}} {{eta}} {{wide_msg}}"
        ),
        Unit::Stream => "{prefix} {spinner} {binary_bytes} {binary_bytes_per_sec} {wide_msg}".to_owned(),
        Unit::Fragments => {
            let fragments = words::fragments_word();
            format!("{{prefix}} {bar}{{percent:>3}}% {{pos}}/{{len}} {fragments} {{wide_msg}}")
        }
    };
    let style = ProgressStyle::with_template(&template).expect("a template without anything from outside");
    let bar = ProgressBar::with_draw_target(Some(start.total), ProgressDrawTarget::stderr())
        .with_style(style.progress_chars("=> "))
        .with_prefix(super::table::shortened(label, label_width))
        .with_position(start.done);
    // What was there before this attempt says nothing about its speed.
    bar.reset_eta();
    bar
}

/// When a line is due, and how fast it went since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    last: Timestamp,
    done: u64,
    interval: Duration,
}

impl Pace {
    const fn new(now: Timestamp, done: u64) -> Self {
        Self {
            last: now,
            done,
            interval: FIRST_LINE,
        }
    }

    /// The rate per second since the last line, when another line is due.
    fn due(&mut self, now: Timestamp, done: u64) -> Option<u64> {
        let elapsed = now.since(self.last);
        if elapsed < self.interval {
            return None;
        }
        let moved = u128::from(done.saturating_sub(self.done));
        let rate = moved * 1000 / elapsed.as_millis().max(1);
        let interval = (self.interval * 2).clamp(LINE_INTERVAL, LAST_INTERVAL);
        (self.last, self.done, self.interval) = (now, done, interval);
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

/// `fetching x: 45% of 1.0 GiB, 120.0 MiB/s, 3 sources`.
fn progress_line(label: &str, unit: Unit, amount: Amount, rate: u64, remark: &str) -> String {
    let percent = percent(amount);
    let how_far = match unit {
        Unit::Bytes => words::bytes_done(percent, ByteCount::new(amount.total), ByteCount::new(rate)),
        Unit::Stream => words::bytes_so_far(ByteCount::new(amount.done), ByteCount::new(rate)),
        Unit::Fragments => words::fragments_done(amount.done, amount.total),
    };
    let mut line = format!("{label}: {how_far}");
    if !remark.is_empty() {
        line = format!("{line}, {remark}");
    }
    super::output::one_line(&line)
}

/// Whole percent, 100 only when it is complete; nothing of nothing is everything.
#[must_use]
pub fn percent(amount: Amount) -> u64 {
    match amount.total {
        0 => 100,
        total => {
            let part = u128::from(amount.done.min(total)) * 100 / u128::from(total);
            u64::try_from(part).unwrap_or(100)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::super::output::tests::Captured;
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_why_nothing_moves() {
        let amount = Amount {
            done: 461 << 20,
            total: 1 << 30,
        };
        assert_eq!(
            progress_line("fetching x", Unit::Bytes, amount, 120 << 20, "3 sources"),
            "fetching x: 45% of 1.0 GiB, 120.0 MiB/s, 3 sources"
        );
        let fragments = Amount { done: 12, total: 40 };
        assert_eq!(
            progress_line("replicating x", Unit::Fragments, fragments, 0, ""),
            "replicating x: 12 of 40 fragments"
        );
    }

    #[test]
    fn a_line_with_a_bar_fits_its_terminal() {
        // `100% 1023.99 MiB/1023.99 MiB 1023.99 MiB/s 59m` and its spaces; without the bytes in a narrow one.
        let figures = |bar: Option<usize>| bar.map_or(5 + 13 + 4, |width| width + 1 + 5 + 24 + 13 + 4);
        for columns in [40, 56, 79, 80, 101, 102, 200] {
            let (label, bar) = shares(columns);
            assert!(label + 1 + figures(bar) <= columns, "{columns}");
        }
        // Templates are read when a bar is made.
        for unit in [Unit::Bytes, Unit::Fragments] {
            drop(bar("fetching x", unit, Amount::new(1, 2)));
        }
    }

    #[test]
    fn percent_is_a_hundred_only_at_the_end() {
        let of = |done, total| percent(Amount { done, total });
        assert_eq!(of(0, 3), 0);
        assert_eq!(of(u64::MAX - 1, u64::MAX), 99);
        assert_eq!(of(3, 3), 100);
        assert_eq!(of(0, 0), 100);
    }

    #[test]
    fn lines_come_after_two_seconds_and_then_ever_more_rarely() {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let out = Output::new(Style::default(), false, stdout.clone(), stderr.clone());
        let (clock, hand) = Clock::manual(Timestamp::from_millis(1));
        let start = Amount {
            done: 100 << 10,
            total: 200 << 10,
        };
        let mut progress = Progress::begin(&out, &clock, "fetching x".to_owned(), Unit::Bytes, start);
        for second in 1..=130_u64 {
            hand.advance(Duration::from_secs(1));
            let amount = Amount {
                done: start.total.min(start.done + second * 1024),
                ..start
            };
            progress.update(amount, "");
        }
        drop(progress);
        let expected = "\
fetching x: 51% of 200.0 KiB, 1.0 KiB/s
fetching x: 53% of 200.0 KiB, 1.0 KiB/s
fetching x: 58% of 200.0 KiB, 1.0 KiB/s
fetching x: 68% of 200.0 KiB, 1.0 KiB/s
fetching x: 88% of 200.0 KiB, 1.0 KiB/s
";
        assert_eq!(stderr.text(), expected);
        assert_eq!(stdout.text(), "", "progress is no result");
    }
}
