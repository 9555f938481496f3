//! `tracker audit`.

use std::path::Path;
use std::time::Duration;

use shared::json::AuditChain;
use shared::model::Timestamp;
use shared::runtime::Clock;

use super::{CommandError, told};
use crate::audit_log::{self, Checked, Line};

pub(super) fn audit(
    data_dir: &Path,
    since: Option<Duration>,
    verify: bool,
    json: bool,
) -> Result<String, CommandError> {
    let failed = |source| CommandError::Io {
        act: "read the audit log in",
        path: data_dir.to_owned(),
        source,
    };
    if verify {
        return checked(audit_log::verify(data_dir).map_err(failed)?, json);
    }
    let now = Clock::system().now();
    let since = since.map_or(0, |since| {
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        now.as_millis().saturating_sub(since)
    });
    let lines = audit_log::read(data_dir, Timestamp::from_millis(since)).map_err(failed)?;
    let lines: Vec<_> = lines.iter().map(|line| told(json, line, text)).collect();
    Ok(lines.join("\n"))
}

fn text(line: &Line) -> String {
    let from = line
        .from
        .as_ref()
        .map_or(String::new(), |from| format!(" at {from}"));
    let count = line
        .count
        .map_or(String::new(), |count| format!(" {count} lines"));
    let reason = match line.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    format!(
        "{}  {}{from}  {} {}  {}{count}{reason}",
        line.at, line.who, line.call, line.object, line.result
    )
}

fn checked(checked: Checked, json: bool) -> Result<String, CommandError> {
    match checked {
        Checked::Whole { lines, has_beginning } => {
            let document = AuditChain {
                is_whole: true,
                lines,
                has_beginning,
                broken: None,
            };
            Ok(told(json, &document, |_| {
                let from = match has_beginning {
                    true => "the first one",
                    false => "the first one that is kept",
                };
                format!("the audit log is whole: {lines} lines, from {from}")
            }))
        }
        Checked::Broken { file, line, why } => {
            let place = format!("{}, line {line}: {why}", file.display());
            Err(CommandError::Broken(format!("the audit log is broken: {place}")))
        }
    }
}
