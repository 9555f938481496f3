//! Output and end of a command.

use std::process::Output;

use serde_json::Value;

/// The end of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; -1 when a signal ended the command.
    pub code: i32,
    /// Bytes of stdout, as text.
    pub stdout: String,
    /// Bytes of stderr, as text.
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    /// The outcome, if it ended with this code.
    ///
    /// # Panics
    /// When the command ended otherwise, with all its output.
    #[must_use]
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "a panic:\n{}", self.stderr);
        self
    }

    /// The JSON document on stdout; of several lines, the last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(&self.stdout)
            .or_else(|_| serde_json::from_str(last))
            .unwrap_or_else(|error| {
                panic!(
                    "no JSON: {error}\nstdout:\n{}\nstderr:\n{}",
                    self.stdout, self.stderr
                )
            })
    }
}
