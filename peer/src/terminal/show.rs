//! Names, contents, peers, nodes and durability as text for people. Pure.

use std::time::Duration;

use proto::messages::control::{EntryKind, Listed, Membership, RateLimits, Scrub, SessionStatus, Status};
use shared::model::{
    Absence, Binding, ByteCount, ByteRate, ContentState, DialFailure, DrainStatus, Durability, FragmentSet,
    Health, KeptApart, Listing, Location, Losses, Name, PeerId, PeerInfo, PeerMode, PeerState, Reach, Reason,
    ReasonCode, Repair, Revision, RevisionEntry, RevisionState, Share, SourceFault, Survey, SuspendedFile,
    SuspendedFiles, Timestamp, Why, format_duration,
};

use super::output::one_line;
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::words;

/// Returns the table of the network's names.
#[must_use]
pub fn names(names: &[Listing]) -> Table {
    let columns = [
        (words::title_name(), Left),
        (words::title_revision(), Right),
        (words::title_size(), Right),
        (words::title_replicas(), Right),
        (words::title_state(), Left),
        ("ID", Left),
        (words::title_pinned(), Left),
    ];
    // Most networks have no pins; the table is wide enough without that column.
    let has_pins = names.iter().any(|listing| !listing.pinned.is_empty());
    let (most, _) = columns.split_at(columns.len() - 1);
    let mut table = Table::new(if has_pins { &columns } else { most });
    for Listing {
        binding,
        health,
        pinned,
    } in names
    {
        table.row([
            binding.name.to_string(),
            binding.revision.to_string(),
            size(binding).to_string(),
            replicas(health),
            state(health).to_owned(),
            binding.content.short(),
            pins(pinned),
        ]);
    }
    table
}

/// Returns the fewest replicas and those wanted, such as `2/3`; an empty file needs none.
fn replicas(health: &Health) -> String {
    match health.fragments {
        0 => "-".to_owned(),
        _ => format!("{}/{}", health.fewest, health.target),
    }
}

/// Returns the state of a content's replicas in words; an empty file is always complete.
fn state(health: &Health) -> &'static str {
    match health.fragments {
        0 => words::empty(),
        _ => words::content_state(health.state),
    }
}

/// Returns the length of a file, or of a directory's files.
#[must_use]
pub fn size(binding: &Binding) -> ByteCount {
    ByteCount::new(binding.size())
}

/// Returns pinned revisions such as `1,3`; only a few of many, which `peer history` lists.
fn pins(pinned: &[Revision]) -> String {
    const SHOWN: usize = 4;
    let mut texts: Vec<String> = pinned.iter().take(SHOWN).map(ToString::to_string).collect();
    if pinned.len() > SHOWN {
        texts.push("…".to_owned());
    }
    texts.join(",")
}

