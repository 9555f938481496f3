//! The shapes of what is shared in passing: values, and what is sent.

use serde::Serialize;

/// `peer value`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    pub fn new(key: &str, value: &proto::messages::control::Value) -> Self {
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

/// A line of `peer send`: `ready`, and when its time is over `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SendLine {
    /// It can be received.
    Ready {
        /// What `peer receive` takes.
        line: String,
        /// The name that it has meanwhile.
        name: String,
        /// The content.
        content: String,
        /// For how long; null: until the name is removed.
        for_ms: Option<u64>,
    },
    /// The result: the name is removed.
    Done {
        /// The name that it had.
        name: String,
    },
}
