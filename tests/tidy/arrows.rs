//! The tables of who may import whom, and the circles that are allowed.

/// A module at the top of a crate and the other ones that it imports.
pub(crate) type Row = (&'static str, &'static [&'static str]);

pub(crate) const SHARED: &[Row] = &[];
pub(crate) const PROTO: &[Row] = &[];
pub(crate) const TRACKER: &[Row] = &[];
pub(crate) const PEER: &[Row] = &[];
pub(crate) const WEBSERVER: &[Row] = &[];
pub(crate) const TESTS: &[Row] = &[];

/// Every crate's table, by the crate's name.
pub(crate) const CRATES: &[(&str, &[Row])] = &[
    ("shared", SHARED),
    ("proto", PROTO),
    ("tracker", TRACKER),
    ("peer", PEER),
    ("webserver", WEBSERVER),
    ("harness", TESTS),
];

/// Circles that stay, each with its reason; ARCHITECTURE.md has them as well.
pub(crate) const CIRCLES: &[(&[&str], &str)] = &[];
