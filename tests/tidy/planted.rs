//! Imports that are against the rules, planted in every style; each rule finds them.

use std::collections::BTreeMap;

use crate::imports::Sources;
use crate::{arrow_complaints, arrows, circles, debug_texts, long_comments, test_names, wire_names};

/// A crate `demo` of `a` (with a child `inner`), `b` and `c`, with extra text in some files.
fn demo(extra: &[(&str, &str)]) -> Sources {
    let mut files: BTreeMap<String, String> = [
        (
            "demo/src/lib.rs",
            "mod a; pub mod b; mod c { pub struct C; }\npub use b::B;",
        ),
        ("demo/src/a/mod.rs", "mod inner; pub struct A;"),
        ("demo/src/a/inner.rs", "pub struct Inner;"),
        ("demo/src/b.rs", "pub mod deep; pub struct B; pub use deep::Deep;"),
        ("demo/src/b/deep.rs", "pub struct Deep;"),
        ("proto/src/lib.rs", "pub mod v1; pub mod status;"),
        ("proto/src/v1.rs", "pub struct Add;"),
        ("proto/src/status.rs", "pub use crate::v1::Add as Hidden;"),
    ]
    .map(|(file, text)| (file.to_owned(), text.to_owned()))
    .into();
    for (file, text) in extra {
        files.entry((*file).to_owned()).or_default().push_str(text);
    }
    let mut sources = Sources::default();
    for name in ["demo", "proto"] {
        sources.add_crate(name, &format!("{name}/src/lib.rs"), &files);
    }
    sources
}

/// Styles in which `a` or its child can import `b`.
const STYLES: [(&str, &str); 18] = [
    ("mod", "use crate::b::B;"),
    ("mod", "use crate::{c::C, b::{self, B as Other}};"),
    ("mod", "use super::b;"),
    ("mod", "use crate::B;"),
    ("mod", "use crate::*; fn f(_: B) {}"),
    ("mod", "pub(crate) use crate::b::*;"),
    ("mod", "fn f() -> crate::b::B { todo!() }"),
    ("mod", "fn f() { use super::{debug_texts, b}; b::deep::run(); }"),
    ("mod", "impl Iterator for crate::b::B {}"),
    ("mod", "fn f() { let _ = Vec::<crate::b::B>::new(); }"),
    ("mod", "fn f() { println!(\"{}\", crate::b::NAME); }"),
    ("mod", "macro_rules! made { () => { $crate::b::run() } }"),
    ("mod", "#[serde(with = \"crate::b\")] struct S;"),
    ("mod", "use crate as root; fn f(_: root::b::B) {}"),
    ("inner", "use super::super::b::B;"),
    (
        "inner",
        "use super::super::{b as other}; fn f() { other::deep::run(); }",
    ),
    ("inner", "fn f() { super::super::b::run(); }"),
    ("inner", "mod within { use super::super::super::b::B; }"),
];

#[test]
fn an_arrow_is_found_in_every_style_of_import() {
    let right: &[arrows::Row] = &[("a", &[]), ("b", &[]), ("c", &[])];
    assert_eq!(arrow_complaints("demo", right, &demo(&[])), Vec::<String>::new());
    for (file, style) in STYLES {
        let sources = demo(&[(&format!("demo/src/a/{file}.rs"), style)]);
        let complaints = arrow_complaints("demo", right, &sources);
        let found = complaints
            .iter()
            .any(|complaint| complaint.contains("\"b\"") && complaint.contains("(\"a\""));
        assert!(found, "{style}: {complaints:?}");
    }
}

#[test]
fn a_table_that_allows_too_much_or_too_little_fails() {
    let sources = demo(&[("demo/src/a/mod.rs", "use crate::b::B;")]);
    let fails = |table| !arrow_complaints("demo", table, &sources).is_empty();
    assert!(!fails(&[("a", &["b"]), ("b", &[]), ("c", &[])]));
    assert!(
        fails(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]),
        "an arrow that nobody uses"
    );
    assert!(fails(&[("a", &["b"]), ("c", &[])]), "a module without a row");
    assert!(
        fails(&[("a", &["b"]), ("b", &[]), ("c", &[]), ("d", &[])]),
        "a row without a module"
    );
}

#[test]
fn files_that_a_path_attribute_names_are_read() {
    let sources = demo(&[
        ("demo/src/a/mod.rs", "#[path = \"elsewhere.rs\"] mod named;"),
        ("demo/src/a/elsewhere.rs", "use crate::b::B;"),
        ("demo/src/b.rs", "mod outer { mod within; }"),
        ("demo/src/b/outer/within.rs", "use crate::c::C;"),
    ]);
    let arrows = circles::arrows(&sources, "demo");
    assert!(
        arrows["a"].contains("b") && arrows["b"].contains("c"),
        "{arrows:?}"
    );
}

