//! API tokens, by which people and scripts show their rights: `enj_<id>_<secret>`, the secret of 256 bits in
//! base64url. Scanners of source code find the prefix.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD as BASE64;

use super::Secret;
use crate::model::TokenId;

/// The beginning of every token.
pub(super) const PREFIX: &str = "enj_";

/// Characters of a token.
const LENGTH: usize = PREFIX.len() + TokenId::LEN * 2 + 1 + 43;

/// A token as its owner has it. The tracker keeps its id, the hash of its secret, and its scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The public part.
    pub id: TokenId,
    /// The secret part.
    pub secret: Secret<32>,
}

/// Reasons for which a text is no token. None of them repeats the text: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiTokenError {
    /// The text is something else.
    #[error("this is no API token: one begins with {PREFIX}, and `tracker token create` prints it")]
    Other,
    /// The end of the token is missing.
    #[error("the API token is cut off; copy all of its {LENGTH} characters")]
    CutOff,
    /// A part of the token cannot be read.
    #[error("the API token is damaged; copy it again")]
    Damaged,
}

impl ApiToken {
    /// Draws a new token.
    #[must_use]
    pub fn random() -> Self {
        Self {
            id: TokenId::random(),
            secret: Secret::random(),
        }
    }
}

impl fmt::Display for ApiToken {
    /// Writes the token, with its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}", self.id, BASE64.encode(self.secret.expose()))
    }
}

impl FromStr for ApiToken {
    type Err = ApiTokenError;

    /// Reads a token; spaces and line ends around it do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or(ApiTokenError::Other)?;
        if text.len() < LENGTH {
            return Err(ApiTokenError::CutOff);
        }
        let (id, secret) = rest.split_once('_').ok_or(ApiTokenError::Damaged)?;
        let id = id.parse().map_err(|_| ApiTokenError::Damaged)?;
        // Of a longer text nothing is decoded.
        let bytes = Some(secret).filter(|_| text.len() == LENGTH);
        let bytes = bytes.and_then(|secret| BASE64.decode(secret.as_bytes()).ok());
        let secret = bytes.and_then(|bytes| Secret::from_slice(&bytes));
        let secret = secret.ok_or(ApiTokenError::Damaged)?;
        let token = Self { id, secret };
        // One text for one token: who looks for a leaked one looks for nothing else.
        let is_canonical = token.to_string() == text;
        is_canonical.then_some(token).ok_or(ApiTokenError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_has_a_known_form() {
        let token = ApiToken::random();
        let text = token.to_string();
        assert_eq!(text.len(), LENGTH);
        let id = token.id;
        assert!(text.starts_with(&format!("enj_{id}_")), "{id}");
        assert_eq!(format!(" {text}\n").parse(), Ok(token));
        assert_ne!(ApiToken::random().to_string(), text);
    }

    #[test]
    fn mistakes_are_told_apart_and_the_secret_is_not_repeated() {
        let token = ApiToken {
            id: TokenId::from_bytes([0xab; 8]),
            secret: Secret::from_slice(&[0x5a; 32]).expect("32 bytes"),
        };
        let text = token.to_string();
        let secret = &text[LENGTH - 43..];
        for (bad, error) in [
            (String::new(), ApiTokenError::Other),
            (secret.to_owned(), ApiTokenError::Other),
            (text[..LENGTH - 1].to_owned(), ApiTokenError::CutOff),
            (format!("{text}a"), ApiTokenError::Damaged),
            (text.replace("ab", "xy"), ApiTokenError::Damaged),
            (text.replace("ab", "AB"), ApiTokenError::Damaged),
            (format!("{}!", &text[..LENGTH - 1]), ApiTokenError::Damaged),
            (
                text.replace(&format!("_{secret}"), &format!("{secret}_")),
                ApiTokenError::Damaged,
            ),
        ] {
            assert_eq!(bad.parse::<ApiToken>(), Err(error), "{bad}");
            assert!(!error.to_string().contains(&secret[1..]));
        }
        assert!(!format!("{token:?}").contains(secret));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_of_tokens(text in "(enj_)?([0-9a-f]{16}_)?[A-Za-z0-9_-]{0,50}") {
            if let Ok(token) = text.parse::<ApiToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
