//! The line that `peer send` prints and `peer receive` takes: an entry point of the network, a content and
//! its name.
//!
//! `enjambre://HOST:PORT/ID/NAME` names a webserver, `enjambre+tracker://…` a tracker, `enjambre+peer://…` a
//! peer. The id is the content's hash, so the right line leads to the right bytes or to none. No character of
//! it is special to a shell.

use std::fmt;
use std::str::FromStr;

use proto::messages::control::EntryPoint;
use shared::model::{ContentId, HostPort, Name};

const BY_WEBSERVER: &str = "enjambre://";
const BY_TRACKER: &str = "enjambre+tracker://";
const BY_PEER: &str = "enjambre+peer://";

/// A content that has been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The entry point of the network.
    pub entry: EntryPoint,
    /// The content.
    pub content: ContentId,
    /// Its name, of one part.
    pub name: Name,
}

/// A text that is no line of `peer send`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a line of `peer send`: {BY_WEBSERVER}HOST:PORT/ID/NAME")]
pub struct ParseTicketError(pub(crate) String);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, address) = match &self.entry {
            EntryPoint::Webserver(address) => (BY_WEBSERVER, address),
            EntryPoint::Tracker(address) => (BY_TRACKER, address),
            EntryPoint::Peer(address) => (BY_PEER, address),
        };
        write!(f, "{scheme}{address}/{}/", self.content)?;
        for byte in self.name.file_name().bytes() {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| ParseTicketError(text.chars().take(120).collect()))
    }
}

/// Turns an address into an entry point.
type Entering = fn(HostPort) -> EntryPoint;

fn parse(text: &str) -> Option<Ticket> {
    let schemes: [(&str, Entering); 3] = [
        (BY_WEBSERVER, EntryPoint::Webserver),
        (BY_TRACKER, EntryPoint::Tracker),
        (BY_PEER, EntryPoint::Peer),
    ];
    let (rest, entry) = schemes
        .into_iter()
        .find_map(|(scheme, entry)| Some((text.strip_prefix(scheme)?, entry)))?;
    let mut parts = rest.splitn(3, '/');
    let address = HostPort::remote(parts.next()?).ok()?;
    let content = parts.next()?.parse().ok()?;
    let name = decode(parts.next()?)?;
    Some(Ticket {
        entry: entry(address),
        content,
        // The name becomes the name of a file: it is never a path.
        name: Name::new(name).ok().filter(|name| !name.as_str().contains('/'))?,
    })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_what_it_was_made_of_and_no_shell_minds_it() {
        for name in ["a.bin", "with spaces & 'quotes'", "año 100%", "$(reboot)"] {
            for entry in [EntryPoint::Webserver, EntryPoint::Tracker, EntryPoint::Peer] {
                let ticket = Ticket {
                    entry: entry("[::1]:50051".parse().expect("an address")),
                    content: ContentId::from_bytes([7; 32]),
                    name: name.parse().expect("a name"),
                };
                let line = ticket.to_string();
                assert_eq!(line.parse(), Ok(ticket));
                assert!(
                    !line.contains([' ', '\'', '"', '$', '&', '(', '\\', ';']),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_line_is_refused_and_a_name_in_it_is_no_path() {
        let id = "ab".repeat(32);
        for bad in [
            String::new(),
            id.clone(),
            format!("http://h:1/{id}/a"),
            format!("enjambre://h/{id}/a"),
            format!("enjambre://h:1/{}/a", &id[1..]),
            format!("enjambre://h:1/{id}"),
            format!("enjambre://h:1/{id}/"),
            format!("enjambre://h:1/{id}/.."),
            format!("enjambre://h:1/{id}/a/b"),
            format!("enjambre://h:1/{id}/..%2F..%2Fetc"),
            format!("enjambre://h:1/{id}/a%0"),
            format!("enjambre://h:1/{id}/%00"),
        ] {
            assert!(bad.parse::<Ticket>().is_err(), "{bad}");
        }
    }
}
