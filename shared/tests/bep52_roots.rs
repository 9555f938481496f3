//! Our hash trees against an outside oracle: the table that `make_bep52_roots.py` made with libtorrent.
//!
//! The bytes are a stream that both sides can make (see the script); here they are read through [`ReadAt`]
//! and never held as a whole, so that a content of more than 1 GiB costs no memory.

use std::io;
use std::num::NonZeroUsize;

use sha2::{Digest as _, Sha256};
use shared::hash::{ContentHasher, ReadAt, hash_content};
use shared::model::{BLOCK_LENGTH, ContentId, Digest, FragmentLength, Manifest};

const TABLE: &str = include_str!("bep52_roots.tsv");

const BLOCK: usize = BLOCK_LENGTH as usize;

/// Above this, a content is hashed in one way per fragment length instead of two.
const LARGE: u64 = 64 << 20;

/// The beginning of the stream of the script.
struct Stream {
    length: u64,
}

impl ReadAt for Stream {
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !buffer.is_empty() {
            let digest = Sha256::digest((offset / u64::from(BLOCK_LENGTH)).to_le_bytes());
            let within = usize::try_from(offset % u64::from(BLOCK_LENGTH)).expect("below a block");
            let step = buffer.len().min(BLOCK - within);
            let (now, rest) = buffer.split_at_mut(step);
            for (i, byte) in now.iter_mut().enumerate() {
                *byte = digest[(within + i) % 32];
            }
            (buffer, offset) = (rest, offset + step as u64);
        }
        Ok(())
    }
}

/// One line of the table.
struct Row {
    length: u64,
    fragment_length: FragmentLength,
    root: ContentId,
    fragments: u32,
    layer: Option<Digest>,
}

fn rows() -> Vec<Row> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let [length, fragment_length, root, fragments, layer] = line
                .split('\t')
                .collect::<Vec<_>>()
                .try_into()
                .expect("five columns");
            Row {
                length: length.parse().expect("a length"),
                fragment_length: fragment_length.parse().expect("a fragment length"),
                root: root.parse().expect("a root"),
                fragments: fragments.parse().expect("a number of fragments"),
                layer: (layer != "-").then(|| layer.parse().expect("a digest")),
            }
        })
        .collect()
}

fn hash_at_once(row: &Row) -> Manifest {
    let threads = NonZeroUsize::new(2).expect("positive");
    let stream = Stream { length: row.length };
    hash_content(&stream, row.length, row.fragment_length, threads, |_, _| Ok(()))
        .expect("the stream can be read")
}

/// Hashes in pieces of a length that fits no boundary.
fn hash_as_it_comes(row: &Row) -> Manifest {
    let stream = Stream { length: row.length };
    let mut hasher = ContentHasher::new(row.length, row.fragment_length);
    let mut buffer = vec![0; 300_007];
    let mut at = 0;
    while at < row.length {
        let step = usize::try_from(row.length - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        stream
            .read_exact_at(&mut buffer[..step], at)
            .expect("the stream can be read");
        hasher.update(&buffer[..step]);
        at += step as u64;
    }
    hasher.finish().expect("as long as announced")
}

fn assert_agrees(row: &Row, manifest: &Manifest) {
    let what = format!("{} bytes in fragments of {}", row.length, row.fragment_length);
    assert_eq!(manifest.content(), row.root, "content id of {what}");
    assert_eq!(manifest.fragment_count(), row.fragments, "fragments of {what}");
    match row.layer {
        // BEP 52 has no layer then: the only fragment's root is the content id.
        None => assert_eq!(manifest.roots(), [row.root.into()], "fragment root of {what}"),
        Some(expected) => {
            let mut layer = Sha256::new();
            manifest
                .roots()
                .iter()
                .for_each(|root| layer.update(root.as_bytes()));
            assert_eq!(
                Digest::from_bytes(layer.finalize().into()),
                expected,
                "fragment roots of {what}"
            );
        }
    }
}

#[test]
fn the_table_covers_what_it_should() {
    let rows = rows();
    assert!(rows.len() > 100);
    assert!(rows.iter().any(|row| row.length > 1 << 30));
    assert!(rows.iter().any(|row| row.layer.is_none()) && rows.iter().any(|row| row.layer.is_some()));
    for exponent in [16, 18, 20, 22, 24] {
        let fragment: u64 = 1 << exponent;
        for length in [fragment - 1, fragment, fragment + 1] {
            let is_there =
                |row: &Row| row.length == length && u64::from(row.fragment_length.get()) == fragment;
            assert!(
                rows.iter().any(is_there),
                "{length} bytes in fragments of {fragment}"
            );
        }
    }
}

#[test]
fn ids_and_fragment_roots_are_those_of_libtorrent() {
    for row in rows().iter().filter(|row| row.length <= LARGE) {
        assert_agrees(row, &hash_at_once(row));
        assert_agrees(row, &hash_as_it_comes(row));
    }
}

#[test]
fn so_they_are_for_more_than_a_gibibyte() {
    let large: Vec<_> = rows().into_iter().filter(|row| row.length > LARGE).collect();
    for row in &large {
        assert_agrees(row, &hash_at_once(row));
    }
    let row = large.last().expect("the table has some");
    assert_agrees(row, &hash_as_it_comes(row));
}

/// BEP 52 gives an empty file no root at all; 32 zero bytes is our convention.
#[test]
fn the_empty_content_has_an_id_by_convention() {
    let manifest = ContentHasher::new(0, FragmentLength::MIN)
        .finish()
        .expect("nothing was announced");
    assert_eq!(manifest.content(), ContentId::EMPTY);
    assert_eq!(manifest.fragment_count(), 0);
}
