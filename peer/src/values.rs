//! Small values under keys, which scripts share without a file.
//!
//! A value is a content, bound to the name `values/KEY`: it is verified, replicated and repaired, changes by
//! compare-and-set, and is removed with its name. Only its length is bounded.

use shared::model::{Name, NameError};

/// Bytes of the longest value: 64 KiB, a single fragment.
pub const MAX_VALUE: u64 = 64 << 10;

/// The beginning of the names of all values.
pub const PREFIX: &str = "values/";

/// Returns the name of the value under a key.
///
/// # Errors
/// When the key makes no name.
pub fn name_of(key: &str) -> Result<Name, NameError> {
    Name::new(format!("{PREFIX}{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_part_of_a_name() {
        assert_eq!(name_of("a/b").expect("a key").as_str(), "values/a/b");
        for bad in ["", "/", "..", "a/../b", "/a", "a\n", "a\\b"] {
            assert!(name_of(bad).is_err(), "{bad:?}");
        }
    }
}
