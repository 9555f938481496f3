//! Fuzz targets: one function for each decoder of bytes that come from elsewhere, with the properties that
//! hold for any input.
//!
//! A [`Target`] panics when a property is broken. Two drivers use the same functions: `tests/fuzzing` runs
//! each of them for a bounded number of inputs in every `cargo test`, and `fuzz/` for as long as somebody
//! likes, under libFuzzer. docs/reliability.md has the commands, and what was found.

mod accept;
mod files;
mod messages;
mod records;
mod texts;

/// A decoder under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also that of its program in `fuzz/`.
    pub name: &'static str,
    /// Gives the decoder an input, and panics when a property is broken.
    pub run: fn(&[u8]),
    /// Makes valid inputs, from which others are made by changing them.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Words of the format.
    pub words: &'static [&'static str],
    /// Inputs of a bounded run: as many as take about a second in a debug build.
    pub inputs: u32,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Every target.
pub const TARGETS: [Target; 16] = [
    texts::JOIN_LINE,
    texts::API_TOKEN,
    texts::SCOPE,
    texts::IDENTITY,
    texts::TICKET,
    texts::RANGE,
    texts::GLOBS,
    records::JOURNAL,
    records::CATALOG,
    records::CERTIFICATE,
    records::CERTIFICATE_REQUEST,
    files::SETTINGS,
    files::DATABASE,
    files::KEY_FILE,
    messages::MESSAGES,
    accept::ACCEPT,
];

/// Returns the target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Gives a target an input.
///
/// # Panics
/// When a property is broken, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("there is no target {name}"));
    (target.run)(bytes);
}

/// Text samples as bytes.
fn texts_of(samples: &[&str]) -> Vec<Vec<u8>> {
    samples.iter().map(|sample| sample.as_bytes().to_vec()).collect()
}
