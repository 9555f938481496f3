//! Precedence, refusals and their words, and the effects of changes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::follow::Follower;
use super::report::{CheckError, Checked, Shown};
use super::*;
use crate::language::{Language, here};

static NAME: Key<String> = Key::new("name", text);
static PORT: Key<u16> = Key::new("port", whole).or("7");
static LIMIT: Key<u64> = Key::new("upload_limit", text).at_once();
static FRONT: Key<String> = Key::new("front", text).or("door").instead_of(&["back"]);
static BACK: Key<String> = Key::new("back", text).instead_of(&["front"]);
static OTHERS: Key<Vec<u16>> = Key::new("others", list).several();
static LEASE: Key<Duration> = Key::new("timing.lease", duration).or("10s");
static TABLE: Table = &[&NAME, &PORT, &LIMIT, &FRONT, &BACK, &OTHERS, &LEASE];

/// Values of every place in a test.
struct Told {
    dir: tempfile::TempDir,
    flags: BTreeMap<String, OsString>,
    env: BTreeMap<String, OsString>,
}

impl Told {
    fn new(file: &str) -> Self {
        let told = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            flags: BTreeMap::new(),
            env: BTreeMap::new(),
        };
        told.file(file);
        told
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("some.toml")
    }

    fn file(&self, text: &str) {
        std::fs::write(self.path(), text).expect("written");
    }

    fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.insert(name.to_owned(), value.into());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    fn places(&self) -> Result<Places, SettingsError> {
        let env = |name: &str| self.env.get(name).cloned();
        Ok(Places::new(TABLE, &self.flags, &env)?.with_file(self.path()))
    }

    fn values(&self) -> Result<Values, SettingsError> {
        self.places()?.values()
    }

    fn complaint(&self) -> String {
        let told = self.values().expect_err("it makes no sense").to_string();
        told.replace(&self.path().display().to_string(), "FILE")
    }
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_and_defaults() {
    let told = Told::new("name = 'file'\nport = 1\nupload_limit = 2\n");
    let told = told.env("ENJAMBRE_NAME", "environment").env("ENJAMBRE_PORT", "3");
    let values = told.flag("port", "4").values().expect("valid");
    assert_eq!(values.get(&NAME).as_deref(), Some("environment"));
    assert_eq!(values.get(&PORT), Some(4));
    assert_eq!(values.get(&LIMIT), Some(2));
    assert_eq!(values.get(&LEASE), Some(Duration::from_secs(10)));
    let origins = ["name", "port", "upload_limit", "timing.lease", "others"].map(|name| values.origin(name));
    assert_eq!(
        origins,
        [
            Some(Origin::Environment),
            Some(Origin::Flag),
            Some(Origin::File { line: 3 }),
            Some(Origin::Default),
            None
        ]
    );
    assert_eq!(values.said(&LEASE), None, "nobody said it");
}

#[test]
fn an_empty_variable_says_nothing_and_a_program_may_find_out_defaults() {
    let told = Told::new("").env("ENJAMBRE_NAME", "");
    let places = told.places().expect("valid").or(&NAME, Some("found out"));
    assert_eq!(
        places.values().expect("valid").get(&NAME).as_deref(),
        Some("found out")
    );
}

#[test]
fn tables_lists_numbers_and_truths_are_read_as_texts_are_elsewhere() {
    let values = Told::new("port = 0x10\nothers = [1, 2_000]\n[timing]\nlease = '3s'").values();
    let values = values.expect("valid");
    assert_eq!(values.get(&PORT), Some(16));
    assert_eq!(values.get(&OTHERS), Some(vec![1, 2000]));
    assert_eq!(values.get(&LEASE), Some(Duration::from_secs(3)));
    let told = Told::new("")
        .env("ENJAMBRE_OTHERS", "1, 2000")
        .env("ENJAMBRE_TIMING_LEASE", "3s");
    let same = told.values().expect("valid");
    assert_eq!(same.get(&OTHERS), values.get(&OTHERS));
    assert_eq!(same.get(&LEASE), values.get(&LEASE));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    for (text, told) in [
        (
            "\nprot = 1",
            "FILE:2: unknown key \"prot\"; did you mean \"port\"?",
        ),
        (
            "upload-limit = 1",
            "FILE:1: unknown key \"upload-limit\"; did you mean \"upload_limit\"?",
        ),
        (
            "lease = '1s'",
            "FILE:1: unknown key \"lease\"; did you mean \"timing.lease\"?",
        ),
        (
            "[timing]\n\nleas = '1s'",
            "FILE:3: unknown key \"timing.leas\"; did you mean \"timing.lease\"?",
        ),
        (
            "[timings]\nlease = '1s'",
            "FILE:1: unknown key \"timings\"; did you mean \"timing.lease\"?",
        ),
        (
            "xyz = 1",
            "FILE:1: unknown key \"xyz\"; `config show` lists the ones that there are",
        ),
    ] {
        assert_eq!(
            Told::new(text).complaint(),
            format!("cannot use {told}"),
            "{text}"
        );
    }
}

