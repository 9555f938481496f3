//! The rules of the codebase's structure that no compiler checks.

mod arrows;
mod circles;
mod imports;
mod planted;
mod routes;
mod spoken;
mod supply;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};

use imports::Sources;

/// A longer file has become hard to hold in the head: split it along an idea.
const MAX_LINES: usize = 800;

/// Columns of a line that is a comment.
const MAX_COMMENT_COLUMNS: usize = 110;

/// Characters of a test's name, exclusive.
const MAX_TEST_NAME: usize = 70;

/// Circles that may be allowed.
const MAX_CIRCLES: usize = 2;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_owned()
}

fn files_with(extension: &str, directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            files.extend(files_with(extension, &path));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files
}

/// Text of every file with an extension, by its path below the workspace.
fn texts(extension: &str) -> BTreeMap<String, String> {
    let root = root();
    let below = |path: &Path| {
        let below = path.strip_prefix(&root).expect("below");
        below.to_str().expect("text").to_owned()
    };
    let texts: BTreeMap<_, _> = files_with(extension, &root)
        .iter()
        .map(|path| (below(path), fs::read_to_string(path).expect("text")))
        .collect();
    assert!(!texts.is_empty(), "no .{extension} was found");
    texts
}

/// Directory and name of each crate of the workspace; the name is the one that imports use.
fn crates() -> Vec<(String, String)> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let quoted =
        |text: &str| -> Vec<String> { text.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("members");
    let name = |directory: &String| {
        let text = fs::read_to_string(root().join(directory).join("Cargo.toml")).expect("a manifest");
        let names = |line: &&str| line.starts_with("name = ");
        let library = text.split_once("[lib]").map(|(_, rest)| rest);
        let line = library.unwrap_or(&text).lines().find(names).expect("a name");
        quoted(line)[0].replace('-', "_")
    };
    quoted(members.0)
        .into_iter()
        .map(|directory| (directory.clone(), name(&directory)))
        .collect()
}

/// Modules and imports of every crate and program of the workspace, read once.
static WORKSPACE: LazyLock<Sources> = LazyLock::new(workspace);

fn workspace() -> Sources {
    let files = texts("rs");
    let mut sources = Sources::default();
    for (directory, name) in crates() {
        sources.add_crate(&name, &format!("{directory}/src/lib.rs"), &files);
        let programs = files.keys().filter(|file| {
            let below = file.strip_prefix(&format!("{directory}/src/"));
            below.is_some_and(|below| {
                below == "main.rs"
                    || below
                        .strip_prefix("bin/")
                        .is_some_and(|program| !program.contains('/'))
            })
        });
        for program in programs {
            sources.add_crate(&format!("({program})"), program, &files);
        }
    }
    sources
}

/// Returns the files that name a generated type and must not.
fn wire_names(sources: &Sources) -> BTreeSet<String> {
    let may = |file: &str| {
        file.starts_with("proto/")
            || file.starts_with("tests/")
            || file.contains("/rpc/")
            || file.ends_with("/rpc.rs")
    };
    let is_wire = |path: &[String]| path.starts_with(&["proto".to_owned(), "v1".to_owned()]);
    sources
        .mentions()
        .filter(|(_, file, targets)| !may(file) && targets.iter().any(|target| is_wire(&target.path)))
        .map(|(_, file, _)| file.to_owned())
        .collect()
}

#[test]
fn wire_types_stay_at_the_border() {
    let found = wire_names(&WORKSPACE);
    assert!(
        found.is_empty(),
        "these name generated types: {found:#?}\nconvert in `proto` and take the domain types from `shared::model`"
    );
}

