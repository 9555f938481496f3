//! The bytes of a catalog.
//!
//! ```text
//! "ENJC" version                        5 bytes; the version is 1
//! parts   count, 32 bytes each          ascending
//! root    attributes
//! entries tag name …                    in order; a directory's are followed by a 0, and all of them too
//! ```
//!
//! Numbers are LEB128 (7 bits a byte, the lowest first), except for nanoseconds (4 bytes, little-endian).
//! Names and targets are preceded by their length in bytes. Attributes are a mode, unless the tag marks it as
//! equal to the one before; then seconds as the difference from those before (zigzag), and nanoseconds. A
//! file then has its length, its place (unless the tag marks it as following the packed file before) and its
//! holes, each as the gap before it and its length. So a small file takes about 20 bytes, and a changed one
//! changes those near it only.
//!
//! Canonical: decoding encodes the result again and compares, so every catalog has exactly one form in bytes.

use super::build::Builder;
use super::catalog::{Catalog, Data, File, Kind};
use super::error::CatalogError;
use super::rules::{OutsideLinks, Rules};
use crate::model::ContentId;
use crate::model::{Attributes, Mode, ModifiedAt};

/// No catalog is longer: it is read into memory as a whole. At 20 to 60 bytes an entry, the limit on entries
/// is met first.
pub const MAX_BYTES: usize = 64 << 20;

const MAGIC: &[u8; 4] = b"ENJC";
/// Format of catalogs in which no link leads out and no names differ only in case.
const PLAIN: u8 = 1;

/// Format of the others, which programs before it refuse.
const RELAXED: u8 = 2;

const END: u8 = 0;
const DIRECTORY: u8 = 1;
const FILE: u8 = 2;
const LINK: u8 = 3;
const KIND: u8 = 0b11;
/// The mode is that of the entry before.
const SAME_MODE: u8 = 1 << 2;
/// The bytes are a whole content.
const WHOLE: u8 = 1 << 3;
/// The bytes begin where those of the packed file before end.
const FOLLOWS: u8 = 1 << 4;
const HOLES: u8 = 1 << 5;

/// State to which the next entry is relative.
struct Before {
    mode: Mode,
    seconds: i64,
    packed: Option<(ContentId, u64)>,
}

impl Before {
    const START: Self = Self {
        mode: Mode::of(0),
        seconds: 0,
        packed: None,
    };
}