/// Returns words such as `live, visitor, unreachable`.
fn peer_state(peer: &PeerInfo) -> String {
    let reach = match peer.reach {
        Reach::Reachable => None,
        Reach::Unconfirmed => Some(words::unconfirmed()),
        Reach::Unreachable(_) => Some(words::out_of_reach()),
    };
    let mode = Some(peer.mode).filter(|mode| *mode != PeerMode::Active);
    let words = [
        Some(words::peer_state(peer.state)),
        mode.map(words::mode_word),
        peer.is_visitor.then(words::visiting),
        reach.filter(|_| peer.state != PeerState::Lost),
        peer.copy.is_some().then(words::copied),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns the failures to dial peers, one line each.
#[must_use]
pub fn out_of_reach(peers: &[PeerInfo]) -> Vec<String> {
    let failed = peers.iter().filter(|peer| peer.state == PeerState::Live);
    let failed = failed.filter_map(|peer| Some((peer, peer.reach.failure()?)));
    let line = |(peer, failure): (&PeerInfo, &DialFailure)| {
        let error = one_line(&words::told(&failure.error));
        words::dialled_in_vain(peer.id.short(), &failure.address, error)
    };
    failed.map(line).collect()
}

/// Returns a sentence for each peer of whose data directory a copy was refused.
pub fn copies(peers: &[PeerInfo]) -> impl Iterator<Item = String> + '_ {
    peers.iter().filter_map(|peer| {
        let copy = peer.copy.as_ref()?;
        Some(words::copy_refused(peer.id.short(), &peer.address, copy))
    })
}

/// Returns the table of the network's peers.
#[must_use]
pub fn peers(peers: &[PeerInfo]) -> Table {
    let mut table = Table::new(&[
        (words::title_peer(), Left),
        (words::title_address(), Left),
        (words::title_zone(), Left),
        (words::title_state(), Left),
        (words::title_free(), Right),
        (words::title_capacity(), Right),
        (words::title_contents(), Right),
    ]);
    for peer in peers {
        table.row([
            peer.id.short(),
            peer.address.to_string(),
            peer.zone
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            peer_state(peer),
            ByteCount::new(peer.free).to_string(),
            ByteCount::new(peer.capacity).to_string(),
            peer.contents.to_string(),
        ]);
    }
    table
}

/// Returns an entry of a directory, as `ls -l` shows it.
#[must_use]
pub fn entry(listed: &Listed) -> String {
    let path = &listed.path;
    match &listed.kind {
        EntryKind::Directory(mode) => format!("d{mode} {:>10} {path}/", ""),
        EntryKind::File(mode, length) => {
            format!("-{mode} {:>10} {path}", ByteCount::new(*length).to_string())
        }
        EntryKind::Link(target) => format!("l{:9} {:>10} {path} -> {target}", "", ""),
    }
}

/// Returns the result of a removal.
#[must_use]
pub fn removed(name: &Name, revision: Revision) -> String {
    if revision == Revision::NONE {
        return words::never_published(name);
    }
    words::removed(name, revision)
}

/// Returns the properties of a content, and a table of its holders as wide as the terminal.
#[must_use]
pub fn location(name: &str, location: &Location, columns: Option<usize>) -> String {
    let (binding, manifest, health) = (&location.binding, &location.manifest, &location.health);
    let found = words::located(name, binding.revision, size(binding));
    let fragments = words::fragments(health.fragments.into());
    let whole = location.whole.as_ref();
    let what = match binding.collection {
        None => words::fragments_of(fragments, manifest.fragment_length()),
        Some(_) => {
            // A tracker of an earlier version does not tell how many of the parts it counts.
            let parts = whole.map(|whole| whole.extent.contents.saturating_sub(1));
            let parts = parts.map(|parts| words::catalog_and(words::parts(parts.into())));
            parts.map_or_else(|| fragments.clone(), |parts| words::parts_with(parts, &fragments))
        }
    };
    let stands = match health.fragments {
        0 => words::located_empty().to_owned(),
        _ => words::located_health(
            what,
            health.fragments_at_target,
            words::replicas(health.target.get().into()),
            words::fewest_replicas(health),
            words::content_state(health.state),
        ),
    };
    let mut text = format!("{found}\n{stands}\nid {}", binding.content);
    let mut table = Table::new(&[
        (words::title_peer(), Left),
        (words::title_address(), Left),
        (words::title_zone(), Left),
        (words::title_state(), Left),
        (words::title_keeps(), Left),
        (words::title_fragments(), Left),
    ]);
    let row = |peer: &PeerInfo, keeps: &str, fragments: String| {
        let zone = peer.zone.as_ref();
        [
            peer.id.short(),
            peer.address.to_string(),
            zone.map_or_else(|| "-".to_owned(), ToString::to_string),
            peer_state(peer),
            keeps.to_owned(),
            fragments,
        ]
    };
    let mut shown = location.holders.len();
    match whole.filter(|_| binding.collection.is_some()) {
        Some(whole) => {
            shown = whole.shares.len();
            for share in &whole.shares {
                let fragments = share_of(share, health.fragments.into());
                table.row(row(&share.peer, yes_or_no(share.kept > 0), fragments));
            }
        }
        None => {
            for holder in &location.holders {
                let kept = match holder.proved_at {
                    Some(_) if holder.keeps => words::yes_proved(),
                    _ => yes_or_no(holder.keeps),
                };
                table.row(row(&holder.peer, kept, ranges(&holder.fragments)));
            }
        }
    }
    if !table.is_empty() {
        text = format!("{text}\n\n{}", table.render_at(columns));
    }
    let (all, keepers) = whole.map_or((location.holder_count, None), |whole| {
        (whole.holder_count, Some(whole.keeper_count))
    });
    if (shown as u64) < u64::from(all) {
        text = match keepers {
            Some(keepers) => format!("{text}\n{}", words::some_holders_keeping(shown, all, keepers)),
            None => format!("{text}\n{}", words::some_holders(shown, all)),
        };
    }
    text
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { words::yes() } else { words::no() }
}

/// Returns the part of a directory that a peer has: `all 40`, or `33 of 40`, and how much of it it keeps.
fn share_of(share: &Share, all: u64) -> String {
    let held = match share.held {
        held if held >= all => words::all_fragments(all),
        held => words::held_of(held, all),
    };
    match share.kept {
        kept if kept == 0 || kept == share.held => held,
        kept => words::keeping(held, kept),
    }
}

/// Returns `all 40`, or runs such as `0-11,15,20-39 (33)`; only six runs of many.
fn ranges(fragments: &FragmentSet) -> String {
    if fragments.is_full() {
        return words::all_fragments(fragments.capacity());
    }
    let runs = runs(fragments, 6).join(",");
    words::some_fragments(runs, fragments.len(), fragments.capacity())
}

/// Returns the runs of a set, such as `0-11` and `15`; only the first `most` of many, and an ellipsis.
pub(super) fn runs(fragments: &FragmentSet, most: usize) -> Vec<String> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for index in fragments.iter().map(|index| index.get()) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let shown = runs.iter().take(most).map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    let rest = (runs.len() > most).then(|| "…".to_owned());
    shown.chain(rest).collect()
}

