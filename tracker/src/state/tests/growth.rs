//! Growth: no command looks at more entries because there is more of something that it is not about.
//!
//! Maps and lists of the state whose length others decide, and who walks over them. *Per command* is what
//! this test doubles; the rest is bounded by other means, which the last column says.
//!
//! | what | walked by | bound |
//! |---|---|---|
//! | names of a content | news of its health, when it has changed | the work of a tick (`feed`) |
//! | publishers, targets and collections of a content | nobody: `keepers` counts them | |
//! | revisions and pins of a name | every command about that name | 64, and 64 pins |
//! | parts of a collection | commands about it, and questions | 2^16 parts; 2^14 in one step of a list |
//! | contents of a peer | its hello, its end, its mode | once a session, not once a message |
//! | peers of a content | questions, releases, planning | the list counts them; one content once a tick |
//! | assignments of a content, of a peer | whatever gives them up | 256 of a peer |
//! | assignments in all | nobody: `by_move` has the stalled ones first | |
//! | failures that cool down | nobody: `by_end` has the first to be over | |
//! | evictions | nobody: a peer's are among its contents | |
//! | peers in all | each tick; `status`; a hello when there are too many | 20,000 |
//! | all names, all contents | ageing and the sweep | 1,024 and 256 in a tick |
//! | the same | changes of the revision limit, restorations, snapshots | an operator, or the journal |
//! | watchers | each looks at its content after changes | ten times a second at most (`rpc`) |

use shared::model::{ContentRef, FragmentSet, Report};

use super::world::{World, content, name};
use crate::state::steps;
use crate::state::{Command, Record, State};
use crate::timing::Timing;

/// Sizes of a dimension, each twice the one before.
const SIZES: [u8; 3] = [15, 30, 60];

/// Steps by which two costs that are the same may differ.
const SLACK: u64 = 8;

/// One thing of which there can be much; the world has a content named `a`, and another named `own`.
struct Dimension {
    name: &'static str,
    grow: fn(&mut World, u8),
    /// Operations that are about these things, and look at each of them once.
    about: &'static [&'static str],
}

type Operation = (&'static str, fn(&mut World));

const OPERATIONS: &[Operation] = &[
    ("publish one more name", |world| {
        let _done = world.publish(1, "zz", &content(1, 1), 1);
    }),
    ("publish a new content", |world| {
        let _done = world.publish(1, "zz", &content(251, 1), 1);
    }),
    ("update", |world| {
        let _done = world.publish(1, "a", &content(252, 1), 1);
    }),
    ("update another", |world| {
        let _done = world.publish(1, "own", &content(252, 1), 1);
    }),
    ("remove", |world| {
        let _done = world.remove("a", None).expect("removed");
    }),
    ("rename", |world| {
        let (from, to) = (name("a"), name("b"));
        let expected = None;
        drop(
            world
                .apply(Command::Rename { from, to, expected })
                .expect("renamed"),
        );
    }),
    ("retarget", |world| {
        let _done = world.set_target("a", 3).expect("changed");
    }),
    ("pin another", |world| {
        let _done = world.set_pin("own@1", true, None).expect("pinned");
    }),
    ("announce", |world| {
        let manifest = content(1, 1);
        world.holds(2, &manifest, manifest.all_fragments(), true);
    }),
    ("announce nothing", |world| {
        world.holds(1, &content(250, 1), FragmentSet::empty(1), false);
    }),
    ("heartbeat", |world| world.heartbeat(1, 0).expect("it lives")),
    ("find by id", |world| {
        let id = ContentRef::Id(content(1, 1).content());
        let _done = world.state.resolve(&id).expect("there");
    }),
    ("find by name", |world| {
        let _done = world.bound("a").expect("there");
    }),
    ("health", |world| {
        let _done = world.state.health(content(1, 1).content()).expect("there");
    }),
    ("page", |world| {
        assert!(!world.state.list("a", None, 1).names.is_empty());
    }),
    ("release", |world| {
        let _done = world.release(1, content(1, 1).content(), None);
    }),
    ("fail", |world| {
        let failure = shared::model::AssignmentFailure::NoSource;
        let (content, detail) = (content(1, 1).content(), String::new());
        let failed = Report::AssignmentFailed {
            content,
            failure,
            detail,
        };
        world.say(2, failed).expect("said");
    }),
    ("leave", |world| world.say(2, Report::Leave).expect("it goes")),
    ("hello", |world| {
        world.disconnect(2);
        let _done = world.hello(2, 2, world.state.epoch()).expect("welcome");
        world.announce(2, Vec::new(), true);
    }),
];

/// Everything that a command about a name with a long history looks at.
const OF_THE_NAME: &[&str] = &[
    "publish one more name",
    "update",
    "remove",
    "rename",
    "retarget",
    "announce",
    "find by id",
    "find by name",
    "health",
    "page",
    "release",
];

const DIMENSIONS: &[Dimension] = &[
    Dimension {
        name: "names of a content",
        grow: |world, n| (0..n).for_each(|k| drop(world.publish(1, &format!("n{k:03}"), &content(1, 1), 1))),
        about: &[],
    },
    Dimension {
        name: "contents of a peer",
        grow: |world, n| {
            for k in 0..n {
                let manifest = content(10 + k, 1);
                world.publish(1, &format!("c{k:03}"), &manifest, 1);
                world.holds(2, &manifest, manifest.all_fragments(), false);
            }
        },
        about: &["leave", "hello"],
    },
    Dimension {
        name: "peers of a content",
        grow: |world, n| {
            for k in 0..n {
                world.join(10 + k);
                world.holds(10 + k, &content(1, 1), content(1, 1).all_fragments(), true);
            }
        },
        // With its last name a content becomes an orphan.
        about: &["health", "page", "release", "remove"],
    },
    Dimension {
        name: "publishers of a content",
        grow: |world, n| {
            for k in 0..n {
                world.join(10 + k);
                world.publish(10 + k, &format!("n{k:03}"), &content(1, 1), 1);
            }
        },
        about: &["health", "page", "release"],
    },
    Dimension {
        name: "revisions of a name",
        grow: |world, n| {
            (0..n).for_each(|k| drop(world.publish(1, "a", &content(10 + k, 1), 1)));
            world.publish(1, "a", &content(1, 1), 1);
        },
        about: OF_THE_NAME,
    },
    Dimension {
        name: "pins of a name",
        grow: |world, n| {
            for k in 0..n {
                let bound = world.publish(1, "a", &content(10 + k, 1), 1);
                let what = format!("a@{}", bound.revision);
                world.set_pin(&what, true, None).expect("pinned");
            }
            world.publish(1, "a", &content(1, 1), 1);
        },
        about: OF_THE_NAME,
    },
    Dimension {
        name: "parts of a collection",
        grow: |world, n| {
            let mut parts: Vec<_> = (0..n).map(|k| content(10 + k, 1)).collect();
            parts.push(content(1, 1));
            world.publish_collection(1, "tree", &content(240, 1), &parts, 1);
        },
        about: &[],
    },
    Dimension {
        name: "collections of a part",
        grow: |world, n| {
            for k in 0..n {
                let (name, catalog) = (format!("tree{k:03}"), content(10 + k, 1));
                world.publish_collection(1, &name, &catalog, &[content(1, 1)], 1);
            }
        },
        about: &[],
    },
    Dimension {
        name: "assignments",
        grow: |world, n| {
            for k in 0..n {
                world.publish(1, &format!("c{k:03}"), &content(10 + k, 1), 2);
            }
            world.tick();
            world.tick();
            assert!(world.state.replicas.assignment_count() >= usize::from(n));
        },
        about: &["leave", "hello"],
    },
    Dimension {
        name: "peers",
        grow: |world, n| (0..n).for_each(|k| world.join(10 + k)),
        about: &[],
    },
];

/// Returns a world with much of something, whose invariants are not checked from then on.
fn world(dimension: &Dimension, n: u8) -> World {
    let mut world = World::with_peers(2);
    world.keep(64);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "own", &content(250, 1), 1);
    (dimension.grow)(&mut world, n);
    world.check_no_more();
    world
}