#[test]
fn modules_import_only_whom_they_may_import() {
    let sources = &*WORKSPACE;
    let tables: BTreeMap<_, _> = arrows::CRATES.iter().copied().collect();
    let mut complaints = Vec::new();
    for (_, name) in crates() {
        let table = tables.get(name.as_str()).copied().unwrap_or_default();
        complaints.extend(arrow_complaints(&name, table, sources));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Compares a crate's imports with its table. An unused arrow in the table is an error too: it would permit
/// an import without a decision.
fn arrow_complaints(name: &str, table: &[arrows::Row], sources: &Sources) -> Vec<String> {
    let found = circles::arrows(sources, name);
    let mut complaints = Vec::new();
    for (module, imports) in &found {
        let row = table.iter().find(|(row, _)| row == module);
        let allowed: BTreeSet<_> = row
            .map_or(&[][..], |(_, allowed)| *allowed)
            .iter()
            .copied()
            .collect();
        let imports: BTreeSet<_> = imports.iter().map(String::as_str).collect();
        if row.is_none() || imports != allowed {
            let new: Vec<_> = imports.difference(&allowed).collect();
            let unused: Vec<_> = allowed.difference(&imports).collect();
            let row: Vec<_> = imports.iter().collect();
            complaints.push(format!(
                "{name}: not allowed {new:?}, not used {unused:?}; as it is: ({module:?}, &{row:?}),"
            ));
        }
    }
    let gone = table.iter().filter(|(module, _)| !found.contains_key(*module));
    complaints.extend(gone.map(|(module, _)| format!("{name}: there is no module {module}")));
    complaints
}

#[test]
fn files_make_no_circles() {
    let sources = &*WORKSPACE;
    let found: BTreeSet<_> = crates()
        .iter()
        .flat_map(|(_, name)| circles::circles(&circles::files_of(sources, name)))
        .collect();
    let allowed: BTreeSet<Vec<String>> = arrows::CIRCLES
        .iter()
        .map(|(files, _)| files.iter().map(|file| (*file).to_owned()).collect())
        .collect();
    assert!(allowed.len() <= MAX_CIRCLES, "more circles than {MAX_CIRCLES}");
    assert_eq!(found, allowed, "circles on the left, those allowed on the right");
}

#[test]
fn every_module_says_what_it_is() {
    for (path, text) in texts("rs") {
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
    for (path, text) in texts("rs") {
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{path} has {lines} lines; split it along an idea"
        );
    }
}

#[test]
fn comments_fit_a_line() {
    let long: Vec<_> = texts("rs")
        .iter()
        .chain(&texts("proto"))
        .flat_map(|(path, text)| long_comments(path, text))
        .collect();
    assert!(
        long.is_empty(),
        "comments of more than {MAX_COMMENT_COLUMNS} columns:\n{}",
        long.join("\n")
    );
}

#[test]
fn no_comment_begins_with_a_relative_clause() {
    const CLAUSES: [&str; 4] = ["What ", "Whatever ", "Whichever ", "Whoever "];
    let mut begun = Vec::new();
    for (path, text) in &texts("rs") {
        for (number, line) in text.lines().enumerate() {
            let comment = line.trim_start().strip_prefix("//");
            let words = comment.map(|rest| rest.trim_start_matches(['/', '!']).trim_start());
            if words.is_some_and(|words| CLAUSES.iter().any(|clause| words.starts_with(clause))) {
                begun.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(
        begun.is_empty(),
        "begin with the noun or verb:\n{}",
        begun.join("\n")
    );
}

#[test]
fn logs_for_people_have_no_debug_texts() {
    let mut found = Vec::new();
    for (path, text) in texts("rs") {
        if path.contains("/src/") && !path.starts_with("tests/") {
            let mut messages = Vec::new();
            debug_texts(text.parse().expect("Rust"), &mut messages);
            found.extend(messages.into_iter().map(|message| format!("{path}: {message}")));
        }
    }
    assert!(
        found.is_empty(),
        "these lines of logs have values as `Debug` writes them; write them for people:\n{}",
        found.join("\n")
    );
}

/// Collects the calls of `info!`, `warn!` and `error!` with a value in its form of `Debug`.
fn debug_texts(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let is_log = matches!(
            &tokens[..at],
            [.., TokenTree::Ident(name), TokenTree::Punct(mark)]
                if mark.as_char() == '!' && ["info", "warn", "error"].contains(&name.to_string().as_str())
        );
        let said = imports::inner(group);
        let is_debug = |(at, token): (usize, &TokenTree)| match token {
            TokenTree::Punct(mark) if mark.as_char() == '?' => match said[..at].last() {
                None => true,
                Some(TokenTree::Punct(before)) => ['=', ','].contains(&before.as_char()),
                Some(_) => false,
            },
            TokenTree::Literal(literal) => literal.to_string().contains(":?}"),
            _ => false,
        };
        if is_log && said.iter().enumerate().any(is_debug) {
            found.push(group.to_string());
        }
        debug_texts(group.stream(), found);
    }
}

/// Places of the comment lines that are too long.
fn long_comments(path: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with("//") && line.chars().count() > MAX_COMMENT_COLUMNS)
        .map(|(number, _)| format!("{path}:{}", number + 1))
        .collect()
}

#[test]
fn names_of_tests_are_short() {
    let mut long = Vec::new();
    for (path, text) in texts("rs") {
        let tokens: TokenStream = text.parse().expect("Rust");
        let mut names = Vec::new();
        test_names(tokens, &mut names);
        names.retain(|name| name.len() >= MAX_TEST_NAME);
        long.extend(names.into_iter().map(|name| format!("{path}: {name}")));
    }
    assert!(
        long.is_empty(),
        "names of tests that are too long:\n{}",
        long.join("\n")
    );
}

#[test]
fn tests_that_the_document_of_reliability_names_are_there() {
    let mut tests = Vec::new();
    for text in texts("rs").values() {
        test_names(text.parse().expect("Rust"), &mut tests);
    }
    let document = &texts("md")["docs/reliability.md"];
    let (_, section) = document
        .split_once("## Faults that were found by damaging")
        .expect("its tables");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let last_column = |row: &'_ str| row.trim_end_matches(" |").rsplit(" | ").next().map(str::to_owned);
    let named: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(last_column)
        .flat_map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let gone: Vec<_> = named.iter().filter(|name| !tests.contains(name)).collect();
    assert!(gone.is_empty(), "there are no tests of these names: {gone:#?}");
    assert!(named.len() > 100, "only {} tests are named", named.len());
}

/// Collects the names of functions that follow an attribute `test` or `…::test`.
fn test_names(tokens: TokenStream, names: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut is_test = false;
    let mut at = 0;
    while at < tokens.len() {
        if let Some((end, attribute)) = imports::attribute(&tokens, at) {
            let path = attribute
                .iter()
                .take_while(|token| !matches!(token, TokenTree::Group(_)));
            is_test |= path.last().is_some_and(|last| last.to_string() == "test");
            at = end;
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => test_names(group.stream(), names),
            TokenTree::Ident(ident) if *ident == "fn" => {
                let name = tokens.get(at + 1).filter(|_| is_test);
                names.extend(name.map(ToString::to_string));
                is_test = false;
            }
            _ => {}
        }
        at += 1;
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
    for (path, text) in texts("rs") {
        for network in ["tokio::net", "std::net", "tokio::{"] {
            assert!(
                !path.starts_with("peer/store/") || !text.contains(network),
                "{path} names {network}: the store knows no network"
            );
        }
    }
}

#[test]
fn only_enrolment_replaces_the_verifier_of_certificates() {
    let dangerous = concat!(".danger", "ous()");
    let found: Vec<_> = texts("rs")
        .into_iter()
        .filter(|(_, text)| text.contains(dangerous))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(found, ["proto/src/tls/enrolment.rs"]);
}

fn manifest(directory: &str) -> String {
    fs::read_to_string(root().join(directory).join("Cargo.toml")).expect("a manifest")
}

/// Whether a manifest names a crate among its dependencies of any kind, or one whose name begins like it
/// (`prost-types`).
fn names_dependency(manifest: &str, name: &str) -> bool {
    manifest.lines().any(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '-']))
    })
}
