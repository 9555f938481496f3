//! Secrets and their hashes.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::model::Digest;

/// Random bytes that only their owner knows. They are wiped when they are dropped, compared in constant time,
/// and `Debug` does not show them. They have no `Display`: a line or a token that carries them writes them.
#[derive(Clone)]
pub struct Secret<const N: usize>(Zeroizing<[u8; N]>);

/// The SHA-256 of a secret: all that its verifier keeps. The secret is random, so that nobody can try all.
#[derive(Clone, Copy, Debug)]
pub struct SecretHash(Digest);

impl<const N: usize> Secret<N> {
    /// Draws a secret from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        rand::fill(&mut bytes[..]);
        Self(bytes)
    }

    /// Wraps bytes that somebody has shown; none unless there are as many as the secret has.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; N] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// The bytes, to be sent to those who verify them.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Returns the hash by which a verifier knows the secret.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        let hash = Sha256::digest(&self.0[..]);
        SecretHash(Digest::from_bytes(hash.into()))
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0[..].ct_eq(&other.0[..]).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SecretHash {
    /// Wraps a hash that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SecretHash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hashes_know_them() {
        let (one, other) = (Secret::<16>::random(), Secret::<16>::random());
        assert_ne!(one, other);
        assert_ne!(one.hash(), other.hash());
        let shown = Secret::<16>::from_slice(one.expose()).expect("as long as a secret");
        assert_eq!((&shown, shown.hash()), (&one, one.hash()));
        assert_eq!(SecretHash::from_bytes(*one.hash().as_bytes()), one.hash());
        assert_eq!(Secret::<16>::from_slice(&one.expose()[1..]), None);
    }

    #[test]
    fn a_hash_is_sha_256() {
        let secret = Secret::<3>::from_slice(b"abc").expect("three bytes");
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(secret.hash().0.to_string(), hash);
    }

    #[test]
    fn debug_does_not_show_a_secret() {
        let secret = Secret::<4>::from_slice(&[171; 4]).expect("four bytes");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
