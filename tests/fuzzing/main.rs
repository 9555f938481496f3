//! A bounded run of every fuzz target, on the stable toolchain: random inputs, and valid ones with changes.
//!
//! The inputs follow from a seed, which a failing test prints with the command that repeats it, after the
//! smallest input that fails. `PROPTEST_CASES` says how many inputs there are, and makes a long run of it:
//! docs/reliability.md. (`fuzz/` has the same targets for libFuzzer, which also looks at the code that an
//! input reaches.)

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use harness::fuzzing::{TARGETS, Target, target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// Longest piece that is inserted, removed or repeated.
const PIECE: usize = 40;

/// Numbers at which decoders err.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_fff0,
    0xffff_ffff,
    1 << 40,
    u64::MAX >> 1,
    u64::MAX,
];

/// An input. It is shown as Rust's byte strings are written.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A change of an input, at some place.
#[derive(Clone, Debug)]
enum Change {
    Flip(u8),
    Set(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Repeat(usize),
    Cut,
    /// A number in this many bytes, in this byte order.
    Number(u64, usize, bool),
    /// A word of the format.
    Word(Index),
    /// The end of another sample.
    Splice(Index, Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    let edge = any::<Index>().prop_map(|index| *index.get(&EDGES));
    let width = prop_oneof![Just(1_usize), Just(2), Just(4), Just(8)];
    prop_oneof![
        3 => (0_u8..8).prop_map(|bit| Change::Flip(1 << bit)),
        3 => any::<u8>().prop_map(Change::Set),
        2 => proptest::collection::vec(any::<u8>(), 1..8).prop_map(Change::Insert),
        2 => (1..PIECE).prop_map(Change::Remove),
        1 => (1..PIECE).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
        2 => (edge, width, any::<bool>()).prop_map(|(edge, width, order)| Change::Number(edge, width, order)),
        3 => any::<Index>().prop_map(Change::Word),
        1 => any::<(Index, Index)>().prop_map(|(other, from)| Change::Splice(other, from)),
    ]
}

fn change(bytes: &mut Vec<u8>, at: Index, change: &Change, samples: &[Vec<u8>], words: &[&str]) {
    let at = at.index(bytes.len() + 1);
    let whole = bytes.len();
    let until = |length: usize| (at + length).min(whole);
    match change {
        Change::Flip(bits) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
        Change::Set(value) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *value),
        Change::Insert(piece) => drop(bytes.splice(at..at, piece.iter().copied())),
        Change::Remove(length) => drop(bytes.drain(at..until(*length))),
        Change::Repeat(length) => {
            let piece = bytes[at..until(*length)].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        Change::Cut => bytes.truncate(at),
        Change::Number(value, width, is_big_endian) => {
            let written = match is_big_endian {
                true => value.to_be_bytes()[8 - width..].to_vec(),
                false => value.to_le_bytes()[..*width].to_vec(),
            };
            drop(bytes.splice(at..until(*width), written));
        }
        Change::Word(_) if words.is_empty() => {}
        Change::Word(word) => drop(bytes.splice(at..at, word.get(words).bytes())),
        Change::Splice(other, from) => {
            let other = other.get(samples);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
}

fn any_input(samples: Arc<[Vec<u8>]>, words: &'static [&'static str]) -> impl Strategy<Value = Input> {
    let random = proptest::collection::vec(any::<u8>(), 0..200).prop_map(Input);
    let changes = proptest::collection::vec((any::<Index>(), any_change()), 0..5);
    let changed = (any::<Index>(), changes).prop_map(move |(sample, changes)| {
        let mut bytes = sample.get(&samples).clone();
        for (at, one) in &changes {
            change(&mut bytes, *at, one, &samples, words);
        }
        Input(bytes)
    });
    prop_oneof![1 => random, 9 => changed]
}

fn given<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a target; `test` is the test that does so.
fn run(name: &str, test: &str) {
    let Target {
        run,
        samples,
        words,
        inputs,
        ..
    } = *target(name).expect("a target");
    let samples: Arc<[_]> = samples().into();
    samples.iter().for_each(|sample| run(sample));
    let seed: u64 = given("PROPTEST_RNG_SEED").unwrap_or_else(rand::random);
    let cases: u32 = given("PROPTEST_CASES").unwrap_or(inputs);
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let outcome = runner.run(&any_input(samples, words), |input| {
        let run = AssertUnwindSafe(|| run(&input.0));
        catch_unwind(run).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            TestCaseError::fail(text.unwrap_or_else(|| "it panicked".to_owned()))
        })
    });
    if let Err(TestError::Fail(why, input)) = &outcome {
        panic!(
            "{name} fails with {input:?}: {why}\nrepeat it with\n\
             PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} cargo test -p tests --test fuzzing -- --exact {test}"
        );
    }
    outcome.expect("no input is rejected");
}

macro_rules! bounded {
    ($($test:ident: $target:literal,)*) => {
        $(#[test]
        fn $test() {
            run($target, stringify!($test));
        })*

        const TESTED: &[&str] = &[$($target),*];
    };
}

bounded! {
    any_text_is_a_join_line_or_is_refused: "join_line",
    any_text_is_a_token_or_is_refused: "api_token",
    any_text_is_a_scope_or_is_refused: "scope",
    any_names_are_of_one_member_or_are_refused: "identity",
    any_text_is_a_line_of_send_or_is_refused: "ticket",
    any_range_lies_in_its_file: "range",
    any_globs_mean_what_their_definition_says: "globs",
    any_bytes_are_a_record_or_are_refused: "journal",
    any_bytes_are_a_catalog_or_are_refused: "catalog",
    any_bytes_are_a_certificate_or_are_refused: "certificate",
    any_bytes_prove_a_key_or_are_refused: "certificate_request",
    any_file_has_settings_or_is_refused: "settings",
    any_files_are_judged_before_sqlite_sees_them: "database",
    any_file_of_a_key_or_a_network_is_read_or_refused: "key_file",
    any_message_has_a_meaning_or_is_refused: "messages",
    any_first_bytes_end_their_connection_at_most: "accept",
}

#[test]
fn every_target_has_a_test_and_a_program() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("a manifest");
    for name in &names {
        let program = fs::read_to_string(fuzz.join(format!("targets/{name}.rs"))).expect("a program");
        assert!(program.contains(&format!("run({name:?}, bytes)")), "{name}");
        assert!(manifest.contains(&format!("name = {name:?}")), "{name}");
    }
    let programs = fs::read_dir(fuzz.join("targets")).expect("there").count();
    assert_eq!(programs, names.len(), "programs without a target");
}

/// Writes the samples of all targets where libFuzzer takes them from: `fuzz/corpus`.
#[test]
#[ignore = "a tool, for `fuzz/`"]
fn samples_are_written_for_libfuzzer() {
    for target in &TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(target.name);
        fs::create_dir_all(&corpus).expect("made");
        for (number, sample) in (target.samples)().iter().enumerate() {
            fs::write(corpus.join(format!("sample-{number}")), sample).expect("written");
        }
    }
}

#[test]
fn the_sample_of_a_certificate_request_proves_a_key() {
    for sample in (target("certificate_request").expect("a target").samples)() {
        tracker::authority::Proved::by(&sample).expect("a valid request");
    }
}
