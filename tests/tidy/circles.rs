//! Circles among the files of a crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Segments, Sources};

/// Files of one crate and the files that each imports.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the imports between the files of a crate. A file that imports a re-export imports the file of the
/// item.
pub(crate) fn files_of(sources: &Sources, name: &str) -> Graph {
    let mut graph = Graph::new();
    for (module, file, targets) in sources.mentions() {
        if module[0] != name {
            continue;
        }
        let imports = graph.entry(file.to_owned()).or_default();
        for target in targets {
            let other = sources.file(target.module()).filter(|_| target.path[0] == name);
            imports.extend(other.filter(|other| *other != file).map(str::to_owned));
        }
    }
    graph
}

/// Returns the sets of files that import each other, directly or through others.
fn components(graph: &Graph) -> BTreeSet<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|file| (file, reachable(graph, file))).collect();
    let mutual = |file: &String| -> Vec<String> {
        reach[file]
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)))
            .map(|other| (*other).clone())
            .collect()
    };
    graph.keys().map(mutual).filter(|files| files.len() > 1).collect()
}

fn reachable<'a>(graph: &'a Graph, from: &String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut pending: Vec<&String> = graph.get(from).into_iter().flatten().collect();
    while let Some(file) = pending.pop() {
        if seen.insert(file) {
            pending.extend(graph.get(file).into_iter().flatten());
        }
    }
    seen
}

/// The directory in which the files of a module's children are.
fn directory_of(file: &str) -> &str {
    let stem = file.trim_end_matches(".rs");
    ["/mod", "/lib", "/main"]
        .iter()
        .find_map(|root| stem.strip_suffix(root))
        .unwrap_or(stem)
}

fn is_below(file: &str, parent: &str) -> bool {
    file != parent && file.starts_with(&format!("{}/", directory_of(parent)))
}

/// Returns the circles that are not one module and its children telling one story.
///
/// A parent and its children may import each other, but siblings may make no circle of their own: neither
/// directly nor through files outside the family.
pub(crate) fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let is_family = |files: &Vec<String>| {
        let is_child = |parent: &String, file: &String| file == parent || is_below(file, parent);
        files
            .iter()
            .any(|parent| files.iter().all(|file| is_child(parent, file)))
    };
    let mut found: BTreeSet<_> = components(graph)
        .into_iter()
        .filter(|files| !is_family(files))
        .collect();
    let downward = graph.iter().map(|(file, imports)| {
        let kept = imports.iter().filter(|other| !is_below(file, other)).cloned();
        (file.clone(), kept.collect())
    });
    found.extend(components(&downward.collect()));
    found
}

/// Returns the imports of each top-level module of a crate; `lib` is the root.
pub(crate) fn arrows(sources: &Sources, name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let top = |path: &[String]| path.get(1).map_or("lib", String::as_str).to_owned();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, _, targets) in sources.mentions() {
        let module: &Segments = module;
        if module[0] != name || module.len() == 1 {
            continue;
        }
        let from = top(module);
        let to = targets
            .iter()
            .filter(|target| target.path[0] == name)
            .map(|target| top(target.module()))
            .filter(|to| *to != from);
        arrows.entry(from.clone()).or_default().extend(to);
    }
    arrows
}
