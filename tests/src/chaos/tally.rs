//! Counts of a chaos run, and its report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::bench::report::Table;

/// Operations of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Begun.
    pub asked: u64,
    /// Answered with success.
    pub acknowledged: u64,
}

/// Counters; their names are their meaning.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Counts by kind of operation.
    pub operations: BTreeMap<&'static str, Count>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Faults that could not be, and why.
    pub skipped: BTreeMap<&'static str, String>,
    /// Other figures, in the order in which they are shown.
    pub figures: Vec<(&'static str, String)>,
    /// Bytes changed on disk or in flight.
    pub flipped: u64,
    /// Reads compared with the ledger.
    pub compared: u64,
    /// Broken invariants.
    pub violations: Vec<String>,
}

/// Outcome of a chaos run.
#[derive(Debug)]
pub struct Report {
    /// Counters of the run.
    pub tally: Tally,
    /// Directory of the files, if they are kept.
    pub kept: Option<PathBuf>,
}

impl Tally {
    /// An operation begins.
    pub fn asks(&mut self, kind: &'static str) {
        self.operations.entry(kind).or_default().asked += 1;
    }

    /// An operation was answered with success.
    pub fn acknowledges(&mut self, kind: &'static str) {
        self.operations.entry(kind).or_default().acknowledged += 1;
    }

    /// A fault happens.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Adds a figure to the report.
    pub fn figure(&mut self, what: &'static str, value: impl std::fmt::Display) {
        self.figures.push((what, value.to_string()));
    }

    fn violations_of(&self, kind: &str) -> usize {
        let is_of = |violation: &&String| violation.starts_with(kind);
        self.violations.iter().filter(is_of).count()
    }

    /// Returns the report for people.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["what", "count"]);
        for (kind, Count { asked, acknowledged }) in &self.operations {
            let both = format!("{acknowledged} of {asked}");
            table.row([format!("{kind}: acknowledged of asked"), both]);
        }
        for (kind, count) in &self.faults {
            table.row([format!("fault: {kind}"), count.to_string()]);
        }
        for (kind, why) in &self.skipped {
            table.row([format!("skipped: {kind}"), why.clone()]);
        }
        table.row(["bytes flipped".to_owned(), self.flipped.to_string()]);
        table.row(["readings compared".to_owned(), self.compared.to_string()]);
        for (what, value) in &self.figures {
            table.row([(*what).to_owned(), value.clone()]);
        }
        for (what, kind) in [
            ("wrong bytes served", "wrong"),
            ("stale readings", "stale"),
            ("acknowledged and lost", "lost"),
        ] {
            table.row([what.to_owned(), self.violations_of(kind).to_string()]);
        }
        table.row([
            "invariants broken in all".to_owned(),
            self.violations.len().to_string(),
        ]);
        table
    }

    /// Returns the report for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let operations = self.operations.iter().map(|(kind, count)| {
            let value = json!({ "asked": count.asked, "acknowledged": count.acknowledged });
            ((*kind).to_owned(), value)
        });
        json!({
            "operations": operations.collect::<serde_json::Map<_, _>>(),
            "faults": self.faults,
            "skipped": self.skipped,
            "bytes_flipped": self.flipped,
            "readings_compared": self.compared,
            "figures": self.figures.iter().map(|(what, value)| ((*what).to_owned(), value.clone().into()))
                .collect::<serde_json::Map<String, Value>>(),
            "wrong_bytes_served": self.violations_of("wrong"),
            "stale": self.violations_of("stale"),
            "lost": self.violations_of("lost"),
            "violations": self.violations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Content, Ledger, Seen};
    use super::*;

    #[test]
    fn a_planted_loss_is_counted_and_shown() {
        let mut ledger = Ledger::default();
        let content = Content {
            seed: 1,
            length: 2,
            digest: "d".to_owned(),
        };
        let change = ledger.begin("a", Some(content));
        ledger.end(change, Answer::Done);
        let mut tally = Tally::default();
        for seen in [Seen::Absent, Seen::Bytes("other"), Seen::Bytes("d")] {
            let reading = ledger.begin_reading("a");
            let told = ledger.end_quiescent_reading(reading, seen);
            tally
                .violations
                .extend(told.err().map(|violation| violation.to_string()));
        }
        let json = tally.json();
        assert_eq!(
            (&json["lost"], &json["wrong_bytes_served"]),
            (&1.into(), &1.into())
        );
        let table = tally.table().to_string();
        assert!(table.contains("| invariants broken in all |     2 |"), "{table}");
    }
}
