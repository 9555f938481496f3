//! Some histories of a simulated cluster; `.ci/run` plays more, and `cargo histories` any number.

use std::sync::atomic::{AtomicU64, Ordering};

use harness::dst::mutants::MUTANTS;
use harness::dst::play;

/// Enough to find most mutants (docs/reliability.md), and well below a minute in a debug build.
const SEEDS: u64 = 300;

#[test]
fn every_invariant_holds_and_all_is_well_when_the_faults_stop() {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let check = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            if let Some(violation) = play(seed, None, false).violation {
                panic!("{violation}\nreplay: cargo histories --seed {seed}");
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(check)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_history_event_by_event() {
    for seed in [1, 5, 9] {
        let (one, same) = (play(seed, None, false), play(seed, None, true));
        assert_eq!(
            (one.digest, one.events),
            (same.digest, same.events),
            "seed {seed}"
        );
        assert!(!same.lines.is_empty());
    }
    assert_ne!(play(1, None, false).digest, play(2, None, false).digest);
}

#[test]
fn every_mutant_still_has_its_place() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for mutant in MUTANTS {
        let text = std::fs::read_to_string(root.join(mutant.path)).expect("the file is there");
        assert_eq!(text.matches(mutant.from).count(), 1, "{mutant:?}");
        assert!(mutant.from != mutant.to && (1..=15).contains(&mutant.invariant));
    }
}

#[test]
fn hundreds_of_peers_keep_the_invariants_too() {
    assert_eq!(play(1, Some(200), false).violation, None);
}
