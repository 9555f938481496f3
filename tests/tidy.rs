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
    let may_know: [(&str, &[&str]); 6] = [
        ("shared", &[]),
        ("proto", &["shared"]),
        ("tracker", &["shared", "proto"]),
        ("peer", &["shared", "proto"]),
        ("webserver", &["shared", "proto"]),
        ("tests", &["shared", "proto", "tracker", "peer", "webserver"]),
    ];
    let all: Vec<_> = may_know.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in may_know {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        for other in &all {
            let knows = manifest
                .lines()
                .any(|line| line.starts_with(&format!("{other}.workspace")));
            assert!(
                !knows || allowed.contains(other),
                "{name} must not depend on {other}"
            );
        }
    }
    let shared = fs::read_to_string(root().join("shared/Cargo.toml")).expect("a manifest");
    for wire in ["tonic", "prost", "axum", "hyper", "http"] {
        let knows = shared.lines().any(|line| line.starts_with(wire));
        assert!(
            !knows,
            "shared must not know {wire}: it is the vocabulary, not the wire"
        );
    }
}
