//! Which symbolic links may be in a collection.

/// The longest target that Linux takes.
const MAX_TARGET: usize = 4095;

/// Checks that a link stays inside the collection, whatever the other links are; `depth` is how many directories of
/// the collection the link lies in.
///
/// A target climbs first, and never above the root, and descends then. A `..` after that is refused: what it means depends
/// on whether the part before it is a link. As every link ends inside when those that it passes through do, all do.
pub(super) fn check(target: &str, depth: usize) -> Result<(), &'static str> {
    if target.is_empty() || target.len() > MAX_TARGET {
        return Err("its target is empty or too long");
    }
    if target.starts_with('/') {
        return Err("its target is absolute, and would lead elsewhere on another machine");
    }
    if target.chars().any(char::is_control) {
        return Err("its target has control characters");
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
