//! Credentials of calls: the secret of a session, in the metadata of the calls that a peer makes in its own
//! name, and API tokens of people and scripts, in the header that HTTP has for them.
//!
//! The names of the metadata stand here once, for both ends. Certificates can take the place of the secret.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use shared::model::SessionSecret;
use shared::security::{ApiToken, ApiTokenError};
use tonic::Request;
use tonic::metadata::MetadataValue;

/// Metadata with the secret in hexadecimal digits.
const SESSION_KEY: &str = "enjambre-session";

/// The proof of a caller that it is a peer with a session; nothing for others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials(Option<SessionSecret>);

impl Credentials {
    /// Makes the credentials of a session; none in a session whose tracker gave no secret.
    #[must_use]
    pub const fn new(secret: Option<SessionSecret>) -> Self {
        Self(secret)
    }

    /// Makes a request with these credentials.
    pub fn request<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = self.0.map(|secret| MetadataValue::try_from(secret.expose_hex()));
        if let Some(Ok(mut value)) = value {
            value.set_sensitive(true);
            request.metadata_mut().insert(SESSION_KEY, value);
        }
        request
    }

    /// Returns the secret that a request shows; none when it shows nothing. Anything else is as good as the
    /// secret of a session that is over.
    #[must_use]
    pub fn shown<T>(request: &Request<T>) -> Option<Result<SessionSecret, NoSecret>> {
        let shown = request.metadata().get(SESSION_KEY)?;
        let secret = shown.to_str().ok().and_then(SessionSecret::from_hex);
        Some(secret.ok_or(NoSecret))
    }
}

/// The scheme of tokens in `Authorization` (RFC 6750).
const BEARER: &str = "Bearer ";

/// Makes a request with the rights of a token, if there is one.
pub fn with_token<T>(token: Option<&ApiToken>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = token.map(|token| MetadataValue::try_from(format!("{BEARER}{token}")));
    if let Some(Ok(mut value)) = value {
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// Returns the API token that a request shows; none when it shows something else, such as the token of a
/// node.
#[must_use]
pub fn shown_token(headers: &HeaderMap) -> Option<Result<ApiToken, ApiTokenError>> {
    let shown = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_at_checked(BEARER.len())?;
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    let read = token.parse();
    (read != Err(ApiTokenError::Other)).then_some(read)
}

/// The metadata are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSecret;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_the_secret_that_it_was_given_and_prints_none() {
        let secret = SessionSecret::from_bytes([0xab; 32]);
        let request = Credentials::new(Some(secret)).request(());
        assert_eq!(Credentials::shown(&request), Some(Ok(secret)));
        assert!(!format!("{request:?}").contains("abab"), "{request:?}");
        assert_eq!(Credentials::shown(&Credentials::default().request(())), None);
        let mut request = Request::new(());
        let text = MetadataValue::from_static("0123");
        request.metadata_mut().insert(SESSION_KEY, text);
        assert_eq!(Credentials::shown(&request), Some(Err(NoSecret)));
    }
}
