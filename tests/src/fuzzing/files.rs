//! Files of a program: its settings, its databases before SQLite sees them, a peer's key, its way into a
//! network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use shared::database::{self, Verdict};
use shared::settings::{Origin, Places, SettingsError, Table, Values};
use tempfile::TempDir;

use super::{Target, texts_of};

/// A database of two pages of 512 bytes, and a log with three transactions.
const DATABASE_FILE: &[u8] = include_bytes!("../../fixtures/small.sqlite");
const LOG_FILE: &[u8] = include_bytes!("../../fixtures/small.sqlite-wal");

/// Flags of the first byte of an input for [`database_files`].
const MARKED: u8 = 1;
const NO_LOG: u8 = 2;

thread_local! {
    static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory");
}

pub(super) const SETTINGS: Target = Target {
    name: "settings",
    run: settings,
    samples: || {
        texts_of(&[
            "t# nothing\n",
            "thost = \"::1\"\nport = 0\nreplicas = 2\nallowed_hosts = [\"a\", \"b.lab\"]\n[timing]\nlease = \"9s\"\n",
            "tfragment_length = \"1MiB\"\nhistory_grace = \"1h\"\n[repair]\ntotal = \"1GiB\"\nrate = \"1MiB/s\"\n",
            "wtracker = [\"h:1\", \"[::1]:2\"]\nprobe_interval = \"1s\"\nport = 0x1F\n",
            "pcapacity = \"2TiB\"\ndata_dir = \"/d\"\nwebserver = \"h:1\"\njson = true\ntimeout = \"1m\"\n",
            "ptracker = \"h:1\"\nupload_limit = \"1MB/s\"\nlang = \"es\"\nquiet = false\n",
        ])
    },
    words: &[
        "=",
        "\n",
        "\"",
        "[timing]\n",
        "[",
        "]",
        "{",
        "}",
        "0x",
        "1e9",
        "\u{feff}",
        ".",
        "'''",
        "1979-05-27",
        "lease",
    ],
    inputs: 1_500,
};

pub(super) const DATABASE: Target = Target {
    name: "database",
    run: database_files,
    samples: || {
        let split = u16::try_from(DATABASE_FILE.len()).expect("short").to_le_bytes();
        let sample = |flags: u8, log: &[u8]| [&[flags][..], &split[..], DATABASE_FILE, log].concat();
        let torn = &LOG_FILE[..LOG_FILE.len() - 100];
        vec![
            sample(0, LOG_FILE),
            sample(MARKED, LOG_FILE),
            sample(MARKED, torn),
            sample(NO_LOG, &[]),
        ]
    },
    words: &["SQLite format 3\0", "\u{2}\0", "7\u{7f}", "\0\0\0\0\0\0\0\0"],
    inputs: 1_500,
};

pub(super) const KEY_FILE: Target = Target {
    name: "key_file",
    run: key_and_network_files,
    samples: || {
        let key = peer::fuzzing::new_key_file().into_bytes();
        let network = "3".repeat(32);
        let known = format!(
            "{{\"by\":\"webserver\",\"address\":\"w:1\",\"webserver\":null,\"trackers\":[\"t:1\",\"[::1]:2\"],\
             \"network\":\"{network}\",\"other_networks\":[\"{network}\"]}}"
        );
        let older = "{\"by\":\"peer\",\"address\":\"p:1\",\"webserver\":\"w:1\",\"trackers\":[]}";
        vec![key, known.into_bytes(), older.into()]
    },
    words: &[
        "+f",
        "\n",
        "\"",
        "null",
        "[",
        "\"tracker\"",
        ":+1",
        "AB",
        " ",
        "{\"by\":",
    ],
    inputs: 4_000,
};

fn path(name: &str) -> std::path::PathBuf {
    DIRECTORY.with(|directory| directory.path().join(name))
}

fn table(letter: u8) -> Table {
    match letter {
        b't' => tracker::config::table(),
        b'w' => webserver::config::TABLE,
        _ => peer::settings::table(),
    }
}

