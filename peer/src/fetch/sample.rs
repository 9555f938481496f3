//! Samples: one block is read from a holder and verified, to see that the holder has it. Nothing is stored.

use std::time::Duration;

use proto::client::TransferClient;
use proto::messages::{Chunk, Fetch, FetchRange};
use proto::tls::Tls;
use shared::hash::{FragmentProof, ProofError};
use shared::model::{BLOCK_LENGTH, Digest, Sample, SampleOutcome, Source};
use shared::{Coded as _, ErrorCode};

use super::counters::Counters;

/// The longest wait for a block, the connection included.
const PATIENCE: Duration = Duration::from_secs(8);

/// Reads a sample from a holder. A holder that sends wrong bytes is told, so that it can look at its copy.
/// The bytes that come are counted as checked.
pub async fn read_sample(tls: &Tls, holder: &Source, sample: &Sample, counters: &Counters) -> SampleOutcome {
    match tokio::time::timeout(PATIENCE, read(tls, holder, sample, counters)).await {
        Ok(outcome) => outcome,
        Err(_) => SampleOutcome::Unreached("nothing came in time".to_owned()),
    }
}

async fn read(tls: &Tls, holder: &Source, sample: &Sample, counters: &Counters) -> SampleOutcome {
    let client = match TransferClient::new(&holder.address, tls, holder.peer) {
        Ok(client) => client,
        Err(error) => return SampleOutcome::Unreached(error.to_string()),
    };
    let fetch = Fetch {
        content: sample.content(),
        ranges: vec![FetchRange {
            fragment: sample.fragment().get(),
            first_block: sample.block(),
            block_count: 1,
        }],
        with_leaves: true,
        if_new: false,
    };
    let first = match client.fetch(fetch).await {
        Ok(mut chunks) => chunks.next().await,
        Err(error) => Err(error),
    };
    if let Ok(Some(chunk)) = &first {
        counters.add_checked((chunk.data.len() + chunk.leaves.len() * Digest::LEN) as u64);
    }
    match first {
        Ok(Some(chunk)) => match verify(sample, chunk) {
            Ok(()) => SampleOutcome::Proved,
            Err(error) => {
                // Its answer does not matter here: the wrong bytes do.
                drop(client.dispute(sample.content(), sample.fragment()).await);
                SampleOutcome::Denied(error.to_string())
            }
        },
        Ok(None) => SampleOutcome::Denied("the holder sent nothing".to_owned()),
        Err(error) => failed(error.code(), error.to_string()),
    }
}

/// Verifies a chunk, which must be the sample's block.
fn verify(sample: &Sample, chunk: Chunk) -> Result<(), ProofError> {
    let (index, block) = (sample.fragment(), sample.block());
    let proof = FragmentProof::verify_sample(sample, chunk.leaves)?;
    let is_it = chunk.fragment == index.get() && chunk.first_block == block;
    if !is_it || chunk.data.len() > BLOCK_LENGTH as usize {
        return Err(ProofError::Block { index, block });
    }
    proof.check(block, &chunk.data).map(drop)
}

/// Tells a holder that does not have the block from one that could not be asked.
fn failed(code: ErrorCode, reason: String) -> SampleOutcome {
    match code {
        ErrorCode::NotFound
        | ErrorCode::Corrupt
        | ErrorCode::InvalidArgument
        | ErrorCode::FailedPrecondition
        | ErrorCode::Unauthenticated
        | ErrorCode::PermissionDenied => SampleOutcome::Denied(reason),
        _ => SampleOutcome::Unreached(reason),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared::hash::{ContentHasher, leaves};
    use shared::model::FragmentLength;

    use super::*;

    #[test]
    fn only_the_very_block_with_the_fragments_leaves_is_a_proof() {
        let bytes = vec![7; 3 * BLOCK_LENGTH as usize + 5];
        let mut hasher = ContentHasher::new(bytes.len() as u64, FragmentLength::MIN);
        hasher.update(&bytes);
        let manifest = hasher.finish().expect("the length is right");
        let sample = Sample::of(&manifest, manifest.index(0).expect("not empty"), 3);
        let chunk = |first_block, data: &[u8]| Chunk {
            fragment: 0,
            first_block,
            leaves: leaves(&bytes),
            data: Bytes::copy_from_slice(data),
        };
        let last = &bytes[3 * BLOCK_LENGTH as usize..];
        assert_eq!(verify(&sample, chunk(3, last)), Ok(()));
        assert!(verify(&sample, chunk(3, &[7; 4])).is_err(), "too short");
        assert!(verify(&sample, chunk(3, &[])).is_err(), "nothing");
        assert!(verify(&sample, chunk(0, &bytes[..BLOCK_LENGTH as usize])).is_err());
        let mut other = chunk(3, last);
        other.leaves[0] = other.leaves[3];
        assert!(verify(&sample, other).is_err(), "other leaves");
    }

    #[test]
    fn a_holder_that_could_not_be_asked_has_denied_nothing() {
        let is_denied = |code| matches!(failed(code, String::new()), SampleOutcome::Denied(_));
        assert!(is_denied(ErrorCode::NotFound) && is_denied(ErrorCode::Corrupt));
        for code in [
            ErrorCode::Unavailable,
            ErrorCode::DeadlineExceeded,
            ErrorCode::Exhausted,
        ] {
            assert!(!is_denied(code), "{code:?}");
        }
    }
}
