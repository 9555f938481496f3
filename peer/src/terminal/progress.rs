//! The progress of a long operation.
//!
//! On a terminal it is a bar; elsewhere a line at growing intervals, so that the log of a fetch stays short.
//! The text of a line and its time are decided without a clock; [`Progress`] draws.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::model::{ByteCount, Timestamp};
use shared::runtime::Clock;

use super::output::{Liveness, Output};
use crate::words;

/// The time before the first line; a shorter operation prints none.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// The interval between the first two lines; it doubles up to [`LAST_INTERVAL`].
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The longest interval between two lines.
const LAST_INTERVAL: Duration = Duration::from_secs(60);

/// The unit of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes of a stream whose length is unknown.
    Stream,
    /// Fragments.
    Fragments,
}

/// The done and the total amount of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// The amount so far.
    pub done: u64,
    /// The total amount.
    pub total: u64,
}

impl Amount {
    /// `done` of `total`.
    #[must_use]
    pub const fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }
}

/// The display of one operation.
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
    /// Begins to show an operation, such as `fetching x`; `start` was done before.
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

    /// The unit of the amounts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Shows the amount, and a remark.
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
    /// Removes the bar before the result is printed.
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// The columns of a terminal that does not tell its width.
const COLUMNS: usize = 80;

/// Returns the widths of the label and the bar; the rest of a line is figures and a remark.
///
/// A terminal breaks a line that does not fit, and its first part stays behind when it is drawn again.
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
    // Earlier attempts say nothing about the speed of this one.
    bar.reset_eta();
    bar
}

/// The time of the last line, for the next one and its rate.
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

    /// Returns the rate per second since the last line, when another line is due.
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

/// Returns a line such as `fetching x: 45% of 1.0 GiB, 120.0 MiB/s, 3 sources`.
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

/// Returns whole percent; 100 only when the amount is complete, or there is nothing to do.
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
    use super::super::output::tests::Captured;
    use super::*;
    use crate::settings::Style;

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
