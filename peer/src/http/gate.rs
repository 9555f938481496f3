//! The gate of a node's HTTP side: which requests may come in, and with which right. Pure.
//!
//! [`operations::access`](crate::operations::access) decides who may read and who may change something, by
//! the connection and the token; [`proto::http::Gate`] refuses pages of other origins, by the headers. See
//! ADR 0023.

use http::header::{AUTHORIZATION, HeaderName};
use proto::http::{Addresses, Asked, Gate as HeaderGate, HttpError};
use proto::listen::{has_address, machine_name};
use proto::messages::control::TOKEN_KEY;
use shared::ErrorCode;
use shared::model::HostPort;

use crate::operations::access::{Access, AccessRule, Denied};

/// The gate of one node.
#[derive(Debug)]
pub(super) struct Gate {
    rule: AccessRule,
    headers: HeaderGate,
}

impl Gate {
    /// Makes the gate of a node with this token. Its owner has others dial it at `advertised`: that is a name
    /// of this machine that nobody else can point here.
    pub(super) fn new(token: String, advertised: &HostPort) -> Self {
        let names = machine_name().into_iter().chain([advertised.host().to_owned()]);
        Self {
            rule: AccessRule::new(token),
            headers: HeaderGate::new(Addresses::Own, names, Vec::new()),
        }
    }

    /// Returns the part that looks at headers, which calls of gRPC pass too.
    pub(super) const fn headers(&self) -> &HeaderGate {
        &self.headers
    }

    /// Returns the access of a request.
    ///
    /// # Errors
    /// When it has none: it comes from another machine, or from somebody else's page, or brings a wrong
    /// token.
    pub(super) fn judge(&self, asked: &Asked<'_>) -> Result<Access, HttpError> {
        let bearer = asked.text(&AUTHORIZATION).map(bearer);
        let token = bearer.or_else(|| asked.text(&HeaderName::from_static(TOKEN_KEY)));
        let access = self.rule.judge(asked.ends, token.map(str::as_bytes), has_address);
        if access == Err(Denied::OtherMachine) {
            return denied("a node answers HTTP only to the machine it runs on");
        }
        self.headers.judge(asked)?;
        access.or_else(|_| denied("the token is not this node's; it has a new one after every start"))
    }
}

/// Returns the token of an `Authorization` header; the name of its scheme has no case.
fn bearer(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => "",
    }
}

fn denied<T>(why: &str) -> Result<T, HttpError> {
    Err(HttpError::new(ErrorCode::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proto::accept::Ends;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    /// Judges a request that has come to the same address as it came from, or else to 127.0.0.1.
    fn judge(remote: &str, headers: &[(&str, &str)]) -> Option<Access> {
        let is_own = ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::7", "fe80::7"].contains(&remote);
        judge_at(remote, if is_own { remote } else { "127.0.0.1" }, headers)
    }

    fn judge_at(remote: &str, local: &str, headers: &[(&str, &str)]) -> Option<Access> {
        let gate = Gate::new(TOKEN.to_owned(), &"node.lan:50053".parse().expect("an address"));
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
        let (bearer, lower) = (format!("Bearer {TOKEN}"), format!("bearer {TOKEN}"));
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
            for token in [
                ("authorization", bearer.as_str()),
                ("authorization", lower.as_str()),
                (TOKEN_KEY, TOKEN),
            ] {
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
            ("origin", "https://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(judge("127.0.0.1", &[host, token, page]), None, "{page:?}");
        }
        for own in [
            ("origin", "http://localhost:50053"),
            // The same program by TLS.
            ("origin", "https://localhost:50053"),
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
