//! Duties, drains and durability in words.

use shared::model::{
    ByteCount, ContentState, DrainStatus, Durability, Duty, Losses, PeerId, Reason, Repair, Survey,
    Timestamp, Why, format_duration,
};

use super::super::table::Align::{Left, Right};
use super::super::table::Table;
use super::{counted, one_line};

/// What a peer is used for, in a sentence.
#[must_use]
pub fn duty(duty: Duty, now: Timestamp) -> String {
    match duty {
        Duty::Active => "this peer is on active duty: it holds replicas and is given more".to_owned(),
        Duty::Draining => "this peer is being drained: others take over what it holds".to_owned(),
        Duty::Maintenance { until } => format!(
            "this peer may be away for {}: it is not repaired around meanwhile, unless a single replica is left; `peer maintenance off` when it is back",
            format_duration(until.since(now))
        ),
    }
}

/// How far a drain has come.
#[must_use]
pub fn drain(status: &DrainStatus) -> String {
    let bytes = |n| ByteCount::new(n).to_string();
    if status.is_safe {
        return format!(
            "safe to switch off: others keep everything that this peer holds ({} of {})",
            bytes(status.bytes),
            counted(status.contents, "content")
        );
    }
    let mut text = format!(
        "not safe to switch off yet: {} of {} would miss this peer, {} of {}",
        status.contents_left,
        counted(status.contents, "content"),
        bytes(status.bytes_left),
        bytes(status.bytes)
    );
    if let Some(remaining) = status.remaining {
        text = format!("{text}; about {} left", format_duration(remaining));
    }
    with_reasons(text, &status.reasons)
}

/// Why a content is below its target.
#[must_use]
pub fn why(why: &Why) -> String {
    let health = &why.health;
    let mut text = format!(
        "{}: {}, the fewest is {} of {}",
        why.name,
        health.state,
        health.fewest,
        counted(health.target.get().into(), "replica")
    );
    if why.reasons.is_empty() {
        text.push_str("; it is as it should be");
    }
    with_reasons(text, &why.reasons)
}

/// Which losses a content would survive.
#[must_use]
pub fn durability(of: &Durability) -> String {
    let health = &of.health;
    let mut text = format!(
        "{}: {}, the fewest is {} of {}\nid {}\nkept by {}, {} of them being drained, {} more silent; {} more to fetch from",
        of.name,
        health.state,
        health.fewest,
        counted(health.target.get().into(), "replica"),
        of.content,
        counted(of.keepers.into(), "peer"),
        of.draining,
        of.away,
        of.sources,
    );
    text = match (health.fragments, health.state) {
        (0, _) => format!("{text}\nit is empty: there is nothing to lose"),
        (_, ContentState::Unavailable) => {
            format!("{text}\nsome of it is on no peer that is there: it cannot be read now")
        }
        _ => format!(
            "{text}\nsurvives the loss of any {}\n{}",
            counted(of.survives_any.into(), "peer"),
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
    let mut text = format!(
        "{}, {}: {} replicated, {} degraded, {} unavailable\nthe loss of any peers at once: {none} survive none, {one} any one, {two} any two, {more} any three or more\n{}",
        counted(survey.contents, "content"),
        ByteCount::new(survey.bytes),
        survey.replicated,
        survey.degraded,
        survey.unavailable,
        losses(&survey.fatal),
    );
    if let Some(line) = repair(&survey.repair) {
        text = format!("{text}\n{line}");
    }
    if survey.in_safe_mode {
        text.push_str("\nthe tracker has restarted and waits for its peers: all of this is too pessimistic");
    }
    if !survey.endangered.is_empty() {
        let mut table = Table::new(&[("ENDANGERED", Left), ("REPLICAS", Right), ("UNDER WAY", Right)]);
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
            text = format!("{text}\n({} of {left})", survey.endangered.len());
        }
    }
    text
}

/// Names no more than this of each kind; `--json` has more.
const NAMED: usize = 4;

fn losses(losses: &Losses) -> String {
    let named = |count: u64, noun: &str, names: Vec<String>| {
        let more = if count > names.len() as u64 { ", …" } else { "" };
        match count {
            0 => format!("no {noun}"),
            _ => format!("{} ({}{more})", counted(count, noun), names.join(", ")),
        }
    };
    let peers = losses.peers.iter().take(NAMED).map(|peer| peer.short()).collect();
    let pair = |(one, other): &(PeerId, PeerId)| format!("{}+{}", one.short(), other.short());
    let pairs = losses.pairs.iter().take(NAMED).map(pair).collect();
    let zones = losses.zones.iter().take(NAMED).map(ToString::to_string).collect();
    format!(
        "would lose something with: {}, {}, {}",
        named(losses.peer_count, "single peer", peers),
        named(losses.pair_count, "pair", pairs),
        named(losses.zone_count, "zone", zones)
    )
}

fn repair(repair: &Repair) -> Option<String> {
    if repair.bytes_under_way == 0 && repair.bytes_waiting == 0 {
        return None;
    }
    let bytes = |n| ByteCount::new(n).to_string();
    let end = match repair.remaining {
        Some(remaining) => format!("done in about {}", format_duration(remaining)),
        None => "nothing has arrived in the last minute".to_owned(),
    };
    Some(format!(
        "repair: {} under way, {} to be asked for, {}/s in the network; {end}",
        bytes(repair.bytes_under_way),
        bytes(repair.bytes_waiting),
        bytes(repair.pace),
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
            duty: Duty::Draining,
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
