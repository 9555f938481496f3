//! Modules of the workspace's crates and the paths that they name, read from the tokens of their sources.
//!
//! Every style of import is a path in the end: `use` trees with groups, renames and globs, paths in
//! expressions, types, macro bodies and attributes (also `#[serde(with = "crate::x")]`), and `extern crate`.
//! A path is followed through aliases and re-exports to the module that defines its item. Code under
//! `#[cfg(test)]` is not read: a test may import what it likes. A local name that shadows a module, and a
//! name that only a macro makes, are beyond the reader: the import then counts as one of the module in which
//! the name should be.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Segments of a path. A leading `::` is an empty first segment.
pub(crate) type Segments = Vec<String>;

/// Aliases and re-exports that a path may go through; more is a loop.
const MAX_STEPS: usize = 32;

/// Keywords that are followed by the name of an item.
const ITEMS: [&str; 8] = [
    "fn", "struct", "enum", "union", "trait", "type", "const", "static",
];

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Names that `use` and `extern crate` bring in, and where they come from.
    names: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    items: BTreeSet<String>,
    mentions: BTreeSet<Segments>,
    /// Every identifier, since a glob may bring its item in.
    words: BTreeSet<String>,
}

/// A path from a crate's name on, and how many of its segments are modules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) path: Segments,
    modules: usize,
}

impl Target {
    pub(crate) fn module(&self) -> &[String] {
        &self.path[..self.modules]
    }
}

/// The module trees of some crates, by path from the crate's name on.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    modules: BTreeMap<Segments, Module>,
}

impl Sources {
    /// Reads a crate from its root file on, following `mod` declarations.
    ///
    /// # Panics
    /// When a file is missing or is no Rust.
    pub(crate) fn add_crate(&mut self, name: &str, root: &str, files: &BTreeMap<String, String>) {
        let mut pending = vec![(vec![name.to_owned()], root.to_owned())];
        while let Some((path, file)) = pending.pop() {
            let text = files
                .get(&file)
                .unwrap_or_else(|| panic!("{file}, the file of {}, is missing", path.join("::")));
            let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut reader = Reader {
                sources: self,
                files,
                file: file.clone(),
                depth: path.len(),
                pending: &mut pending,
            };
            reader.module(&path, &tokens.into_iter().collect::<Vec<_>>());
        }
    }

    /// Every module with its file and the targets that it names, its own ones as well.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = (&Segments, &str, BTreeSet<Target>)> {
        self.modules.iter().map(|(path, module)| {
            let by_glob = module.words.iter().filter(|word| !self.knows(path, word));
            let by_glob = by_glob.filter_map(|word| {
                let from = self.through_glob(path, word, 0)?;
                Some([from, vec![word.clone()]].concat())
            });
            let targets = module
                .mentions
                .iter()
                .filter_map(|mention| self.absolute(path, mention, 0))
                .chain(by_glob)
                .map(|absolute| self.resolve(absolute, 0))
                .collect();
            (path, module.file.as_str(), targets)
        })
    }

    /// The file of a module.
    pub(crate) fn file(&self, module: &[String]) -> Option<&str> {
        self.modules.get(module).map(|module| module.file.as_str())
    }

    /// A path as a module names it, from a crate's name on; `None` for a name that is neither a module nor
    /// imported.
    fn absolute(&self, module: &[String], path: &[String], steps: usize) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "" => Some(rest.to_vec()),
            "crate" => Some([&module[..1], rest].concat()),
            "self" | "super" => {
                let supers = path.iter().filter(|segment| *segment == "super").count();
                let kept = module.len().checked_sub(supers)?;
                let skipped = supers + usize::from(first == "self");
                Some([&module[..kept], &path[skipped..]].concat())
            }
            _ if steps == MAX_STEPS => None,
            _ => {
                if self
                    .modules
                    .contains_key([module, &path[..1]].concat().as_slice())
                {
                    return Some([module, path].concat());
                }
                match self.modules.get(module)?.names.get(first) {
                    Some(bound) if bound.first() != Some(first) => {
                        let start = self.absolute(module, bound, steps + 1)?;
                        Some([start, rest.to_vec()].concat())
                    }
                    Some(bound) => Some([bound, rest].concat()),
                    None => match self.through_glob(module, first, steps) {
                        Some(from) => Some([&from, path].concat()),
                        None => self.modules.contains_key(&path[..1]).then(|| path.to_vec()),
                    },
                }
            }
        }
    }

    /// Follows re-exports to the module that defines the item at the path's end.
    fn resolve(&self, path: Segments, steps: usize) -> Target {
        let mut modules = 0;
        while modules < path.len() && self.modules.contains_key(&path[..=modules]) {
            modules += 1;
        }
        let here = Target { path, modules };
        let (Some(module), Some(name)) = (self.modules.get(here.module()), here.path.get(modules)) else {
            return here;
        };
        if module.items.contains(name) || steps == MAX_STEPS {
            return here;
        }
        let rest = &here.path[modules + 1..];
        if let Some(source) = module
            .names
            .get(name)
            .and_then(|bound| self.absolute(here.module(), bound, 0))
            .filter(|source| source[..] != here.path[..=modules])
        {
            return self.resolve([&source, rest].concat(), steps + 1);
        }
        match self.through_glob(here.module(), name, steps) {
            Some(from) => self.resolve([&from, &here.path[modules..]].concat(), steps + 1),
            None => here,
        }
    }

    /// Whether a module has a name by itself: defined, imported, or a child.
    fn knows(&self, path: &[String], name: &String) -> bool {
        let child = [path, std::slice::from_ref(name)].concat();
        let here = self.modules.get(path);
        self.modules.contains_key(&child)
            || here.is_some_and(|module| module.items.contains(name) || module.names.contains_key(name))
    }

    /// The module whose glob import brings a name into another module.
    fn through_glob(&self, path: &[String], name: &String, steps: usize) -> Option<Segments> {
        let globs = self.modules.get(path)?.globs.iter();
        globs
            .filter(|glob| steps < MAX_STEPS && glob.first() != Some(name))
            .filter_map(|glob| self.absolute(path, glob, steps + 1))
            .map(|from| self.resolve(from, steps + 1).path)
            .find(|from| from != path && self.knows(from, name))
    }
}

