//! What was asked of the cluster and what it acknowledged, kept outside of it; and what a reader may see because of that.
//!
//! A name is changed by one client at a time, so its history is a line of *versions*: each may be seen from the moment
//! that its change was asked for until the moment that the next one was acknowledged. A change that was never answered
//! may have had its effect, or have it later (a peer's outbox tries again), or never: then both are right until
//! one reader has seen the new version, and nobody changes the name meanwhile. Once a version has been seen, no earlier one
//! is right any more. That is linearizability of a register with one writer, checked as the answers come.
//!
//! Moments are the ledger's own count of events, so no clock matters. It is pure: it knows neither processes nor files.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

/// The ledger's count of events.
pub type Moment = u64;

/// What a file consists of: pseudo-random bytes that depend only on these, and their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What the bytes are drawn from.
    pub seed: u64,
    /// How many.
    pub length: u64,
    /// Their SHA-256, in hexadecimal.
    pub digest: String,
}

/// How a change was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, for good.
    Done,
    /// Nobody can tell.
    Unknown,
}

/// What a reader saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Bytes with this SHA-256.
    Bytes(&'a str),
    /// That there is no such name.
    Absent,
    /// Nothing: it was told that it could not be read now.
    Nothing,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reader got bytes that the name has never stood for.
    #[error("wrong bytes: {name} was read as {digest}, which it has never been; it was {was}")]
    WrongBytes {
        /// The name.
        name: String,
        /// What was read.
        digest: String,
        /// What it was.
        was: String,
    },
    /// A reader got something that was over, or not yet.
    #[error("stale: {name} was read as {seen} although it was {was}")]
    Stale {
        /// The name.
        name: String,
        /// What was read.
        seen: String,
        /// What it was.
        was: String,
    },
    /// What was acknowledged is not there.
    #[error("lost: {name} is not there, it was acknowledged as {was}")]
    Lost {
        /// The name.
        name: String,
        /// What it was.
        was: String,
    },
    /// What was acknowledged cannot be read although nothing is amiss any more.
    #[error("lost: {name} cannot be read, it was acknowledged as {was}")]
    Unreadable {
        /// The name.
        name: String,
        /// What it was.
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
    /// The last version is acknowledged, nobody is changing it.
    Settled,
    /// The last version has been asked for.
    Changing,
    /// The last version was asked for, and nobody can tell.
    Open,
    /// The tracker's history went back behind some of the versions: any of those since may be right, or lost.
    TakenBack,
}

#[derive(Clone, Debug)]
struct Record {
    versions: Vec<Version>,
    standing: Standing,
}

/// What was asked and what was acknowledged, name by name.
#[derive(Debug, Default)]
pub struct Ledger {
    now: Moment,
    names: BTreeMap<String, Record>,
    acknowledged: u64,
}

impl Ledger {
    /// Somebody is about to bind a name to a content, or to remove it.
    ///
    /// # Panics
    /// When the name is not [free](Self::free): the campaign itself is wrong then.
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

    /// Somebody is about to read a name.
    pub fn begin_reading(&mut self, name: &str) -> Reading {
        Reading {
            name: name.to_owned(),
            from: self.tick(),
        }
    }

    /// What the reading may have seen until now, for people.
    #[must_use]
    pub fn describe(&self, reading: &Reading) -> String {
        let record = &self.names[&reading.name];
        record.describe(&record.possible_since(reading.from))
    }

    /// The reading is over.
    ///
    /// # Errors
    /// When it could not have seen this.
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
            // While a name is changed, what it was may go before the reader has it.
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
    /// As [`Self::end_reading`], and when there was nothing to see.
    pub fn end_calm_reading(&mut self, reading: Reading, seen: Seen<'_>) -> Result<(), Violation> {
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

    /// The tracker was restored from a backup of that moment: what was acknowledged since may be gone or be back, and that
    /// is all that is promised.
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

    /// A name that stands for something, and what that is, if it is settled.
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

    /// Those that were changed last, the latest first.
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

    /// Names of which the tracker may have gone back to something that nobody has any more.
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

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was ever asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many changes were acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many names nobody can tell of: a change was never answered, or they were taken back.
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
    /// The versions that a reader may see who began then and ends now.
    fn possible_since(&self, from: Moment) -> Vec<usize> {
        let versions = self.versions.iter().enumerate();
        versions
            .filter(|(_, version)| version.until.is_none_or(|until| until > from))
            .map(|(at, _)| at)
            .collect()
    }

    /// From now on no earlier version is right.
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
            // What was never acknowledged was never promised to be readable.
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
