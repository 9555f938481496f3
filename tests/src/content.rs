//! Files that are the same in every run, and their digests.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

const CHUNK: usize = 1 << 20;

/// Writes `length` pseudo-random bytes that depend only on `seed`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, length: u64, seed: u64) -> io::Result<()> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut file = BufWriter::with_capacity(CHUNK, File::create(path)?);
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        random.fill_bytes(&mut chunk[..step]);
        file.write_all(&chunk[..step])?;
        left -= step as u64;
    }
    file.flush()
}

/// The SHA-256 of a whole file, in hexadecimal: has nothing to do with our own hash tree, so it can vouch for
/// it.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hasher
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect());
        }
        hasher.update(&chunk[..read]);
    }
}
