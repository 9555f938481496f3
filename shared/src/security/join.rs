//! The line that brings a machine into a cluster:
//! `enjambre-join://HOST:PORT[,HOST:PORT…]/1.<hash of the authority's key>.<token id>.<secret>`.
//!
//! The hash (SHA-256 of the key, in base32) tells the real cluster from an impostor, before the secret (128
//! bits, in base32) is shown. No character of a line is special to a shell.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD_NOCASE as BASE32, DecodeError};

use super::Secret;
use crate::model::{HostPort, KeyHash, TokenId};

const SCHEME: &str = "enjambre-join://";

/// The version of the form.
const VERSION: &str = "1";

/// Length of a longer text that could still be a line: eight addresses with the longest host names.
const MAX_BYTES: usize = 4096;

/// Lines of `peer send` begin like this.
const SENT: [&str; 3] = ["enjambre://", "enjambre+tracker://", "enjambre+peer://"];

/// A way into a cluster, and the secret that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinLine {
    servers: Vec<HostPort>,
    pin: KeyHash,
    token: TokenId,
    secret: Secret<16>,
}

/// Reasons for which a text is no join line. None of them repeats the text: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinLineError {
    /// The text is something else.
    #[error("this is no join line: one begins with {SCHEME}, and `tracker token create --join` prints it")]
    Other,
    /// The text is longer than any join line.
    #[error("this is no join line: it has more than {MAX_BYTES} bytes")]
    TooLong,
    /// The text is a line of `peer send`.
    #[error("this is a line of `peer send`, which `peer receive` takes; a join line begins with {SCHEME}")]
    Sent,
    /// The text is an API token.
    #[error("this is an API token, which belongs into ENJAMBRE_TOKEN; a join line begins with {SCHEME}")]
    ApiToken,
    /// The line has another version.
    #[error(
        "the join line is of version {0}, which this program does not know; use the version that made it"
    )]
    Version(u16),
    /// The end of the line is missing.
    #[error("the join line is cut off; copy all of it")]
    CutOff,
    /// Something stands inside the line that separates words.
    #[error("a space or a line end stands inside the join line; copy it as one line")]
    Broken,
    /// An address is none.
    #[error("address {0} of the join line is not HOST:PORT of one machine; copy the line again")]
    Address(usize),
    /// The number of addresses is out of bounds.
    #[error("a join line has 1 to {max} addresses, this one has {0}", max = JoinLine::MAX_SERVERS)]
    Servers(usize),
    /// The hash of the key is none.
    #[error("the hash of the cluster's key in the join line is damaged; copy the line again")]
    Pin,
    /// The id of the token is none.
    #[error("the token's id in the join line is damaged; copy the line again")]
    Token,
    /// The secret is none.
    #[error("the secret in the join line is damaged; copy the line again")]
    Secret,
}

impl JoinLine {
    /// Most addresses in a line.
    pub const MAX_SERVERS: usize = 8;

    /// Makes a line of its parts.
    ///
    /// # Errors
    /// When there is no address, or there are too many.
    pub fn new(
        servers: Vec<HostPort>,
        pin: KeyHash,
        token: TokenId,
        secret: Secret<16>,
    ) -> Result<Self, JoinLineError> {
        if !(1..=Self::MAX_SERVERS).contains(&servers.len()) {
            return Err(JoinLineError::Servers(servers.len()));
        }
        Ok(Self {
            servers,
            pin,
            token,
            secret,
        })
    }

    /// Trackers and webservers at which the cluster can be entered.
    #[must_use]
    pub fn servers(&self) -> &[HostPort] {
        &self.servers
    }

    /// The hash of the key of the cluster's certificate authority.
    #[must_use]
    pub const fn pin(&self) -> KeyHash {
        self.pin
    }

    /// The token's public part.
    #[must_use]
    pub const fn token(&self) -> TokenId {
        self.token
    }

    /// The token's secret part.
    #[must_use]
    pub const fn secret(&self) -> &Secret<16> {
        &self.secret
    }
}

impl fmt::Display for JoinLine {
    /// Writes the line, with its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        for (place, server) in self.servers.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{server}")?;
        }
        let pin = encoded(self.pin.as_bytes());
        write!(
            f,
            "/{VERSION}.{pin}.{}.{}",
            self.token,
            encoded(self.secret.expose())
        )
    }
}