/// Returns the state of the session with the tracker, in a few words.
#[must_use]
pub fn session(session: &SessionStatus) -> String {
    match session {
        SessionStatus::Offline => words::offline().to_owned(),
        SessionStatus::Connecting { .. } => words::connecting().to_owned(),
        SessionStatus::CopyOf { tracker, .. } => words::refused_by(tracker),
        SessionStatus::Connected { tracker } => words::connected_with(tracker),
    }
}

/// Returns limits such as `upload 9.5 MiB/s, download unlimited`.
#[must_use]
pub fn limits(limits: &RateLimits) -> String {
    let rate = |limit: Option<ByteRate>| {
        limit.map_or_else(|| words::unlimited().to_owned(), |rate| rate.to_string())
    };
    words::limits(rate(limits.upload), rate(limits.download))
}

/// Returns `3.0 MiB sent, 1.0 GiB received`, and the wasted bytes if there are any.
fn traffic(status: &Status) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let (sent, received) = (bytes(status.bytes_sent), bytes(status.bytes_received));
    match status.bytes_wasted {
        0 => words::traffic(sent, received),
        wasted => words::traffic_wasted(sent, received, bytes(wasted)),
    }
}

/// Returns `0123456789 at 10.0.0.7:50053 slow, 30.0 KiB/s; 3 times, the last 1m 5s ago`.
fn fault(fault: &SourceFault) -> String {
    let kind = words::fault_kind(fault.kind);
    let kind = fault
        .rate
        .map_or_else(|| kind.to_owned(), |rate| words::fault_at_rate(kind, rate));
    let when = match fault.times {
        1 => words::ago(format_duration(fault.ago)),
        n => words::times_ago(n, format_duration(fault.ago)),
    };
    words::fault(fault.peer.short(), &fault.address, kind, when)
}

/// Returns why other machines cannot reach a node and what to do; none when nothing is known to be wrong.
#[must_use]
pub fn own_reach(status: &Status) -> Option<String> {
    if let Some(host) = status.visitor_host {
        return Some(words::visitor(&status.address, host));
    }
    let failure = status.unreachable.as_ref()?;
    let error = one_line(&words::told(&failure.error));
    Some(words::cannot_be_dialled(&failure.address, error))
}

