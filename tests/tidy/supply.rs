//! Dependencies against `deny.toml`: licences, sources and second versions, from what cargo has resolved,
//! without a network and without cargo-deny. cargo-deny reads the same lists, and knows advisories as well.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use toml::Table;

use super::{crates, manifest, root};

/// A package that is built on this machine, for a program or a test.
struct Package {
    name: String,
    version: String,
    license: String,
}

fn rules() -> Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("TOML")
}

/// The texts of a list at `section.key`, or of `field` in its tables.
fn list(rules: &Table, section: &str, key: &str, field: &str) -> Vec<String> {
    let list = rules[section][key].as_array().expect("a list");
    let text = |entry: &toml::Value| {
        let entry = entry.get(field).unwrap_or(entry);
        entry.as_str().expect("a text").to_owned()
    };
    list.iter().map(text).collect()
}

fn packages(rules: &Table) -> Vec<Package> {
    let is_here = |target: &&String| {
        target.starts_with(std::env::consts::ARCH)
            && (target.contains(std::env::consts::OS)
                || cfg!(target_os = "macos") && target.contains("darwin"))
    };
    let targets = list(rules, "graph", "targets", "");
    let target = targets.iter().find(is_here).expect("deny.toml lists this system");
    let arguments =
        "tree --workspace --all-features --locked --offline --edges normal,build,dev --prefix none";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .args(["--format", "{p}\t{l}", "--target", target])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let package = |line: &str| {
        let (package, license) = line.split_once('\t')?;
        let (name, rest) = package.split_once(" v")?;
        let version = rest.split(' ').next()?;
        // Cargo marks what it has listed before.
        let license = license.trim_end_matches(" (*)");
        let [name, version, license] = [name, version, license].map(str::to_owned);
        Some(Package {
            name,
            version,
            license,
        })
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| package(line).expect(line))
        .collect()
}

/// Whether an expression of SPDX is satisfied by allowed licences alone. Older manifests write `/` for OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let is_allowed = any_of(&mut words, allowed);
    is_allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        is_allowed |= all_of(words, allowed);
    }
    is_allowed
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        is_allowed &= one(words, allowed);
    }
    is_allowed
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let is_allowed = any_of(words, allowed);
            words.next() == Some(")") && is_allowed
        }
        Some(license) => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let license = exception.map_or(license.to_owned(), |with| format!("{license} WITH {with}"));
            allowed.contains(&license)
        }
        None => false,
    }
}

#[test]
fn licences_are_those_that_are_allowed() {
    let rules = rules();
    let allowed: BTreeSet<_> = list(&rules, "licenses", "allow", "").into_iter().collect();
    let packages = packages(&rules);
    assert!(packages.len() > 100, "only {} packages", packages.len());
    for Package {
        name,
        version,
        license,
    } in packages
    {
        assert!(
            is_allowed(&license, &allowed),
            "the licence of {name} {version} is {license:?}; see [licenses] of deny.toml"
        );
    }
}

#[test]
fn all_dependencies_come_from_the_one_registry() {
    let registries = list(&rules(), "sources", "allow-registry", "");
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = std::fs::read_to_string(root().join(lock)).expect(lock);
        let sources: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("source = "))
            .collect();
        assert!(sources.len() > 100, "{lock}");
        for source in sources {
            let is_from = |registry: &String| source == format!("\"registry+{registry}\"");
            assert!(
                registries.iter().any(is_from),
                "{lock} has a dependency from {source}"
            );
        }
    }
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = ["MIT", "Apache-2.0"].map(str::to_owned).into();
    for (expression, is_good) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("Unlicense/MIT", true),
        ("(MIT OR ISC) AND Apache-2.0", true),
        ("MIT AND (ISC OR Zlib)", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT)", false),
        ("(MIT", false),
        ("MIT OR ISC AND Zlib", true),
    ] {
        assert_eq!(is_allowed(expression, &allowed), is_good, "{expression:?}");
    }
}

#[test]
fn second_versions_of_a_crate_have_their_reasons() {
    let rules = rules();
    let skipped = list(&rules, "bans", "skip", "crate");
    let is_of = |entry: &str, name: &str, version: &str| {
        let of = entry.split_once('@').filter(|(of, _)| *of == name);
        of.is_some_and(|(_, begin)| version == begin || version.starts_with(&format!("{begin}.")))
    };
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Package { name, version, .. } in packages(&rules) {
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in &versions {
        let is_skipped = |version: &&String| skipped.iter().any(|entry| is_of(entry, name, version));
        let rest: Vec<_> = versions.iter().filter(|version| !is_skipped(version)).collect();
        assert!(
            rest.len() <= 1,
            "{name} is there as {rest:?}; let one go, or say why it stays in `skip` of deny.toml"
        );
    }
    let is_there = |entry: &&String| {
        versions
            .iter()
            .any(|(name, versions)| versions.len() > 1 && versions.iter().any(|one| is_of(entry, name, one)))
    };
    let unused: Vec<_> = skipped.iter().filter(|entry| !is_there(entry)).collect();
    assert!(unused.is_empty(), "no second versions any more: {unused:?}");
}

#[test]
fn no_crate_of_ours_has_unsafe_code() {
    let workspace: Table = manifest("").parse().expect("TOML");
    assert_eq!(
        workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(),
        Some("forbid")
    );
    for (directory, _) in crates() {
        let own: Table = manifest(&directory).parse().expect("TOML");
        let lints = own.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(
            lints.and_then(toml::Value::as_bool),
            Some(true),
            "lints of {directory}"
        );
    }
}
