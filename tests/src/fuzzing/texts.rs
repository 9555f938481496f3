//! Texts that people copy, certificates name and requests carry.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use proto::http::range;
use shared::collection::{MAX_PATTERN, Selection};
use shared::security::{ApiToken, Identity, JoinLine, Right, Scope};

use super::{Target, texts_of};

/// Longest pattern and path that the slow matcher of [`globs`] is asked about: its time is exponential.
const SHORT: usize = 14;

pub(super) const JOIN_LINE: Target = Target {
    name: "join_line",
    run: join_line,
    samples: || {
        let pin = "mmzghyjwkbdqb6w2hgjzdqulgoa2lk6w6fmxawbwhrzaqumxvsda";
        let ticket = format!("1.{pin}.0707070707070707.uws2ljnfuws2ljnfuws2ljnfuu");
        let servers = [
            "10.0.0.1:50052",
            "[2001:db8::1]:1,tracker.lab:2",
            "h:1,127.1:65535",
        ];
        let lines = servers.map(|servers| format!("enjambre-join://{servers}/{ticket}").into_bytes());
        lines.to_vec()
    },
    words: &[
        "enjambre-join://",
        "enjambre://",
        "enj_",
        "/1.",
        "/2.",
        ",",
        "[::1]:1",
        ":+1",
        ":01",
        "0.0.0.0:1",
    ],
    inputs: 8_000,
};

pub(super) const API_TOKEN: Target = Target {
    name: "api_token",
    run: api_token,
    samples: || {
        texts_of(&[
            "enj_abababababababab_Wlpaw1paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo",
            "enj_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ])
    },
    words: &["enj_", "_", "ABCDEF", "-", "=", "\n"],
    inputs: 8_000,
};

pub(super) const SCOPE: Target = Target {
    name: "scope",
    run: scope,
    samples: || {
        texts_of(&[
            "read",
            "publish:models/",
            "remove:a",
            "admin",
            "read:x:y",
            "publish:año/",
        ])
    },
    words: &["read", "publish", "remove", "admin", ":", "/", "\n", "ñ"],
    inputs: 8_000,
};

pub(super) const IDENTITY: Target = Target {
    name: "identity",
    run: identity,
    samples: || {
        let own = "0123456789abcdef0123456789abcdef";
        texts_of(&[
            &format!("{own}.peer.fedcba9876543210.enjambre"),
            &format!(
                "{own}.tracker.fedcba9876543210.enjambre\ntracker.fedcba9876543210.enjambre\nfiles.example"
            ),
            &format!("{own}.user.fedcba9876543210.enjambre\n{own}.webserver.fedcba9876543210.enjambre"),
        ])
    },
    words: &[
        ".peer.",
        ".tracker.",
        ".webserver.",
        ".user.",
        ".enjambre",
        "*",
        ".",
        "ABCDEF",
        "\n",
    ],
    inputs: 8_000,
};

pub(super) const TICKET: Target = Target {
    name: "ticket",
    run: ticket,
    samples: || {
        let id = "ab".repeat(32);
        texts_of(&[
            &format!("enjambre://127.0.0.1:50051/{id}/a.bin"),
            &format!("enjambre+tracker://[::1]:50052/{id}/a%20b"),
            &format!("enjambre+peer://lab:50053/{id}/a%C3%B1o%25"),
        ])
    },
    words: &[
        "enjambre://",
        "enjambre+peer://",
        "%2F",
        "%00",
        "%C3%B1",
        "..",
        "/",
        "%",
    ],
    inputs: 8_000,
};

pub(super) const RANGE: Target = Target {
    name: "range",
    run: byte_range,
    samples: || {
        let texts = [
            "bytes=0-0",
            "bytes=2-5",
            "bytes=2-",
            "bytes=-3",
            "bytes=9-18446744073709551615",
            "Bytes= 2-5,",
        ];
        let lengths = [0, 1, 10, u64::MAX];
        let sample =
            |(text, length): (&str, u64)| [&length.to_le_bytes()[..], &[0], text.as_bytes()].concat();
        texts
            .iter()
            .flat_map(|text| lengths.map(|length| sample((text, length))))
            .collect()
    },
    words: &[
        "bytes=",
        "-",
        ",",
        "18446744073709551615",
        "18446744073709551616",
        "0",
        "+",
        " ",
    ],
    inputs: 8_000,
};

pub(super) const GLOBS: Target = Target {
    name: "globs",
    run: globs,
    samples: || {
        texts_of(&[
            "docs/a.md\n/docs/*.md\n!*.tmp",
            "a/b/c/z\na/**/z\n!build/",
            "src/gen/a.rs\nsrc\n**/*.rs\n!src/gen",
            "q/xäy\n!x?y",
            "a/a/a/a/a\n**/a/**/b\n!**",
        ])
    },
    words: &["**", "*", "?", "/", "\n", "\n!", "**/", "ñ"],
    inputs: 4_000,
};

/// Reads a text; checks that the value is printed as a text that is read as the same value.
fn read<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display + PartialEq + Debug,
{
    let value: T = match text.parse() {
        Ok(value) => value,
        Err(error) => {
            assert!(
                !error.to_string().is_empty(),
                "{text:?} is refused without a word"
            );
            return None;
        }
    };
    let printed = value.to_string();
    match printed.parse::<T>() {
        Ok(again) => assert_eq!(again, value, "{text:?} and {printed:?}"),
        Err(error) => panic!("{text:?} is printed as {printed:?}, which is refused: {error}"),
    }
    Some(value)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn join_line(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(line) = read::<JoinLine>(text) {
        assert!(
            (1..=JoinLine::MAX_SERVERS).contains(&line.servers().len()),
            "{text:?}"
        );
        assert!(
            line.servers().iter().all(|server| server.undialable().is_none()),
            "{text:?}"
        );
    }
    if let Err(error) = text.parse::<JoinLine>() {
        // A refusal does not repeat what may be a secret; ten characters can be words of the message.
        let repeated = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|part| part.len() > 20 && error.to_string().contains(part));
        assert_eq!(repeated, None, "{error}");
    }
}

fn api_token(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(token) = read::<ApiToken>(text) {
        // One encoding for one secret: otherwise a token would have several texts to look for.
        assert_eq!(token.to_string(), text.trim());
        assert!(!format!("{token:?}").contains(&text.trim()[21..]), "shown");
    }
}

fn scope(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Some(scope) = read::<Scope>(text) else { return };
    assert_eq!(Scope::new(scope.right(), scope.prefix()).as_ref(), Ok(&scope));
    assert!(scope.covers(scope.right(), scope.prefix()));
    assert!(
        scope.prefix().is_empty() || !scope.covers(scope.right(), ""),
        "{text:?} is over everything"
    );
    for right in Right::ALL {
        assert_eq!(
            scope.covers(right, scope.prefix()),
            scope.gives(right),
            "{text:?} and {right}"
        );
    }
}

fn identity(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let names = || text.split('\n');
    for name in names() {
        if let Some(identity) = read::<Identity>(name) {
            assert_eq!(identity.to_string(), name, "one member has one name");
        }
    }
    if let Ok(member) = Identity::of_names(names()) {
        let [own, _] = member.names();
        let members = names().take(64).filter(|name| name.parse::<Identity>().is_ok());
        assert_eq!(members.collect::<Vec<_>>(), [own], "{text:?}");
    }
}

fn ticket(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(printed) = peer::fuzzing::ticket(text) {
        assert_eq!(
            peer::fuzzing::ticket(&printed).as_ref(),
            Some(&printed),
            "{text:?}"
        );
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/.-_+%[]".contains(c);
        assert!(printed.chars().all(is_plain), "a shell minds {printed}");
    }
}

/// Takes a length (eight bytes), a byte that tells the method and the condition, and the header.
fn byte_range(bytes: &[u8]) {
    let Some((length, [how, value @ ..])) = bytes.split_first_chunk() else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let asked = |value: HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value);
        if how & 2 != 0 {
            let tag = if how & 4 == 0 { "\"tag\"" } else { "\"other\"" };
            headers.insert(header::IF_RANGE, HeaderValue::from_static(tag));
        }
        let method = if how & 1 == 0 { Method::GET } else { Method::HEAD };
        range(&method, &headers, length, "tag").map_err(drop)
    };
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let Ok(Some(range)) = asked(value.clone()) else {
        return;
    };
    assert!(
        range.start < range.end && range.end <= length,
        "{value:?} of {length}: {range:?}"
    );
    assert!(
        how & 1 == 0 && how & 6 != 6,
        "{value:?} is not answered for this request"
    );
    let printed = format!("bytes={}-{}", range.start, range.end - 1);
    let again = asked(printed.parse().expect("digits"));
    assert_eq!(
        again,
        Ok(Some(range)),
        "{value:?} of {length}, printed as {printed}"
    );
}

