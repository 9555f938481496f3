//! Access to a node: which callers may read its state, and which may change it. Pure.
//!
//! The rule (ADR 0009): questions about a node are for the machine that it runs on, and changes for a caller
//! that has the token of its data directory as well. The token proves that the caller may read that
//! directory.
//!
//! | service | callers |
//! |---|---|
//! | `Control`, HTTP files, values and status | this machine: `Read`; with the token: `Change` |
//! | `Transfer`, `Directory`, health, `/healthz`, `/readyz` | every caller; they change nothing |
//!
//! Headers that browsers send are judged at the HTTP border (`http/gate.rs`).

use std::net::IpAddr;

use shared::model::HostPort;

/// The right that a caller has, or that a request needs; a higher one includes the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// See the state of the node and of its network, and read contents that are here.
    Read,
    /// Everything that the owner of the data directory may do.
    Change,
}

/// The reason why a caller gets no access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The caller is on another machine.
    OtherMachine,
    /// The caller's token is not the token of this run of the node.
    WrongToken,
}

/// The callers that one node knows.
#[derive(Debug)]
pub(crate) struct AccessRule {
    token: String,
    address: HostPort,
}

impl AccessRule {
    /// Makes the rule of the node with this token, which other peers dial at `address`.
    pub(crate) const fn new(token: String, address: HostPort) -> Self {
        Self { token, address }
    }

    /// Returns the right of a caller with this address that shows this token, if it shows one.
    ///
    /// # Errors
    /// The reason why the caller has no right at all.
    pub(crate) fn judge(&self, remote: Option<IpAddr>, token: Option<&[u8]>) -> Result<Access, Denied> {
        // A listener on all of IPv6 sees IPv4 callers with an address inside an address.
        let remote = remote.map(|remote| remote.to_canonical());
        if !remote.is_some_and(|remote| self.is_own(&remote.to_string())) {
            return Err(Denied::OtherMachine);
        }
        match token {
            None => Ok(Access::Read),
            Some(token) if is_equal(token, self.token.as_bytes()) => Ok(Access::Change),
            Some(_) => Err(Denied::WrongToken),
        }
    }

    /// Whether a host is this machine: loopback, or the address of the node, which its own commands dial when
    /// the node listens on one interface only.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == self.address.host() || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn is_equal(given: &[u8], right: &[u8]) -> bool {
    let pairs = given.iter().zip(right);
    given.len() == right.len() && pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_table_of_callers_and_rights() {
        let rule = AccessRule::new(TOKEN.to_owned(), "10.0.0.7:50053".parse().expect("an address"));
        let longer = format!("{TOKEN}0");
        for (remote, token, access) in [
            ("127.0.0.1", None, Ok(Access::Read)),
            ("127.0.0.9", None, Ok(Access::Read)),
            ("::1", None, Ok(Access::Read)),
            ("::ffff:127.0.0.1", None, Ok(Access::Read)),
            ("10.0.0.7", None, Ok(Access::Read)),
            ("127.0.0.1", Some(TOKEN), Ok(Access::Change)),
            ("10.0.0.7", Some(TOKEN), Ok(Access::Change)),
            ("127.0.0.1", Some(""), Err(Denied::WrongToken)),
            ("127.0.0.1", Some("0123"), Err(Denied::WrongToken)),
            ("127.0.0.1", Some(&*longer), Err(Denied::WrongToken)),
            ("10.0.0.8", None, Err(Denied::OtherMachine)),
            ("10.0.0.8", Some(TOKEN), Err(Denied::OtherMachine)),
            ("192.168.0.1", Some(TOKEN), Err(Denied::OtherMachine)),
            ("::2", Some(TOKEN), Err(Denied::OtherMachine)),
            ("0.0.0.0", Some(TOKEN), Err(Denied::OtherMachine)),
        ] {
            let judged = rule.judge(remote.parse().ok(), token.map(str::as_bytes));
            assert_eq!(judged, access, "{remote} {token:?}");
        }
        assert_eq!(
            rule.judge(None, Some(TOKEN.as_bytes())),
            Err(Denied::OtherMachine),
            "a connection without an address"
        );
    }

    #[test]
    fn the_hosts_of_this_machine() {
        let rule = AccessRule::new(TOKEN.to_owned(), "10.0.0.7:50053".parse().expect("an address"));
        for own in ["127.0.0.1", "[::1]", "::1", "10.0.0.7"] {
            assert!(rule.is_own(own), "{own}");
        }
        for other in [
            "10.0.0.70",
            "127.0.0.1.evil.example",
            "evil.example",
            "",
            "localhost",
        ] {
            assert!(!rule.is_own(other), "{other}");
        }
    }
}