/// Returns the state of a node, a line for each property; its mode is the tracker's to tell.
#[must_use]
pub fn status(status: &Status, mode: Option<PeerMode>, now: Timestamp) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let mut lines = vec![
        (words::label_peer(), words::run(status.peer, status.incarnation)),
        (words::label_address(), status.address.to_string()),
        (words::label_network(), session(&status.session)),
    ];
    match &status.session {
        SessionStatus::Connecting { reason } if !reason.is_empty() => {
            lines.push(("", one_line(&words::told(reason))));
        }
        SessionStatus::CopyOf { of, .. } => lines.push(("", words::is_a_copy(of))),
        _ => {}
    }
    if let Some(why) = own_reach(status) {
        lines.push(("", why));
    }
    let security = security(status.security.as_ref(), now);
    lines.extend(labelled(words::label_security(), security));
    if let Some(mode) = mode.filter(|mode| *mode != PeerMode::Active) {
        lines.push((words::label_mode(), self::mode(mode, now)));
    }
    if let Some(zone) = &status.zone {
        lines.push((words::label_zone(), zone.to_string()));
    }
    lines.extend([
        (
            words::label_data(),
            one_line(&status.data_dir.display().to_string()),
        ),
        (
            words::label_capacity(),
            words::used(bytes(status.used), bytes(status.capacity)),
        ),
        (words::label_contents(), status.contents.to_string()),
        (words::label_traffic(), traffic(status)),
        (words::label_limits(), limits(&status.limits)),
        (
            words::label_transfers(),
            format!(
                "{}, {}",
                words::downloads(status.active_fetches.into()),
                words::uploads(status.active_uploads.into())
            ),
        ),
    ]);
    for (n, known) in status.source_faults.iter().enumerate() {
        lines.push((if n == 0 { words::label_faults() } else { "" }, fault(known)));
    }
    lines.push((words::label_scrubbing(), scrubbing(&status.scrub)));
    if status.pending_publications > 0 {
        lines.push((
            words::label_waiting(),
            words::to_be_published(status.pending_publications),
        ));
    }
    if status.refused_publications > 0 {
        lines.push((
            words::label_refused(),
            words::publications_refused(status.refused_publications),
        ));
    }
    if status.lost.files > 0 {
        let (files, place) = (words::files(status.lost.files), status.data_dir.join("lost"));
        let place = one_line(&place.display().to_string());
        let told = words::lost_files(files, bytes(status.lost.bytes), place);
        lines.push((words::label_lost(), told));
    }
    lines.extend(labelled(words::label_away(), away(&status.suspended)));
    lines.extend(labelled(words::label_apart(), apart(&status.kept_apart)));
    lines.push((
        words::label_version(),
        words::version(&status.version, format_duration(status.uptime)),
    ));
    let longest = lines.iter().map(|(label, _)| label.chars().count()).max();
    let width = longest.unwrap_or(0).max(10);
    let line = |(label, value): &(&str, String)| format!("{label:<width$} {value}");
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Puts a label before the first of some lines.
fn labelled(label: &'static str, lines: Vec<String>) -> impl Iterator<Item = (&'static str, String)> {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(lines)
}

/// Returns a line about the membership in a secured network, and one about what is wrong with it.
fn security(membership: Option<&Membership>, now: Timestamp) -> Vec<String> {
    let Some(membership) = membership else {
        return Vec::new();
    };
    let mode = words::security_mode(membership.mode);
    let left = membership.ends.since(now);
    let line = match left.is_zero() {
        true => words::certificate_has_ended(mode, membership.cluster),
        false => words::certificate_ends(mode, membership.cluster, format_duration(left)),
    };
    let failure = membership.failure.as_ref();
    let failure = failure.map(|why| words::not_renewed(one_line(&words::told(why))));
    std::iter::once(line).chain(failure).collect()
}

/// Returns a line about each other network of which something is here, and one about all of them.
fn apart(networks: &[KeptApart]) -> Vec<String> {
    let line = |apart: &KeptApart| {
        let (contents, bytes) = (words::contents(apart.contents), ByteCount::new(apart.bytes));
        let waiting = words::publications_wait(apart.pending);
        words::kept_apart(contents, bytes, waiting, apart.network)
    };
    let meaning = (!networks.is_empty()).then(|| words::kept_apart_means().to_owned());
    networks.iter().map(line).chain(meaning).collect()
}

/// Returns a line about the shared files that are away, and one for each of some of them.
fn away(files: &SuspendedFiles) -> Vec<String> {
    let counts = [
        (files.gone, Absence::Gone),
        (files.changed, Absence::Changed),
        (files.unreadable, Absence::Unreadable),
        (files.failing, Absence::Failing),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, absence)| format!("{count} {}", words::absence(absence)))
        .collect();
    if counts.is_empty() {
        return Vec::new();
    }
    let file = |file: &SuspendedFile| {
        let path = one_line(&file.path.display().to_string());
        words::file_away(path, words::absence(file.absence), format_duration(file.lasted))
    };
    let all = words::files_away(words::files(files.count()), counts.join(", "));
    std::iter::once(all).chain(files.first.iter().map(file)).collect()
}

