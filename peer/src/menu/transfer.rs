//! Transfers of the menu: each with what it does, how far it is and how it ended, and the list of them. Pure.
//!
//! Transfers run in the background (`background.rs`), a bounded number at a time. The list keeps the
//! latest of those that have ended, with their results, so that they can be looked at and resumed.

use proto::messages::control::{Add, AddEvent, Get, GetEvent};
use shared::model::{ByteCount, FetchPhase, FetchSource, Timestamp, Waiting, format_duration};

use crate::terminal::adding::{Added, shared_line};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::{how_line, started_line};
use crate::terminal::progress::{Amount, Rate};
use crate::terminal::sources::summary;
use crate::terminal::{adding, output::one_line};
use crate::words;

/// Transfers that run at a time: more would only share the line.
pub const MAX_RUNNING: usize = 8;

/// Transfers on the list; the oldest that has ended makes room.
const MAX_LISTED: usize = 32;

/// The work of a transfer: enough to do it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Publish a file or directory.
    Add(Add),
    /// Fetch a content; the text is what the user chose: a name, or a path inside a directory.
    Get(Get, String),
}

/// State of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It has done its work.
    Done,
    /// It has failed.
    Failed(Exit),
    /// The user has cancelled it.
    Cancelled,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its number on the list.
    pub number: u32,
    /// Its work.
    pub work: Work,
    /// Its state.
    pub state: State,
    /// Amount done and to be done; nothing to be done while that is unknown.
    pub amount: Amount,
    /// Bytes per second of the last seconds.
    pub rate: Rate,
    /// The sources of a fetch.
    pub from: Vec<FetchSource>,
    /// Reason for little or no progress of a fetch; none when all is well.
    pub waiting_for: Option<Waiting>,
    /// Work that a fetch is doing.
    pub phase: FetchPhase,
    /// Lines that stay: the beginning, the milestones and the end.
    pub told: Vec<String>,
    /// The time at which it began.
    pub begun: Timestamp,
    /// Whether it failed because of something that it may replace if its user agrees.
    pub may_replace: bool,
    added: Option<Added>,
}

impl Work {
    /// Returns the name under which it is published or fetched.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Add(add) => add.name.as_str(),
            Self::Get(_, name) => name,
        }
    }

    /// Returns text such as `fetching x`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Add(add) => words::adding(&add.name),
            Self::Get(_, name) => words::fetching(name),
        }
    }

    /// Returns the same work, which now replaces what is in its way.
    #[must_use]
    pub fn replacing(self) -> Self {
        match self {
            Self::Add(add) => Self::Add(Add { update: true, ..add }),
            Self::Get(get, name) => Self::Get(
                Get {
                    overwrite: true,
                    ..get
                },
                name,
            ),
        }
    }
}

