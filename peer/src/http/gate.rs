//! The gate of the HTTP side: which requests may come in at all, by their headers. Pure.
//!
//! [`operations::access`](crate::operations::access) decides who may read and who may change something.
//! Browsers make it harder, because a web page of anybody's runs on this machine too: so a request must have
//! been sent to this node by a name that nobody else can point here, and not by a page of another origin. See
//! ADR 0023.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use proto::accept::Ends;
use proto::http::HttpError;
use proto::listen::has_address;
use proto::messages::control::TOKEN_KEY;
use shared::ErrorCode;
use shared::model::HostPort;

use crate::operations::access::{Access, AccessRule, Denied};

/// The header in which browsers say whose page makes a request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The parts of a request that the gate looks at.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The ends of the connection.
    pub(super) ends: Option<Ends>,
    /// The authority of the request's target, which HTTP/2 has in place of `Host`.
    pub(super) authority: Option<&'a Authority>,
    pub(super) headers: &'a HeaderMap,
}

/// The gate of one node.
#[derive(Debug)]
pub(super) struct Gate {
    rule: AccessRule,
    /// The address that its owner has others dial: a name of this machine that nobody else can point here.
    advertised: HostPort,
}

impl Gate {
    pub(super) const fn new(token: String, advertised: HostPort) -> Self {
        let rule = AccessRule::new(token);
        Self { rule, advertised }
    }

    /// Returns the access of a request.
    ///
    /// # Errors
    /// When it has none: it comes from another machine, or from somebody else's page, or brings a wrong
    /// token.
    pub(super) fn judge(&self, asked: &Asked<'_>) -> Result<Access, HttpError> {
        let text = |name: &HeaderName| {
            let value = asked.headers.get(name);
            value.map(|value| value.to_str().unwrap_or_default())
        };
        let bearer = text(&AUTHORIZATION).map(|value| value.strip_prefix("Bearer ").unwrap_or_default());
        let token = bearer.or_else(|| text(&HeaderName::from_static(TOKEN_KEY)));
        let token = token.map(str::as_bytes);
        let access = self.rule.judge(asked.ends, token, has_address);
        if access == Err(Denied::OtherMachine) {
            return denied("a node answers HTTP only to the machine it runs on");
        }
        let named = text(&HOST).and_then(|host| host.parse().ok());
        let Some(host) = asked.authority.cloned().or(named) else {
            return denied("the request does not say which host it is for");
        };
        if !self.is_own(host.host(), asked.ends) {
            return denied("the request is for another host; use 127.0.0.1, localhost or the node's address");
        }
        let is_same_origin = |origin: &str| origin.strip_prefix("http://") == Some(host.as_str());
        if text(&ORIGIN).is_some_and(|origin| !is_same_origin(origin))
            || text(&FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
        {
            return denied("a node does not answer web pages of others");
        }
        access.or_else(|_| denied("the token is not this node's; it has a new one after every start"))
    }

    /// Whether a host is this machine, as the caller has reached it.
    fn is_own(&self, host: &str, ends: Option<Ends>) -> bool {
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match inside.unwrap_or(host).parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || ends.is_some_and(|ends| ends.local == ip)
            }
            Err(_) => ["localhost", self.advertised.host()]
                .iter()
                .any(|own| host.eq_ignore_ascii_case(own)),
        }
    }
}

fn denied<T>(why: &str) -> Result<T, HttpError> {
    Err(HttpError::new(ErrorCode::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    /// Judges a request that has come to the same address as it came from, or else to 127.0.0.1.
    fn judge(remote: &str, headers: &[(&str, &str)]) -> Option<Access> {
        let is_own = ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::7", "fe80::7"].contains(&remote);
        judge_at(remote, if is_own { remote } else { "127.0.0.1" }, headers)
    }

    fn judge_at(remote: &str, local: &str, headers: &[(&str, &str)]) -> Option<Access> {
        let gate = Gate::new(TOKEN.to_owned(), "node.lan:50053".parse().expect("an address"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let asked = Asked {
            ends: remote
                .parse()
                .ok()
                .map(|remote| Ends::new(remote, local.parse().expect("an address"))),
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
            ("::1", "[::1]"),
            ("127.0.0.1", "[::ffff:127.0.0.1]:50053"),
            ("10.0.0.7", "10.0.0.7:50053"),
            ("10.0.0.7", "127.0.0.1:50053"),
            ("10.0.0.7", "Node.LAN:50053"),
            ("::ffff:10.0.0.7", "10.0.0.7:50053"),
            ("2001:db8::7", "[2001:db8::7]:50053"),
            ("fe80::7", "[fe80::7]:50053"),
        ] {
            assert_eq!(
                judge(remote, &[("host", host)]),
                Some(Access::Read),
                "{remote} {host}"
            );
            for token in [("authorization", bearer.as_str()), (TOKEN_KEY, TOKEN)] {
                assert_eq!(judge(remote, &[("host", host), token]), Some(Access::Change));
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
                Some(Access::Change),
                "{own:?}"
            );
        }
        // A name that its owner has pointed here.
        for rebound in [
            "evil.example",
            "evil.example:50053",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.node.lan",
            // Addresses that the request has not come to.
            "10.0.0.70",
            "10.0.0.8:50053",
            "[2001:db8::8]:50053",
            "",
            "a b",
        ] {
            assert_eq!(judge("127.0.0.1", &[("host", rebound), token]), None, "{rebound}");
        }
        assert_eq!(judge("127.0.0.1", &[token]), None, "for nobody");
    }
}
