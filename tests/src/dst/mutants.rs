//! Mutants: bugs to plant in a copy of the code, to see that histories find them, or a test where histories
//! do not go. Each is a replacement in a file, and the invariant that it breaks. None is ever part of a
//! program.

/// The hunter that has to find a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hunter {
    /// Histories, from seed 0 on.
    Histories,
    /// Tests: histories have no real files and sockets, and do not look at the structure of the code.
    Test {
        /// Their package.
        package: &'static str,
        /// `--lib`, or the name of a test program.
        target: &'static str,
        /// A part of their names.
        name: &'static str,
    },
}

/// A small change that breaks an invariant.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The number of the invariant in ARCHITECTURE.md.
    pub invariant: u32,
    /// The change in words.
    pub what: &'static str,
    /// The file, below the workspace.
    pub path: &'static str,
    /// Text that occurs once in it.
    pub from: &'static str,
    /// The text in its place.
    pub to: &'static str,
    /// The hunter that has to find it.
    pub by: Hunter,
}

macro_rules! planted {
    (@by) => { Hunter::Histories };
    (@by $package:literal $target:literal $name:literal) => {
        Hunter::Test { package: $package, target: $target, name: $name }
    };
    ($($invariant:literal $what:literal, $path:literal: $from:literal => $to:literal
        $(, test $package:literal $target:literal $name:literal)?;)*) => {
        /// All of them.
        pub const MUTANTS: &[Mutant] = &[$(Mutant {
            invariant: $invariant,
            what: $what,
            path: $path,
            from: $from,
            to: $to,
            by: planted!(@by $($package $target $name)?),
        }),*];
    };
}