impl Transfer {
    fn new(number: u32, work: Work, now: Timestamp) -> Self {
        Self {
            number,
            work,
            state: State::Running,
            amount: Amount::new(0, 0),
            rate: Rate::new(now),
            from: Vec::new(),
            waiting_for: None,
            phase: FetchPhase::default(),
            told: Vec::new(),
            begun: now,
            may_replace: false,
            added: None,
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Takes an event of a fetch.
    pub fn fetched(&mut self, event: GetEvent, now: Timestamp) {
        match event {
            GetEvent::Started {
                length,
                fragments,
                already_held,
                ..
            } => {
                self.amount = Amount::new(already_held, length);
                self.rate.observe(now, 0);
                let line = started_line(self.work.name(), self.amount, fragments);
                self.told.push(line);
            }
            GetEvent::Progress {
                held,
                length,
                received,
                waiting_for,
                phase,
                from,
                ..
            } => {
                self.amount = Amount::new(held, length);
                // Bytes that were here before say nothing about the speed.
                self.rate.observe(now, received);
                (self.waiting_for, self.phase, self.from) = (waiting_for, phase, from);
            }
            GetEvent::Done {
                length,
                received,
                wasted,
                elapsed,
                sources_used,
                from,
                ..
            } => {
                let name = self.work.name();
                self.told.extend(summary(&from, name));
                let how = how_line(received, wasted, elapsed, sources_used);
                if let Work::Get(get, _) = &self.work {
                    let (amount, time) = (ByteCount::new(length), format_duration(elapsed));
                    let line = words::fetched(name, get.output.display(), amount, time, how);
                    self.told.push(line);
                }
                self.from = from;
                self.amount = Amount::new(length, length);
                self.state = State::Done;
            }
        }
    }

    /// Takes an event of a publication.
    pub fn published(&mut self, event: AddEvent, now: Timestamp) {
        match event {
            AddEvent::Hashing { done, total } => {
                self.amount = Amount::new(done, total);
                self.rate.observe(now, done);
            }
            AddEvent::Received(_) | AddEvent::Replicas(_) => {}
            AddEvent::Hides(hiding) => self.told.push(words::hides(hiding.name, hiding.inside)),
            AddEvent::LeftOut(left_out) => {
                let entries = words::faulty_entries(&left_out);
                self.told.push(words::left_out(left_out.count, entries));
            }
            AddEvent::Published(binding) => {
                let shared = self
                    .added
                    .as_ref()
                    .map(|added| shared_line(&binding.name, added, false));
                self.told.extend(shared);
                let wanted = words::replicas(binding.target.get().into());
                let line = words::published_as(&binding.name, binding.revision, wanted);
                self.told.push(line);
                self.state = State::Done;
            }
            event @ AddEvent::Shared { .. } => {
                let Some((added, is_pending)) = adding::shared(&event) else {
                    return;
                };
                self.amount = Amount::new(added.length, added.length);
                if let (true, Work::Add(add)) = (is_pending, &self.work) {
                    self.told.push(shared_line(&add.name, &added, true));
                    self.state = State::Done;
                }
                // Otherwise the line comes with the publication, which the tracker may still refuse.
                self.added = Some(added);
            }
        }
    }

    /// Ends it as its node has ended it, or as its user has.
    fn end(&mut self, ended: Option<Result<(), Failure>>) {
        if !self.is_running() {
            return;
        }
        let failure = match ended {
            None => {
                self.state = State::Cancelled;
                let line = match &self.work {
                    Work::Add(_) => words::cancelled_plainly(),
                    Work::Get(..) => words::fetch_cancelled(),
                };
                return self.told.push(line.to_owned());
            }
            Some(Err(failure)) => failure,
            Some(Ok(())) => {
                let message = words::cannot(self.work.text(), words::no_result_of_get());
                Failure::new(Exit::Internal, message)
            }
        };
        self.state = State::Failed(failure.exit());
        self.may_replace = failure.is_conflict();
        self.told.push(one_line(&failure.to_string()));
    }

    /// Returns the line with its result, as long as it has one.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        let last = self.told.last().filter(|_| !self.is_running());
        last.map(String::as_str)
    }
}

/// The transfers of a menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    list: Vec<Transfer>,
    last: u32,
    /// The transfer that the user is looking at: its end needs no notice.
    followed: Option<u32>,
}

impl Transfers {
    /// Begins a transfer and returns its number; none when too many run.
    pub fn begin(&mut self, work: Work, now: Timestamp) -> Option<u32> {
        if self.running() >= MAX_RUNNING {
            return None;
        }
        if self.list.len() >= MAX_LISTED
            && let Some(oldest) = self.list.iter().position(|transfer| !transfer.is_running())
        {
            self.list.remove(oldest);
        }
        self.last += 1;
        self.list.push(Transfer::new(self.last, work, now));
        Some(self.last)
    }

    /// Begins a transfer that has ended again, under its number; false when too many run.
    pub fn begin_again(&mut self, number: u32, work: Work, now: Timestamp) -> bool {
        if self.running() >= MAX_RUNNING {
            return false;
        }
        if let Some(transfer) = self.get_mut(number) {
            *transfer = Transfer::new(number, work, now);
        }
        true
    }