#[test]
fn a_bad_value_is_refused_where_it_was_said() {
    for (text, told) in [
        ("name = 'x'\nport = 70000", "FILE:2: port: "),
        ("port = -1", "FILE:1: port: "),
        ("port = [1]", "FILE:1: port: one value is wanted"),
        ("others = []", "FILE:1: others: the list is empty"),
        ("timing = '3s'", "FILE:1: timing: it is a table"),
        (
            "port = 1979-05-27",
            "FILE:1: port: a text, a number or true/false",
        ),
        ("port = ", "FILE:1: "),
        ("port = 1\nport = 2", "FILE:2: duplicate key"),
    ] {
        let complaint = Told::new(text).complaint();
        assert!(
            complaint.starts_with(&format!("cannot use {told}")),
            "{text}: {complaint}"
        );
    }
    let variable = Told::new("").env("ENJAMBRE_PORT", "x").complaint();
    assert!(
        variable.starts_with("cannot use ENJAMBRE_PORT from the environment: "),
        "{variable}"
    );
    let flag = Told::new("").flag("upload_limit", "x").complaint();
    assert!(flag.starts_with("cannot use --upload-limit: "), "{flag}");
    assert!(Told::new("").flag(place::CONFIG, "x").places().is_ok());
}

#[test]
fn in_spanish_what_is_wrong_is_told_in_spanish() {
    let _spanish = here(Language::Spanish);
    for (text, told) in [
        (
            "prot = 1",
            "FILE:1: no existe la clave \"prot\"; ¿quiso decir \"port\"?",
        ),
        (
            "port = 70000",
            "FILE:1: port: \"70000\" no es un número entero de 0 a 65535",
        ),
        (
            "[timing]\nlease = 'long'",
            "FILE:2: timing.lease: \"long\" no es una duración; escriba",
        ),
        (
            "front = 'a'\nback = 'b'",
            "FILE:2: back: front también está, en la línea 1",
        ),
        (
            "upload_limit = 'x'",
            "FILE:1: upload_limit: \"x\" no es un valor suyo: «invalid digit",
        ),
    ] {
        let complaint = Told::new(text).complaint();
        assert!(
            complaint.starts_with(&format!("no vale {told}")),
            "{text}: {complaint}"
        );
    }
    let variable = Told::new("").env("ENJAMBRE_OTHERS", "1,x").complaint();
    assert!(
        variable.starts_with("no vale ENJAMBRE_OTHERS del entorno: "),
        "{variable}"
    );
}

#[test]
fn everything_that_is_wrong_with_a_file_is_told_at_once() {
    let told = Told::new("prot = 1\nport = 'x'\n\n[timing]\nlease = 'long'\n");
    let error = told.values().expect_err("three mistakes");
    assert!(error.to_string().contains("(2 more; "), "{error}");
    let checked = Checked::new(Some(&told.path()), Err(&CheckError::Settings(error)));
    assert!(checked.at_restart.is_empty());
    let lines: Vec<_> = checked.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(1), Some(2), Some(5)]);
    assert_eq!(checked.text().lines().count(), 3);
    assert!(!checked.valid);
    told.file("name = 'x'\nupload_limit = 3\n");
    let fine = told.env("ENJAMBRE_PORT", "3").values().expect("valid");
    let checked = Checked::new(None, Ok(&fine));
    assert!(checked.valid);
    assert_eq!(
        checked.at_restart,
        ["name"],
        "what is in the file and cannot change at once"
    );
    assert_eq!(
        checked.text(),
        "the environment can be used\na running program takes these only when it is started again: name\n"
    );
}

#[test]
fn alternatives_exclude_each_other_in_one_place_and_the_stronger_wins() {
    let both = Told::new("front = 'a'\n\nback = 'b'").complaint();
    assert_eq!(
        both,
        "cannot use FILE:3: back: front is given too, in line 1; choose one"
    );
    let env = Told::new("").env("ENJAMBRE_FRONT", "a").env("ENJAMBRE_BACK", "b");
    assert_eq!(
        env.complaint(),
        "the environment variables give both front and back; choose one"
    );
    let values = Told::new("front = 'a'")
        .env("ENJAMBRE_BACK", "b")
        .values()
        .expect("valid");
    assert_eq!(
        (values.get(&FRONT), values.get(&BACK).as_deref()),
        (None, Some("b"))
    );
    let values = Told::new("front = 'a'").values().expect("valid");
    assert_eq!(
        (values.get(&FRONT).as_deref(), values.get(&BACK)),
        (Some("a"), None)
    );
    let default = Told::new("").values().expect("valid");
    assert_eq!(default.get(&FRONT).as_deref(), Some("door"));
}

