//! The progress of a long operation.
//!
//! On a terminal it is a bar; elsewhere a line at growing intervals, so that the log of a fetch stays short.
//! The text of a line and its time are decided without a clock; [`Progress`] draws.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shared::model::{ByteCount, FetchPhase, Timestamp, format_duration};
use shared::runtime::Clock;

use super::output::{Liveness, Output};
use super::table::shortened;
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
    /// Files that are written.
    Files,
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

/// Returns the amount that tells how far a fetch is: its bytes, or the files while these are written from
/// bytes that are here.
#[must_use]
pub const fn measured(bytes: Amount, phase: FetchPhase) -> (Unit, Amount) {
    match phase {
        FetchPhase::Writing { done, total } if total > 1 => (Unit::Files, Amount::new(done, total)),
        _ => (Unit::Bytes, bytes),
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
    begun: Timestamp,
    rate: Rate,
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
            Liveness::Bar => Shown::Bar(spinner(out)),
        };
        let begun = clock.now();
        let progress = Self {
            out,
            clock: clock.clone(),
            label,
            unit,
            shown,
            begun,
            rate: Rate::new(begun),
        };
        progress.draw(start, "");
        progress
    }

    /// The unit of the amounts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Shows the amount, which is of another unit from now on.
    pub fn update_in(&mut self, unit: Unit, amount: Amount, remark: &str) {
        if self.unit != unit {
            self.unit = unit;
            self.rate = Rate::new(self.clock.now());
        }
        self.update(amount, remark);
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
            Shown::Bar(_) => {
                self.rate.observe(self.clock.now(), amount.done);
                self.draw(amount, remark);
            }
        }
    }

    fn draw(&self, amount: Amount, remark: &str) {
        if let Shown::Bar(drawn) = &self.shown {
            // A window can become another size meanwhile.
            let size = rustix::termios::tcgetwinsize(std::io::stderr());
            let columns = size.map_or(COLUMNS, |size| size.ws_col.into());
            let bar = Bar {
                label: &self.label,
                unit: self.unit,
                amount,
                rate: self.rate.per_second(),
                elapsed: self.clock.now().since(self.begun),
                remark: &super::output::one_line(remark),
            };
            drawn.set_message(bar.line(columns.saturating_sub(SPINNER + 1)));
        }
    }
}

impl Drop for Progress<'_> {
    /// Removes the bar before the result is printed.
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
            self.out.bars().remove(bar);
        }
    }
}

/// The columns of a terminal that does not tell its width.
const COLUMNS: usize = 80;

/// Characters of a remark without which it would say nothing.
const LEAST_REMARK: usize = 24;

/// The most and the fewest columns of a bar; a narrower one says nothing.
const BAR_COLUMNS: (usize, usize) = (6, 30);

/// The columns of the spinner before a line.
const SPINNER: usize = 2;

/// The interval at which a spinner moves, whether something comes or not.
const SPIN: Duration = Duration::from_millis(120);

/// The state of an operation, as one line with a bar.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// Such as `fetching x`.
    pub label: &'a str,
    /// The unit of the amount.
    pub unit: Unit,
    /// A total of zero is not known yet.
    pub amount: Amount,
    /// Amount per second.
    pub rate: u64,
    /// Time since the beginning.
    pub elapsed: Duration,
    /// The number of sources, or the reason for which nothing comes.
    pub remark: &'a str,
}

impl Bar<'_> {
    /// Returns the line, as detailed as the columns allow, and at most that wide.
    #[must_use]
    pub fn line(&self, columns: usize) -> String {
        let label = shortened(self.label, columns / 3 + 4);
        let mut narrowest = label.clone();
        let all = self.figures();
        if let Some(line) = self.with_a_short_remark(&label, &all, columns) {
            return line;
        }
        for figures in all {
            let used = label.chars().count() + 2 + figures.chars().count();
            if used > columns {
                narrowest = format!("{label}: {figures}");
                continue;
            }
            let (least, most) = BAR_COLUMNS;
            let room = columns.saturating_sub(used + 2).min(most);
            let is_known = self.amount.total > 0 && self.unit != Unit::Stream;
            if room < least || !is_known {
                return format!("{label}: {figures}");
            }
            let filled = usize::try_from(percent(self.amount)).unwrap_or(0) * room / 100;
            let bar = "=".repeat(filled);
            return format!("{label} [{bar:<room$}] {figures}");
        }
        shortened(&narrowest, columns)
    }

    /// Returns the line with the beginning of a remark that does not fit, if a good part of it does.
    fn with_a_short_remark(&self, label: &str, all: &[String], columns: usize) -> Option<String> {
        let [whole, bare, ..] = all else { return None };
        let used = |figures: &String| label.chars().count() + 2 + figures.chars().count();
        let room = columns.saturating_sub(used(bare) + 2);
        let is_long = !self.remark.is_empty() && used(whole) > columns;
        (is_long && room >= LEAST_REMARK)
            .then(|| format!("{label}: {bare}, {}", shortened(self.remark, room)))
    }

    /// Returns the figures, the most detailed first.
    fn figures(&self) -> Vec<String> {
        let elapsed = format!("{} s", self.elapsed.as_secs());
        if self.amount.total == 0 && self.unit != Unit::Stream {
            return match self.remark {
                "" => vec![elapsed],
                remark => vec![format!("{elapsed}, {remark}"), elapsed],
            };
        }
        let how_far = how_far(self.unit, self.amount, self.rate);
        let mut figures = vec![format!("{}%", percent(self.amount))];
        figures.push(how_far.clone());
        let left = self.amount.total.saturating_sub(self.amount.done);
        let mut most = how_far;
        if let Some(seconds) = left.checked_div(self.rate)
            && self.unit == Unit::Bytes
            && left > 0
        {
            most = words::with_time_left(most, format_duration(Duration::from_secs(seconds + 1)));
            figures.push(most.clone());
        }
        if !self.remark.is_empty() {
            figures.push(format!("{most}, {}", self.remark));
        }
        figures.reverse();
        figures
    }
}

