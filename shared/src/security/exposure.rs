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
}

/// A program would listen at this address for other machines, without security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsecured {
    /// The program is a tracker.
    #[error(
        "cannot listen on {0} without security: every machine that reaches this address could read, publish and remove; \
         secure the network with `tracker init`, or accept that with --insecure (ENJAMBRE_INSECURE=true, insecure = true). \
         Earlier versions did not ask: docs/security.md, \"An existing network\", says how to secure one that runs"
    )]
    Network(SocketAddr),
    /// The program is another one.
    #[error(
        "cannot listen on {0} without security: every machine that reaches this address could use what this program \
         serves; join a secured network with a join line (--join-file FILE or ENJAMBRE_JOIN), or accept that with \
         --insecure (ENJAMBRE_INSECURE=true, insecure = true). Earlier versions did not ask: docs/security.md, \
         \"An existing network\", says how to secure one that runs"
    )]
    Program(SocketAddr),
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
            false if self.program == Role::Tracker => Err(Unsecured::Network(self.address)),
            false => Err(Unsecured::Program(self.address)),
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
        for (program, way) in [
            (Role::Tracker, "tracker init"),
            (Role::Webserver, "--join-file"),
            (Role::Peer, "--join-file"),
        ] {
            let exposure = Exposure {
                program,
                ..on("10.0.0.1:1")
            };
            let text = exposure.judge().expect_err("no security").to_string();
            for part in [
                way,
                "--insecure",
                "10.0.0.1:1",
                "Earlier versions",
                "An existing network",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
