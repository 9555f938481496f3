//! Building a catalog, entry by entry: every rule about entries is enforced here, for all callers.

use std::collections::{BTreeSet, HashSet};

use super::catalog::{Catalog, Data, Entry, File, Kind};
use super::error::CatalogError;
use super::rules::{OutsideLinks, Rules};
use crate::model::{Attributes, ModifiedAt};

/// A million entries take about 100 MiB of memory.
const MAX_ENTRIES: usize = 1_000_000;

/// Longest name that file systems allow, in bytes.
const MAX_NAME: usize = 255;

/// Longest path that Linux allows, in bytes, without the directory of the restored collection.
const MAX_PATH: usize = 4000;

/// Deeper trees are accidents.
const MAX_DEPTH: usize = 128;

/// A file with more holes than this has the rest of them filled.
const MAX_HOLES: usize = 1024;

/// A catalog under construction: enter a directory, add its entries in order, leave it.
#[derive(Debug)]
pub struct Builder {
    root: Attributes,
    entries: Vec<Entry>,
    parts: BTreeSet<crate::model::ContentId>,
    rules: Rules,
    /// Whether no entry needs relaxed rules.
    is_plain: bool,
    /// The collection's own directory, and those that were entered and not left.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    at: Option<u32>,
    /// Bytes of its path.
    path: usize,
    last: Option<u32>,
    folded: HashSet<String>,
}

impl Builder {
    /// Holes that are kept of one file.
    pub const MAX_HOLES: usize = MAX_HOLES;

    /// Longest name, in bytes.
    pub const MAX_NAME: usize = MAX_NAME;

    /// An empty collection under the strict rules.
    #[must_use]
    pub fn new(root: Attributes) -> Self {
        Self::under(root, Rules::default())
    }

    /// An empty collection in which links may lead out, or names may differ only in case, if the rules say
    /// so.
    #[must_use]
    pub fn under(root: Attributes, rules: Rules) -> Self {
        let own = Open {
            at: None,
            path: 0,
            last: None,
            folded: HashSet::new(),
        };
        Self {
            root,
            entries: Vec::new(),
            parts: BTreeSet::new(),
            rules,
            is_plain: true,
            open: vec![own],
        }
    }

    /// Adds a directory and enters it.
    ///
    /// # Errors
    /// When the name is not allowed or comes out of order, or a bound is exceeded; so in the other methods.
    pub fn enter(&mut self, name: &str, attributes: Attributes) -> Result<(), CatalogError> {
        if self.open.len() > MAX_DEPTH {
            return Err(CatalogError::TooDeep {
                path: self.shown(name),
                max: MAX_DEPTH,
            });
        }
        let at = self.add(name, Kind::Directory(attributes))?;
        let path = self.open.last().map_or(0, |open| open.path) + name.len() + 1;
        self.open.push(Open {
            at: Some(at),
            path,
            last: None,
            folded: HashSet::new(),
        });
        Ok(())
    }

