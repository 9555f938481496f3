//! Configuration files: TOML below the environment and the flags.
//!
//! Every value has one name: the flag `--data-dir` is `ENJAMBRE_DATA_DIR` in the environment and `data_dir` in the
//! file. A program declares its file as a struct of `Option`s with `#[serde(deny_unknown_fields)]`; flags and
//! environment are clap's; what neither gives is taken from the file, what the file does not give is the default.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML, has an unknown key or a value out of bounds.
    #[error("the configuration file {} is not valid: {}", path.display(), source.message())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

/// Reads the file, or takes the defaults when none is named.
///
/// # Errors
/// When a named file cannot be read or is not valid; a typo never goes unnoticed.
pub fn load<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T, ConfigError> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct File {
        port: Option<u16>,
    }

    #[test]
    fn unknown_keys_and_bad_values_are_errors() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("peer.toml");
        for (text, is_valid) in [
            ("port = 1", true),
            ("prot = 1", false),
            ("port = 70000", false),
            ("port", false),
        ] {
            std::fs::write(&path, text).expect("write");
            assert_eq!(
                load::<File>(Some(&path)).is_ok_and(|file| file.port == Some(1)),
                is_valid,
                "{text}"
            );
        }
        assert!(matches!(
            load::<File>(Some(&dir.path().join("none"))),
            Err(ConfigError::Read { .. })
        ));
        assert!(load::<File>(None).is_ok_and(|file| file.port.is_none()));
    }
}
