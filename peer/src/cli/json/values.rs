//! The shapes of values.

use serde::Serialize;

/// `peer value`.
#[derive(Debug, Serialize)]
pub struct Value {
    key: String,
    /// What it is as a content.
    content: String,
    length: u64,
    /// Null when it is no text.
    value: Option<String>,
    /// Its bytes in hexadecimal digits when it is no text.
    hex: Option<String>,
}

impl Value {
    /// The value under a key.
    #[must_use]
    pub fn new(key: &str, value: &proto::control::Value) -> Self {
        let text = std::str::from_utf8(&value.bytes).ok().map(str::to_owned);
        let hex = || value.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            key: key.to_owned(),
            content: value.content.to_string(),
            length: value.bytes.len() as u64,
            hex: text.is_none().then(hex),
            value: text,
        }
    }
}