    /// Goes back to the directory that this one is in.
    ///
    /// # Errors
    /// When no directory was entered.
    pub fn leave(&mut self) -> Result<(), CatalogError> {
        if self.open.len() < 2 {
            return Err(CatalogError::Malformed("a directory ends that did not begin"));
        }
        self.open.pop();
        Ok(())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// Also when its bytes or holes are outside their bounds.
    pub fn file(&mut self, name: &str, file: File) -> Result<(), CatalogError> {
        let wrong = match (file.length, file.data) {
            (0, Data::Empty) => None,
            (0, _) | (_, Data::Empty) => Some("it has bytes nowhere, or none somewhere"),
            (length, Data::Packed(_, offset)) if offset.checked_add(length).is_none() => {
                Some("it ends after the largest offset there is")
            }
            _ => None,
        };
        let mut end = None;
        let mut holes = file.holes.iter();
        let is_apart = holes.all(|hole| {
            let is_fine = hole.start < hole.end && end.is_none_or(|end| hole.start > end);
            end = Some(hole.end);
            is_fine
        });
        let is_inside = end.is_none_or(|end| end <= file.length);
        let wrong = match wrong {
            None if !is_apart || !is_inside || file.holes.len() > MAX_HOLES => {
                Some("its holes are not in order")
            }
            wrong => wrong,
        };
        if let Some(why) = wrong {
            let path = self.shown(name);
            return Err(CatalogError::File { path, why });
        }
        let part = file.data.part();
        self.add(name, Kind::File(file))?;
        self.parts.extend(part);
        Ok(())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// Also when the link leads out of the collection.
    pub fn link(&mut self, name: &str, target: &str, modified: ModifiedAt) -> Result<(), CatalogError> {
        let checked = check(target, self.open.len() - 1);
        let is_kept = self.rules.links == OutsideLinks::Keep && is_target(target).is_ok();
        if let Err(why) = checked
            && !is_kept
        {
            return Err(CatalogError::Link {
                path: self.shown(name),
                target: target.to_owned(),
                why,
            });
        }
        let is_outside = checked.is_err();
        let kind = Kind::Link {
            target: target.into(),
            modified,
        };
        self.add(name, kind)?;
        self.is_plain &= !is_outside;
        Ok(())
    }

    /// The catalog.
    ///
    /// # Errors
    /// When a directory was entered and not left, or it refers to too many contents.
    pub fn finish(self) -> Result<Catalog, CatalogError> {
        if self.open.len() > 1 {
            return Err(CatalogError::Malformed("a directory does not end"));
        }
        if self.parts.len() > crate::model::Parts::MAX {
            return Err(CatalogError::TooMany {
                what: "large files and packs",
                max: crate::model::Parts::MAX,
            });
        }
        Ok(Catalog {
            root: self.root,
            parts: self.parts.into_iter().collect(),
            is_plain: self.is_plain,
            entries: self.entries,
        })
    }

    fn add(&mut self, name: &str, kind: Kind) -> Result<u32, CatalogError> {
        if self.entries.len() >= MAX_ENTRIES {
            return Err(CatalogError::TooMany {
                what: "entries",
                max: MAX_ENTRIES,
            });
        }
        let above = self.open.last().map_or(0, |open| open.path);
        if name.len() > MAX_NAME || above + name.len() > MAX_PATH {
            let path = self.shown(name);
            return Err(CatalogError::LongPath { path });
        }
        if let Some(why) = self.complaint(name) {
            let path = self.shown(name);
            return Err(CatalogError::Name { path, why });
        }
        let at = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let depth = u16::try_from(self.open.len() - 1).unwrap_or(u16::MAX);
        let clash = self.open.last_mut().is_some_and(|open| {
            let is_new = open.folded.insert(name.to_lowercase());
            if is_new {
                open.last = Some(at);
            }
            !is_new
        });
        if clash && self.rules.keeps_case {
            self.is_plain = false;
            if let Some(open) = self.open.last_mut() {
                open.last = Some(at);
            }
        } else if clash {
            return Err(CatalogError::CaseClash {
                path: self.shown(name),
            });
        }
        let parent = self.open.last().and_then(|open| open.at);
        let name = name.into();
        self.entries.push(Entry {
            parent,
            depth,
            name,
            kind,
        });
        Ok(at)
    }

    fn complaint(&self, name: &str) -> Option<&'static str> {
        let open = self.open.last()?;
        let last = open.last.and_then(|last| self.entries.get(last as usize));
        match name {
            "" => Some("its name is empty"),
            "." | ".." => Some("its name means another directory"),
            _ if name.contains('/') => Some("its name is a path"),
            _ if name.chars().any(char::is_control) => Some("its name has control characters"),
            _ if last.is_some_and(|last| *last.name >= *name) => Some("it is not in order, or there twice"),
            _ => None,
        }
    }

    /// The path of a name in the directory that is open.
    fn shown(&self, name: &str) -> String {
        let mut path = String::new();
        for open in &self.open {
            if let Some(entry) = open.at.and_then(|at| self.entries.get(at as usize)) {
                path.push_str(&entry.name);
                path.push('/');
            }
        }
        // A hostile name may be as long as a catalog.
        path.extend(name.chars().take(MAX_NAME));
        path
    }
}

/// The longest target that Linux takes.
const MAX_TARGET: usize = 4095;

/// Checks that a link stays inside the collection, independently of the other links; `depth` is the number of
/// the collection's directories above the link.
///
/// A target climbs first, and never above the root, and descends then. A `..` after that is refused: its
/// meaning depends on whether the part before it is a link. As every link ends inside when those that it
/// passes through do, all do.
fn check(target: &str, depth: usize) -> Result<(), &'static str> {
    is_target(target)?;
    if target.starts_with('/') {
        return Err("its target is absolute, and would lead elsewhere on another machine");
    }
    let (mut climbed, mut descends) = (0, false);
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if descends => return Err("its target goes up after it went down; write it the short way"),
            ".." => climbed += 1,
            _ => descends = true,
        }
        if climbed > depth {
            return Err("its target is outside of the collection");
        }
    }
    Ok(())
}

/// Checks that a text can be the target of a link, wherever it leads.
fn is_target(target: &str) -> Result<(), &'static str> {
    if target.is_empty() || target.len() > MAX_TARGET {
        return Err("its target is empty or too long");
    }
    if target.chars().any(char::is_control) {
        return Err("its target has control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn links_stay_inside() {
        for (target, depth) in [
            ("a", 0),
            ("a/b", 0),
            ("../a", 1),
            ("../../a/b", 2),
            ("..", 1),
            ("./a//b/", 0),
        ] {
            assert_eq!(check(target, depth), Ok(()), "{target} at {depth}");
        }
        for (target, depth) in [
            ("", 0),
            ("/etc/passwd", 9),
            ("..", 0),
            ("../../a", 1),
            // Through a link that leads up it would end outside.
            ("a/..", 0),
            ("a/../../b", 1),
            ("./../a", 0),
            ("a\nb", 0),
        ] {
            assert!(check(target, depth).is_err(), "{target} at {depth}");
        }
        assert!(check(&"a".repeat(4096), 0).is_err());
    }
}