fn steps(work: impl FnOnce()) -> u64 {
    let before = steps::taken();
    work();
    steps::taken() - before
}

#[test]
fn no_command_costs_more_for_what_it_is_not_about() {
    let mut faults = Vec::new();
    for dimension in DIMENSIONS {
        for (operation, run) in OPERATIONS {
            let costs = SIZES.map(|n| {
                let mut world = world(dimension, n);
                steps(|| run(&mut world))
            });
            let is_about = dimension.about.contains(operation);
            let (first, second) = (
                costs[1].saturating_sub(costs[0]),
                costs[2].saturating_sub(costs[1]),
            );
            let limit = if is_about { 2 * first + SLACK } else { SLACK };
            if second > limit {
                faults.push(format!(
                    "{operation}, with {} {SIZES:?}: {costs:?} steps",
                    dimension.name
                ));
            }
        }
    }
    assert!(faults.is_empty(), "these grow:\n{}", faults.join("\n"));
}

#[test]
fn a_tick_looks_at_everything_a_fixed_number_of_times() {
    let mut faults = Vec::new();
    for dimension in DIMENSIONS {
        let costs = SIZES.map(|n| {
            let mut world = world(dimension, n);
            world.tick();
            steps(|| {
                let manifest = content(1, 1);
                world.holds(2, &manifest, manifest.all_fragments(), true);
                world.tick();
            })
        });
        let (first, second) = (
            costs[1].saturating_sub(costs[0]),
            costs[2].saturating_sub(costs[1]),
        );
        if second > 2 * first + first / 4 + SLACK {
            faults.push(format!("{} {SIZES:?}: {costs:?} steps", dimension.name));
        }
    }
    assert!(
        faults.is_empty(),
        "the cost of these grows faster:\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_replay_costs_the_same_for_every_fact() {
    for dimension in DIMENSIONS {
        let costs = SIZES.map(|n| {
            let world = world(dimension, n);
            let facts: Vec<Record> = world.state.records();
            let mut state = State::new(Timing::default(), 1);
            steps(|| {
                facts
                    .into_iter()
                    .for_each(|fact| state.replay(fact).expect("sound"));
            })
        });
        let (first, second) = (costs[1] - costs[0], costs[2] - costs[1]);
        // Of one name, every revision looks at those before it; there are 64 at most.
        let is_one_name = dimension.about == OF_THE_NAME;
        assert!(
            is_one_name || second <= 2 * first + SLACK,
            "{} {SIZES:?}: {costs:?} steps",
            dimension.name
        );
    }
}

#[test]
fn the_counter_counts() {
    let dimension = &DIMENSIONS[2];
    let costs = SIZES.map(|n| {
        let world = world(dimension, n);
        steps(|| assert!(world.state.health(content(1, 1).content()).is_ok()))
    });
    assert!(
        costs[2] >= costs[1] + 30 && costs[1] >= costs[0] + 15,
        "{costs:?}"
    );
}