planted! {
    1 "blocks are not compared with their hashes", "shared/src/hash.rs":
        "if self.leaves.get(block as usize) != Some(&leaf(bytes)) {" =>
        "if self.leaves.get(block as usize).is_none() {";
    2 "copies that nobody undertook to keep count as replicas", "tracker/src/state/replicas/counts.rs":
        "Purpose::Durable => is_kept && is_sure," => "Purpose::Durable => is_sure,";
    6 "copies that their peer has not confirmed make others superfluous", "tracker/src/state/replicas/counts.rs":
        "is_live && is_believed && self.is_confirmed && *standing" => "is_live && is_believed && *standing",
        test "tracker" "--lib" "the_last_replica_is_not_trimmed";
    3 "a fact that finds nothing is passed over when it is replayed", "tracker/src/journal/mod.rs":
        "contradiction.map_or(Ok(replayed), Err)" => "drop(contradiction); Ok(replayed)",
        test "tracker" "--lib" "no_tracker_starts_on_a_journal";
    3 "a snapshot of an earlier version forgets what was unpinned", "tracker/src/state/names/mod.rs":
        "false if is_restored =>" => "false if is_restored && false =>",
        test "tracker" "--lib" "snapshots_of_earlier_versions_lose_nothing";
    3 "a batch of one record is answered without being journaled", "tracker/src/ledger/batch.rs":
        "if !self.records.is_empty() {" => "if self.records.len() > 1 {";
    3 "a snapshot lacks its first name", "tracker/src/state/names/snapshot.rs":
        "self.histories_after(None).flat_map(move |(name, history)| {" =>
        "self.histories_after(None).skip(1).flat_map(move |(name, history)| {";
    3 "a snapshot lacks pins", "tracker/src/state/names/snapshot.rs":
        "pins: bound.pins," => "pins: shared::model::PinCount::default(),";
    3 "a pin keeps nothing", "tracker/src/state/names/name_history.rs":
        "if self.pins.is_pinned() {\n            self.hold" => "if false {\n            self.hold";
    4 "a snapshot lacks tombstones", "tracker/src/state/names/snapshot.rs":
        "self.histories_after(None).flat_map(move |(name, history)| {" =>
        "self.histories_after(None).filter(|(_, history)| history.current().is_some()).flat_map(move |(name, history)| {";
    4 "a publication follows whatever the name is bound to when it is tried again", "peer/src/publisher/attempt.rs":
        "Outcome::Failed(..) | Outcome::Withdrawn => return Output::Done(outcome)," =>
        "Outcome::Failed(..) => PublicationState::Pending(None), Outcome::Withdrawn => return Output::Done(outcome),";
    5 "orders of any epoch are obeyed", "peer/src/session/inventory.rs":
        "if order.epoch() != self.epoch {" => "if false {";
    5 "any run of a peer is welcome", "tracker/src/state/peers/mod.rs":
        "if given < current {" => "if false {";
    5 "a restart is taken for a copy of the dead process", "tracker/src/state/peers/copies.rs":
        "fate: Fate::Open," => "fate: Fate::Proved,";
    5 "any run of a peer replaces the one in the network", "tracker/src/state/peers/copies.rs":
        "if session.run == run {" => "if true {",
        test "tracker" "--lib" "the_run_that_came_first";
    5 "a restart begins the same epoch again", "tracker/src/state/mod.rs":
        "self.commit(now, Fact::EpochBegun(self.history.next_epoch()?), out);" =>
        "self.commit(now, Fact::EpochBegun(self.history.epoch().max(Epoch::new(1))), out);";
    5 "a hello of another network is looked at", "tracker/src/state/sessions.rs":
        "(Some(current), Some(said)) if current != said =>" => "(Some(current), Some(said)) if false && current != said =>";
    5 "a peer that another network's tracker refuses stays in the one before", "peer/src/session/machine.rs":
        "self.say_again(Output::TurnTo(network))" => "self.close(End::SayAgain)";
    6 "one replica too many is trimmed", "tracker/src/state/replicas/evictions.rs":
        ">= enough(held)" => ">= enough(held) - 1";
    6 "unproved copies make others superfluous", "tracker/src/state/replicas/counts.rs":
        "is_kept && is_sure && is_staying && is_proved," => "is_kept && is_sure && is_staying,";
    6 "an eviction is obeyed without a look at the copies that remain", "peer/src/session/machine.rs":
        "&& !remaining.is_empty()" => "&& remaining.len() > 100";
    6 "an eviction is obeyed that does not know of the latest announce", "peer/src/session/inventory.rs":
        "Some(&sent) if sent > as_of =>" => "Some(&sent) if false && sent > as_of =>",
        test "peer" "--lib" "an_eviction_that_does_not_know";
    6 "an eviction is obeyed that a publication under way forbids", "peer/src/session/inventory.rs":
        "if is_protected(content) {" => "if false && is_protected(content) {";
    6 "an eviction is obeyed while the content is looked up for an announce", "peer/src/session/inventory.rs":
        " || self.looked_up.contains(&content);" => ";",
        test "peer" "--lib" "a_change_during_a_look_up";
    6 "safe mode is none", "tracker/src/state/tick.rs":
        "if self.is_in_safe_mode() {" => "if false {";
    6 "a copy is released, however few would be left", "tracker/src/state/replicas/evictions.rs":
        "if proved < wanted {" => "if false {";
    6 "a digest is taken for the same whatever it is", "shared/src/model/digest_buckets.rs":
        "(0..BUCKETS).filter(|bucket| self.0[*bucket] != other.0[*bucket])" =>
        "(0..BUCKETS).filter(|bucket| (self.0[*bucket] == 0) != (other.0[*bucket] == 0))";
    7 "a publisher that lost its file is never relieved of its assigned copy", "tracker/src/state/replicas/inventory.rs":
        "held.is_assigned = holding.is_assigned;" => "held.is_assigned = false;",
        test "tracker" "--lib" "a_publisher_that_lost_its_file";
    7 "a peer does not say that its copy was assigned", "peer/src/session/machine.rs":
        "is_assigned: entry.roles.assigned," => "is_assigned: false,",
        test "peer" "--lib" "the_tracker_is_told_whether_a_copy_was_assigned";
    7 "an announce is put off by whatever else happens", "peer/src/session/machine.rs":
        "if self.inventory.has_changes() && self.announce_at.is_none() {" => "if self.inventory.has_changes() {";
    7 "changes between Hello and Welcome are forgotten", "peer/src/session/machine.rs":
        "self.inventory.welcomed(welcome.epoch, is_nameless);" =>
        "self.inventory = Inventory::new(); self.inventory.welcomed(welcome.epoch, is_nameless);";
    7 "the end of a protection is not announced", "peer/src/session/machine.rs":
        "self.inventory.note(content);
            self.announce_at" => "self.announce_at",
        test "peer" "--lib" "the_end_of_a_protection";
    7 "a publication that failed for a passing reason is not tried again", "peer/src/publisher/rounds.rs":
        "if self.is_connected && self.next_at.is_none() {" => "if false {";
    6 "what a peer kept when it went away is believed when it has been back", "tracker/src/state/peers/mod.rs":
        "self.absences.forget(registration.peer);" => "",
        test "tracker" "--lib" "what_a_peer_kept_when_it_went_away";
    7 "an assignment is never given up", "tracker/src/state/replicas/inventory.rs":
        "self.assignments.stalled(cx.now, cx.timing.stall, progress_of)" =>
        "self.assignments.stalled(cx.now, cx.timing.stall, progress_of).into_iter().take(0)";
    7 "a surplus is never trimmed", "tracker/src/state/replicas/evictions.rs":
        "let Some(peer) = self.superfluous(cx, content) else {" =>
        "let Some(peer) = self.superfluous(cx, content).filter(|_| false) else {";
    8 "a retry of a publish has its effect again", "tracker/src/state/names/publishing.rs":
        "Some(bound) if is_same(bound) =>" => "Some(bound) if false && is_same(bound) =>";
    8 "a late request changes a pin again", "tracker/src/state/names/revisions.rs":
        "if !wish.expected.is_none_or(is_expected) {" => "if false && !wish.expected.is_none_or(is_expected) {";
    8 "an answer settles whatever is in the outbox by then", "peer/store/src/index/outbox.rs":
        "AND state = ? AND revision IS ? AND reason IS ?" =>
        "AND (state = ? OR TRUE) AND (revision IS ? OR TRUE) AND (reason IS ? OR TRUE)",
        test "store" "--lib" "facts_and_publications_survive";
    9 "revisions are taken from the clock", "tracker/src/state/names/publishing.rs":
        "(given(&publish.name, self.next_binding(&publish.name))?, now)" =>
        "(Revision::new(now.as_millis() / 1000), now)";
    10 "the outbox speaks the wire's own types", "peer/src/publisher/attempt.rs":
        "use shared::ErrorCode;" => "use shared::ErrorCode; use proto::v1 as _;",
        test "tests" "tidy" "wire_types";
    11 "repair knows no budget", "tracker/src/state/replicas/repair_budget.rs":
        "is_affordable && under_way.budgeted() < self.budget.total" => "is_affordable";
    11 "a peer is given more than its share of repair", "tracker/src/state/replicas/repair_budget.rs":
        "under_way.load(peer).budgeted < self.budget.per_target" => "true";
    11 "every request for an upload waits its turn", "peer/src/rpc/transfer/slots.rs":
        "if self.0.busy.load(Ordering::SeqCst) <= self.0.most.load(Ordering::SeqCst) {" => "if true {",
        test "peer" "--lib" "refused_peers_hear_of_room";
    12 "a name may lead out of a directory", "shared/src/model/name.rs":
        "\".\" | \"..\" => return" => "\".\" => return",
        test "shared" "--lib" "names_that_could_leave";
    13 "a hello with another key is welcome", "tracker/src/state/peers/keys.rs":
        "if known == given => Ok(None)" => "if known == given || true => Ok(None)";
    13 "a member speaks for every other", "tracker/src/state/peers/keys.rs":
        "return match own == id {" => "return match own == id || true {";
    15 "a revoked peer keeps its session, and its copies count", "tracker/src/state/securing.rs":
        "revoked.filter(|peer| !self.peers.is_lost(*peer))" => "revoked.filter(|peer| false && !self.peers.is_lost(*peer))";
    15 "the copies of a revoked peer still count", "tracker/src/state/sessions.rs":
        "        self.replicas.lose_peer(peer);\n    }" =>
        "        if why != Closing::Revoked {\n            self.replicas.lose_peer(peer);\n        }\n    }";
}
