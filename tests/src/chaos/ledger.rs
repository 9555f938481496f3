//! The ledger: requests to the cluster and its acknowledgements, kept outside of it; and the answers that a
//! reader may therefore see.
//!
//! Only one client at a time changes a name, so its history is a line of *versions*: a reader may see each
//! from the request of its change until the acknowledgement of the next one. A change without an answer may
//! take effect at once, later (a peer's outbox tries again), or never: then both versions are right until a
//! reader has seen the new one, and no client changes the name meanwhile. Once a reader has seen a version,
//! no earlier one is right any more. That is linearizability of a register with one writer, checked as the
//! answers come.
//!
//! Moments are the ledger's own count of events, so no clock matters. It is pure: it knows neither processes
//! nor files.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

/// The ledger's count of events.
pub type Moment = u64;

/// Bytes of a file: pseudo-random, a function of these fields, and their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Seed of the bytes.
    pub seed: u64,
    /// Number of bytes.
    pub length: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub digest: String,
}

/// Answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The change is done, for good.
    Done,
    /// The outcome is unknown.
    Unknown,
}

/// Observation of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Bytes with this SHA-256.
    Bytes(&'a str),
    /// The name does not exist.
    Absent,
    /// The name could not be read now.
    Nothing,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reader got bytes that the name has never stood for.
    #[error("wrong bytes: {name} was read as {digest}, which it has never been; it was {was}")]
    WrongBytes {
        /// The name.
        name: String,
        /// Digest of the bytes read.
        digest: String,
        /// Expected versions.
        was: String,
    },
    /// A reader got something that was over, or not yet.
    #[error("stale: {name} was read as {seen} although it was {was}")]
    Stale {
        /// The name.
        name: String,
        /// Observed version.
        seen: String,
        /// Expected versions.
        was: String,
    },
    /// An acknowledged name does not exist.
    #[error("lost: {name} is not there, it was acknowledged as {was}")]
    Lost {
        /// The name.
        name: String,
        /// Acknowledged version.
        was: String,
    },
    /// An acknowledged content cannot be read although no fault is left.
    #[error("lost: {name} cannot be read, it was acknowledged as {was}")]
    Unreadable {
        /// The name.
        name: String,
        /// Acknowledged version.
        was: String,
    },
}

/// A change under way.
#[derive(Debug)]
#[must_use]
pub struct Change {
    name: String,
}

/// A reading under way.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reading {
    name: String,
    from: Moment,
}

#[derive(Clone, Debug)]
struct Version {
    content: Option<Content>,
    from: Moment,
    until: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The last version is acknowledged, and no client is changing it.
    Settled,
    /// The last version has been asked for.
    Changing,
    /// The last version was requested, and its outcome is unknown.
    Open,
    /// The tracker's history went back behind some of the versions: any of those since may be right, or lost.
    TakenBack,
}

#[derive(Clone, Debug)]
struct Record {
    versions: Vec<Version>,
    standing: Standing,
}

/// Requests and acknowledgements, name by name.
#[derive(Debug, Default)]
pub struct Ledger {
    now: Moment,
    names: BTreeMap<String, Record>,
    acknowledged: u64,
}

impl Ledger {
    /// Notes the request to bind a name to a content, or to remove it.
    ///
    /// # Panics
    /// When the name is not [free](Self::free): the chaos run itself is wrong then.
    pub fn begin(&mut self, name: &str, content: Option<Content>) -> Change {
        let from = self.tick();
        let unbound = Version {
            content: None,
            from: 0,
            until: None,
        };
        let record = self.names.entry(name.to_owned()).or_insert_with(|| Record {
            versions: vec![unbound],
            standing: Standing::Settled,
        });
        assert_eq!(record.standing, Standing::Settled, "{name} is not free");
        record.standing = Standing::Changing;
        record.versions.push(Version {
            content,
            from,
            until: None,
        });
        Change {
            name: name.to_owned(),
        }
    }

    /// The change was answered, or will never be.
    #[expect(clippy::needless_pass_by_value, reason = "a change is answered once")]
    pub fn end(&mut self, change: Change, answer: Answer) {
        let now = self.tick();
        let record = self.names.get_mut(&change.name).expect("a change is of a name");
        match answer {
            Answer::Done => {
                self.acknowledged += 1;
                record.standing = Standing::Settled;
                record.settle(record.versions.len() - 1, now);
            }
            Answer::Unknown => record.standing = Standing::Open,
        }
    }

    /// Notes the beginning of a read.
    pub fn begin_reading(&mut self, name: &str) -> Reading {
        Reading {
            name: name.to_owned(),
            from: self.tick(),
        }
    }

    /// Describes the versions that the read may have seen until now, for people.
    #[must_use]
    pub fn describe(&self, reading: &Reading) -> String {
        let record = &self.names[&reading.name];
        record.describe(&record.possible_since(reading.from))
    }

    /// The reading is over.
    ///
    /// # Errors
    /// When the read could not have seen this.
    pub fn end_reading(&mut self, reading: Reading, seen: Seen<'_>) -> Result<(), Violation> {
        let now = self.tick();
        let name = reading.name;
        let record = self.names.get_mut(&name).expect("only known names are read");
        let possible = record.possible_since(reading.from);
        let was = record.describe(&possible);
        let fits = |at: &&usize| match (&record.versions[**at].content, seen) {
            (Some(content), Seen::Bytes(digest)) => content.digest == digest,
            (None, Seen::Absent) => true,
            _ => false,
        };
        match (possible.iter().rev().find(fits).copied(), seen) {
            (_, Seen::Nothing) => Ok(()),
            (Some(at), _) => {
                record.saw(at, now);
                Ok(())
            }
            // A changing name may lose its earlier content before the reader has it.
            (None, Seen::Absent) if possible.len() > 1 => Ok(()),
            (None, Seen::Absent) => Err(Violation::Lost { name, was }),
            (None, Seen::Bytes(digest)) => {
                let has_been = |version: &Version| {
                    let content = version.content.as_ref();
                    content.is_some_and(|content| content.digest == digest)
                };
                let seen = digest.to_owned();
                Err(if record.versions.iter().any(has_been) {
                    Violation::Stale { name, seen, was }
                } else {
                    Violation::WrongBytes {
                        name,
                        digest: seen,
                        was,
                    }
                })
            }
        }
    }