/// Reads one file.
struct Reader<'a> {
    sources: &'a mut Sources,
    files: &'a BTreeMap<String, String>,
    file: String,
    /// Length of the path of the file's own module.
    depth: usize,
    pending: &'a mut Vec<(Segments, String)>,
}

impl Reader<'_> {
    fn module(&mut self, path: &Segments, tokens: &[TokenTree]) {
        let file = self.file.clone();
        self.sources.modules.entry(path.clone()).or_default().file = file;
        self.scan(path, tokens, true);
    }

    /// Reads tokens of a module; `is_top` says whether items stand here that others can name.
    fn scan(&mut self, path: &Segments, tokens: &[TokenTree], is_top: bool) {
        let mut at = 0;
        let mut given_path = None;
        while at < tokens.len() {
            if let Some((end, attribute)) = attribute(tokens, at) {
                at = end;
                if is_test_only(&attribute) {
                    at = item_end(tokens, at);
                } else if let Some(given) = path_attribute(&attribute) {
                    given_path = Some(given);
                } else if word(attribute.first()).as_deref() != Some("doc") {
                    self.strings(path, &attribute);
                    self.scan(path, &attribute, false);
                }
                continue;
            }
            match word(tokens.get(at)).as_deref() {
                // `impl Trait + use<'a>` imports nothing.
                Some("use") if !is_punct(tokens.get(at + 1), '<') => {
                    let end = position(tokens, at, ';');
                    self.imports(path, &[], &tokens[at + 1..end]);
                    at = end;
                }
                Some("extern") if word(tokens.get(at + 1)).as_deref() == Some("crate") => {
                    let end = position(tokens, at, ';');
                    self.imports(path, &[String::new()], &tokens[at + 2..end]);
                    at = end;
                }
                Some("mod") if word(tokens.get(at + 1)).is_some() => {
                    at = self.child(path, tokens, at, given_path.take());
                }
                Some(keyword) => {
                    self.word(path, keyword);
                    if is_top && ITEMS.contains(&keyword) {
                        self.item(path, word(tokens.get(at + 1)));
                    }
                    at = self.inline(path, tokens, at);
                    continue;
                }
                None => {
                    if starts_with_colons(tokens, at) && word(tokens.get(at + 2)).is_some() {
                        at = self.inline(path, tokens, at);
                        continue;
                    }
                    if let Some(TokenTree::Group(group)) = tokens.get(at) {
                        let is_macro = at > 0 && is_punct(tokens.get(at - 1), '!');
                        self.scan(path, &inner(group), is_top && is_macro);
                    }
                }
            }
            at += 1;
        }
    }

    fn item(&mut self, path: &Segments, name: Option<String>) {
        if let Some(module) = self.sources.modules.get_mut(path) {
            module.items.extend(name);
        }
    }

    fn word(&mut self, path: &Segments, word: &str) {
        if let Some(module) = self.sources.modules.get_mut(path) {
            module.words.insert(word.to_owned());
        }
    }

    fn mention(&mut self, path: &Segments, mentioned: Segments) {
        if let Some(module) = self.sources.modules.get_mut(path) {
            module.mentions.insert(mentioned);
        }
    }

    /// Reads `mod x;` or `mod x { … }` and returns where it ends.
    fn child(&mut self, path: &Segments, tokens: &[TokenTree], at: usize, given: Option<String>) -> usize {
        let name = word(tokens.get(at + 1)).unwrap_or_default();
        let child = [&path[..], std::slice::from_ref(&name)].concat();
        match tokens.get(at + 2) {
            Some(TokenTree::Group(group)) => self.module(&child, &inner(group)),
            Some(_) if is_punct(tokens.get(at + 2), ';') => {
                let file = self.file_of(path, &name, given);
                self.pending.push((child, file));
            }
            _ => {}
        }
        at + 2
    }

    /// The file of a child module; one inside an inline module is looked for in the directory of that.
    fn file_of(&self, path: &Segments, name: &str, given: Option<String>) -> String {
        let directory = self.file.rsplit_once('/').map_or("", |(directory, _)| directory);
        if let Some(given) = given {
            return format!("{directory}/{given}");
        }
        let has_children_beside = self.depth == 1 || self.file.ends_with("/mod.rs");
        let owner = if has_children_beside {
            directory
        } else {
            self.file.trim_end_matches(".rs")
        };
        let inline: String = path[self.depth..].iter().map(|name| format!("/{name}")).collect();
        let beside = format!("{owner}{inline}/{name}.rs");
        if self.files.contains_key(&beside) {
            beside
        } else {
            format!("{owner}{inline}/{name}/mod.rs")
        }
    }

    /// Reads a path that stands in code and returns where it ends.
    fn inline(&mut self, path: &Segments, tokens: &[TokenTree], at: usize) -> usize {
        let mut segments = Segments::new();
        let mut next = at;
        if starts_with_colons(tokens, at) {
            segments.push(String::new());
            next += 2;
        }
        while let Some(segment) = word(tokens.get(next)) {
            segments.push(segment);
            next += 1;
            if !starts_with_colons(tokens, next) || word(tokens.get(next + 2)).is_none() {
                break;
            }
            next += 2;
        }
        // `<T as Trait>::Item` continues what stands before it; `-> ::std::…` does not.
        let continues = at > 1
            && is_punct(tokens.get(at - 1), '>')
            && !is_punct(tokens.get(at - 2), '-')
            && !is_punct(tokens.get(at - 2), '=');
        let is_global = segments.first().is_some_and(String::is_empty);
        if segments.len() > 1 && !(continues && is_global) {
            self.mention(path, segments);
        }
        next
    }

    /// Paths in the strings of an attribute, as serde takes them.
    fn strings(&mut self, path: &Segments, tokens: &[TokenTree]) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.strings(path, &inner(group)),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if let Ok(tokens) = text.trim_matches('"').parse::<TokenStream>() {
                        self.scan(path, &tokens.into_iter().collect::<Vec<_>>(), false);
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads a `use` tree below a prefix.
    fn imports(&mut self, path: &Segments, prefix: &[String], tokens: &[TokenTree]) {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    for tree in inner(group).split(|token| is_punct(Some(token), ',')) {
                        self.imports(path, &segments, tree);
                    }
                    return;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    self.mention(path, segments.clone());
                    if let Some(module) = self.sources.modules.get_mut(path) {
                        module.globs.push(segments);
                    }
                    return;
                }
                TokenTree::Ident(ident) if *ident == "as" => break,
                TokenTree::Ident(ident) => segments.push(ident.to_string()),
                _ if at == 0 && prefix.is_empty() => segments.push(String::new()),
                _ => {}
            }
            at += 1;
        }
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let alias = word(tokens.get(at + 1));
        let Some(name) = alias.or_else(|| segments.last().cloned()) else {
            return;
        };
        self.mention(path, segments.clone());
        if let Some(module) = self.sources.modules.get_mut(path) {
            module.names.insert(name, segments);
        }
    }
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn starts_with_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

