//! The options that follow from the settings of a peer.

use std::collections::HashMap;
use std::path::Path;

use shared::model::ByteRate;

use super::*;
use crate::node::RateLimit;

/// An environment of our own.
fn env(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
    let variables: HashMap<String, OsString> = variables
        .iter()
        .map(|(key, value)| ((*key).to_owned(), OsString::from(value)))
        .collect();
    move |key| variables.get(key).cloned()
}

fn address(text: &str) -> HostPort {
    text.parse().expect("an address")
}

/// Returns the options for a file and an environment.
fn told(file: &str, variables: &[(&str, &str)]) -> Result<Options, SettingsError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("peer.toml");
    std::fs::write(&path, file).expect("write");
    let env = env(variables);
    let places = places(&BTreeMap::new(), &env)?.with_file(path);
    Options::of(&places.values()?)
}

#[test]
fn a_node_says_an_address_that_others_can_dial() {
    let said = |host: &str, advertise: Option<&str>| {
        let flags = [("data_dir", "/d"), ("host", host)];
        let flags = flags
            .into_iter()
            .chain(advertise.map(|address| ("advertise", address)));
        let flags = flags
            .map(|(name, value)| (name.to_owned(), OsString::from(value)))
            .collect();
        gather(&flags, &|_| None)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for host in ["0.0.0.0", "::", "[::]", "0", "::ffff:0.0.0.0"] {
        let refused = said(host, None).expect_err(host);
        assert!(refused.contains("--advertise HOST:PORT"), "{host}: {refused}");
        assert_eq!(said(host, Some("10.0.0.7:1")), Ok(()), "{host}");
    }
    for advertise in [
        "0.0.0.0:5",
        "[::]:5",
        "0:5",
        "224.0.0.1:5",
        "[ff02::1]:5",
        "255.255.255.255:5",
    ] {
        assert!(said("10.0.0.7", Some(advertise)).is_err(), "{advertise}");
    }
    assert!(said("239.0.0.1", Some("10.0.0.7:1")).is_err());
    for host in ["127.0.0.1", "10.0.0.7", "::1", "a.lab"] {
        assert_eq!(said(host, None), Ok(()), "{host}");
    }
}

/// A value that each setting accepts and that is not its default.
const SAMPLES: [(&str, &str); 28] = [
    ("data_dir", "/data"),
    ("peer", "127.0.0.1:1"),
    ("webserver", "web:2"),
    ("tracker", "tracker:3"),
    ("join", "peer:3"),
    ("join_file", "/run/line"),
    ("host", "10.0.0.7"),
    ("insecure", "true"),
    ("port", "4"),
    ("advertise", "me:5"),
    ("capacity", "6MiB"),
    ("zone", "rack-7"),
    ("upload_limit", "10MB/s"),
    ("download_limit", "1MiB/s"),
    ("upload_slots", "11"),
    ("memory", "64MiB"),
    ("scrub_rate", "none"),
    ("news_max_age", "1h"),
    ("replicas", "8"),
    ("fragment_length", "64KiB"),
    ("token", "enj_0"),
    ("json", "1"),
    ("quiet", "true"),
    ("no_progress", "yes"),
    ("timeout", "9s"),
    ("lang", "es"),
    ("log", "debug"),
    ("log_format", "json"),
];

/// Returns options without the places of their values.
fn meaning(options: Options) -> Options {
    Options {
        in_force: InForce::default(),
        ..options
    }
}

#[test]
fn every_setting_means_the_same_in_the_file_and_in_the_environment() {
    let home = ("HOME", "/home/me");
    let nothing = meaning(told("", &[home]).expect("valid"));
    assert_eq!(
        SAMPLES.map(|(key, _)| key).to_vec(),
        table().iter().map(|one| one.name()).collect::<Vec<_>>()
    );
    for (key, value) in SAMPLES {
        let variable = format!("ENJAMBRE_{}", key.to_ascii_uppercase());
        let from_env = meaning(told("", &[home, (&variable, value)]).expect(key));
        let from_file = meaning(told(&format!("{key} = {value:?}"), &[home]).expect(key));
        assert_eq!(from_file, from_env, "{key}");
        // Logging and language are no options of a command.
        assert_eq!(
            from_file == nothing,
            key.starts_with('l'),
            "{key} changes nothing"
        );
    }
}

#[test]
fn a_file_with_a_bad_value_is_refused() {
    for text in [
        "prot = 1",
        "port = 70000",
        "port = -1",
        "zone = \"a b\"",
        "tracker = \"nowhere\"",
        "upload_limit = \"fast\"",
        "upload_slots = 0",
        "memory = \"1MiB\"",
        "log = \"loud\"",
        "webserver = 'w:1'\ntracker = 't:1'",
        "data_dir = '/d'\npeer = '127.0.0.1:1'",
    ] {
        assert!(told(text, &[("HOME", "/home/me")]).is_err(), "{text}");
    }
}

#[test]
fn what_nobody_says_is_as_the_code_has_it() {
    let options = Options::told(&[("data_dir", "/data")]);
    assert_eq!(options.replicas, None, "the network says how many");
    assert_eq!((options.port, options.entry.clone()), (None, None));
    assert_eq!(options.host, None);
    assert_eq!(
        WEBSERVER.read(DEFAULT_WEBSERVER.as_ref()),
        Ok(address("127.0.0.1:50051"))
    );
}

#[test]
fn a_limit_can_be_lifted_by_a_stronger_place() {
    let file = "data_dir = '/d'\nupload_limit = '10MB/s'\ndownload_limit = '80Mbit/s'";
    let node = told(file, &[("ENJAMBRE_UPLOAD_LIMIT", "none")])
        .expect("valid")
        .node;
    assert_eq!(
        (node.upload_limit, node.download_limit),
        (None, ByteRate::new(10_000_000))
    );
}

#[test]
fn a_stronger_way_into_the_network_silences_the_weaker_one() {
    let home = ("HOME", "/home/me");
    let join = told("tracker = 'tracker:1'", &[home, ("ENJAMBRE_JOIN", "peer:1")]);
    assert_eq!(
        join.expect("valid").entry,
        Some(EntryPoint::Peer(address("peer:1")))
    );
    let tracker = told("webserver = 'web:1'", &[home, ("ENJAMBRE_TRACKER", "tracker:1")]);
    assert_eq!(
        tracker.expect("valid").entry,
        Some(EntryPoint::Tracker(address("tracker:1")))
    );
    let webserver = told("tracker = 'tracker:1'", &[home, ("ENJAMBRE_WEBSERVER", "web:1")]);
    assert_eq!(
        webserver.expect("valid").entry,
        Some(EntryPoint::Webserver(address("web:1")))
    );
}

#[test]
fn which_node_is_meant_is_decided_by_the_strongest_place() {
    let by_dir = told("peer = '127.0.0.1:1'", &[("ENJAMBRE_DATA_DIR", "/data")]).expect("valid");
    assert_eq!(by_dir.peer, None);
    let by_address = told("data_dir = '/data'", &[("ENJAMBRE_PEER", "127.0.0.1:1")]).expect("valid");
    assert_eq!(by_address.peer, Some(address("127.0.0.1:1")));
    assert_eq!(
        by_address.data_dir,
        Path::new("/data"),
        "its token may be the node's"
    );
}

#[test]
fn data_goes_where_the_desktop_keeps_data() {
    let dir = |variables: &[(&str, &str)]| told("", variables).map(|options| options.data_dir);
    assert_eq!(
        dir(&[("HOME", "/home/me"), ("XDG_DATA_HOME", "/xdg")]).expect("valid"),
        Path::new("/xdg/enjambre/peer")
    );
    assert_eq!(
        dir(&[("HOME", "/home/me"), ("XDG_DATA_HOME", "relative")]).expect("valid"),
        Path::new("/home/me/.local/share/enjambre/peer")
    );
    assert!(matches!(dir(&[]), Err(SettingsError::NoHome)));
}

#[test]
fn a_limit_is_a_rate_or_none() {
    for text in ["none", "unlimited", " None ", "0"] {
        assert_eq!(text.parse(), Ok(RateLimit(None)), "{text}");
    }
    assert_eq!("1MB/s".parse(), Ok(RateLimit(ByteRate::new(1_000_000))));
    assert!("fast".parse::<RateLimit>().is_err());
}