/// Takes a path, and in each further line a pattern; `!` excludes.
fn globs(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut lines = text.split('\n');
    let path = lines.next().unwrap_or_default();
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for line in lines {
        match line.strip_prefix('!') {
            Some(pattern) => exclude.push(pattern.to_owned()),
            None => include.push(line.to_owned()),
        }
    }
    let is_short = |pattern: &String| pattern.len() <= SHORT;
    let is_checked = path.len() <= SHORT && include.iter().chain(&exclude).all(is_short);
    let slowly = |patterns: &[String]| patterns.iter().any(|pattern| slow::covers(pattern, path));
    let (included, excluded) = match is_checked {
        true => (include.is_empty() || slowly(&include), slowly(&exclude)),
        false => (true, false),
    };
    let Ok(selection) = Selection::new(include, exclude) else {
        return;
    };
    let patterns = || selection.include().iter().chain(selection.exclude());
    assert!(patterns().all(|pattern| (1..=MAX_PATTERN).contains(&pattern.len())));
    assert!(
        !(selection.takes(path) && selection.excludes(path)),
        "exclusion wins: {text:?}"
    );
    if is_checked {
        assert_eq!(selection.excludes(path), excluded, "{text:?}");
        assert_eq!(selection.takes(path), included && !excluded, "{text:?}");
    }
    let below = format!("{path}/x");
    assert!(
        !selection.excludes(path) || selection.excludes(&below),
        "with all that is in it: {text:?}"
    );
}

/// Globs as their documentation defines them, by trying everything.
mod slow {
    pub(super) fn covers(pattern: &str, path: &str) -> bool {
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        let path: Vec<&str> = path.split('/').collect();
        if !pattern.contains('/') && pattern != "**" {
            return path.iter().any(|name| matches(&chars(pattern), &chars(name)));
        }
        let pattern: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
        (1..=path.len()).any(|length| leads(&pattern, &path[..length]))
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn leads(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], path) => path.is_empty(),
            (["**", rest @ ..], path) => leads(rest, path) || !path.is_empty() && leads(pattern, &path[1..]),
            ([first, rest @ ..], [name, path @ ..]) => {
                matches(&chars(first), &chars(name)) && leads(rest, path)
            }
            (_, []) => false,
        }
    }

    fn matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            (['*', rest @ ..], name) => {
                matches(rest, name) || !name.is_empty() && matches(pattern, &name[1..])
            }
            (['?', rest @ ..], [_, name @ ..]) => matches(rest, name),
            ([c, rest @ ..], [d, name @ ..]) => c == d && matches(rest, name),
            (_, []) => false,
        }
    }
}
