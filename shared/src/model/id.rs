//! Identities: of a content, a peer, a run of a peer, a cluster and its members, and the order of decisions.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Digits of an id that stand for the whole id, at least; tables print ten. Eight tell a million contents
/// apart with few exceptions, which are named.
pub const SHORTEST_PREFIX: usize = 8;

/// A SHA-256 digest: of a block, of a node of the hash tree, of a fragment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The identity of a content: the root of its BEP 52 hash tree (its *pieces root*).
///
/// Equal bytes have equal ids, whatever the fragment length. The empty content is 32 zero bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 32]);

/// The identity of a peer: random, made once, kept in its data directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 16]);

/// The identity of one run of a peer: random, drawn anew by every start and kept in memory only. Two
/// processes never have the same, not even on copies of one data directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 16]);

/// The identity of a network: random, drawn by the tracker when its journal begins, and a fact in it. Names,
/// revisions, epochs and marks mean something within one network only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId([u8; 16]);

/// The identity of a key: the SHA-256 of its public half as certificates have it (SubjectPublicKeyInfo).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

/// The identity of a secured cluster: the beginning of its network's id; it outlives the keys of its
/// authority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId([u8; 8]);

/// The identity of a member of a secured cluster: of a program or a person. A peer's is its [`PeerId`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId([u8; 16]);

/// The public part of a token: by it the tracker finds the hash of the secret, and people revoke it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 8]);

/// Text was not the hexadecimal form of an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {expected} hexadecimal digits, got {got:?}")]
pub struct ParseIdError {
    what: &'static str,
    expected: usize,
    got: String,
}

macro_rules! byte_id {
    ($name:ident, $len:literal, $what:literal) => {
        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The ids that begin with these hexadecimal digits; none unless they are at least eight and
            /// fewer than an id has.
            #[must_use]
            pub fn beginning_with(digits: &str) -> Option<RangeInclusive<Self>> {
                if !(SHORTEST_PREFIX..$len * 2).contains(&digits.len()) {
                    return None;
                }
                let filled = |digit: &str| {
                    let rest = digit.repeat($len * 2 - digits.len());
                    format!("{digits}{rest}").parse().ok()
                };
                Some(filled("0")?..=filled("f")?)
            }

            /// The first ten hexadecimal digits, for logs and tables.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(10);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                if decode_hex(text, &mut bytes) {
                    return Ok(Self(bytes));
                }
                // The input may be anything of any length; an error message quotes only its start.
                Err(ParseIdError {
                    what: $what,
                    expected: $len * 2,
                    got: text.chars().take(80).collect(),
                })
            }
        }
    };
}

byte_id!(Digest, 32, "digest");
byte_id!(ContentId, 32, "content id");
byte_id!(PeerId, 16, "peer id");
byte_id!(RunId, 16, "run id");
byte_id!(NetworkId, 16, "network id");
byte_id!(KeyHash, 32, "key hash");
byte_id!(ClusterId, 8, "cluster id");
byte_id!(MemberId, 16, "member id");
byte_id!(TokenId, 8, "token id");

/// Fills `out` from lower- or upper-case hexadecimal digits; false unless `text` is exactly that.
pub(crate) fn decode_hex(text: &str, out: &mut [u8]) -> bool {
    let digits = text.as_bytes();
    if digits.len() != out.len() * 2 {
        return false;
    }
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
            return false;
        };
        *byte = high << 4 | low;
    }
    true
}

impl Digest {
    /// 32 zero bytes: the leaf that pads a hash tree.
    pub const ZERO: Self = Self([0; 32]);
}

impl ContentId {
    /// The id of the content of length zero.
    pub const EMPTY: Self = Self([0; 32]);
}

impl From<Digest> for ContentId {
    /// The root of a whole tree names the content.
    fn from(root: Digest) -> Self {
        Self(root.0)
    }
}

impl From<ContentId> for Digest {
    fn from(id: ContentId) -> Self {
        Self(id.0)
    }
}

impl RunId {
    /// Draws the id of a run from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl PeerId {
    /// Makes a new identity from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl ClusterId {
    /// Returns the identity of the cluster of a network.
    #[must_use]
    pub fn of(network: NetworkId) -> Self {
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&network.as_bytes()[..Self::LEN]);
        Self(id)
    }

    /// Makes a new identity from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl MemberId {
    /// Makes a new identity from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl From<PeerId> for MemberId {
    fn from(id: PeerId) -> Self {
        Self(id.0)
    }
}

impl From<MemberId> for PeerId {
    fn from(id: MemberId) -> Self {
        Self(id.0)
    }
}

impl TokenId {
    /// Makes a new identity from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

macro_rules! counter_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number read from the wire or from disk.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this; none after the last number that there is.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(next) => Some(Self(next)),
                    None => None,
                }
            }

            /// How far this is after another; nothing when it is not.
            #[must_use]
            pub const fn ahead_of(self, other: Self) -> u64 {
                self.0.saturating_sub(other.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

counter_id! {
    /// One run of a peer process: counts up at every start, kept in the data directory.
    ///
    /// `(PeerId, Incarnation)` identifies a run; messages of an older run change nothing.
    Incarnation
}
counter_id! {
    /// The tracker's fencing number: counts up at every start of a tracker.
    ///
    /// Orders of an older epoch change nothing.
    Epoch
}
counter_id! {
    /// Number of bindings and removals of a name. The first binding is revision 1; 0 means never bound.
    Revision
}

counter_id! {
    /// Number of facts that a tracker has ever journaled.
    FactCount
}

impl Incarnation {
    /// Runs by which a peer may be ahead of the latest one that its tracker knows: more than a machine that
    /// restarts every minute makes in a year. A larger step would use the numbers up.
    pub const MAX_STEP: u64 = 1 << 20;
}

impl Epoch {
    /// Epochs by which a restored tracker follows what a peer has seen: more restarts than any tracker makes
    /// between a backup and its restoration.
    pub const MAX_STEP: u64 = 1 << 20;

    /// Epochs by which a peer follows its tracker: it may have been away while a restored tracker followed
    /// other peers many times.
    pub const MAX_LEAP: u64 = 1 << 40;
}

impl Revision {
    /// A name that was never bound.
    pub const NONE: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_rejects_everything_else() {
        let id = ContentId::from_bytes(std::array::from_fn(|i| u8::try_from(i * 7 % 256).expect("fits")));
        assert_eq!(id.to_string().parse::<ContentId>(), Ok(id));
        for bad in [
            "",
            "00",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(65),
            &"é".repeat(32),
        ] {
            assert!(bad.parse::<ContentId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn eight_digits_or_more_stand_for_the_ids_that_begin_with_them() {
        let id: PeerId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        for digits in [
            "01234567",
            "0123456789",
            "0123456789ABCDEF",
            &id.to_string()[..31],
        ] {
            let ids = PeerId::beginning_with(digits).expect(digits);
            assert!(ids.contains(&id), "{digits}");
        }
        let ids = PeerId::beginning_with(&id.short()).expect("tables print it");
        assert!(!ids.contains(&"0123456788ffffffffffffffffffffff".parse().expect("an id")));
        let all = id.to_string();
        for other in [
            "",
            "0123456",
            "0123456g",
            "notes/12345678",
            "año-12345",
            all.as_str(),
        ] {
            assert_eq!(PeerId::beginning_with(other), None, "{other}");
        }
    }
}
