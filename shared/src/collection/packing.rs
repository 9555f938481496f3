//! Assignment of small files to packs: pure.
//!
//! A file that lies unchanged in a pack of the revision before stays there. The others go into new packs in
//! the order of their paths. A revision that changes ten files among ten thousand therefore brings one small
//! pack, and earlier replicas and fetches serve it too. Packs of which little is still used are given up, and
//! many small ones are merged: their files are packed anew.
//!
//! Without an earlier revision the paths decide where packs end: two peers that publish nearly the same
//! directory have most packs in common.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ContentId;

/// Files of this length and more are contents of their own, shared in place. A content costs its peers a few
/// files and a dozen waits for the disk, about the cost of writing a MiB; smaller files are copied into
/// packs.
pub const LARGE_FILE: u64 = 1 << 20;

/// Packs are about this long, 128 fragments: long enough that their number does not matter, short enough that
/// giving one up moves little.
const PACK: u64 = 8 << 20;

/// No pack is longer, but by its last file.
const MAX_PACK: u64 = 2 * PACK;

/// A path ends a pack that is long enough with a chance of one in this many.
const CUT: u64 = 128;

/// Number of packs that may be shorter than a quarter of [`PACK`]; with one more, all of them are packed
/// anew.
const SMALL_PACKS: usize = 16;

/// A small file to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Small<'a> {
    /// Path in the collection.
    pub path: &'a str,
    /// Length in bytes; at least 1.
    pub length: u64,
    /// Place of the same bytes in an available pack.
    pub before: Option<Packed>,
}

/// Place of bytes in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The pack.
    pub pack: ContentId,
    /// Length of the pack.
    pub pack_length: u64,
    /// Offset of the first byte.
    pub offset: u64,
}

/// Packs to write and places of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackPlan {
    /// The files that stay where they lie, by their numbers.
    pub kept: BTreeMap<usize, Packed>,
    /// New packs: the numbers of the files in each, in their order.
    pub packs: Vec<Vec<usize>>,
}

/// Decides for files in the order of their paths.
#[must_use]
pub fn plan(files: &[Small<'_>]) -> PackPlan {
    let good = packs_to_keep(files);
    let mut plan = PackPlan::default();
    let (mut pack, mut filled) = (Vec::new(), 0);
    for (number, file) in files.iter().enumerate() {
        if let Some(packed) = file.before.filter(|packed| good.contains(&packed.pack)) {
            plan.kept.insert(number, packed);
            continue;
        }
        pack.push(number);
        filled += file.length;
        if filled >= MAX_PACK || filled >= PACK && scatter(file.path).is_multiple_of(CUT) {
            plan.packs.push(std::mem::take(&mut pack));
            filled = 0;
        }
    }
    if !pack.is_empty() {
        plan.packs.push(pack);
    }
    plan
}

fn packs_to_keep(files: &[Small<'_>]) -> BTreeSet<ContentId> {
    let mut used: BTreeMap<ContentId, (u64, BTreeMap<u64, u64>)> = BTreeMap::new();
    for file in files {
        if let Some(packed) = file.before {
            let (_, ranges) = used
                .entry(packed.pack)
                .or_insert((packed.pack_length, BTreeMap::new()));
            // Two files may have the same place.
            ranges.insert(packed.offset, file.length);
        }
    }
    used.retain(|_, (length, ranges)| ranges.values().sum::<u64>() * 2 >= *length);
    let small: Vec<ContentId> = used
        .iter()
        .filter(|(_, (length, _))| *length < PACK / 4)
        .map(|(pack, _)| *pack)
        .collect();
    if small.len() > SMALL_PACKS {
        used.retain(|pack, _| !small.contains(pack));
    }
    used.into_keys().collect()
}

/// FNV-1a, stirred: the same on every machine, which is all that is asked of it.
fn scatter(path: &str) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = path.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    // The last bytes of a path, in which neighbours differ, have moved few bits of it so far (MurmurHash3's
    // last steps).
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("d{:02}/f{n:05}", n / 100)).collect()
    }

    fn fresh(paths: &[String]) -> Vec<Small<'_>> {
        let small = |path| Small {
            path,
            length: 4_000,
            before: None,
        };
        paths.iter().map(|path| small(path)).collect()
    }

    fn pack(n: usize) -> ContentId {
        ContentId::from_bytes([u8::try_from(n).expect("few"); 32])
    }

    /// The files as they lie after a plan was carried out.
    fn carried_out<'a>(files: &[Small<'a>], plan: &PackPlan, first: usize) -> Vec<Small<'a>> {
        let mut files = files.to_vec();
        for (n, numbers) in plan.packs.iter().enumerate() {
            let pack_length = numbers.iter().map(|number| files[*number].length).sum();
            let mut offset = 0;
            for number in numbers {
                let length = files[*number].length;
                files[*number].before = Some(Packed {
                    pack: pack(first + n),
                    pack_length,
                    offset,
                });
                offset += length;
            }
        }
        files
    }

    #[test]
    fn ten_changed_files_make_one_small_pack() {
        let paths = paths(10_000);
        let files = fresh(&paths);
        let first = plan(&files);
        assert!((2..=5).contains(&first.packs.len()), "{}", first.packs.len());
        let mut files = carried_out(&files, &first, 0);
        for number in 0..10 {
            files[number * 997].before = None;
        }
        let second = plan(&files);
        assert_eq!((second.packs.len(), second.packs[0].len()), (1, 10));
        assert_eq!(second.kept.len(), 9_990);
        assert_eq!(
            plan(&carried_out(&files, &second, 100)).packs,
            Vec::<Vec<usize>>::new()
        );
    }

    #[test]
    fn a_file_more_moves_few_boundaries() {
        let (all, mut fewer) = (paths(20_000), paths(20_000));
        fewer.remove(5);
        let packs = |paths: &[String]| -> BTreeSet<Vec<String>> {
            let of = |numbers: &Vec<usize>| numbers.iter().map(|n| paths[*n].clone()).collect();
            plan(&fresh(paths)).packs.iter().map(of).collect()
        };
        let (all, fewer) = (packs(&all), packs(&fewer));
        assert!(all.len() > 5);
        assert!(all.difference(&fewer).count() <= 2, "the others are the same");
    }

    #[test]
    fn packs_that_are_hardly_used_or_too_small_are_packed_anew() {
        let paths = paths(1_000);
        let mut files = carried_out(&fresh(&paths), &plan(&fresh(&paths)), 0);
        for file in &mut files[..501] {
            file.before = None;
        }
        let second = plan(&files);
        assert!(second.kept.is_empty(), "less than half was left");
        // Seventeen packs of one file each.
        let one = |number: usize| Packed {
            pack: pack(number),
            pack_length: 4_000,
            offset: 0,
        };
        let mut files = fresh(&paths[..17]);
        for (number, file) in files.iter_mut().enumerate() {
            file.before = Some(one(number));
        }
        assert_eq!(plan(&files[..16]).kept.len(), 16);
        assert_eq!(plan(&files).packs, vec![(0..17).collect::<Vec<_>>()]);
    }
}
