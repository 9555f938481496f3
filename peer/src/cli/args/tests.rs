//! Every flag, and what is refused.

use std::time::Duration;

use shared::model::ByteRate;
use shared::settings::Setting;

use super::super::complaint::complaint;
use super::super::flags::{EntryRules, GiveUp, Globs};
use super::super::upkeep::Switch;
use super::*;
use crate::node::RateLimit;
use crate::terminal::adding::Wait;

/// Arguments of a command without flags of a node.
fn plain<T: clap::Args>(args: T) -> WithNode<T> {
    WithNode {
        node: NodeFlags::default(),
        args,
    }
}

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("peer")
        .chain(line.split_whitespace())
        .map(OsString::from)
        .collect()
}

#[track_caller]
fn invocation(line: &str) -> Invocation {
    read(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The settings that a line names, in their order.
fn settings(line: &str) -> Vec<(String, String)> {
    let text = |(name, text): (String, OsString)| (name, text.into_string().expect("UTF-8"));
    invocation(line).settings.into_iter().map(text).collect()
}

fn said(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut said: Vec<_> = settings
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    said.sort();
    said
}

fn reference(text: &str) -> ContentRef {
    text.parse().expect("a name or an id")
}

#[test]
fn clap_finds_no_fault_with_the_definition() {
    command().debug_assert();
}

#[test]
fn the_commands_that_pass_things_on_are_read() {
    let id = "ab".repeat(32);
    for (line, command) in [
        (
            "put a/key some --replicas 2".to_owned(),
            Command::Put(plain(PutArgs {
                key: "a/key".to_owned(),
                value: "some".into(),
                replicas: ReplicationTarget::new(2).ok(),
                wait: None,
            })),
        ),
        (
            "value a/key --webserver h:1".to_owned(),
            Command::Value(WithNode {
                node: NodeFlags::given(),
                args: ValueArgs {
                    key: "a/key".to_owned(),
                },
            }),
        ),
        (
            "send x.bin --for 5m".to_owned(),
            Command::Send(plain(SendArgs {
                path: "x.bin".into(),
                rules: EntryRules::default(),
                name: None,
                replicas: None,
                length: Duration::from_secs(300),
                keep: false,
            })),
        ),
        (
            format!("receive enjambre://h:1/{id}/x.bin"),
            Command::Receive(plain(ReceiveArgs {
                ticket: format!("enjambre://h:1/{id}/x.bin").parse().expect("a line"),
                output: None,
                force: false,
                give_up_after: None,
            })),
        ),
        (
            "watch --exec ./notify".to_owned(),
            Command::Watch(plain(WatchArgs {
                exec: Some("./notify".to_owned()),
            })),
        ),
    ] {
        assert_eq!(
            invocation(&line).action,
            Action::Once(Box::new(command)),
            "{line}"
        );
    }
    assert!(read(words("receive enjambre://h:1/nothing")).is_err());
    assert!(read(words("send x --keep --for 5m")).is_err());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of every command")]
fn every_command_is_read() {
    let id = "ab".repeat(32);
    let add = AddArgs {
        path: "x.bin".into(),
        name: None,
        update: false,
        dry_run: false,
        wait: None,
        globs: Globs::default(),
        rules: EntryRules::default(),
        replicas: None,
        fragment_length: None,
    };
    let get = GetArgs {
        content: reference("a/x"),
        output: None,
        force: false,
        give_up_after: None,
        dry_run: false,
        globs: Globs::default(),
    };
    let list = |content, local| ListArgs { content, local };
    let forget = |content: &str, force| ForgetArgs {
        content: reference(content),
        force,
    };
    let limit = |upload, download| LimitArgs { upload, download };
    for (line, command) in [
        ("add x.bin".to_owned(), Command::Add(plain(add.clone()))),
        (
            "add x.bin --name a/x --update --wait".to_owned(),
            Command::Add(plain(AddArgs {
                name: Some("a/x".parse().expect("a name")),
                update: true,
                wait: Some(Wait::Forever),
                ..add.clone()
            })),
        ),
        (
            "add --wait=90s x.bin".to_owned(),
            Command::Add(plain(AddArgs {
                wait: Some(Wait::AtMost(Duration::from_secs(90))),
                ..add
            })),
        ),
        ("get a/x".to_owned(), Command::Get(plain(get.clone()))),
        (
            format!("get {id} --output dir/y --force"),
            Command::Get(plain(GetArgs {
                content: reference(&id),
                output: Some("dir/y".into()),
                force: true,
                ..get.clone()
            })),
        ),
        (
            "get a/x --give-up-after 30s".to_owned(),
            Command::Get(plain(GetArgs {
                give_up_after: Some(GiveUp::After(Duration::from_secs(30))),
                ..get.clone()
            })),
        ),
        (
            "get a/x --give-up-after none".to_owned(),
            Command::Get(plain(GetArgs {
                give_up_after: Some(GiveUp::Never),
                ..get
            })),
        ),
        (
            "remove a/x".to_owned(),
            Command::Remove {
                name: "a/x".parse().expect("a name"),
            },
        ),
        ("forget a/x".to_owned(), Command::Forget(forget("a/x", false))),
        (format!("forget {id} --force"), Command::Forget(forget(&id, true))),
        ("list".to_owned(), Command::List(list(None, false))),
        ("list --local".to_owned(), Command::List(list(None, true))),
        (
            "list a/x".to_owned(),
            Command::List(list(Some(reference("a/x")), false)),
        ),
        (
            "locate a/x".to_owned(),
            Command::Locate {
                content: reference("a/x"),
            },
        ),
        ("status".to_owned(), Command::Status),
        ("limit".to_owned(), Command::Limit(limit(None, None))),
        (
            "limit --upload 10MB/s --download none".to_owned(),
            Command::Limit(limit(
                Some(RateLimit(ByteRate::new(10_000_000))),
                Some(RateLimit(None)),
            )),
        ),
        ("network".to_owned(), Command::Network(NetworkArgs::default())),
        (
            "rename a b/c".to_owned(),
            Command::Rename {
                from: "a".parse().expect("a name"),
                to: "b/c".parse().expect("a name"),
            },
        ),
        (
            "history a".to_owned(),
            Command::History {
                name: "a".parse().expect("a name"),
            },
        ),
        (
            "pin a/x@3".to_owned(),
            Command::Pin(PinArgs {
                revision: "a/x@3".parse().expect("a revision"),
            }),
        ),
        (
            "unpin a@12".to_owned(),
            Command::Unpin(PinArgs {
                revision: "a@12".parse().expect("a revision"),
            }),
        ),
        (
            "locate a@3".to_owned(),
            Command::Locate {
                content: reference("a@3"),
            },
        ),
        ("verify".to_owned(), Command::Verify { content: None }),
        (
            "verify a".to_owned(),
            Command::Verify {
                content: Some(reference("a")),
            },
        ),
    ] {
        assert_eq!(
            invocation(&line).action,
            Action::Once(Box::new(command)),
            "{line}"
        );
    }
    assert_eq!(invocation("").action, Action::Menu);
    assert_eq!(invocation("serve").action, Action::Serve);
}

#[test]
fn common_flags_work_before_and_after_the_command() {
    for line in [
        "list --data-dir /d --json -q --no-progress --timeout 5s -vv --config /c",
        "--data-dir /d --json --quiet --no-progress --timeout 5s -v -v --config /c list",
    ] {
        let expected = said(&[
            ("config", "/c"),
            ("data_dir", "/d"),
            ("json", "true"),
            ("no_progress", "true"),
            ("quiet", "true"),
            ("timeout", "5s"),
        ]);
        assert_eq!(settings(line), expected, "{line}");
        assert_eq!(invocation(line).verbose, 2, "{line}");
    }
    assert_eq!(settings("status --peer [::1]:9"), said(&[("peer", "[::1]:9")]));
    assert_eq!(
        settings("list"),
        said(&[]),
        "no flag, no setting: the file may say"
    );
    assert_eq!(settings("config show --json"), said(&[("json", "true")]));
}

#[test]
fn flags_of_a_node_go_with_what_may_run_one() {
    let flags = "--webserver w:1 --host 0.0.0.0 --port 0 --advertise me:2 --capacity 2GiB --zone rack-1 \
        --upload-limit 80Mbit/s --download-limit none --upload-slots 4 --memory 32MiB --scrub-rate none \
        --news-max-age 12h";
    let expected = said(&[
        ("webserver", "w:1"),
        ("host", "0.0.0.0"),
        ("port", "0"),
        ("advertise", "me:2"),
        ("capacity", "2GiB"),
        ("zone", "rack-1"),
        ("upload_limit", "80Mbit/s"),
        ("download_limit", "none"),
        ("upload_slots", "4"),
        ("memory", "32MiB"),
        ("scrub_rate", "none"),
        ("news_max_age", "12h"),
    ]);
    for command in ["", "serve", "add x", "get x"] {
        assert_eq!(settings(&format!("{command} {flags}")), expected, "{command}");
        assert_eq!(settings(&format!("{flags} {command}")), expected, "{command}");
    }
    assert_eq!(settings(&format!("{flags} config show")), expected);
    assert_eq!(settings("get x --tracker t:1"), said(&[("tracker", "t:1")]));
    let add = settings("add x --replicas 32 --fragment-length 64KiB");
    assert_eq!(add, said(&[("replicas", "32"), ("fragment_length", "64KiB")]));
}

#[test]
fn what_makes_no_sense_is_a_usage_error_in_one_line() {
    for line in [
        "lst",
        "add",
        "add x y",
        "add x --replicas 0",
        "add x --replicas 33",
        "add x --fragment-length 100KiB",
        "add x --wait soon",
        "add x --name ../y",
        "get",
        "get ../x",
        "remove",
        "remove a//b",
        "forget",
        "locate",
        "list --tracker t:1",
        "--tracker t:1 list",
        "--port 1 serve --port 2",
        "serve --webserver w:1 --tracker t:1",
        "serve --port 70000",
        "serve --capacity lots",
        "serve --zone a/b",
        "serve --upload-limit fast",
        "serve --upload-slots 0",
        "serve --upload-slots 65536",
        "serve --memory 15MiB",
        "limit --upload",
        "limit --download -1",
        "limit 10MB/s",
        "limit --upload-limit 1MB/s",
        "serve --tracker nowhere",
        "serve --peer 127.0.0.1:1",
        "list --timeout soon",
        "list --json=maybe",
        "--json",
        "dance",
    ] {
        let Err(error) = read(words(line)) else {
            panic!("{line} was understood");
        };
        assert!(error.use_stderr(), "{line}");
        let told = complaint(&error);
        assert!(
            !told.contains('\n') && told.ends_with("see `peer --help`"),
            "{line}: {told}"
        );
        assert!(
            !told.contains("Usage:") && !told.starts_with("error"),
            "{line}: {told}"
        );
    }
}

#[test]
fn a_slip_gets_a_hint() {
    let error = read(words("lst")).expect_err("no such command");
    assert_eq!(
        complaint(&error),
        "unrecognized subcommand 'lst'; tip: a similar subcommand exists: 'list'; see `peer --help`"
    );
    let error = read(words("get x --replicas 3")).expect_err("no such flag");
    assert_eq!(
        complaint(&error),
        "unexpected argument '--replicas' found; see `peer --help`"
    );
}

#[test]
fn every_setting_is_a_flag_whose_help_has_default_and_variable() {
    let mut command = command();
    let mut help = command.render_long_help().to_string();
    for sub in ["serve", "add", "get"] {
        let sub = command.find_subcommand_mut(sub).expect("a command");
        help.push_str(&sub.render_long_help().to_string());
    }
    let plain = help.split_whitespace().collect::<Vec<_>>().join(" ");
    // A secret is no argument: other users see those of programs.
    let is_secret = |setting: &&&dyn Setting| setting.name() == "token";
    for setting in table().iter().filter(|setting| !is_secret(setting)) {
        let flag = format!("--{}", setting.name().replace('_', "-"));
        assert!(plain.contains(&flag), "{flag} is in no help");
        let twin = format!("[env: {}]", setting.variable());
        assert!(plain.contains(&twin), "{twin} is in no help");
    }
    assert!(
        plain.contains("[default: 50GiB] [env: ENJAMBRE_CAPACITY]"),
        "{plain}"
    );
    assert!(plain.contains("[env: ENJAMBRE_CONFIG]"));
    let shown = read(words("--help")).expect_err("help is an answer");
    assert!(!shown.use_stderr());
}

#[test]
fn self_commands_are_read() {
    use shared::runtime::self_command::ConfigCommand;
    let command = |line: &str| match invocation(line).action {
        Action::SelfCommand(command) => command,
        other => panic!("{line}: {other:?}"),
    };
    let show = |json| SelfCommand::Config(ConfigCommand::Show { json });
    assert_eq!(command("config show"), show(false));
    assert_eq!(command("config show --json"), show(true));
    let check = SelfCommand::Config(ConfigCommand::Check {
        file: Some("/c".into()),
        json: false,
    });
    assert_eq!(command("config check /c"), check);
    assert!(matches!(
        command("completions fish"),
        SelfCommand::Completions { .. }
    ));
    assert_eq!(command("man /d"), SelfCommand::Man { dir: "/d".into() });
    assert!(read(words("config")).is_err());
}

#[test]
fn upkeep_is_read() {
    let upkeep = |line: &str| match invocation(line).action {
        Action::Once(command) => *command,
        other => panic!("{line}: {other:?}"),
    };
    let drain = |wait, cancel| Command::Drain(DrainArgs { wait, cancel });
    assert_eq!(upkeep("drain"), drain(None, false));
    assert_eq!(upkeep("drain --wait"), drain(Some(Wait::Forever), false));
    let minute = Some(Wait::AtMost(Duration::from_secs(60)));
    assert_eq!(upkeep("drain --wait=1m --json"), drain(minute, false));
    assert_eq!(upkeep("drain --cancel"), drain(None, true));
    let replicas = Command::Replicas {
        name: "a/b".parse().expect("a name"),
        replicas: ReplicationTarget::new(2).expect("in bounds"),
    };
    assert_eq!(upkeep("replicas a/b 2"), replicas);
    let maintenance = |switch, minutes: Option<u64>| {
        let length = minutes.map(|minutes| Duration::from_secs(60 * minutes));
        Command::Maintenance(MaintenanceArgs { switch, length })
    };
    assert_eq!(upkeep("maintenance on"), maintenance(Some(Switch::On), None));
    assert_eq!(
        upkeep("maintenance on --for 2h"),
        maintenance(Some(Switch::On), Some(120))
    );
    assert_eq!(upkeep("maintenance off"), maintenance(Some(Switch::Off), None));
    assert_eq!(upkeep("maintenance"), maintenance(None, None));
    assert_eq!(upkeep("durability"), Command::Durability { content: None });
    assert_eq!(
        upkeep("why a"),
        Command::Why {
            content: reference("a")
        }
    );
    for bad in [
        "drain --cancel --wait",
        "replicas a 0",
        "replicas a",
        "maintenance --for 1h",
        "why",
        "drain a",
    ] {
        assert!(read(words(bad)).is_err(), "{bad}");
    }
}

#[test]
fn the_language_is_known_before_the_rest_is_read() {
    let named = |line: &str| {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        named_language(&arguments).map(str::to_owned)
    };
    assert_eq!(named("peer --lang es list"), Some("es".to_owned()));
    assert_eq!(named("peer list --lang=fr"), Some("fr".to_owned()));
    assert_eq!(named("peer list --lang"), None);
    assert_eq!(named("peer add -- --lang es"), None);
    assert_eq!(named("peer list"), None);
    assert!(read(words("list --lang es")).is_ok());
    assert!(read(words("list --lang fr")).is_err());
}

#[test]
fn help_is_a_command_too() {
    let help = |line: &str| {
        let error = read(words(line)).expect_err(line);
        (error.kind(), error.render().to_string())
    };
    assert_eq!(help("help"), help("--help"));
    assert_eq!(help("help").0, clap::error::ErrorKind::DisplayHelp);
    assert_eq!(help("help config show"), help("config show --help"));
    assert_eq!(help("help nonsense").0, clap::error::ErrorKind::InvalidSubcommand);
}
