//! Who may ask and who may change something over HTTP: decided here, from what the request says of itself. Pure.
//!
//! The rule is that of the `Control` service (ADR 0009): only this machine, and changes only with the token. Browsers make it
//! harder, because a web page of anybody's runs on this machine too: so the request must have been sent to this node by a
//! name that nobody else can point here, and not by a page of another origin. See ADR 0023.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use proto::messages::control::TOKEN_KEY;
use shared::ErrorCode;
use shared::model::HostPort;

use super::failure::Failure;

/// What browsers say of the page that makes a request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// See how things are, and read what is here.
    Ask,
    /// Whatever the user who owns the data directory may.
    Change,
}

/// What the gate looks at.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Where the connection comes from.
    pub(super) remote: Option<IpAddr>,
    /// The authority of the request's target, which HTTP/2 has in place of `Host`.
    pub(super) authority: Option<&'a Authority>,
    pub(super) headers: &'a HeaderMap,
}

/// Decides for one node.
#[derive(Debug)]
pub(super) struct Gate {
    token: String,
    /// Where other peers dial the node; its own commands may, too.
    address: HostPort,
}

impl Gate {
    pub(super) const fn new(token: String, address: HostPort) -> Self {
        Self { token, address }
    }

    /// What the request may do.
    ///
    /// # Errors
    /// When it may do nothing: it comes from elsewhere, or from somebody else's page, or brings a wrong token.
    pub(super) fn judge(&self, asked: &Asked<'_>) -> Result<Right, Failure> {
        let denied = |why: &str| Err(Failure::new(ErrorCode::PermissionDenied, why));
        let is_own = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == self.address.host() || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        };
        if !asked.remote.is_some_and(|remote| is_own(&remote.to_string())) {
            return denied("a node answers HTTP only to the machine it runs on");
        }
        let text = |name: &HeaderName| {
            asked
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        let named = text(&HOST).and_then(|host| host.parse().ok());
        let Some(host) = asked.authority.cloned().or(named) else {
            return denied("the request does not say which host it is for");
        };
        if !is_own(host.host()) && !host.host().eq_ignore_ascii_case("localhost") {
            return denied("the request is for another host; use 127.0.0.1, localhost or the node's address");
        }
        let is_same_origin = |origin: &str| origin.strip_prefix("http://") == Some(host.as_str());
        if text(&ORIGIN).is_some_and(|origin| !is_same_origin(origin))
            || text(&FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
        {
            return denied("a node does not answer web pages of others");
        }
        let bearer = text(&AUTHORIZATION).map(|value| value.strip_prefix("Bearer ").unwrap_or_default());
        match bearer.or_else(|| text(&HeaderName::from_static(TOKEN_KEY))) {
            None => Ok(Right::Ask),
            Some(token) if is_equal(token, &self.token) => Ok(Right::Change),
            Some(_) => denied("the token is not this node's; it has a new one after every start"),
        }
    }
}

/// Takes as long wherever the first difference is.
fn is_equal(given: &str, right: &str) -> bool {
    let pairs = given.bytes().zip(right.bytes());
    given.len() == right.len() && pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn judge(remote: &str, headers: &[(&str, &str)]) -> Option<Right> {
        let gate = Gate::new(TOKEN.to_owned(), "10.0.0.7:50053".parse().expect("an address"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let asked = Asked {
            remote: remote.parse().ok(),
            authority: None,
            headers: &map,
        };
        gate.judge(&asked).ok()
    }

    #[test]
    fn this_machine_may_ask_and_its_owner_may_change() {
        let bearer = format!("Bearer {TOKEN}");
        for (remote, host) in [
            ("127.0.0.1", "127.0.0.1:50053"),
            ("127.0.0.1", "LocalHost:1"),
            ("127.0.0.1", "localhost"),
            ("::1", "[::1]:50053"),
            ("10.0.0.7", "10.0.0.7:50053"),
        ] {
            assert_eq!(
                judge(remote, &[("host", host)]),
                Some(Right::Ask),
                "{remote} {host}"
            );
            for token in [("authorization", bearer.as_str()), (TOKEN_KEY, TOKEN)] {
                assert_eq!(judge(remote, &[("host", host), token]), Some(Right::Change));
            }
        }
    }

    #[test]
    fn others_may_nothing() {
        let host = ("host", "127.0.0.1:50053");
        for remote in ["10.0.0.8", "192.168.0.1", "::2", "0.0.0.0"] {
            assert_eq!(judge(remote, &[host, (TOKEN_KEY, TOKEN)]), None, "{remote}");
        }
        for wrong in [
            "",
            "0123",
            "0123456789abcdef0123456789abcdeF",
            &format!("{TOKEN}0"),
        ] {
            assert_eq!(judge("127.0.0.1", &[host, (TOKEN_KEY, wrong)]), None, "{wrong}");
        }
        assert_eq!(judge("127.0.0.1", &[host, ("authorization", TOKEN)]), None);
    }

    #[test]
    fn a_web_page_of_somebody_else_s_gets_nothing_even_if_it_knew_the_token() {
        let (host, token) = (("host", "localhost:50053"), (TOKEN_KEY, TOKEN));
        for page in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("origin", "https://localhost:50053"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(judge("127.0.0.1", &[host, token, page]), None, "{page:?}");
        }
        for own in [
            ("origin", "http://localhost:50053"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert_eq!(
                judge("127.0.0.1", &[host, token, own]),
                Some(Right::Change),
                "{own:?}"
            );
        }
        // A name that its owner has pointed here.
        for rebound in [
            "evil.example",
            "evil.example:50053",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "a b",
        ] {
            assert_eq!(judge("127.0.0.1", &[("host", rebound), token]), None, "{rebound}");
        }
        assert_eq!(judge("127.0.0.1", &[token]), None, "for nobody");
    }
}
