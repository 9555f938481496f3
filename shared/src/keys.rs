//! Keys of peers: an id belongs to the process that can sign with the key that was made with it.
//!
//! A peer makes a key on P-256 and keeps it in its data directory. A tracker challenges a peer that says
//! hello; the peer signs who it is and the challenge, and [`Introduction::verify`] is the one place where
//! that is believed. A certificate of the same key can take the place of the challenge one day.
//!
//! Invariants: a signature is about one purpose, one id, one run, one network, one challenge and one key,
//! each of a fixed length, so that no other statement has the same bytes; no private key is printed.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};

use crate::error::{Coded, ErrorCode};
use crate::model::{Challenge, Hello, KeyHash, NetworkId, PeerId, PublicKey, RunId, Signature};

/// Purpose of a signature, and its version.
const PURPOSE: &[u8] = b"enjambre hello v1";

/// Reasons for which a key is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key.
    #[error("it is no private key of P-256")]
    Malformed,
    /// The cryptography of the program failed, most likely for want of random bytes.
    #[error("the cryptographic library fails")]
    Failed,
    /// The signature is by another key, or about something else.
    #[error("the signature does not prove that the peer has its key; say hello again")]
    WrongSignature,
}

impl Coded for KeyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed => ErrorCode::Corrupt,
            Self::Failed => ErrorCode::Internal,
            Self::WrongSignature => ErrorCode::Unauthenticated,
        }
    }
}

/// A peer that introduces itself: the part of its hello that it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The peer.
    pub peer: PeerId,
    /// Its run, if it draws ids for them.
    pub run: Option<RunId>,
    /// The network that it was in last: the tracker of another one cannot pass the signature on there.
    pub network: Option<NetworkId>,
}

impl Introduction {
    /// Returns the introduction in a hello.
    #[must_use]
    pub const fn of(hello: &Hello) -> Self {
        Self {
            peer: hello.peer,
            run: hello.run,
            network: hello.network,
        }
    }

    /// Returns the hash of the key by which this was signed in answer to a challenge.
    ///
    /// # Errors
    /// When it was not signed by this key.
    pub fn verify(
        &self,
        challenge: &Challenge,
        key: &PublicKey,
        signature: &Signature,
    ) -> Result<KeyHash, KeyError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_bytes())
            .verify(&self.statement(challenge, key), signature.as_bytes())
            .map(|()| key.hash())
            .map_err(|_| KeyError::WrongSignature)
    }

    fn statement(&self, challenge: &Challenge, key: &PublicKey) -> Vec<u8> {
        let run = self.run.map_or([0; RunId::LEN], |run| *run.as_bytes());
        let network = self
            .network
            .map_or([0; NetworkId::LEN], |network| *network.as_bytes());
        let (peer, challenge, hash) = (self.peer.as_bytes(), challenge.as_bytes(), key.hash());
        [PURPOSE, peer, &run, &network, challenge, hash.as_bytes()].concat()
    }
}

/// A peer's key, both halves.
pub struct PeerKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl PeerKey {
    /// Makes a key.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Failed)?;
        Self::of(pair).ok_or(KeyError::Failed)
    }

    /// Reads a key in the form of PKCS#8, as [`Self::expose_pkcs8`] writes it. The library takes more, such
    /// as bytes after the key.
    ///
    /// # Errors
    /// When the bytes are no key of P-256, or one in another form.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes);
        let key = pair.ok().and_then(Self::of).ok_or(KeyError::Malformed)?;
        match key.expose_pkcs8()? == bytes {
            true => Ok(key),
            false => Err(KeyError::Malformed),
        }
    }

    fn of(pair: EcdsaKeyPair) -> Option<Self> {
        let public = PublicKey::from_bytes(pair.public_key().as_ref()).ok()?;
        Some(Self { pair, public })
    }

    /// Returns the key in the form of PKCS#8.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn expose_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Failed)?;
        Ok(document.as_ref().to_vec())
    }

    /// Returns the public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs an introduction in answer to a challenge.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, introduction: &Introduction, challenge: &Challenge) -> Result<Signature, KeyError> {
        let signed = self
            .pair
            .sign(
                &SystemRandom::new(),
                &introduction.statement(challenge, &self.public),
            )
            .map_err(|_| KeyError::Failed)?;
        let bytes = signed.as_ref().try_into().map_err(|_| KeyError::Failed)?;
        Ok(Signature::from_bytes(bytes))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerKey").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: Challenge = Challenge::from_bytes([3; 32]);

    fn introduction() -> Introduction {
        Introduction {
            peer: PeerId::from_bytes([1; 16]),
            run: Some(RunId::from_bytes([2; 16])),
            network: Some(NetworkId::from_bytes([4; 16])),
        }
    }

    #[test]
    fn a_key_that_was_read_again_signs_what_it_signed_before() {
        let key = PeerKey::generate().expect("made");
        let again = PeerKey::from_pkcs8(&key.expose_pkcs8().expect("written")).expect("read");
        assert_eq!(again.public(), key.public());
        let signature = again.sign(&introduction(), &CHALLENGE).expect("signed");
        let proved = introduction().verify(&CHALLENGE, key.public(), &signature);
        assert_eq!(proved, Ok(key.public().hash()));
        let longer = [&key.expose_pkcs8().expect("written")[..], b"more"].concat();
        for other in [b"no key", &longer[..]] {
            assert_eq!(PeerKey::from_pkcs8(other).err(), Some(KeyError::Malformed));
        }
    }

    #[test]
    fn a_signature_proves_nothing_about_another_statement_or_key() {
        let [key, other] = [(); 2].map(|()| PeerKey::generate().expect("made"));
        let signature = key.sign(&introduction(), &CHALLENGE).expect("signed");
        let is_refused = |introduction: &Introduction, challenge, key: &PublicKey, signature| {
            introduction.verify(challenge, key, signature) == Err(KeyError::WrongSignature)
        };
        let own = introduction();
        let (peer, run) = (PeerId::from_bytes([9; 16]), Some(RunId::from_bytes([9; 16])));
        let network = Some(NetworkId::from_bytes([9; 16]));
        let otherwise = [
            Introduction { peer, ..own },
            Introduction { run, ..own },
            Introduction { run: None, ..own },
            Introduction { network, ..own },
            Introduction { network: None, ..own },
        ];
        for introduction in otherwise {
            let refused = is_refused(&introduction, &CHALLENGE, key.public(), &signature);
            assert!(refused, "{introduction:?}");
        }
        let challenge = Challenge::from_bytes([9; 32]);
        assert!(is_refused(&own, &challenge, key.public(), &signature));
        assert!(is_refused(&own, &CHALLENGE, other.public(), &signature));
        let mut changed = *signature.as_bytes();
        changed[40] ^= 1;
        let changed = Signature::from_bytes(changed);
        assert!(is_refused(&own, &CHALLENGE, key.public(), &changed));
        // A point that is not on the curve.
        let nowhere = PublicKey::from_bytes(&[4; 65]).expect("it has the form");
        assert!(is_refused(&own, &CHALLENGE, &nowhere, &signature));
    }

    #[test]
    fn the_hash_of_a_key_is_that_of_its_certificates() {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        use sha2::{Digest as _, Sha256};
        let key = PeerKey::generate().expect("made");
        let info: PublicKeyX509Der<'_> = key.pair.public_key().as_der().expect("written");
        let hash: [u8; 32] = Sha256::digest(info.as_ref()).into();
        assert_eq!(key.public().hash(), KeyHash::from_bytes(hash));
    }
}
