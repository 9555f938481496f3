//! The rules of the codebase's structure that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that is longer has become hard to hold in the head: split it along an idea.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_owned()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Path below the workspace, and text, of every source file.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let below = |path: &Path| {
        path.strip_prefix(&root)
            .expect("below")
            .to_str()
            .expect("text")
            .to_owned()
    };
    let sources: Vec<_> = rust_files(&root)
        .iter()
        .map(|path| (below(path), fs::read_to_string(path).expect("text")))
        .collect();
    assert!(sources.len() > 100, "the files were not found");
    sources
}

#[test]
fn wire_types_stay_at_the_border() {
    let wire = ["proto", "::v1"].concat();
    for (path, text) in sources() {
        let may_name_them = path.starts_with("proto/") || path.contains("/rpc/") || path.contains("/rpc.rs");
        // Tests of a service speak the wire on purpose.
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs") || path.starts_with("tests/");
        assert!(
            may_name_them || is_test || !text.contains(&wire),
            "{path} names generated types; convert in `proto` and take the domain types from `shared::model`"
        );
    }
}

#[test]
fn every_module_says_what_it_is() {
    for (path, text) in sources() {
        let says = text
            .lines()
            .find(|line| !line.starts_with("#!") && !line.is_empty());
        assert!(
            says.is_some_and(|line| line.starts_with("//!")),
            "{path} does not begin with `//!`"
        );
    }
}

#[test]
fn files_stay_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{path} has {lines} lines; split it along an idea"
        );
    }
}

#[test]
fn crates_know_only_whom_they_may_know() {
    let may_know: [(&str, &str, &[&str]); 7] = [
        ("shared", "shared", &[]),
        ("proto", "proto", &["shared"]),
        ("tracker", "tracker", &["shared", "proto"]),
        ("peer/store", "store", &["shared"]),
        ("peer", "peer", &["shared", "proto", "store"]),
        ("webserver", "webserver", &["shared", "proto"]),
        (
            "tests",
            "tests",
            &["shared", "proto", "tracker", "store", "peer", "webserver"],
        ),
    ];
    for (directory, name, allowed) in may_know {
        let manifest = manifest(directory);
        for (_, other, _) in may_know {
            assert!(
                allowed.contains(&other) || !names_dependency(&manifest, other),
                "{name} must not depend on {other}"
            );
        }
    }
    for (directory, why) in [
        ("shared", "it is the vocabulary, not the wire"),
        ("peer/store", "it keeps fragments and knows no network"),
    ] {
        for wire in ["tonic", "prost", "axum", "hyper", "http", "socket2", "tower"] {
            assert!(
                !names_dependency(&manifest(directory), wire),
                "{directory} must not know {wire}: {why}"
            );
        }
    }
}

#[test]
fn the_store_opens_no_connection() {
    // `shared` brings all of tokio into every build, so that the compiler alone would not notice.
    for (path, text) in sources() {
        for network in ["tokio::net", "std::net", "tokio::{"] {
            assert!(
                !path.starts_with("peer/store/") || !text.contains(network),
                "{path} names {network}: the store knows no network"
            );
        }
    }
}

fn manifest(directory: &str) -> String {
    fs::read_to_string(root().join(directory).join("Cargo.toml")).expect("a manifest")
}

/// Whether a manifest names a crate among its dependencies of any kind, or one whose name begins like it (`prost-types`).
fn names_dependency(manifest: &str, name: &str) -> bool {
    manifest.lines().any(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '-']))
    })
}
