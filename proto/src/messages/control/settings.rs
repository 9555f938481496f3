//! The settings in force in a node, on their way to its commands.

use std::path::PathBuf;

use shared::settings::{InForce, Origin};

use crate::messages::Invalid;
use crate::v1;

/// Settings of one node, several times over.
const MAX_SETTINGS: usize = 256;

impl From<InForce> for v1::SettingsReply {
    fn from(in_force: InForce) -> Self {
        let one = |(key, (value, origin)): (String, (String, Origin))| v1::SettingInForce {
            key,
            value: Some(value),
            from: origin.word().to_owned(),
            line: match origin {
                Origin::File { line } => u32::try_from(line).unwrap_or(u32::MAX),
                _ => 0,
            },
        };
        Self {
            file: in_force
                .file
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            settings: in_force.settings.into_iter().map(one).collect(),
        }
    }
}

impl TryFrom<v1::SettingsReply> for InForce {
    type Error = Invalid;

    fn try_from(wire: v1::SettingsReply) -> Result<Self, Invalid> {
        let one = |one: v1::SettingInForce| {
            let value = one.value?;
            let origin = Origin::told(&one.from, one.line as usize);
            Some(origin.map(|origin| (one.key, (value, origin))))
        };
        let settings = wire.settings.into_iter().take(MAX_SETTINGS).filter_map(one);
        let settings: Option<_> = settings.collect();
        Ok(Self {
            file: (!wire.file.is_empty()).then(|| PathBuf::from(wire.file)),
            settings: settings.ok_or(Invalid::field("from", "is no place of a setting"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_wire() {
        let settings = [
            ("host", "127.0.0.1", Origin::Default),
            ("zone", "rack a", Origin::File { line: 3 }),
            ("port", "0", Origin::Environment),
            ("capacity", "1GiB", Origin::Flag),
            ("upload_limit", "none", Origin::Command),
        ];
        let one = |(key, value, origin): (&str, &str, Origin)| (key.to_owned(), (value.to_owned(), origin));
        let in_force = InForce {
            file: Some("/etc/peer.toml".into()),
            settings: settings.map(one).into(),
        };
        let wire = v1::SettingsReply::from(in_force.clone());
        assert_eq!(InForce::try_from(wire.clone()).expect("valid"), in_force);
        let mut wrong = wire;
        wrong.settings[0].from = "a friend".to_owned();
        InForce::try_from(wrong).expect_err("no such place");
    }
}