/// Takes the letter of a program and the text of its file.
fn settings(bytes: &[u8]) {
    let Some((letter, text)) = bytes.split_first() else {
        return;
    };
    let table = table(*letter);
    let values = match read_settings(table, text) {
        Ok(values) => values,
        Err(SettingsError::File { problems, .. }) => {
            assert!(!problems.is_empty(), "refused without a fault");
            let lines = text.split(|byte| *byte == b'\n').count();
            for problem in problems {
                assert!(
                    (1..=lines).contains(&problem.line),
                    "{problem} is in no line of the file"
                );
            }
            return;
        }
        Err(SettingsError::Read { .. }) if std::str::from_utf8(text).is_err() => return,
        Err(error) => panic!("{error}"),
    };
    // The program itself: it may refuse values that do not go together.
    match letter {
        b't' => drop(tracker::Config::of(&values)),
        b'w' => drop(webserver::Config::of(&values)),
        _ => drop(peer::settings::Options::of(&values)),
    }
    let printed = printed(table, &values);
    let again = read_settings(table, printed.as_bytes());
    let again = again.unwrap_or_else(|error| panic!("{error}, in\n{printed}"));
    for setting in table {
        let name = setting.name();
        assert_eq!(again.text(name), values.text(name), "{name}, in\n{printed}");
    }
}

fn read_settings(table: Table, text: &[u8]) -> Result<Values, SettingsError> {
    let path = path("settings.toml");
    fs::write(&path, text).expect("written");
    let places = Places::new(table, &BTreeMap::new(), &|_| None)?.with_file(path);
    let values = places.values();
    if let Err(error) = &values {
        assert!(!error.to_string().is_empty(), "refused without a word");
    }
    values
}

/// A file with the same values, each as a string.
fn printed(table: Table, values: &Values) -> String {
    let mut file = String::new();
    for setting in table {
        let name = setting.name();
        if let (Some(Origin::File { .. }), Some(text)) = (values.origin(name), values.text(name)) {
            let text = text.to_str().expect("of a text");
            // TOML has JSON's strings, but for one control character.
            let quoted = serde_json::to_string(text)
                .expect("a text")
                .replace('\u{7f}', "\\u007f");
            writeln!(file, "{name} = {quoted}").expect("into memory");
        }
    }
    file
}

/// Takes flags, the length of the database, the database and its log.
fn database_files(bytes: &[u8]) {
    let [flags, low, high, rest @ ..] = bytes else {
        return;
    };
    let split = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (file, log) = rest.split_at(split);
    let database = path("some.sqlite");
    let all = [
        database.clone(),
        database::log_of(&database),
        database::marker_of(&database),
    ];
    let is_there = [true, flags & NO_LOG == 0, flags & MARKED != 0];
    for ((path, is_there), bytes) in all.iter().zip(is_there).zip([file, log, &[]]) {
        match is_there {
            true => fs::write(path, bytes).expect("written"),
            false => remove(path),
        }
    }
    let verdict = database::examine(&database).expect("readable");
    match &verdict {
        Verdict::Absent => assert!(file.is_empty(), "something is there"),
        Verdict::Sound => assert!(file.len() >= 512, "less than a page"),
        Verdict::Torn(what) => assert!(!what.is_empty() && !log.is_empty()),
        Verdict::Damaged(what) => assert!(!what.is_empty()),
    }
    if flags & MARKED != 0 && (flags & NO_LOG != 0 || log.is_empty()) {
        assert!(
            matches!(verdict, Verdict::Damaged(_)),
            "the log is gone: {verdict:?}"
        );
    }
    assert_eq!(database::examine(&database).expect("readable"), verdict);
    assert_eq!(fs::read(&database).expect("there"), file, "changed by a look");
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}

/// Tries both files, which begin differently.
fn key_and_network_files(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(again) = peer::fuzzing::key_file(text) {
        assert_eq!(again, text, "one key has one file");
    }
    if let Some(again) = peer::fuzzing::network_file(text) {
        assert_eq!(
            peer::fuzzing::network_file(&again).as_ref(),
            Some(&again),
            "{text:?}"
        );
        assert!(again.len() <= text.len() + 128, "{text:?}");
    }
}