    /// The reading is over, and nothing was amiss while it went on.
    ///
    /// # Errors
    /// As [`Self::end_reading`], and when the read saw nothing.
    pub fn end_quiescent_reading(&mut self, reading: Reading, seen: Seen<'_>) -> Result<(), Violation> {
        let record = &self.names[&reading.name];
        let possible = record.possible_since(reading.from);
        let may_be_absent = possible.iter().any(|at| record.versions[*at].content.is_none());
        let (name, was) = (reading.name.clone(), record.describe(&possible));
        match seen {
            Seen::Nothing if record.is_certain() => return Err(Violation::Unreadable { name, was }),
            Seen::Absent if !may_be_absent && record.standing != Standing::TakenBack => {
                return Err(Violation::Lost { name, was });
            }
            _ => {}
        }
        self.end_reading(reading, seen)
    }

    /// Notes that the tracker was restored from a backup of that moment: later acknowledgements may be lost
    /// or back, and nothing more is promised.
    pub fn taken_back_to(&mut self, backup: Moment) {
        for record in self.names.values_mut() {
            let since = |moment: Moment| moment >= backup;
            let is_changed = record
                .versions
                .iter()
                .any(|version| since(version.from) || version.until.is_some_and(since));
            if !is_changed {
                continue;
            }
            record.standing = Standing::TakenBack;
            for version in &mut record.versions {
                version.until = version.until.filter(|until| *until < backup);
            }
        }
    }

    /// Now, for [`Self::taken_back_to`].
    pub fn moment(&mut self) -> Moment {
        self.tick()
    }

    /// A name that may be changed: one that is bound, or not.
    pub fn free(&self, rng: &mut SmallRng, is_bound: bool) -> Option<String> {
        let fits = |record: &Record| {
            record.standing == Standing::Settled
                && record
                    .versions
                    .last()
                    .is_some_and(|last| last.content.is_some() == is_bound)
        };
        let names: Vec<_> = self.names.iter().filter(|(_, record)| fits(record)).collect();
        names.choose(rng).map(|(name, _)| (*name).clone())
    }

    /// Returns a bound name and its content, if it is settled.
    pub fn bound(&self, rng: &mut SmallRng) -> Option<(String, Content)> {
        let name = self.free(rng, true)?;
        let last = self.names[&name].versions.last()?.content.clone()?;
        Some((name, last))
    }

    /// Any name at all.
    pub fn any(&self, rng: &mut SmallRng) -> Option<String> {
        self.names
            .keys()
            .collect::<Vec<_>>()
            .choose(rng)
            .map(|name| (*name).clone())
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// Returns the names changed last, the latest first.
    #[must_use]
    pub fn latest(&self, count: usize) -> Vec<String> {
        let from = |record: &Record| record.versions.last().map_or(0, |version| version.from);
        let mut names: Vec<_> = self
            .names
            .iter()
            .map(|(name, record)| (from(record), name))
            .collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        names
            .into_iter()
            .take(count)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Returns names that a restored tracker may have bound to a content without holders.
    #[must_use]
    pub fn taken_back(&self) -> BTreeSet<String> {
        let is_taken_back = |record: &Record| record.standing == Standing::TakenBack;
        let names = self.names.iter().filter(|(_, record)| is_taken_back(record));
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Whether anybody ever asked for this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was ever asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns the number of acknowledged changes.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the number of names with an unknown state: a change was never answered, or a backup was
    /// restored.
    #[must_use]
    pub fn open(&self) -> usize {
        let is_open = |record: &&Record| !matches!(record.standing, Standing::Settled);
        self.names.values().filter(is_open).count()
    }

    const fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }
}

impl Record {
    /// Returns the versions that a read from then until now may see.
    fn possible_since(&self, from: Moment) -> Vec<usize> {
        let versions = self.versions.iter().enumerate();
        versions
            .filter(|(_, version)| version.until.is_none_or(|until| until > from))
            .map(|(at, _)| at)
            .collect()
    }

    /// Rules out all earlier versions.
    fn settle(&mut self, at: usize, now: Moment) {
        for version in &mut self.versions[..at] {
            version.until.get_or_insert(now);
        }
    }

    fn saw(&mut self, at: usize, now: Moment) {
        if self.standing == Standing::TakenBack {
            return;
        }
        self.settle(at, now);
        if self.standing == Standing::Open && at + 1 == self.versions.len() {
            self.standing = Standing::Settled;
        }
    }

    /// Whether there is exactly one thing that it can stand for, and that was acknowledged.
    fn is_certain(&self) -> bool {
        match self.standing {
            Standing::Settled => true,
            Standing::TakenBack => false,
            // An unacknowledged content was never promised to be readable.
            Standing::Changing | Standing::Open => {
                self.versions.last().is_some_and(|last| last.content.is_none())
            }
        }
    }

    fn describe(&self, possible: &[usize]) -> String {
        let one = |at: &usize| match &self.versions[*at].content {
            Some(Content { seed, length, digest }) => format!("{digest} ({length} bytes of seed {seed})"),
            None => "removed".to_owned(),
        };
        possible.iter().map(one).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests;