impl FromStr for JoinLine {
    type Err = JoinLineError;

    /// Reads a line; spaces and line ends around it do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BYTES {
            return Err(JoinLineError::TooLong);
        }
        let text = text.trim();
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| other(text))?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(JoinLineError::Broken);
        }
        let (servers, ticket) = rest.split_once('/').ok_or(JoinLineError::CutOff)?;
        let (version, ticket) = ticket.split_once('.').ok_or(JoinLineError::CutOff)?;
        if version != VERSION {
            return Err(version
                .parse()
                .map_or(JoinLineError::Other, JoinLineError::Version));
        }
        let servers = read_servers(servers)?;
        let mut parts = ticket.splitn(3, '.');
        let [pin, token, secret] = [(); 3].map(|()| parts.next().ok_or(JoinLineError::CutOff));
        let (pin, token, secret) = (pin?, token?, secret?);
        let pin = decoded(pin).ok().and_then(|bytes| bytes.try_into().ok());
        let pin = KeyHash::from_bytes(pin.ok_or(JoinLineError::Pin)?);
        let token = token.parse().map_err(|_| JoinLineError::Token)?;
        if secret.len() < BASE32.encode_len(16) {
            return Err(JoinLineError::CutOff);
        }
        let secret = decoded(secret).ok().and_then(|bytes| Secret::from_slice(&bytes));
        Self::new(servers, pin, token, secret.ok_or(JoinLineError::Secret)?)
    }
}

/// Says which text somebody has taken for a join line.
fn other(text: &str) -> JoinLineError {
    match text {
        text if SENT.iter().any(|scheme| text.starts_with(scheme)) => JoinLineError::Sent,
        text if text.starts_with(super::token::PREFIX) => JoinLineError::ApiToken,
        text if SCHEME.starts_with(text) && !text.is_empty() => JoinLineError::CutOff,
        _ => JoinLineError::Other,
    }
}

fn read_servers(text: &str) -> Result<Vec<HostPort>, JoinLineError> {
    let number = text.split(',').count();
    if number > JoinLine::MAX_SERVERS {
        return Err(JoinLineError::Servers(number));
    }
    let read = |(place, text)| HostPort::remote(text).map_err(|_| JoinLineError::Address(place));
    (1..).zip(text.split(',')).map(read).collect()
}

fn encoded(bytes: &[u8]) -> String {
    BASE32.encode(bytes).to_ascii_lowercase()
}

