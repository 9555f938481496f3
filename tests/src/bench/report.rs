//! Results: a table for people, and a file for programs.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Columns and rows of text.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        Self {
            rows: vec![columns.iter().map(|&column| column.to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl std::fmt::Display for Table {
    /// Formats Markdown for documents; the first column to the left, numbers to the right.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
        let width = |at: usize| {
            let widths = self.rows.iter().map(|row| cell(row, at).chars().count());
            widths.max().unwrap_or(0).max(3)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            write!(f, "|")?;
            for (at, &width) in widths.iter().enumerate() {
                let text = cell(row, at);
                if at == 0 {
                    write!(f, " {text:<width$} |")?;
                } else {
                    write!(f, " {text:>width$} |")?;
                }
            }
            writeln!(f)?;
            if number == 0 {
                write!(f, "|")?;
                for (at, &width) in widths.iter().enumerate() {
                    let end = if at == 0 { "-" } else { ":" };
                    write!(f, "{}{end}|", "-".repeat(width + 1))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// Writes the results of a benchmark to `target/bench/<name>-<n>.json`, with the machine; returns where.
///
/// # Errors
/// When the file cannot be written.
pub fn save(name: &str, results: &Value) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let target = own.ancestors().nth(2).unwrap_or(Path::new("."));
    let directory = target.join("bench");
    std::fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let document = json!({ "benchmark": name, "machine": machine(), "results": results });
    for number in 1_u32.. {
        let path = directory.join(format!("{name}-{number}.json"));
        match File::create_new(&path) {
            Ok(mut file) => {
                writeln!(file, "{document:#}").with_context(|| format!("write {}", path.display()))?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("create {}", path.display())),
        }
    }
    unreachable!("numbers do not run out before the disk does")
}

/// Returns the properties of the machine on which the figures depend.
#[must_use]
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cores": cores(),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "commit": first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"])),
        "date": first_line(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])),
    })
}

/// Returns the number of logical processors.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Returns the first line that a command prints; `None` when it cannot be run or fails.
#[must_use]
pub fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

/// The middle one; of an even number the lower of the two in the middle. None of nothing.
#[must_use]
pub fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// Seconds, as tables show them.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64())
}

/// Mebibytes, as tables show them.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    (bytes >> 20).to_string()
}

/// Returns the ratio of two durations.
#[must_use]
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64().max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new(&["tool", "s"]);
        table.row(["a longer name".to_owned(), "1.25".to_owned()]);
        let expected = "| tool          |    s |\n|---------------|-----:|\n| a longer name | 1.25 |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median([3, 1, 2]), Some(2));
        assert_eq!(median([4, 1, 3, 2]), Some(2));
        assert_eq!(median::<u8>([]), None);
    }
}