    /// Returns the transfers, in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> &[Transfer] {
        &self.list
    }

    /// Returns the transfer with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Transfer> {
        self.list.iter().find(|transfer| transfer.number == number)
    }

    /// Returns the transfer with this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Transfer> {
        self.list.iter_mut().find(|transfer| transfer.number == number)
    }

    /// Number of transfers that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.list.iter().filter(|transfer| transfer.is_running()).count()
    }

    /// Notes which transfer the user is looking at.
    pub const fn follow(&mut self, number: Option<u32>) {
        self.followed = number;
    }

    /// Ends a transfer; none is the user's wish. Returns the notice for a user who is not looking at it.
    pub fn end(&mut self, number: u32, ended: Option<Result<(), Failure>>) -> Option<String> {
        let is_followed = self.followed == Some(number);
        let transfer = self.get_mut(number)?;
        transfer.end(ended);
        let result = transfer.result().filter(|_| !is_followed)?;
        Some(format!("[{number}] {result}"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use shared::collection::Selection;
    use shared::model::{ContentId, ContentRef, Name};

    use super::*;
    use crate::terminal::sources::tests::source;

    /// The work of fetching a name to `/tmp/x`.
    pub(in super::super) fn get(name: &str) -> Work {
        let get = Get {
            content: ContentRef::Id(ContentId::from_bytes([1; 32])),
            output: "/tmp/x".into(),
            overwrite: false,
            selection: Selection::default(),
            umask: shared::collection::Mode::of(0o022),
            directory: None,
        };
        Work::Get(get, name.to_owned())
    }

    fn started(already_held: u64) -> GetEvent {
        GetEvent::Started {
            name: Name::new("other").expect("a name"),
            content: ContentId::from_bytes([1; 32]),
            length: 4096,
            fragments: 4,
            already_held,
            output: None,
        }
    }

    fn done() -> GetEvent {
        GetEvent::Done {
            content: ContentId::from_bytes([1; 32]),
            length: 4096,
            received: 4096,
            wasted: 0,
            elapsed: Duration::from_secs(1),
            sources_used: 1,
            from: vec![source(85, 4, &[])],
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_fetch_tells_its_beginning_its_sources_and_its_result() {
        let mut transfers = Transfers::default();
        let number = transfers.begin(get("file2"), at(0)).expect("room");
        let transfer = transfers.get_mut(number).expect("listed");
        transfer.fetched(started(1024), at(0));
        let progress = GetEvent::Progress {
            held: 2048,
            length: 4096,
            sources: 1,
            received: 1024,
            wasted: 0,
            waiting_for: None,
            phase: FetchPhase::Fetching,
            from: vec![source(85, 1, &[2, 3])],
        };
        transfer.fetched(progress, at(1000));
        assert_eq!(
            (transfer.amount, transfer.from.len()),
            (Amount::new(2048, 4096), 1)
        );
        assert_eq!(transfer.result(), None, "it runs");
        transfer.fetched(done(), at(2000));
        assert_eq!(
            transfer.told,
            [
                "fetching file2: 4.0 KiB in 4 fragments, 25% of it is here already",
                "asked 192.168.20.85:50053 for file2 … received 4 fragments, 4.0 KiB",
                "fetched file2 to /tmp/x: 4.0 KiB in 1.0s, 4.0 KiB/s from 1 peer",
            ]
        );
        let notice = transfers.end(number, Some(Ok(()))).expect("nobody was looking");
        assert!(notice.starts_with("[1] fetched file2"), "{notice}");
        assert_eq!(transfers.running(), 0);
    }

    #[test]
    fn the_end_is_told_once_and_not_to_a_user_who_saw_it() {
        let mut transfers = Transfers::default();
        let seen = transfers.begin(get("seen"), at(0)).expect("room");
        transfers.follow(Some(seen));
        assert_eq!(transfers.end(seen, None), None);
        assert_eq!(transfers.get(seen).map(|seen| seen.state), Some(State::Cancelled));
        let failed = transfers.begin(get("failed"), at(0)).expect("room");
        let failure = Failure::new(Exit::NotFound, "no such name");
        let notice = transfers.end(failed, Some(Err(failure)));
        assert_eq!(notice.as_deref(), Some("[2] no such name"));
        let state = transfers.get(failed).map(|failed| failed.state);
        assert_eq!(state, Some(State::Failed(Exit::NotFound)));
        // Again, under the same number.
        let work = transfers.get(failed).expect("listed").work.clone().replacing();
        assert!(transfers.begin_again(failed, work, at(5)));
        let again = transfers.get(failed).expect("listed");
        assert!(again.is_running() && again.told.is_empty());
        assert!(matches!(&again.work, Work::Get(get, _) if get.overwrite));
    }

    #[test]
    fn the_number_of_transfers_is_bounded_and_results_make_room() {
        let mut transfers = Transfers::default();
        for turn in 0..MAX_LISTED + 5 {
            let number = transfers.begin(get("x"), at(0)).expect("room");
            assert_eq!(number as usize, turn + 1);
            transfers.end(number, None);
        }
        assert_eq!(transfers.all().len(), MAX_LISTED);
        assert_eq!(transfers.all().first().map(|oldest| oldest.number), Some(6));
        for _ in 0..MAX_RUNNING {
            assert!(transfers.begin(get("x"), at(0)).is_some());
        }
        assert_eq!(transfers.begin(get("x"), at(0)), None);
        assert!(!transfers.begin_again(9, get("x"), at(0)));
    }
}