fn decoded(text: &str) -> Result<Vec<u8>, DecodeError> {
    BASE32.decode(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(servers: &str) -> JoinLine {
        let servers = read_servers(servers).expect("addresses");
        let secret = Secret::from_slice(&[0xa5; 16]).expect("16 bytes");
        let token = TokenId::from_bytes([7; 8]);
        JoinLine::new(servers, KeyHash::from_bytes([0x5a; 32]), token, secret).expect("a line")
    }

    /// Parts of a line's text: the beginning up to the version, the hash, the token's id, the secret.
    fn parts() -> [String; 4] {
        let text = line("10.0.0.1:50052").to_string();
        let (head, ticket) = text.split_once("/1.").expect("a version");
        let parts: Vec<_> = ticket.split('.').map(str::to_owned).collect();
        let [pin, token, secret] = parts.try_into().expect("three parts");
        [format!("{head}/1"), pin, token, secret]
    }

    #[test]
    fn a_line_has_a_known_form() {
        let [head, pin, token, secret] = parts();
        assert_eq!(head, "enjambre-join://10.0.0.1:50052/1");
        assert_eq!((pin.len(), secret.len()), (52, 26));
        assert_eq!(token, "0707070707070707");
        let text = line("[2001:db8::1]:1,tracker.lab:2").to_string();
        let begins = "enjambre-join://[2001:db8::1]:1,tracker.lab:2/1.";
        assert!(text.starts_with(begins), "{text}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/.-,[]".contains(c);
        assert!(text.chars().all(is_plain), "no shell minds {text}");
    }

    #[test]
    fn spaces_and_line_ends_around_a_line_do_not_matter() {
        let line = line("h:1");
        for (before, after) in [("", "\n"), ("  ", " "), ("\r\n", "\r\n"), ("\t", "")] {
            assert_eq!(format!("{before}{line}{after}").parse(), Ok(line.clone()));
        }
    }

    #[test]
    fn capitals_in_a_ticket_mean_the_same() {
        let [head, pin, token, secret] = parts();
        let ticket = format!("{pin}.{token}.{secret}").to_uppercase();
        assert_eq!(format!("{head}.{ticket}").parse(), Ok(line("10.0.0.1:50052")));
    }

    #[test]
    fn every_mistake_has_its_name() {
        let [head, pin, token, secret] = parts();
        let text = format!("{head}.{pin}.{token}.{secret}");
        let nine = ["h:1"; 9].join(",");
        for (bad, error) in [
            (String::new(), JoinLineError::Other),
            ("10.0.0.1:50052".to_owned(), JoinLineError::Other),
            ("enjambre-jo".to_owned(), JoinLineError::CutOff),
            (format!("enjambre://h:1/{pin}/name"), JoinLineError::Sent),
            (format!("enjambre+peer://h:1/{pin}/name"), JoinLineError::Sent),
            ("enj_0707070707070707_abc".to_owned(), JoinLineError::ApiToken),
            (text.replace("/1.", "/2."), JoinLineError::Version(2)),
            (text.replace("/1.", "/x."), JoinLineError::Other),
            (text.replace("10.0.0.1:50052", ""), JoinLineError::Address(1)),
            (
                text.replace(":50052", ":50052,0.0.0.0:1"),
                JoinLineError::Address(2),
            ),
            (text.replace("10.0.0.1:50052", &nine), JoinLineError::Servers(9)),
            (text.replace(&token, &format!("\n{token}")), JoinLineError::Broken),
            (
                format!("{head}.{}.{token}.{secret}", &pin[1..]),
                JoinLineError::Pin,
            ),
            (
                format!("{head}.{pin}.{}.{secret}", &token[1..]),
                JoinLineError::Token,
            ),
            (format!("{head}.{pin}.{token}.{secret}a"), JoinLineError::Secret),
            (
                format!("{head}.{pin}.{token}.{}!", &secret[1..]),
                JoinLineError::Secret,
            ),
            (format!("{text}{}", " ".repeat(MAX_BYTES)), JoinLineError::TooLong),
        ] {
            assert_eq!(bad.parse::<JoinLine>(), Err(error), "{bad}");
            assert!(
                !error.to_string().contains(&secret[2..]),
                "{error} repeats the secret"
            );
        }
    }

    #[test]
    fn every_beginning_of_a_line_is_known_to_be_cut_off() {
        let text = line("10.0.0.1:50052,10.0.0.2:50052").to_string();
        for end in 1..text.len() {
            let cut = &text[..end];
            assert_eq!(cut.parse::<JoinLine>(), Err(JoinLineError::CutOff), "{cut}");
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let [.., secret] = parts();
        let shown = format!("{:?}", line("h:1"));
        assert!(shown.contains("Secret(…)") && !shown.contains(&secret), "{shown}");
    }

    proptest! {
        #[test]
        fn any_line_survives_its_text(
            ports in proptest::collection::vec(1_u16.., 1..=JoinLine::MAX_SERVERS),
            pin: [u8; 32],
            token: [u8; 8],
            secret: [u8; 16],
        ) {
            let servers = ports.into_iter().map(|port| format!("tracker.lab:{port}").parse().expect("an address"));
            let secret = Secret::from_slice(&secret).expect("16 bytes");
            let (pin, token) = (KeyHash::from_bytes(pin), TokenId::from_bytes(token));
            let line = JoinLine::new(servers.collect(), pin, token, secret).expect("a line");
            prop_assert_eq!(line.to_string().parse(), Ok(line));
        }

        #[test]
        fn no_text_breaks_the_reader_of_lines(text in "(enjambre-join://)?(h:1)?/?(1\\.)?\\PC{0,120}") {
            if let Ok(line) = text.parse::<JoinLine>() {
                prop_assert_eq!(line.to_string().to_lowercase(), text.trim().to_lowercase());
            }
        }
    }
}
