//! Keys of peers as words: the public half, a challenge and its answer, and the secret of a session.
//!
//! [`keys`](crate::keys) makes and verifies them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::id::{KeyHash, decode_hex};

/// The public half of a peer's key: a point of P-256, not compressed. Whether it is on the curve shows when a
/// signature is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 65]);

/// Bytes are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 65 bytes of a point of P-256 that is not compressed")]
pub struct NoPublicKey;

/// Random bytes that a peer signs together with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// A signature by ECDSA on P-256 with SHA-256: r and s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// A secret that a tracker gives to a peer for one session. It is never printed.
#[derive(Clone, Copy)]
pub struct SessionSecret([u8; 32]);

impl PublicKey {
    /// Bytes that precede the point in a SubjectPublicKeyInfo.
    const INFO: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    /// First byte of a point that is not compressed.
    const UNCOMPRESSED: u8 = 4;

    /// Reads a point.
    ///
    /// # Errors
    /// When the bytes have another length, or are another form of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoPublicKey> {
        let point: [u8; 65] = bytes.try_into().map_err(|_| NoPublicKey)?;
        match point[0] {
            Self::UNCOMPRESSED => Ok(Self(point)),
            _ => Err(NoPublicKey),
        }
    }

    /// Returns the point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// Returns the identity of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&[Self::INFO.as_slice(), &self.0].concat())
    }
}

impl KeyHash {
    /// Hashes a public key in the form that certificates have (the DER of `SubjectPublicKeyInfo`).
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(info).into())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hash().short())
    }
}

impl Challenge {
    /// Draws a challenge.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Wraps raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Signature {
    /// Wraps raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

impl SessionSecret {
    /// Draws a secret.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Wraps raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the hexadecimal form; none when it is not exactly that.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes).then_some(Self(bytes))
    }

    /// Returns the raw bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the hexadecimal form.
    #[must_use]
    pub fn expose_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns a digest by which the secret can be looked up: a comparison of digests tells nobody anything
    /// about a secret.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl PartialEq for SessionSecret {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for SessionSecret {}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_its_text_and_is_never_printed() {
        let secret = SessionSecret::from_bytes([0xab; 32]);
        assert_eq!(SessionSecret::from_hex(&secret.expose_hex()), Some(secret));
        assert!(!format!("{secret:?}").contains("ab"), "{secret:?}");
        for text in ["", "ab", &"g".repeat(64), &"ab".repeat(33)] {
            assert_eq!(SessionSecret::from_hex(text), None, "{text}");
        }
        assert_ne!(SessionSecret::random(), SessionSecret::random());
    }

    #[test]
    fn only_whole_points_are_public_keys() {
        let mut point = [7; 65];
        assert_eq!(PublicKey::from_bytes(&point), Err(NoPublicKey));
        point[0] = 4;
        let key = PublicKey::from_bytes(&point).expect("a point");
        assert_eq!(key.as_bytes(), &point);
        for length in [0, 33, 64] {
            assert_eq!(PublicKey::from_bytes(&point[..length]), Err(NoPublicKey));
        }
    }
}