fn scrubbing(scrub: &Scrub) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let found = match scrub.damaged {
        0 => words::nothing_damaged().to_owned(),
        damaged => words::damaged_withdrawn(damaged),
    };
    match (scrub.rounds, scrub.total) {
        (0, 0) => words::nothing_read_again().to_owned(),
        _ => words::read_again(bytes(scrub.done), bytes(scrub.total), found),
    }
}

/// Returns the table of a name's revisions, in their given order; `now` is this machine's time.
#[must_use]
pub fn history(revisions: &[RevisionEntry], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        (words::title_revision(), Right),
        (words::title_when(), Left),
        (words::title_size(), Right),
        (words::title_replicas(), Right),
        (words::title_state(), Left),
        ("ID", Left),
    ]);
    let none = || "-".to_owned();
    for entry in revisions {
        let size = entry.bound.map(|bound| bound.size());
        let replicas = entry.health.as_ref().map(replicas);
        table.row([
            entry.revision.to_string(),
            words::ago(format_duration(now.since(entry.at))),
            size.map_or_else(none, |size| ByteCount::new(size).to_string()),
            replicas.unwrap_or_else(none),
            match entry.state {
                RevisionState::Current if entry.pins.is_pinned() => words::current_pinned().to_owned(),
                state => words::revision_state(state).to_owned(),
            },
            entry.bound.map_or_else(none, |bound| bound.content.short()),
        ]);
    }
    table
}

/// Returns a sentence about a peer's mode.
#[must_use]
pub fn mode(mode: PeerMode, now: Timestamp) -> String {
    match mode {
        PeerMode::Active => words::in_active_mode().to_owned(),
        PeerMode::Draining => words::being_drained().to_owned(),
        PeerMode::Maintenance { until } => {
            // Rounded up: of the requested hour some milliseconds have passed.
            let left = until.since(now).as_millis().div_ceil(1000);
            let left = Duration::from_secs(u64::try_from(left).unwrap_or(u64::MAX));
            words::may_be_away(format_duration(left))
        }
    }
}

/// Returns the progress of a drain.
#[must_use]
pub fn drain(status: &DrainStatus) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    if status.is_safe {
        return words::safe_to_switch_off(bytes(status.bytes), words::contents(status.contents));
    }
    let mut text = words::not_safe_yet(
        status.contents_left,
        words::contents(status.contents),
        bytes(status.bytes_left),
        bytes(status.bytes),
    );
    if let Some(remaining) = status.remaining {
        text = words::about_left(text, format_duration(remaining));
    }
    with_reasons(text, &status.reasons)
}

/// Returns, of the name that was asked for, the reasons why a content is below its target, and the state of
/// its fetch.
#[must_use]
pub fn why(name: &str, why: &Why) -> String {
    let health = &why.health;
    let mut text = stands(name, health);
    if why.reasons.is_empty() {
        text = format!("{text}; {}", words::as_it_should_be());
    }
    let text = with_reasons(text, &why.reasons);
    let Some(fetch) = &why.fetch else {
        return text;
    };
    let (held, length) = (ByteCount::new(fetch.held_bytes), ByteCount::new(fetch.length));
    let fetching = words::fetching_here(held, length, words::peers(fetch.sources.into()));
    with_reasons(format!("{text}\n{fetching}"), &fetch.reasons)
}

fn stands(name: &str, health: &Health) -> String {
    if health.fragments == 0 {
        return words::stands_empty(name);
    }
    words::stands(
        name,
        words::content_state(health.state),
        words::fewest_replicas(health),
    )
}

/// Returns why nobody can read a content: something of it is nowhere, or only where nobody reaches.
fn unreadable(reasons: &[Reason]) -> &'static str {
    let is_said = |code| reasons.iter().any(|reason| reason.code == code);
    match is_said(ReasonCode::Unreachable) && !is_said(ReasonCode::NoSource) {
        true => words::out_of_everybodys_reach(),
        false => words::cannot_be_read_now(),
    }
}

