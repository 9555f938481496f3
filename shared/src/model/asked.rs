//! Subjects of questions to a tracker, which reads no catalogs: a path inside a directory is asked for by the
//! bytes that it occupies in the directory's parts.

use std::ops::Range;

use super::{ContentId, ContentRef, FragmentLength, FragmentSet, Manifest};

/// Unit of ranges: the bounds of all fragments, whatever their length, are multiples of it.
const UNIT: u64 = FragmentLength::MIN.get() as u64;

/// Subject of a question: a file, a collection with all of its parts, or with some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The content; of a collection, its catalog.
    pub content: ContentRef,
    /// Of a collection, the parts that are meant beside the catalog; empty means all.
    pub parts: Vec<AskedPart>,
}

/// A part of a collection that is meant, or some of its bytes. These are judged by the fragments that hold
/// them: other fragments of a pack may be lost and leave its files as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedPart {
    content: ContentId,
    /// Ascending, neither overlapping nor touching, in whole units; empty means all bytes.
    ranges: Vec<Range<u64>>,
}

impl From<ContentRef> for Asked {
    fn from(content: ContentRef) -> Self {
        Self {
            content,
            parts: Vec::new(),
        }
    }
}

impl Asked {
    /// No question has more ranges: they are a third of the longest message.
    pub const MAX_RANGES: usize = 65_536;

    /// Asks about bytes of a collection's parts; its catalog is always meant. Parts whose ranges are too many
    /// for one question are meant in whole.
    pub fn about_parts(
        content: ContentRef,
        catalog: ContentId,
        bytes: impl IntoIterator<Item = (ContentId, Vec<Range<u64>>)>,
    ) -> Self {
        let mut left = Self::MAX_RANGES;
        let parts = bytes.into_iter().map(|(part, ranges)| {
            let mut part = AskedPart::new(part, ranges);
            match left.checked_sub(part.ranges.len()) {
                Some(fewer) => left = fewer,
                None => part.ranges.clear(),
            }
            part
        });
        let mut parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            // Without any the question would be about all of them.
            parts.push(AskedPart::new(catalog, Vec::new()));
        }
        Self { content, parts }
    }
}

impl AskedPart {
    /// Means these bytes of a content, or all if there are no ranges.
    #[must_use]
    pub fn new(content: ContentId, mut ranges: Vec<Range<u64>>) -> Self {
        for range in &mut ranges {
            let end = range.end.checked_next_multiple_of(UNIT).unwrap_or(u64::MAX);
            *range = range.start / UNIT * UNIT..end;
        }
        ranges.sort_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let joins = next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        Self { content, ranges }
    }

    /// Returns the content.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.content
    }

    /// Returns the ranges of bytes that are meant, widened to the shortest fragments that hold them; none
    /// means all bytes.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Returns the fragments that are meant; all if no byte of the content is in a range.
    #[must_use]
    pub fn fragments(&self, manifest: &Manifest) -> FragmentSet {
        let some = manifest.fragments_in_any(&self.ranges);
        match some.is_empty() {
            true => manifest.all_fragments(),
            false => some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    fn meant(ranges: &[Range<u64>]) -> Vec<u32> {
        let roots = vec![Digest::from_bytes([1; 32]); 3];
        let length = FragmentLength::new(131_072).expect("a power of two");
        let manifest = Manifest::from_roots(300_000, length, roots).expect("three fragments");
        let part = AskedPart::new(id(1), ranges.to_vec());
        part.fragments(&manifest)
            .iter()
            .map(|index| index.get())
            .collect()
    }

    #[test]
    fn bytes_are_judged_by_the_fragments_that_hold_them() {
        let of_one = |range: Range<u64>| meant(std::slice::from_ref(&range));
        assert_eq!(meant(&[]), [0, 1, 2], "without ranges, all of it");
        assert_eq!(of_one(10..20), [0]);
        assert_eq!(meant(&[131_071..131_073, 20..30]), [0, 1]);
        assert_eq!(of_one(299_999..u64::MAX), [2]);
        assert_eq!(
            of_one(300_000..400_000),
            [2],
            "rounded to the fragment's beginning"
        );
        assert_eq!(of_one(1 << 40..1 << 41), [0, 1, 2], "a catalog that errs");
    }

    #[test]
    fn ranges_are_few_because_no_fragment_is_shorter_than_a_unit() {
        let files = (0..1_000_u64).map(|n| n * 100..n * 100 + 50).collect();
        assert_eq!(
            AskedPart::new(id(1), files).ranges(),
            std::slice::from_ref(&(0..131_072))
        );
        // Backwards, empty, and at the end of all numbers.
        let odd = vec![
            u64::MAX - 1..u64::MAX,
            200_000..200_000,
            Range { start: 9, end: 3 },
        ];
        let last = u64::MAX / UNIT * UNIT;
        assert_eq!(
            AskedPart::new(id(1), odd).ranges(),
            [0..65_536, 196_608..262_144, last..u64::MAX]
        );
    }

    #[test]
    fn more_ranges_than_a_question_has_mean_whole_parts() {
        let apart = |count: u64| {
            (0..count)
                .map(|n| n * 2 * UNIT..n * 2 * UNIT + 1)
                .collect::<Vec<_>>()
        };
        let most = u64::try_from(Asked::MAX_RANGES).expect("small");
        let bytes = [(id(1), apart(most - 1)), (id(2), apart(2)), (id(3), apart(1))];
        let asked = Asked::about_parts(ContentRef::Id(id(9)), id(9), bytes);
        let counts: Vec<_> = asked.parts.iter().map(|part| part.ranges().len()).collect();
        assert_eq!(counts, [Asked::MAX_RANGES - 1, 0, 1]);
        let nothing = Asked::about_parts(ContentRef::Id(id(9)), id(9), []);
        assert_eq!(nothing.parts, [AskedPart::new(id(9), Vec::new())]);
    }
}
