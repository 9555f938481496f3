//! Sentences that a node or a tracker says to people: each has its Spanish in `peer/src/words/reports/`.
//!
//! Every literal that reads as words is looked at, so that no new error escapes, wherever it is made: in an
//! attribute of `thiserror`, a `format!`, a constant.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::imports::{attribute, inner, is_test_only, item_end};

/// Sources whose words are not reports, by the beginning of their paths.
const ELSEWHERE: &[(&str, &str)] = &[
    ("peer/src/cli/", "speaks through `words`"),
    ("peer/src/menu/", "speaks through `words`"),
    ("peer/src/terminal/", "speaks through `words`"),
    ("peer/src/words/", "has both languages"),
    ("peer/src/settings.rs", "has both languages"),
    ("peer/src/node/settings.rs", "has both languages"),
    ("shared/src/settings/", "has both languages"),
    ("shared/src/language.rs", "an error of the choice of the language"),
    ("peer/src/main.rs", "starts the command line"),
    ("peer/src/http/", "HTTP is English"),
    ("proto/src/http/", "HTTP is English"),
    ("tracker/src/http", "HTTP is English"),
    ("peer/src/json.rs", "JSON is English"),
    ("shared/src/json/", "JSON is English"),
    ("shared/src/runtime/", "logs and manuals are English"),
    ("webserver/", "the program is English"),
    ("tracker/src/audit_log/", "the audit is English"),
    ("tracker/src/commands/", "the program is English"),
    ("tracker/src/config.rs", "the program is English"),
    ("tracker/src/config/", "the program is English"),
    ("tracker/src/journal/", "the program is English"),
    ("tracker/src/main.rs", "the program is English"),
    ("tracker/src/offline.rs", "the program is English"),
    ("tracker/src/policy.rs", "the program is English"),
    ("tracker/src/server.rs", "the program is English"),
    ("tracker/src/timing.rs", "the program is English"),
    (
        "tracker/src/state/audit.rs",
        "contradictions of a journal are for its operator",
    ),
    (
        "tracker/src/state/names/snapshot.rs",
        "contradictions of a journal are for its operator",
    ),
    (
        "tracker/src/state/peers/mod.rs",
        "contradictions of a journal are for its operator",
    ),
    (
        "tracker/src/state/security/members.rs",
        "contradictions of a journal are for its operator",
    ),
    (
        "tracker/src/state/security/mod.rs",
        "contradictions of a journal are for its operator",
    ),
    (
        "tracker/src/state/security/tokens.rs",
        "contradictions of a journal are for its operator",
    ),
    ("proto/src/v1.rs", "is generated"),
    ("proto/src/hostile.rs", "is for tests"),
    ("tests/", "is for tests"),
];

/// Words that nobody is told: of databases, of protocols, of logs and of `Debug`, and causes of errors whose
/// details stay in a log.
const UNSAID: &[&str] = &[
    " (os error",
    "a pack",
    "collection {catalog}",
    "it comes from epoch {order}, the session is of epoch {session}",
    "out {c}",
    "place {other}",
    "publication state {other}",
    "start a thread for",
    "the bytes to be kept",
    "the content has changed since it was announced last",
    "the content is being published",
    "the content was announced in message {sent}, the order takes messages up to {as_of} into account",
    "the endpoint answers this method itself",
    "the tracker is older and has no network id: nothing of this peer's network is dropped or forgotten for it",
    "the ledger",
    "{input:?} is no answer to {step:?}",
    "{missed} changes of the store were missed; saying hello again to tell what differs",
    "{APART} WHERE network = ?",
    "{PENDING} ORDER BY name",
    "{PUBLICATION} {which}",
    // Objects in the audit.
    "-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n",
    "key {}",
    "the authority",
    "the caller went away",
    "the network",
    "{content} of {peer}",
    "{from} to {to}",
    "{} {} by token {}",
];

/// Calls whose words go into a log or are never said.
const LOGS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "panic",
    "unreachable",
];

/// Literals of sources.
#[derive(Default)]
struct Literals {
    /// All.
    all: BTreeSet<String>,
    /// Those that read as words.
    words: BTreeSet<String>,
    /// Verbs of `cannot {act} …`.
    acts: BTreeSet<String>,
}

