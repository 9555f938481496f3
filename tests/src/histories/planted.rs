//! Bugs to plant in a copy of the code, to see that histories find them: what is replaced by what, and which promise
//! that breaks. Nothing of this is ever part of a program.

/// A small change that breaks a promise.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The invariant of ARCHITECTURE.md.
    pub invariant: u32,
    /// In words.
    pub what: &'static str,
    /// The file, below the workspace.
    pub path: &'static str,
    /// Text that occurs once in it.
    pub from: &'static str,
    /// What takes its place.
    pub to: &'static str,
}

macro_rules! planted {
    ($($invariant:literal $what:literal, $path:literal: $from:literal => $to:literal;)*) => {
        /// All of them.
        pub const BUGS: &[Planted] = &[$(Planted {
            invariant: $invariant,
            what: $what,
            path: $path,
            from: $from,
            to: $to,
        }),*];
    };
}

planted! {
    1 "blocks are not compared with their hashes", "shared/src/hash.rs":
        "if self.leaves.get(block as usize) != Some(&leaf(bytes)) {" =>
        "if self.leaves.get(block as usize).is_none() {";
    2 "copies that nobody undertook to keep count as replicas", "tracker/src/state/assessment.rs":
        "if held.keeps && is_live {" => "if is_live {";
    3 "a batch of one record is answered without being journaled", "tracker/src/ledger/batch.rs":
        "if !self.records.is_empty() {" => "if self.records.len() > 1 {";
    3 "a snapshot lacks its first name", "tracker/src/state/recollection.rs":
        "self.lines_after(None).flat_map(move |(name, line)| {" =>
        "self.lines_after(None).skip(1).flat_map(move |(name, line)| {";
    3 "a snapshot lacks pins", "tracker/src/state/recollection.rs":
        "pins: bound.pins," => "pins: shared::model::PinCount::default(),";
    3 "a pin keeps nothing", "tracker/src/state/line.rs":
        "self.hold != Hold::LetGo || self.pins.is_pinned()" => "self.hold != Hold::LetGo";
    4 "a snapshot lacks tombstones", "tracker/src/state/recollection.rs":
        "self.lines_after(None).flat_map(move |(name, line)| {" =>
        "self.lines_after(None).filter(|(_, line)| line.current().is_some()).flat_map(move |(name, line)| {";
    8 "a late request changes a pin again", "tracker/src/state/revisions.rs":
        "if !wish.expected.is_none_or(is_expected) {" => "if false && !wish.expected.is_none_or(is_expected) {";
    4 "a publication follows whatever the name is bound to when it is tried again", "peer/src/publisher/attempt.rs":
        "Err(_) => None," => "Err(_) => Some(Self::Pending(None)),";
    5 "orders of any epoch are obeyed", "peer/src/session/inventory.rs":
        "if order.epoch() != self.epoch {" => "if false {";
    5 "any run of a peer is welcome", "tracker/src/state/session.rs":
        "if registration.incarnation < current {" => "if false {";
    5 "a restart begins the same epoch again", "tracker/src/state/mod.rs":
        "Fact::EpochBegun(self.epoch.next())" => "Fact::EpochBegun(self.epoch.max(Epoch::new(1)))";
    6 "one replica too many is trimmed", "tracker/src/state/planning.rs":
        ">= enough(held.peer)" => ">= enough(held.peer) - 1";
    6 "an eviction is obeyed that does not know of the latest announce", "peer/src/session/inventory.rs":
        "Some(&told) if told > as_of =>" => "Some(&told) if false && told > as_of =>";
    6 "safe mode is none", "tracker/src/state/tick.rs":
        "if self.is_in_safe_mode() {" => "if false {";
    7 "an assignment is never given up", "tracker/src/state/tick.rs":
        "self.assignments.stalled(now, stall, progress_of)" =>
        "self.assignments.stalled(now, stall, progress_of).into_iter().take(0)";
    7 "a surplus is never trimmed", "tracker/src/state/planning.rs":
        "let Some(peer) = self.superfluous(id) else {" =>
        "let Some(peer) = self.superfluous(id).filter(|_| false) else {";
    8 "a retry of a publish has its effect again", "tracker/src/state/naming.rs":
        "Some(bound) if is_same(bound) =>" => "Some(bound) if false && is_same(bound) =>";
    9 "revisions are taken from the clock", "tracker/src/state/naming.rs":
        "(self.catalogue.revision(&publish.name).next(), now)" =>
        "(Revision::new(now.as_millis() / 1000), now)";
}
