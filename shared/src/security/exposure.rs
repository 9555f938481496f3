//! Exposure: whether a program may listen where other machines reach it. The one rule of all three programs.

use std::net::SocketAddr;

use super::Role;
use crate::error::{Coded, ErrorCode};

/// Facts on which the rule depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The program.
    pub program: Role,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// Whether its network is secured. One in which machines are still joining is.
    pub is_secured: bool,
    /// Whether its user accepts that there is no security.
    pub is_accepted: bool,
    /// Whether it may have listened there before an earlier version was replaced by this one.
    pub has_history: bool,
}

/// A program would listen for other machines without security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsecured {
    /// The program.
    pub program: Role,
    /// The address on which it does not listen.
    pub address: SocketAddr,
    /// Whether an earlier version may have listened there.
    pub has_history: bool,
}

impl Exposure {
    /// Decides whether the program may listen: on loopback always, elsewhere in a secured network, or when
    /// its user has accepted that there is no security.
    ///
    /// # Errors
    /// When it may not.
    pub fn judge(self) -> Result<(), Unsecured> {
        match self.address.ip().to_canonical().is_loopback() || self.is_secured || self.is_accepted {
            true => Ok(()),
            false => Err(Unsecured {
                program: self.program,
                address: self.address,
                has_history: self.has_history,
            }),
        }
    }
}

impl std::error::Error for Unsecured {}

impl std::fmt::Display for Unsecured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "cannot listen on {} without security: every machine that reaches this address could read, publish and \
             remove. {}, or accept that with --insecure (ENJAMBRE_INSECURE=true, insecure = true)",
            self.address,
            match self.program {
                Role::Tracker => "Secure the network with `tracker init`",
                _ => "Join a secured network with a join line (--join-file FILE or ENJAMBRE_JOIN)",
            }
        )?;
        match self.has_history {
            true => f.write_str(
                ". After an upgrade: earlier versions listened there without asking; --insecure goes on as they did, \
                 and docs/security.md, \"An existing network\", says how to secure a network that runs",
            ),
            false => Ok(()),
        }
    }
}

impl Coded for Unsecured {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: &str) -> Exposure {
        Exposure {
            program: Role::Tracker,
            address: address.parse().expect("an address"),
            is_secured: false,
            is_accepted: false,
            has_history: false,
        }
    }

    #[test]
    fn loopback_needs_no_security_and_every_other_address_does() {
        for address in ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(on(address).judge(), Ok(()), "{address}");
        }
        for address in ["10.0.0.1:1", "0.0.0.0:1", "[::]:1", "[2001:db8::1]:1"] {
            let exposure = on(address);
            assert!(exposure.judge().is_err(), "{address}");
            let (is_secured, is_accepted) = (true, true);
            assert_eq!(
                Exposure {
                    is_secured,
                    ..exposure
                }
                .judge(),
                Ok(())
            );
            assert_eq!(
                Exposure {
                    is_accepted,
                    ..exposure
                }
                .judge(),
                Ok(())
            );
        }
    }

    #[test]
    fn the_refusal_says_the_two_ways_out_and_names_the_upgrade() {
        let said = |program, has_history| {
            let exposure = Exposure {
                program,
                has_history,
                ..on("10.0.0.1:1")
            };
            exposure.judge().expect_err("no security").to_string()
        };
        for (program, way) in [
            (Role::Tracker, "tracker init"),
            (Role::Webserver, "--join-file"),
            (Role::Peer, "--join-file"),
        ] {
            let text = said(program, false);
            assert!(text.contains(way) && text.contains("--insecure"), "{text}");
            assert!(text.contains("10.0.0.1:1") && !text.contains("upgrade"), "{text}");
            let text = said(program, true);
            assert!(text.contains("After an upgrade"), "{text}");
        }
    }
}
