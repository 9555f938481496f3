//! Duties, drains and durability in words.

use std::time::Duration;

use shared::model::{
    ByteCount, ContentState, DrainStatus, Durability, Health, Losses, Name, PeerId, PeerMode, Reason, Repair,
    Survey, Timestamp, Why, format_duration,
};

use super::super::table::Align::{Left, Right};
use super::super::table::Table;
use super::one_line;
use crate::words;

/// What a peer is used for, in a sentence.
#[must_use]
pub fn mode(mode: PeerMode, now: Timestamp) -> String {
    match mode {
        PeerMode::Active => words::in_active_mode().to_owned(),
        PeerMode::Draining => words::being_drained().to_owned(),
        PeerMode::Maintenance { until } => {
            // Of the hour that was asked for some milliseconds are over.
            let left = until.since(now).as_millis().div_ceil(1000);
            let left = Duration::from_secs(u64::try_from(left).unwrap_or(u64::MAX));
            words::may_be_away(format_duration(left))
        }
    }
}

/// How far a drain has come.
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

/// Why a content is below its target, and how its fetch stands.
#[must_use]
pub fn why(why: &Why) -> String {
    let health = &why.health;
    let mut text = stands(&why.name, health);
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

fn stands(name: &Name, health: &Health) -> String {
    let replicas = words::replicas(health.target.get().into());
    words::stands(name, words::content_state(health.state), health.fewest, replicas)
}

/// Which losses a content would survive.
#[must_use]
pub fn durability(of: &Durability) -> String {
    let health = &of.health;
    let kept = words::kept_by(words::peers(of.keepers.into()), of.draining, of.away, of.sources);
    let mut text = format!("{}\nid {}\n{kept}", stands(&of.name, health), of.content);
    text = match (health.fragments, health.state) {
        (0, _) => format!("{text}\n{}", words::nothing_to_lose()),
        (_, ContentState::Unavailable) => format!("{text}\n{}", words::cannot_be_read_now()),
        _ => format!(
            "{text}\n{}\n{}",
            words::survives_any(words::peers(of.survives_any.into())),
            losses(&of.fatal)
        ),
    };
    if let Some(line) = repair(&of.repair) {
        text = format!("{text}\n{line}");
    }
    with_reasons(text, &of.reasons)
}

/// How safe everything is.
#[must_use]
pub fn survey(survey: &Survey) -> String {
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
        text = format!("{text}\n\n{}", table.render());
        let left = survey.degraded + survey.unavailable;
        if left > survey.endangered.len() as u64 {
            text = format!("{text}\n{}", words::shown_of(survey.endangered.len(), left));
        }
    }
    text
}

/// Names no more than this of each kind; `--json` has more.
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
        format!("{text}\n  {:<18} {}", reason.code, one_line(&reason.detail))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::model::{Endangered, PeerId, ReasonCode};

    use super::*;

    fn status() -> DrainStatus {
        DrainStatus {
            mode: PeerMode::Draining,
            contents: 3,
            bytes: 3 << 20,
            contents_left: 1,
            bytes_left: 1 << 20,
            is_safe: false,
            reasons: vec![Reason {
                code: ReasonCode::NoRoom,
                detail: "a: 1 of 1 peer without room for a copy".to_owned(),
            }],
            remaining: Some(Duration::from_secs(90)),
        }
    }

    #[test]
    fn a_drain_says_what_is_left_why_and_for_how_long() {
        assert_eq!(
            drain(&status()),
            "not safe to switch off yet: 1 of 3 contents would miss this peer, 1.0 MiB of 3.0 MiB; about 1m 30s left\n  \
             no_room            a: 1 of 1 peer without room for a copy"
        );
        let safe = DrainStatus {
            is_safe: true,
            contents_left: 0,
            ..status()
        };
        assert!(drain(&safe).starts_with("safe to switch off: "));
    }

    #[test]
    fn a_survey_names_losses_and_the_endangered() {
        let text = survey(&Survey {
            contents: 2,
            bytes: 2 << 20,
            replicated: 1,
            degraded: 1,
            survives: [1, 0, 1, 0],
            fatal: Losses {
                peers: vec![PeerId::from_bytes([0xab; 16])],
                peer_count: 1,
                pair_count: 0,
                zones: vec!["north".parse().expect("a zone")],
                zone_count: 7,
                ..Losses::default()
            },
            endangered: vec![Endangered {
                fewest: 1,
                name: "a".parse().expect("a name"),
                target: 3,
                copies_under_way: 4,
            }],
            repair: Repair {
                bytes_waiting: 1 << 20,
                ..Repair::default()
            },
            ..Survey::default()
        });
        let expected = [
            "2 contents, 2.0 MiB: 1 replicated, 1 degraded, 0 unavailable",
            "1 survive none, 0 any one, 1 any two",
            "1 single peer (abababab",
            "no pair, 7 zones (north, …)",
            "1.0 MiB to be asked for",
            "nothing has arrived in the last minute",
            "1/3",
        ];
        for part in expected {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
