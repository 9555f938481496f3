//! Access to a node: which callers may read its state, and which may change it. Pure.
//!
//! The rule (ADR 0009): questions about a node are for the machine that it runs on, and changes for a caller
//! that has the token of its data directory as well. The token proves that the caller may read that
//! directory. Whose connection is this machine's is decided where it is accepted ([`Ends`]); in a secured
//! network the guard there has judged the request before, by the table of ADR 0040.
//!
//! | service | callers |
//! |---|---|
//! | `Control`, HTTP files, values and status | this machine: `Read`; with the token: `Change` |
//! | `Transfer`, `Directory`, health, `/healthz`, `/readyz` | every caller; they change nothing |
//!
//! Headers that browsers send are judged at the HTTP border (`http/gate.rs`).

use std::net::IpAddr;

use proto::accept::Ends;

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
}

impl AccessRule {
    /// Makes the rule of the node with this token.
    pub(crate) const fn new(token: String) -> Self {
        Self { token }
    }

    /// Returns the right of a caller whose connection has these ends and who shows this token, if any.
    ///
    /// # Errors
    /// The reason why the caller has no right at all.
    pub(crate) fn judge(
        &self,
        ends: Option<Ends>,
        token: Option<&[u8]>,
        has_address: impl FnOnce(IpAddr) -> bool,
    ) -> Result<Access, Denied> {
        if !ends.is_some_and(|ends| ends.are_of_own_machine(has_address)) {
            return Err(Denied::OtherMachine);
        }
        match token {
            None => Ok(Access::Read),
            Some(token) if is_equal(token, self.token.as_bytes()) => Ok(Access::Change),
            Some(_) => Err(Denied::WrongToken),
        }
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

    fn ends(remote: &str, local: &str) -> Option<Ends> {
        let ip = |text: &str| text.parse().expect("an address");
        Some(Ends::new(ip(remote), ip(local)))
    }

    #[test]
    fn this_machine_is_known_by_the_two_ends_of_a_connection() {
        let rule = AccessRule::new(TOKEN.to_owned());
        // The machine has a second address on the interface of 10.0.0.7.
        let has_address = |ip: IpAddr| ["10.0.0.7", "10.0.0.9"].map(|own| own.parse()).contains(&Ok(ip));
        for (remote, local) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.9", "127.0.0.1"),
            ("::1", "::1"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "::ffff:10.0.0.7"),
            ("10.0.0.7", "10.0.0.9"),
            ("10.0.0.9", "127.0.0.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("fe80::7", "fe80::7"),
        ] {
            let judged = rule.judge(ends(remote, local), None, has_address);
            assert_eq!(judged, Ok(Access::Read), "{remote} to {local}");
        }
        for (remote, local) in [
            ("10.0.0.8", "10.0.0.7"),
            ("10.0.0.70", "10.0.0.7"),
            ("::ffff:10.0.0.8", "::ffff:10.0.0.7"),
            ("192.168.0.1", "10.0.0.7"),
            ("::2", "::1"),
            ("fe80::8", "fe80::7"),
            ("2001:db8::8", "2001:db8::7"),
            ("0.0.0.0", "10.0.0.7"),
        ] {
            for token in [None, Some(TOKEN.as_bytes())] {
                let judged = rule.judge(ends(remote, local), token, has_address);
                assert_eq!(judged, Err(Denied::OtherMachine), "{remote} to {local}");
            }
        }
        let nowhere = rule.judge(None, Some(TOKEN.as_bytes()), has_address);
        assert_eq!(
            nowhere,
            Err(Denied::OtherMachine),
            "a connection without addresses"
        );
    }

    #[test]
    fn only_the_token_of_this_run_gives_the_right_to_change() {
        let rule = AccessRule::new(TOKEN.to_owned());
        let longer = format!("{TOKEN}0");
        let capital = TOKEN.to_ascii_uppercase();
        for (token, access) in [
            (None, Ok(Access::Read)),
            (Some(TOKEN), Ok(Access::Change)),
            (Some(""), Err(Denied::WrongToken)),
            (Some("0123"), Err(Denied::WrongToken)),
            (Some(&*longer), Err(Denied::WrongToken)),
            (Some(&*capital), Err(Denied::WrongToken)),
        ] {
            let own = ends("127.0.0.1", "127.0.0.1");
            let judged = rule.judge(own, token.map(str::as_bytes), |_| false);
            assert_eq!(judged, access, "{token:?}");
        }
    }
}