/// The amount per second of the last seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    since: Timestamp,
    done: Option<u64>,
    per_second: u64,
}

impl Rate {
    /// The shortest time over which a rate is taken.
    const LEAST: Duration = Duration::from_millis(500);

    /// A rate that is not known yet.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            done: None,
            per_second: 0,
        }
    }

    /// Takes the amount that is done now.
    pub fn observe(&mut self, now: Timestamp, done: u64) {
        let elapsed = now.since(self.since);
        match self.done {
            // Bytes of an earlier attempt say nothing about the speed.
            None => (self.since, self.done) = (now, Some(done)),
            Some(before) if elapsed >= Self::LEAST => {
                let moved = u128::from(done.saturating_sub(before)) * 1000;
                let rate = u64::try_from(moved / elapsed.as_millis().max(1)).unwrap_or(u64::MAX);
                self.per_second = match self.per_second {
                    0 => rate,
                    known => known / 4 * 3 + rate / 4,
                };
                (self.since, self.done) = (now, Some(done));
            }
            Some(_) => {}
        }
    }

    /// The amount per second.
    #[must_use]
    pub const fn per_second(&self) -> u64 {
        self.per_second
    }
}

fn spinner(out: &Output) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let style = style.expect("a template without anything from outside");
    let bar = out.bars().add(ProgressBar::no_length());
    let bar = bar.with_style(style.tick_chars("|/-\\ "));
    bar.enable_steady_tick(SPIN);
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
    let mut line = format!("{label}: {}", how_far(unit, amount, rate));
    if !remark.is_empty() {
        line = format!("{line}, {remark}");
    }
    super::output::one_line(&line)
}

/// Returns text such as `45% of 1.0 GiB, 120.0 MiB/s`.
#[must_use]
pub fn how_far(unit: Unit, amount: Amount, rate: u64) -> String {
    let bytes = ByteCount::new;
    match unit {
        Unit::Bytes => words::bytes_done(percent(amount), bytes(amount.total), bytes(rate)),
        Unit::Stream => words::bytes_so_far(bytes(amount.done), bytes(rate)),
        Unit::Fragments => words::fragments_done(amount.done, amount.total),
        Unit::Files => words::files_done(percent(amount), amount.done, amount.total),
    }
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
    fn while_files_are_written_their_number_tells_how_far_it_is() {
        let writing = FetchPhase::Writing {
            done: 6251,
            total: 15_740,
        };
        let (unit, amount) = measured(Amount::new(0, 1 << 20), writing);
        assert_eq!(
            progress_line("fetching x", unit, amount, 0, ""),
            "fetching x: 39%, writing files, 6251 of 15740"
        );
        let bar = Bar {
            label: "fetching x",
            unit,
            amount,
            rate: 900,
            elapsed: Duration::from_secs(3),
            remark: "",
        };
        assert_eq!(
            bar.line(80),
            "fetching x [===========                   ] 39%, writing files, 6251 of 15740"
        );
        let bytes = Amount::new(1, 2);
        assert_eq!(measured(bytes, FetchPhase::Fetching), (Unit::Bytes, bytes));
        let single = FetchPhase::Writing { done: 0, total: 1 };
        assert_eq!(measured(bytes, single), (Unit::Bytes, bytes));
    }

    #[test]
    fn a_line_with_a_bar_fits_its_terminal() {
        let of = |label, unit, amount, remark, columns| {
            let bar = Bar {
                label,
                unit,
                amount,
                rate: 120 << 20,
                elapsed: Duration::from_secs(3),
                remark,
            };
            bar.line(columns)
        };
        let amount = Amount::new(461 << 20, 1 << 30);
        let told = |columns| of("fetching x", Unit::Bytes, amount, "3 sources", columns);
        assert_eq!(
            told(100),
            "fetching x [=============                 ] 45% of 1.0 GiB, 120.0 MiB/s, 5.0s left, 3 sources"
        );
        assert_eq!(told(40), "fetching x: 45% of 1.0 GiB, 120.0 MiB/s");
        assert_eq!(told(24), "fetching x [===    ] 45%");
        let long = "fetching a/long/name/of/some/large/model.gguf";
        for columns in [10, 20, 40, 56, 79, 80, 101, 102, 200] {
            for unit in [Unit::Bytes, Unit::Fragments, Unit::Files, Unit::Stream] {
                for amount in [amount, Amount::new(0, 0), Amount::new(5, 5)] {
                    let line = of(long, unit, amount, "no peer that is online holds it", columns);
                    assert!(line.chars().count() <= columns, "{columns}: {line}");
                }
            }
        }
        let asking = of("asking for x", Unit::Bytes, Amount::new(0, 0), "", 80);
        assert_eq!(asking, "asking for x: 3 s");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let at = Timestamp::from_millis;
        let mut rate = Rate::new(at(0));
        rate.observe(at(0), 5000);
        assert_eq!(rate.per_second(), 0, "an earlier attempt left them");
        rate.observe(at(1000), 6000);
        assert_eq!(rate.per_second(), 1000);
        rate.observe(at(1100), 9000);
        assert_eq!(rate.per_second(), 1000, "too soon to tell");
        rate.observe(at(2000), 6000);
        assert_eq!(rate.per_second(), 750, "it stands still");
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