pub(crate) fn inner(group: &proc_macro2::Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn position(tokens: &[TokenTree], from: usize, wanted: char) -> usize {
    (from..tokens.len())
        .find(|at| is_punct(tokens.get(*at), wanted))
        .unwrap_or(tokens.len())
}

/// The content of an attribute that begins here, and where it ends.
pub(crate) fn attribute(tokens: &[TokenTree], at: usize) -> Option<(usize, Vec<TokenTree>)> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    let at = at + 1 + usize::from(is_punct(tokens.get(at + 1), '!'));
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((at + 1, inner(group)))
        }
        _ => None,
    }
}

/// Whether an attribute is `cfg(test)`.
pub(crate) fn is_test_only(attribute: &[TokenTree]) -> bool {
    let text: String = attribute.iter().map(ToString::to_string).collect();
    text == "cfg(test)"
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attribute: &[TokenTree]) -> Option<String> {
    match attribute {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Literal(file),
        ] if *name == "path" => Some(file.to_string().trim_matches('"').to_owned()),
        _ => None,
    }
}

/// Where the item ends that begins here.
pub(crate) fn item_end(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some((end, _)) = attribute(tokens, at) {
        at = end;
    }
    let is_use = tokens[at..]
        .iter()
        .take(4)
        .any(|token| word(Some(token)).as_deref() == Some("use"));
    while at < tokens.len() {
        let ends = match &tokens[at] {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_use,
            _ => false,
        };
        at += 1;
        if ends {
            break;
        }
    }
    at
}
