//! What people are shown of names, contents, peers and the node: pure text.

mod history;
mod upkeep;

use proto::control::{LocalContent, RateLimits, Scrub, SessionStatus, Status};
use shared::model::{
    Binding, ByteCount, ByteRate, Culprit, Duty, FragmentSet, Health, Location, PeerInfo, format_duration,
};

pub use history::history;
pub use upkeep::{drain, durability, duty, survey, why};

use super::output::one_line;
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::words;

/// The network's names.
#[must_use]
pub fn names(names: &[(Binding, Health)]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Left),
        ("REV", Right),
        ("SIZE", Right),
        ("REPLICAS", Right),
        ("STATE", Left),
        ("ID", Left),
    ]);
    for (binding, health) in names {
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
            health.state.to_string(),
            binding.content.short(),
        ]);
    }
    table
}

/// What a node holds.
#[must_use]
pub fn contents(contents: &[LocalContent]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Left),
        ("SIZE", Right),
        ("HELD", Right),
        ("ROLE", Left),
        ("ID", Left),
        ("WHERE", Left),
    ]);
    for content in contents {
        let path = content.path.as_ref();
        let place = path.map_or_else(
            || "store".to_owned(),
            |path| one_line(&path.display().to_string()),
        );
        let role = if content.is_pending {
            "pending".to_owned()
        } else {
            content.role.to_string()
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
        ("PEER", Left),
        ("ADDRESS", Left),
        ("ZONE", Left),
        ("STATE", Left),
        ("FREE", Right),
        ("CAPACITY", Right),
        ("CONTENTS", Right),
    ]);
    for peer in peers {
        table.row([
            peer.id.short(),
            peer.address.to_string(),
            peer.zone
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            match peer.duty {
                Duty::Active => words::peer_state(peer.state).to_owned(),
                duty => format!("{}, {}", words::peer_state(peer.state), duty.word()),
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
    let mut text = format!(
        "{}  revision {}  {}\n{} of {}, {} of them with {}; the fewest is {}: {}\nid {}",
        binding.name,
        binding.revision,
        ByteCount::new(binding.length),
        counted(manifest.fragment_count().into(), "fragment"),
        manifest.fragment_length(),
        health.fragments_at_target,
        counted(health.target.get().into(), "replica"),
        health.fewest,
        health.state,
        binding.content,
    );
    let mut table = Table::new(&[
        ("PEER", Left),
        ("ADDRESS", Left),
        ("ZONE", Left),
        ("STATE", Left),
        ("KEEPS", Left),
        ("FRAGMENTS", Left),
    ]);
    for holder in &location.holders {
        let peer = &holder.peer;
        table.row([
            peer.id.short(),
            peer.address.to_string(),
            peer.zone
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            peer.state.to_string(),
            if holder.keeps { "yes" } else { "no" }.to_owned(),
            ranges(&holder.fragments),
        ]);
    }
    if !table.is_empty() {
        text = format!("{text}\n\n{}", table.render());
    }
    let shown = location.holders.len();
    if (shown as u64) < u64::from(location.holder_count) {
        text = format!("{text}\n({shown} of {} holders)", location.holder_count);
    }
    text
}

/// No more runs are listed than this; the rest is a number.
const MAX_RUNS: usize = 6;

/// `all 40`, or runs such as `0-11,15,20-39 (33)`.
fn ranges(fragments: &FragmentSet) -> String {
    if fragments.is_full() {
        return format!("all {}", fragments.capacity());
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
    format!("{text} ({} of {})", fragments.len(), fragments.capacity())
}

/// `1 peer`, `2 peers`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
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
    let rate =
        |limit: Option<ByteRate>| limit.map_or_else(|| "unlimited".to_owned(), |rate| rate.to_string());
    format!(
        "upload {}, download {}",
        rate(limits.upload),
        rate(limits.download)
    )
}

/// `3.0 MiB sent, 1.0 GiB received`, and how much of that was in vain if it is worth a word.
fn traffic(status: &Status) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let (sent, received) = (bytes(status.bytes_sent), bytes(status.bytes_received));
    match status.bytes_wasted {
        0 => format!("{sent} sent, {received} received"),
        wasted => format!(
            "{sent} sent, {received} received, {} of it in vain",
            bytes(wasted)
        ),
    }
}

/// `0123456789 at 10.0.0.7:50053 slow, 30.0 KiB/s; 3 times, the last 1m 5s ago`.
fn culprit(culprit: &Culprit) -> String {
    let rate = culprit.rate.map_or_else(String::new, |rate| format!(", {rate}"));
    let when = match culprit.times {
        1 => format!("{} ago", format_duration(culprit.ago)),
        n => format!("{n} times, the last {} ago", format_duration(culprit.ago)),
    };
    format!(
        "{} at {} {}{rate}; {when}",
        culprit.peer.short(),
        culprit.address,
        culprit.offence
    )
}

/// What a node is and does.
#[must_use]
pub fn status(status: &Status) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let mut lines = vec![
        ("peer", format!("{} (run {})", status.peer, status.incarnation)),
        ("address", status.address.to_string()),
        ("network", session(&status.session)),
    ];
    if let SessionStatus::Connecting { reason, .. } = &status.session
        && !reason.is_empty()
    {
        lines.push(("", one_line(reason)));
    }
    if let Some(zone) = &status.zone {
        lines.push(("zone", zone.to_string()));
    }
    lines.extend([
        ("data", one_line(&status.data_dir.display().to_string())),
        (
            "capacity",
            format!("{} of {} used", bytes(status.used), bytes(status.capacity)),
        ),
        ("contents", status.contents.to_string()),
        ("traffic", traffic(status)),
        ("limits", limits(&status.limits)),
        (
            "transfers",
            format!(
                "{}, {}",
                counted(status.active_fetches.into(), "download"),
                counted(status.active_uploads.into(), "upload")
            ),
        ),
    ]);
    for (n, known) in status.culprits.iter().enumerate() {
        lines.push((if n == 0 { "culprits" } else { "" }, culprit(known)));
    }
    lines.push(("scrubbing", scrubbing(&status.scrub)));
    if status.pending_publications > 0 {
        lines.push((
            "waiting",
            format!("{} to be published", status.pending_publications),
        ));
    }
    lines.push((
        "version",
        format!("{}, up {}", status.version, format_duration(status.uptime)),
    ));
    let line = |(label, value): &(&str, String)| format!("{label:<10} {value}");
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn scrubbing(scrub: &Scrub) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    let found = match scrub.damaged {
        0 => "nothing damaged".to_owned(),
        damaged => format!("{damaged} damaged fragments withdrawn"),
    };
    match (scrub.rounds, scrub.total) {
        (0, 0) => "nothing read again yet".to_owned(),
        _ => format!(
            "{} of {} read again, {found}",
            bytes(scrub.done),
            bytes(scrub.total)
        ),
    }
}

#[cfg(test)]
mod tests;
