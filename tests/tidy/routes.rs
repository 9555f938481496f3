//! The table of authorization against the routes in the sources of the three programs.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use shared::security::Role;
use shared::security::authorization::calls;

/// Functions of axum that take the handler of a method.
const METHODS: [&str; 6] = ["any", "delete", "get", "patch", "post", "put"];

/// Collects the routes (`GET /path`) that tokens add to a router.
fn routes(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let is_route = at
            .checked_sub(1)
            .is_some_and(|before| tokens[before].to_string() == "route");
        if is_route {
            let inside: Vec<_> = group.stream().into_iter().collect();
            let path = inside.first().map(ToString::to_string).unwrap_or_default();
            let path = path.trim_matches('"');
            for pair in inside.windows(2) {
                let [TokenTree::Ident(name), TokenTree::Group(_)] = pair else {
                    continue;
                };
                let name = name.to_string();
                if METHODS.contains(&name.as_str()) {
                    found.insert(format!("{} {path}", name.to_uppercase()));
                }
            }
        }
        routes(group.stream(), found);
    }
}

#[test]
fn every_route_is_in_the_table_and_no_other() {
    let texts = super::texts("rs");
    for (program, directory) in [
        (Role::Tracker, "tracker/src/"),
        (Role::Webserver, "webserver/src/"),
        (Role::Peer, "peer/src/"),
    ] {
        let mut served = BTreeSet::new();
        for (file, text) in texts.range(directory.to_owned()..) {
            if file.starts_with(directory) && !file.contains("/tests") {
                routes(text.parse().expect("Rust"), &mut served);
            }
        }
        let listed: BTreeSet<_> = calls()
            .filter(|call| call.program == program && !call.name.starts_with('/'))
            .map(|call| call.name.to_owned())
            .collect();
        assert_eq!(
            served, listed,
            "{directory} on the left, the table of authorization on the right"
        );
    }
}
