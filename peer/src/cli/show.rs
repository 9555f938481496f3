//! What people are shown of names, contents, peers and the node: pure text.

mod history;
mod upkeep;

use proto::messages::control::{LocalContent, RateLimits, Scrub, SessionStatus, Status};
use shared::model::{
    ByteCount, ByteRate, FragmentSet, Listing, Location, PeerInfo, PeerMode, Revision, SourceFault,
    format_duration,
};

pub use history::history;
pub use upkeep::{drain, durability, mode, survey, why};

use super::output::one_line;
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::words;

/// The network's names.
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
    // Most networks have no pins; the table is wide enough without them.
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
            ByteCount::new(
                binding
                    .collection
                    .map_or(binding.length, |collection| collection.length),
            )
            .to_string(),
            format!("{}/{}", health.fewest, health.target),
            words::content_state(health.state).to_owned(),
            binding.content.short(),
            pins(pinned),
        ]);
    }
    table
}

/// Pinned revisions such as `1,3`; a few of them when they are many, which `peer history` lists.
fn pins(pinned: &[Revision]) -> String {
    const SHOWN: usize = 4;
    let mut texts: Vec<String> = pinned.iter().take(SHOWN).map(ToString::to_string).collect();
    if pinned.len() > SHOWN {
        texts.push("…".to_owned());
    }
    texts.join(",")
}

/// What a node holds.
#[must_use]
pub fn contents(contents: &[LocalContent]) -> Table {
    let mut table = Table::new(&[
        (words::title_name(), Left),
        (words::title_size(), Right),
        (words::title_held(), Right),
        (words::title_role(), Left),
        ("ID", Left),
        (words::title_where(), Left),
    ]);
    for content in contents {
        let path = content.path.as_ref();
        let place = path.map_or_else(
            || words::in_the_store().to_owned(),
            |path| one_line(&path.display().to_string()),
        );
        let role = if content.is_pending {
            words::pending().to_owned()
        } else {
            words::role(content.role).to_owned()
        };
        table.row([
            content
                .name
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            ByteCount::new(content.length).to_string(),
            format!("{}/{}", content.fragments_held, content.fragments),
            role,
            content.content.short(),
            place,
        ]);
    }
    table
}

/// The network's peers.
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
            match peer.mode {
                PeerMode::Active => words::peer_state(peer.state).to_owned(),
                mode => format!("{}, {}", words::peer_state(peer.state), words::mode_word(mode)),
            },
            ByteCount::new(peer.free).to_string(),
            ByteCount::new(peer.capacity).to_string(),
            peer.contents.to_string(),
        ]);
    }
    table
}

/// Where a content is: what it is, and who holds which fragments.
#[must_use]
pub fn location(location: &Location) -> String {
    let (binding, manifest, health) = (&location.binding, &location.manifest, &location.health);
    let found = words::located(&binding.name, binding.revision, ByteCount::new(binding.length));
    let stands = words::located_health(
        words::fragments(manifest.fragment_count().into()),
        manifest.fragment_length(),
        health.fragments_at_target,
        words::replicas(health.target.get().into()),
        health.fewest,
        words::content_state(health.state),
    );
    let mut text = format!("{found}\n{stands}\nid {}", binding.content);
    let mut table = Table::new(&[
        (words::title_peer(), Left),
        (words::title_address(), Left),
        (words::title_zone(), Left),
        (words::title_state(), Left),
        (words::title_keeps(), Left),
        (words::title_fragments(), Left),
    ]);
    for holder in &location.holders {
        let peer = &holder.peer;
        table.row([
            peer.id.short(),
            peer.address.to_string(),
            peer.zone
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            words::peer_state(peer.state).to_owned(),
            if holder.keeps { words::yes() } else { words::no() }.to_owned(),
            ranges(&holder.fragments),
        ]);
    }
    if !table.is_empty() {
        text = format!("{text}\n\n{}", table.render());
    }
    let shown = location.holders.len();
    if (shown as u64) < u64::from(location.holder_count) {
        text = format!("{text}\n{}", words::some_holders(shown, location.holder_count));
    }
    text
}