#[test]
fn a_change_that_needs_a_restart_takes_effect_only_then() {
    let told = Told::new("port = 1\nname = 'a'");
    let before = told.values().expect("valid");
    told.file("# another line\nport = 1\nupload_limit = 9\n");
    let after = told.values().expect("valid");
    let changed = changes(&before, &after);
    let names: Vec<_> = changed
        .iter()
        .map(|change| (change.name, change.effect))
        .collect();
    assert_eq!(
        names,
        [("name", Effect::AtRestart), ("upload_limit", Effect::AtOnce)]
    );
    assert_eq!(changed[0].to_string(), "name is nothing instead of \"a\"");
    let in_force = before.in_force(&after);
    assert_eq!(in_force.get(&NAME).as_deref(), Some("a"));
    assert_eq!(in_force.get(&LIMIT), Some(9));
    assert_eq!(
        changes(&in_force, &before).len(),
        1,
        "only the limit would change back"
    );
}

#[test]
fn what_is_shown_says_where_everything_came_from() {
    let told = Told::new("port = 1")
        .env("ENJAMBRE_NAME", "me")
        .flag("upload_limit", "3");
    let shown = Shown::from(&told.values().expect("valid"));
    let text = shown.text().replace(&told.path().display().to_string(), "FILE");
    let words: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[1], ["name", "me", "ENJAMBRE_NAME", "after", "a", "restart"]);
    assert_eq!(words[2], ["port", "1", "FILE:1", "after", "a", "restart"]);
    assert_eq!(words[3], ["upload_limit", "3", "flag", "at", "once"]);
    assert_eq!(words[4], ["front", "door", "default", "after", "a", "restart"]);
    assert_eq!(words[5], ["back", "-", "not", "set", "after", "a", "restart"]);
    let _spanish = here(Language::Spanish);
    let text = shown.text();
    assert!(
        text.starts_with("CLAVE") && text.contains("por omisión") && text.contains("en el acto"),
        "{text}"
    );
    let json = serde_json::to_value(&shown).expect("JSON");
    assert_eq!(json["settings"][1]["line"], 1);
    assert_eq!(json["settings"][2]["takes_effect"], "at_once");
    assert_eq!(json["settings"][6]["variable"], "ENJAMBRE_TIMING_LEASE");
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_a_broken_one_changes_nothing() {
    let told = Told::new("port = 1\nupload_limit = 1");
    let places = told.places().expect("valid");
    let mut seen = Vec::new();
    let mut follower = Follower {
        values: places.values().expect("valid"),
        places,
        usable: |values| match values.get(&LIMIT) {
            Some(13) => Err("thirteen goes with nothing".to_owned()),
            _ => Ok(()),
        },
        apply: |values: &Values, changed: &[Change]| {
            let names: Vec<_> = changed.iter().map(|change| change.name).collect();
            seen.push((values.get(&LIMIT), values.get(&PORT), names));
        },
    };
    for text in [
        "port = 1\nupload_limit = 'broken",
        "port = 2\nupload_limit = 3",
        "port = 2\nupload_limit = 3",
        "upload_limt = 4",
        "port = 1\nupload_limit = 13",
        "port = 3\nupload_limit = 1",
    ] {
        told.file(text);
        follower.reload(true).await;
    }
    std::fs::remove_file(told.path()).expect("removed");
    follower.reload(false).await;
    let expected = [3, 1].map(|limit| (Some(limit), Some(1), vec!["upload_limit"]));
    assert_eq!(seen, expected);
}

/// As in `shared/src/json/schemas.rs`.
#[test]
fn the_published_schemas_are_those_of_the_reports() {
    let settings = || schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let all = [
        (
            "config-show",
            settings().into_generator().into_root_schema_for::<Shown>(),
        ),
        (
            "config-check",
            settings().into_generator().into_root_schema_for::<Checked>(),
        ),
    ];
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    for (name, schema) in all {
        let path = directory.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("ENJAMBRE_WRITE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&directory).expect("made");
            std::fs::write(&path, text).expect("written");
        } else {
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
        }
    }
}

#[test]
fn a_bad_value_is_told_with_what_was_expected() {
    for (file, complaint) in [
        (
            "port = 70000",
            "cannot use FILE:1: port: \"70000\" is no whole number from 0 to 65535",
        ),
        (
            "name = 'x'\nupload_limit = 'fast'",
            "cannot use FILE:2: upload_limit: \"fast\" is no value of it: invalid digit found in string",
        ),
    ] {
        assert_eq!(Told::new(file).complaint(), complaint);
    }
    let told = Told::new("").env("ENJAMBRE_PORT", "-1");
    assert_eq!(
        told.complaint(),
        "cannot use ENJAMBRE_PORT from the environment: \"-1\" is no whole number from 0 to 65535"
    );
}