/// Returns the losses that a content would survive.
#[must_use]
pub fn durability(name: &str, of: &Durability) -> String {
    let health = &of.health;
    let kept = words::kept_by(words::peers(of.keepers.into()), of.draining, of.away, of.sources);
    let mut text = format!("{}\nid {}\n{kept}", stands(name, health), of.content);
    if let Some(proved) = of.proved.filter(|_| of.keepers > 0) {
        text = format!("{text}\n{}", words::proved_copies(proved, of.keepers));
    }
    text = match (health.fragments, health.state) {
        (0, _) => format!("{text}\n{}", words::nothing_to_lose()),
        (_, ContentState::Unavailable) => format!("{text}\n{}", unreadable(&of.reasons)),
        _ => format!(
            "{text}\n{}\n{}",
            match of.survives_any {
                0 => words::survives_none().to_owned(),
                any => words::survives_any(words::peers(any.into())),
            },
            losses(&of.fatal)
        ),
    };
    if let Some(line) = repair(&of.repair) {
        text = format!("{text}\n{line}");
    }
    with_reasons(text, &of.reasons)
}

/// Returns the durability of all contents, with a table as wide as the terminal.
#[must_use]
pub fn survey(survey: &Survey, columns: Option<usize>) -> String {
    let [none, one, two, more] = survey.survives;
    let counts = words::surveyed(
        words::contents(survey.contents),
        ByteCount::new(survey.bytes),
        survey.replicated,
        survey.degraded,
        survey.unavailable,
    );
    let survivals = words::survives_how_many(none, one, two, more);
    let mut text = format!("{counts}\n{survivals}\n{}", losses(&survey.fatal));
    if let Some(line) = repair(&survey.repair) {
        text = format!("{text}\n{line}");
    }
    if survey.in_safe_mode {
        text = format!("{text}\n{}", words::too_pessimistic());
    }
    if !survey.endangered.is_empty() {
        let mut table = Table::new(&[
            (words::title_endangered(), Left),
            (words::title_replicas(), Right),
            (words::title_under_way(), Right),
        ]);
        for one in &survey.endangered {
            table.row([
                one.name.to_string(),
                format!("{}/{}", one.fewest, one.target),
                one.copies_under_way.to_string(),
            ]);
        }
        text = format!("{text}\n\n{}", table.render_at(columns));
        // A tracker of an earlier version counts contents only.
        let left = match survey.endangered_names {
            0 => survey.degraded + survey.unavailable,
            names => names,
        };
        if left > survey.endangered.len() as u64 {
            text = format!("{text}\n{}", words::shown_of(survey.endangered.len(), left));
        }
    }
    text
}

/// Losses of each kind that are named at most; `--json` has more.
const NAMED: usize = 4;

fn losses(losses: &Losses) -> String {
    let named = |count: u64, none: &str, counted: String, names: Vec<String>| {
        let more = if count > names.len() as u64 { ", …" } else { "" };
        match count {
            0 => none.to_owned(),
            _ => format!("{counted} ({}{more})", names.join(", ")),
        }
    };
    let peers = losses.peers.iter().take(NAMED).map(|peer| peer.short()).collect();
    let pair = |(one, other): &(PeerId, PeerId)| format!("{}+{}", one.short(), other.short());
    let pairs = losses.pairs.iter().take(NAMED).map(pair).collect();
    let zones = losses.zones.iter().take(NAMED).map(ToString::to_string).collect();
    let (peer_count, pair_count, zone_count) = (losses.peer_count, losses.pair_count, losses.zone_count);
    words::would_lose_with(
        named(
            peer_count,
            words::no_single_peer(),
            words::single_peers(peer_count),
            peers,
        ),
        named(pair_count, words::no_pair(), words::pairs(pair_count), pairs),
        named(zone_count, words::no_zone(), words::zones(zone_count), zones),
    )
}

fn repair(repair: &Repair) -> Option<String> {
    if repair.bytes_under_way == 0 && repair.bytes_waiting == 0 {
        return None;
    }
    let bytes = |n| ByteCount::new(n).to_string();
    let end = match repair.remaining {
        Some(remaining) => words::done_in_about(format_duration(remaining)),
        None => words::nothing_arrived().to_owned(),
    };
    Some(words::repair(
        bytes(repair.bytes_under_way),
        bytes(repair.bytes_waiting),
        bytes(repair.pace),
        end,
    ))
}

fn with_reasons(text: String, reasons: &[Reason]) -> String {
    reasons.iter().fold(text, |text, reason| {
        format!(
            "{text}\n  {:<18} {}",
            reason.code,
            one_line(&words::reason(reason))
        )
    })
}

#[cfg(test)]
mod tests;