/// No more runs are listed than this; the rest is a number.
const MAX_RUNS: usize = 6;

/// `all 40`, or runs such as `0-11,15,20-39 (33)`.
fn ranges(fragments: &FragmentSet) -> String {
    if fragments.is_full() {
        return words::all_fragments(fragments.capacity());
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for index in fragments.iter().map(shared::model::FragmentIndex::get) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let shown = runs.iter().take(MAX_RUNS).map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    let mut text = shown.collect::<Vec<_>>().join(",");
    if runs.len() > MAX_RUNS {
        text.push_str(",…");
    }
    words::some_fragments(text, fragments.len(), fragments.capacity())
}

/// How the session with the tracker stands, in a few words.
#[must_use]
pub fn session(session: &SessionStatus) -> String {
    match session {
        SessionStatus::Offline => words::offline().to_owned(),
        SessionStatus::Connecting { tracker: None, .. } => words::connecting().to_owned(),
        SessionStatus::Connecting {
            tracker: Some(tracker),
            ..
        } => words::connecting_with(tracker),
        SessionStatus::Connected { tracker } => words::connected_with(tracker),
    }
}

/// `upload 9.5 MiB/s, download unlimited`.
#[must_use]
pub fn limits(limits: &RateLimits) -> String {
    let rate = |limit: Option<ByteRate>| {
        limit.map_or_else(|| words::unlimited().to_owned(), |rate| rate.to_string())
    };
    words::limits(rate(limits.upload), rate(limits.download))
}

/// `3.0 MiB sent, 1.0 GiB received`, and how much of that was in vain if it is worth a word.
fn traffic(status: &Status) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let (sent, received) = (bytes(status.bytes_sent), bytes(status.bytes_received));
    match status.bytes_wasted {
        0 => words::traffic(sent, received),
        wasted => words::traffic_in_vain(sent, received, bytes(wasted)),
    }
}

/// `0123456789 at 10.0.0.7:50053 slow, 30.0 KiB/s; 3 times, the last 1m 5s ago`.
fn culprit(culprit: &SourceFault) -> String {
    let offence = words::offence(culprit.kind);
    let offence = culprit.rate.map_or_else(
        || offence.to_owned(),
        |rate| words::offence_at_rate(offence, rate),
    );
    let when = match culprit.times {
        1 => words::ago(format_duration(culprit.ago)),
        n => words::times_ago(n, format_duration(culprit.ago)),
    };
    words::culprit(culprit.peer.short(), &culprit.address, offence, when)
}

/// What a node is and does.
#[must_use]
pub fn status(status: &Status) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let mut lines = vec![
        (words::label_peer(), words::run(status.peer, status.incarnation)),
        (words::label_address(), status.address.to_string()),
        (words::label_network(), session(&status.session)),
    ];
    if let SessionStatus::Connecting { reason, .. } = &status.session
        && !reason.is_empty()
    {
        lines.push(("", one_line(reason)));
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
    for (n, known) in status.culprits.iter().enumerate() {
        lines.push((if n == 0 { words::label_culprits() } else { "" }, culprit(known)));
    }
    lines.push((words::label_scrubbing(), scrubbing(&status.scrub)));
    if status.pending_publications > 0 {
        lines.push((
            words::label_waiting(),
            words::to_be_published(status.pending_publications),
        ));
    }
    lines.push((
        words::label_version(),
        words::version(&status.version, format_duration(status.uptime)),
    ));
    let longest = lines.iter().map(|(label, _)| label.chars().count()).max();
    let width = longest.unwrap_or(0).max(10);
    let line = |(label, value): &(&str, String)| format!("{label:<width$} {value}");
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests;
