//! Lists of tokens and members, for people.

use shared::model::{Timestamp, format_duration};
use shared::runtime::Clock;
use shared::security::{Grant, MemberEntry, TokenEntry};

pub(super) fn tokens(tokens: &[TokenEntry]) -> String {
    let now = Clock::system().now();
    let line = |entry: &TokenEntry| {
        let (what, used) = match &entry.grant {
            Grant::Join { role, uses, zone } => {
                let zone = zone
                    .as_ref()
                    .map_or(String::new(), |zone| format!(" zone {zone}"));
                let most = uses.map_or(String::new(), |uses| format!(" of {uses}"));
                (
                    format!("join {role}{zone}"),
                    format!(", used {}{most}", entry.used),
                )
            }
            Grant::Api { scopes } => {
                let scopes: Vec<_> = scopes.iter().map(ToString::to_string).collect();
                (scopes.join(" "), String::new())
            }
        };
        let life = match entry.ends {
            _ if entry.is_revoked => "revoked".to_owned(),
            None => "no end".to_owned(),
            Some(ends) => until(ends, now),
        };
        format!("{}  {what}, {life}{used}", entry.id)
    };
    lines(tokens.iter().map(line), "no tokens")
}

pub(super) fn members(members: &[MemberEntry]) -> String {
    let now = Clock::system().now();
    let line = |member: &MemberEntry| {
        let life = match member.is_revoked {
            true => "revoked".to_owned(),
            false => format!("certificate {}", until(member.ends, now)),
        };
        format!("{:9}  {}  {life}", member.role, member.id)
    };
    lines(members.iter().map(line), "no members")
}

fn until(ends: Timestamp, now: Timestamp) -> String {
    match ends > now {
        true => format!("ends in {}", format_duration(ends.since(now))),
        false => format!("ended {} ago", format_duration(now.since(ends))),
    }
}

fn lines(lines: impl Iterator<Item = String>, none: &str) -> String {
    let lines: Vec<_> = lines.collect();
    match lines.is_empty() {
        true => none.to_owned(),
        false => lines.join("\n"),
    }
}
