//! Addresses that are dialled: whom a host can mean, and which ones nobody can dial.

use std::net::{IpAddr, Ipv4Addr};

use super::peer::{HostPort, HostPortError};

/// Reasons for which nobody can dial an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undialable {
    /// The host stands for every address of a machine.
    #[error("it stands for every address of a machine")]
    Wildcard,
    /// The host stands for many machines.
    #[error("it stands for many machines")]
    Many,
}

/// A text that is no address of another program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteAddressError {
    /// The text is no address.
    #[error(transparent)]
    Form(#[from] HostPortError),
    /// Nobody can dial the address.
    #[error(
        "nobody can dial {0}: it stands for every address of a machine, or for many machines; give the address of \
         one machine, such as 127.0.0.1:50051"
    )]
    Undialable(HostPort),
}

impl HostPort {
    /// Reads the address of a program that is to be dialled: the one rule for every option, setting and
    /// answer that names one.
    ///
    /// # Errors
    /// When the text is no address, or nobody can dial it.
    pub fn remote(text: &str) -> Result<Self, RemoteAddressError> {
        let address: Self = text.parse()?;
        match address.undialable() {
            None => Ok(address),
            Some(_) => Err(RemoteAddressError::Undialable(address)),
        }
    }

    /// Returns the reason for which nobody can dial the address, if there is one.
    #[must_use]
    pub fn undialable(&self) -> Option<Undialable> {
        undialable(self.host())
    }

    /// Returns whether the address means the machine of whoever dials it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }
}

/// Returns the reason for which nobody can dial a host, if there is one. A name is taken to be good: only its
/// resolver knows.
#[must_use]
pub fn undialable(host: &str) -> Option<Undialable> {
    match numeric(host)? {
        ip if ip.is_unspecified() => Some(Undialable::Wildcard),
        ip if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => Some(Undialable::Many),
        _ => None,
    }
}

/// Returns whether a host means the machine of whoever dials it.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_local_name = matches!(name.as_str(), "localhost" | "ip6-localhost" | "ip6-loopback");
    is_local_name || name.ends_with(".localhost") || numeric(host).is_some_and(|ip| ip.is_loopback())
}

/// Returns the IP address of a host that is written in numbers; an IPv4 address in the form of IPv6 is IPv4.
fn numeric(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner.unwrap_or(host).parse::<IpAddr>() {
        Ok(ip) => Some(ip.to_canonical()),
        Err(_) => older_form(host).map(IpAddr::V4),
    }
}

/// Reads the forms of IPv4 that resolvers accept besides the usual one: `0`, `127.1`, `0x7f000001`.
fn older_form(host: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    // The last number takes all the bits that are left.
    let high = first
        .iter()
        .fold(0, |high: u64, number| high << 8 | u64::from(*number));
    let bits = 32 - 8 * first.len();
    let whole = high << bits | u64::from(*last);
    let fits = u64::from(*last) >> bits == 0;
    u32::try_from(whole).ok().filter(|_| fits).map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let is_plain = digits.chars().all(|c| c.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_wildcard_is_undialable() {
        let wildcards = [
            "0.0.0.0",
            "::",
            "[::]",
            "0",
            "0.0",
            "0x0",
            "00.0.0.0",
            "::ffff:0.0.0.0",
            "0:0:0:0:0:0:0:0",
        ];
        for host in wildcards {
            assert_eq!(undialable(host), Some(Undialable::Wildcard), "{host}");
        }
        for host in [
            "224.0.0.1",
            "239.1.2.3",
            "ff02::1",
            "255.255.255.255",
            "4294967295",
        ] {
            assert_eq!(undialable(host), Some(Undialable::Many), "{host}");
        }
        for host in [
            "10.0.0.1",
            "127.0.0.1",
            "fe80::1",
            "tracker-1.lab",
            "a.b",
            "0.0.0.0.0",
            "1.2.3.999",
            "",
        ] {
            assert_eq!(undialable(host), None, "{host}");
        }
    }

    #[test]
    fn a_remote_address_can_be_dialled() {
        for text in ["10.0.0.1:5", "[::1]:5", "tracker.lab:50052", "127.1:7"] {
            assert_eq!(HostPort::remote(text), Ok(text.parse().expect("an address")));
        }
        for text in [
            "0.0.0.0:5",
            "[::]:5",
            "0:5",
            "[::ffff:0.0.0.0]:5",
            "224.0.0.1:5",
            "255.255.255.255:5",
        ] {
            let refused = HostPort::remote(text).expect_err(text);
            assert!(matches!(refused, RemoteAddressError::Undialable(_)), "{refused}");
        }
        for text in ["", "lab", "lab:0", "lab:+5", "lab:70000", ":5"] {
            let refused = HostPort::remote(text).expect_err(text);
            assert!(matches!(refused, RemoteAddressError::Form(_)), "{refused}");
        }
    }

    #[test]
    fn every_form_of_loopback_is_the_machine_of_the_caller() {
        let own = [
            "localhost",
            "LocalHost.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "0x7f000001",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ];
        for host in own {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "localhost.example", "0.0.0.0", "::", "128.1", ""] {
            assert!(!is_loopback(host), "{host}");
        }
        let address: HostPort = "[::1]:5".parse().expect("an address");
        assert!(address.is_loopback() && address.undialable().is_none());
    }
}