impl Catalog {
    /// The catalog's bytes: the same for the same catalog.
    ///
    /// # Errors
    /// When they would be more than [`MAX_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        let mut out = Writer(Vec::new());
        out.0.extend_from_slice(MAGIC);
        out.0.push(if self.is_plain { PLAIN } else { RELAXED });
        out.number(self.parts.len() as u64);
        self.parts
            .iter()
            .for_each(|part| out.0.extend_from_slice(part.as_bytes()));
        let mut before = Before::START;
        out.mode(self.root.mode);
        out.time(self.root.modified, &mut before);
        before.mode = self.root.mode;
        let mut depth = 0;
        let mut is_in_directory = false;
        for entry in &self.entries {
            let now = usize::from(entry.depth);
            // A directory that was entered and has nothing in it ends, too.
            for _ in now..depth + usize::from(is_in_directory) {
                out.0.push(END);
            }
            (depth, is_in_directory) = (now, matches!(entry.kind, Kind::Directory(_)));
            out.entry(&entry.name, &entry.kind, &self.parts, &mut before);
        }
        // The collection's own directory ends as well, so no beginning of a catalog is one.
        for _ in 0..=depth + usize::from(is_in_directory) {
            out.0.push(END);
        }
        if out.0.len() > MAX_BYTES {
            return Err(CatalogError::TooMany {
                what: "bytes of names and attributes",
                max: MAX_BYTES,
            });
        }
        Ok(out.0)
    }

    /// Whether a content that begins with these bytes may be a catalog.
    #[must_use]
    pub fn may_begin_with(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads the catalog from its bytes; takes time and memory in proportion to them, for any input.
    ///
    /// # Errors
    /// When the bytes are not exactly those of a valid catalog.
    pub fn decode(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > MAX_BYTES {
            return Err(CatalogError::Malformed("it is too long"));
        }
        let mut input = Reader(bytes);
        if input.take(MAGIC.len())? != MAGIC {
            return Err(CatalogError::Malformed("it does not begin as one"));
        }
        let rules = match input.byte()? {
            PLAIN => Rules::default(),
            RELAXED => Rules {
                links: OutsideLinks::Keep,
                keeps_case: true,
                ..Rules::default()
            },
            other => return Err(CatalogError::Version(other)),
        };
        let count = input.count(32)?;
        let parts: Vec<ContentId> = (0..count).map(|_| input.id()).collect::<Result<_, _>>()?;
        let mut before = Before::START;
        let mode = input.mode()?;
        let modified = input.time(&mut before)?;
        before.mode = mode;
        let mut builder = Builder::under(Attributes { mode, modified }, rules);
        let Some((&END, entries)) = input.0.split_last() else {
            return Err(CatalogError::Malformed("it ends too early"));
        };
        input.0 = entries;
        while !input.0.is_empty() {
            input.entry(&mut builder, &parts, &mut before)?;
        }
        let catalog = builder.finish()?;
        if catalog.encode()? == bytes {
            Ok(catalog)
        } else {
            Err(CatalogError::Malformed("its bytes are not in their one form"))
        }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "the lowest seven bits")]
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
        self.0.push(value as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn mode(&mut self, mode: Mode) {
        self.number(mode.get().into());
    }

    fn time(&mut self, time: ModifiedAt, before: &mut Before) {
        let by = time.seconds().wrapping_sub(before.seconds);
        self.number(((by << 1) ^ (by >> 63)).cast_unsigned());
        self.0.extend_from_slice(&time.nanos().to_le_bytes());
        before.seconds = time.seconds();
    }

    fn entry(&mut self, name: &str, kind: &Kind, parts: &[ContentId], before: &mut Before) {
        let same_mode = |attributes: &Attributes, before: &Before| {
            if attributes.mode == before.mode {
                SAME_MODE
            } else {
                0
            }
        };
        match kind {
            Kind::Directory(attributes) => {
                self.0.push(DIRECTORY | same_mode(attributes, before));
                self.text(name);
                self.attributes(attributes, before);
            }
            Kind::Link { target, modified } => {
                self.0.push(LINK);
                self.text(name);
                self.text(target);
                self.time(*modified, before);
            }
            Kind::File(file) => {
                let place = match file.data {
                    Data::Empty => 0,
                    Data::Whole(_) => WHOLE,
                    Data::Packed(part, offset) if before.packed == Some((part, offset)) => FOLLOWS,
                    Data::Packed(..) => 0,
                };
                let holes = if file.holes.is_empty() { 0 } else { HOLES };
                self.0
                    .push(FILE | same_mode(&file.attributes, before) | place | holes);
                self.text(name);
                self.attributes(&file.attributes, before);
                self.number(file.length);
                self.place(file, place, parts, before);
                if holes != 0 {
                    self.number(file.holes.len() as u64);
                    let mut at = 0;
                    for hole in &file.holes {
                        self.number(hole.start - at);
                        self.number(hole.end - hole.start);
                        at = hole.end;
                    }
                }
            }
        }
    }

    fn attributes(&mut self, attributes: &Attributes, before: &mut Before) {
        if attributes.mode != before.mode {
            self.mode(attributes.mode);
            before.mode = attributes.mode;
        }
        self.time(attributes.modified, before);
    }

    fn place(&mut self, file: &File, place: u8, parts: &[ContentId], before: &mut Before) {
        if let Some(part) = file.data.part()
            && place != FOLLOWS
        {
            // Never defaults: the builder has put the part there.
            let at = parts.binary_search(&part).unwrap_or_default();
            self.number(at as u64);
        }
        if let Data::Packed(part, offset) = file.data {
            if place != FOLLOWS {
                self.number(offset);
            }
            before.packed = Some((part, offset + file.length));
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CatalogError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(CatalogError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CatalogError> {
        self.take(1).map(|taken| taken[0])
    }

    fn id(&mut self) -> Result<ContentId, CatalogError> {
        let bytes = self.take(ContentId::LEN)?;
        Ok(ContentId::from_bytes(
            bytes
                .try_into()
                .map_err(|_| CatalogError::Malformed("it ends too early"))?,
        ))
    }

    fn number(&mut self) -> Result<u64, CatalogError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CatalogError::Malformed("a number is too long"))
    }

    /// Reads the number of following items, each of at least `size` bytes.
    fn count(&mut self, size: usize) -> Result<usize, CatalogError> {
        usize::try_from(self.number()?)
            .ok()
            .filter(|count| *count <= self.0.len() / size)
            .ok_or(CatalogError::Malformed("it says that more comes than does"))
    }

    fn text(&mut self) -> Result<&'a str, CatalogError> {
        let length = self.count(1)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| CatalogError::Malformed("a name is not UTF-8"))
    }

    fn mode(&mut self) -> Result<Mode, CatalogError> {
        let bits = u32::try_from(self.number()?).unwrap_or(u32::MAX);
        let mode = Mode::of(bits);
        if mode.get() == bits {
            Ok(mode)
        } else {
            Err(CatalogError::Malformed("a mode has bits that are not kept"))
        }
    }

    fn time(&mut self, before: &mut Before) -> Result<ModifiedAt, CatalogError> {
        let by = self.number()?;
        let by = (by >> 1).cast_signed() ^ -((by & 1).cast_signed());
        before.seconds = before.seconds.wrapping_add(by);
        let nanos = self
            .take(4)?
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        ModifiedAt::new(before.seconds, nanos)
            .ok_or(CatalogError::Malformed("a time has too many nanoseconds"))
    }

    fn attributes(&mut self, tag: u8, before: &mut Before) -> Result<Attributes, CatalogError> {
        if tag & SAME_MODE == 0 {
            before.mode = self.mode()?;
        }
        let modified = self.time(before)?;
        Ok(Attributes {
            mode: before.mode,
            modified,
        })
    }

    fn entry(
        &mut self,
        builder: &mut Builder,
        parts: &[ContentId],
        before: &mut Before,
    ) -> Result<(), CatalogError> {
        let tag = self.byte()?;
        match tag & KIND {
            END => builder.leave(),
            DIRECTORY => {
                let name = self.text()?;
                let attributes = self.attributes(tag, before)?;
                builder.enter(name, attributes)
            }
            LINK => {
                let (name, target) = (self.text()?, self.text()?);
                let modified = self.time(before)?;
                builder.link(name, target, modified)
            }
            _ => {
                let name = self.text()?;
                let attributes = self.attributes(tag, before)?;
                let length = self.number()?;
                let data = self.place(tag, length, parts, before)?;
                let holes = if tag & HOLES == 0 {
                    Vec::new()
                } else {
                    self.holes()?
                };
                builder.file(
                    name,
                    File {
                        attributes,
                        length,
                        data,
                        holes,
                    },
                )
            }
        }
    }

    fn place(
        &mut self,
        tag: u8,
        length: u64,
        parts: &[ContentId],
        before: &mut Before,
    ) -> Result<Data, CatalogError> {
        let nowhere = || CatalogError::Malformed("a file's bytes are in no part");
        if length == 0 {
            return Ok(Data::Empty);
        }
        let (part, offset) = if tag & FOLLOWS != 0 {
            before.packed.ok_or_else(nowhere)?
        } else {
            let at = usize::try_from(self.number()?).unwrap_or(usize::MAX);
            let part = *parts.get(at).ok_or_else(nowhere)?;
            if tag & WHOLE != 0 {
                return Ok(Data::Whole(part));
            }
            (part, self.number()?)
        };
        let end = offset.checked_add(length).ok_or_else(nowhere)?;
        before.packed = Some((part, end));
        Ok(Data::Packed(part, offset))
    }

    fn holes(&mut self) -> Result<Vec<std::ops::Range<u64>>, CatalogError> {
        let count = self.count(2)?;
        let mut at: u64 = 0;
        let mut holes = Vec::new();
        for _ in 0..count.min(Builder::MAX_HOLES + 1) {
            let start = at.checked_add(self.number()?);
            let end = match start {
                Some(start) => start.checked_add(self.number()?),
                None => None,
            };
            let (Some(start), Some(end)) = (start, end) else {
                return Err(CatalogError::Malformed("a hole ends after the largest offset"));
            };
            holes.push(start..end);
            at = end;
        }
        Ok(holes)
    }
}