impl Literals {
    fn read(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if let Some((end, content)) = attribute(tokens, at) {
                let is_error = matches!(&content[..], [TokenTree::Ident(name), ..] if *name == "error");
                if is_test_only(&content) {
                    at = item_end(tokens, at);
                    continue;
                }
                if is_error {
                    self.read(&content);
                }
                at = end;
                continue;
            }
            at = match &tokens[at..] {
                [
                    TokenTree::Ident(name),
                    TokenTree::Punct(mark),
                    TokenTree::Group(_),
                    ..,
                ] if mark.as_char() == '!' && LOGS.contains(&name.to_string().as_str()) => at + 3,
                [TokenTree::Ident(name), TokenTree::Group(group), ..]
                    if ["expect", "spawn"].contains(&name.to_string().as_str())
                        && group.delimiter() == Delimiter::Parenthesis =>
                {
                    // A thread's or a task's name is never said; the words of `expect` neither.
                    self.read(&inner(group).into_iter().skip(1).collect::<Vec<_>>());
                    at + 2
                }
                tokens => {
                    self.read_one(tokens);
                    at + 1
                }
            };
        }
    }

    fn read_one(&mut self, tokens: &[TokenTree]) {
        match tokens {
            [TokenTree::Ident(name), TokenTree::Group(group), ..] if *name == "io" || *name == "at_place" => {
                self.acts.extend(inner(group).first().and_then(text));
            }
            [TokenTree::Ident(name), TokenTree::Punct(colon), literal, ..]
                if *name == "act" && colon.as_char() == ':' =>
            {
                self.acts.extend(text(literal));
            }
            [TokenTree::Group(group), ..] => self.read(&inner(group)),
            [literal, ..] => {
                if let Some(text) = text(literal) {
                    if reads_as_words(&text) {
                        self.words.insert(text.clone());
                    }
                    self.all.insert(text);
                }
            }
            [] => {}
        }
    }
}

/// Whether two words follow each other, or a word and a place. No report begins with a capital, as SQL does.
fn reads_as_words(text: &str) -> bool {
    let chars: Vec<_> = text.chars().collect();
    let mut own = text.split(['{', '}']).step_by(2);
    let has_word = own.any(|own| {
        own.split(|c: char| !c.is_ascii_alphabetic())
            .any(|word| word.len() > 1)
    });
    if !has_word || text.trim_start().starts_with(|c: char| c.is_ascii_uppercase()) {
        return false;
    }
    chars.windows(3).any(|three| {
        let begins = |c: char| c.is_ascii_alphabetic() || c == '{';
        let ends = |c: char| c.is_ascii_alphabetic() || c == '}' || c == ',' || c == ';';
        ends(three[0]) && three[1] == ' ' && begins(three[2])
    })
}

/// Returns the text of a literal that is one.
fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let source = literal.to_string();
    let mut chars = source.strip_prefix('"')?.strip_suffix('"')?.chars().peekable();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some('n')) => text.extend(chars.next().map(|_| '\n')),
            ('\\', _) => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    Some(text)
}

/// Adds the pairs of texts, of which the first is a form.
fn forms(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    for token in tokens {
        if let TokenTree::Group(group) = token {
            match &inner(group)[..] {
                [form, TokenTree::Punct(_), _, ..] if text(form).is_some() => found.extend(text(form)),
                tokens => forms(tokens, found),
            }
        }
    }
}

fn tokens(text: &str) -> Vec<TokenTree> {
    let stream: TokenStream = text.parse().expect("Rust");
    stream.into_iter().collect()
}

#[test]
fn every_report_has_its_spanish() {
    let (mut said, mut known, mut put_together) = (Literals::default(), BTreeSet::new(), BTreeSet::new());
    for (file, text) in super::texts("rs") {
        if let Some(table) = file.strip_prefix("peer/src/words/reports/") {
            let (forms_of, others) = match text.split_once("const OTHERS") {
                Some((forms, others)) => (
                    format!("{forms}const X: () = ();"),
                    format!("const OTHERS{others}"),
                ),
                None => (text, String::new()),
            };
            if table != "mod.rs" {
                forms(&tokens(&forms_of), &mut known);
                forms(&tokens(&others), &mut put_together);
            }
        } else if file.contains("/src/") && !is_elsewhere(&file) {
            said.read(&tokens(&text));
        }
    }
    let needed: BTreeSet<_> = said.words.iter().chain(&said.acts).cloned().collect();
    let unsaid: BTreeSet<_> = UNSAID.iter().map(|text| (*text).to_owned()).collect();
    let lacking: Vec<_> = needed
        .difference(&known)
        .filter(|text| !unsaid.contains(*text) && !put_together.contains(*text))
        .collect();
    assert!(
        lacking.is_empty(),
        "these have no Spanish in peer/src/words/reports: {lacking:#?}\nwrite it there, with the same places in braces"
    );
    let stale: Vec<_> = known
        .union(&unsaid)
        .filter(|text| !said.all.contains(*text) && !said.acts.contains(*text))
        .collect();
    assert!(stale.is_empty(), "nothing says these any more: {stale:#?}");
}

fn is_elsewhere(file: &str) -> bool {
    let is_for_tests = [
        "/tests/",
        "/tests.rs",
        "tests_",
        "/conformance.rs",
        "/testing.rs",
        "/bin/",
    ];
    ELSEWHERE.iter().any(|(begin, _)| file.starts_with(begin))
        || is_for_tests.iter().any(|part| file.contains(part))
}