#[test]
fn tests_and_documentation_import_what_they_like() {
    let sources = demo(&[(
        "demo/src/a/mod.rs",
        "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] use crate::b::{B, Deep};\n
         /// See [`crate::b::B`].\n struct S;",
    )]);
    let arrows = circles::arrows(&sources, "demo");
    assert!(arrows["a"].is_empty(), "{arrows:?}");
}

#[test]
fn circles_of_files_are_found_and_families_are_not() {
    let found = |extra: &[(&str, &str)]| circles::circles(&circles::files_of(&demo(extra), "demo"));
    assert!(found(&[]).is_empty());
    for (file, style) in STYLES {
        let file = format!("demo/src/a/{file}.rs");
        let back = [
            (file.as_str(), style),
            ("demo/src/b.rs", "use crate::a::{A, inner::Inner};"),
        ];
        // `a` and its child do not import each other here, so only the circle with `b` is found.
        let circles = found(&back);
        assert!(
            circles.iter().any(|files| files.contains(&file)),
            "{style}: {circles:?}"
        );
    }
    let family = [
        ("demo/src/b/deep.rs", "use super::B;"),
        ("demo/src/b.rs", "use deep::Deep;"),
    ];
    assert!(found(&family).is_empty(), "a parent and its child");
    let siblings = [
        ("demo/src/b.rs", "mod other; pub use other::Other;"),
        ("demo/src/b/deep.rs", "use super::Other;"),
        ("demo/src/b/other.rs", "pub struct Other(super::Deep);"),
    ];
    let circle = ["demo/src/b/deep.rs", "demo/src/b/other.rs"]
        .map(str::to_owned)
        .to_vec();
    assert!(
        found(&siblings).contains(&circle),
        "siblings, through their parent's re-exports"
    );
    let outside = [
        ("demo/src/b/deep.rs", "use super::B;"),
        ("demo/src/b.rs", "use crate::a::A;"),
        ("demo/src/a/mod.rs", "use crate::b::Deep;"),
    ];
    assert!(!found(&outside).is_empty(), "a child, its parent and a stranger");
}

#[test]
fn wire_types_are_found_in_every_style_of_import() {
    for style in [
        "use proto::v1::Add;",
        "use proto::{status, v1};",
        "use proto::{self, status}; fn f(_: proto::v1::Add) {}",
        "use proto::{self as wire}; fn f(_: wire::v1::Add) {}",
        "use proto as wire; use wire::v1 as types;",
        "extern crate proto as wire; fn f(_: wire::v1::Add) {}",
        "fn f() -> ::proto::v1::Add { todo!() }",
        "use ::proto::v1 as wire;",
        "use proto::*; fn f(_: v1::Add) {}",
        "use proto::status::Hidden;",
        "use crate::rpc::v1::Add;",
        "use crate::rpc::Carried;",
    ] {
        let sources = demo(&[
            ("demo/src/lib.rs", "mod rpc;"),
            (
                "demo/src/rpc.rs",
                "pub use proto::v1; pub use proto::v1::Add as Carried;",
            ),
            ("demo/src/a/mod.rs", style),
        ]);
        let found: Vec<_> = wire_names(&sources).into_iter().collect();
        assert_eq!(found, ["demo/src/a/mod.rs"], "{style}");
    }
}

#[test]
fn long_comments_and_names_are_found() {
    let long = "a".repeat(120);
    assert_eq!(
        long_comments("x.rs", &format!("fn f() {{}}\n    // {long}")),
        ["x.rs:2"]
    );
    assert_eq!(
        long_comments("x.rs", &format!("const X: &str = \"{long}\";")),
        Vec::<String>::new()
    );
    let mut names = Vec::new();
    let text = "#[test] fn one() {} fn none() {} mod m { #[tokio::test(flavor = \"x\")] #[ignore] async fn two() {} }
                proptest! { #[test] fn three(x in 0..1) {} }";
    test_names(text.parse().expect("tokens"), &mut names);
    assert_eq!(names, ["one", "two", "three"]);
}

#[test]
fn debug_texts_in_logs_are_found() {
    let text = r#"fn f() {
        info!(rate = ?a.b(), "one");
        tracing::warn!(?rate, "two");
        if so { error!("three {rate:?}"); }
        info!(rate = f()?, %other, "four");
        debug!(?rate, "five");
    }"#;
    let mut found = Vec::new();
    debug_texts(text.parse().expect("tokens"), &mut found);
    assert_eq!(found.len(), 3, "{found:?}");
    for (found, word) in found.iter().zip(["one", "two", "three"]) {
        assert!(found.contains(word), "{found}");
    }
}
