//! Which setting wins, and which make no sense.

use std::collections::HashMap;

use shared::model::ByteRate;

use super::*;

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

/// A value that each key accepts.
const SAMPLES: [(&str, &str); KEYS.len()] = [
    ("data_dir", "/data"),
    ("peer", "127.0.0.1:1"),
    ("webserver", "web:2"),
    ("tracker", "tracker:3"),
    ("host", "0.0.0.0"),
    ("port", "4"),
    ("advertise", "me:5"),
    ("capacity", "6MiB"),
    ("zone", "rack-7"),
    ("upload_limit", "10MB/s"),
    ("download_limit", "none"),
    ("upload_slots", "11"),
    ("memory", "64MiB"),
    ("scrub_rate", "1MiB/s"),
    ("replicas", "8"),
    ("fragment_length", "64KiB"),
    ("json", "1"),
    ("quiet", "true"),
    ("no_progress", "yes"),
    ("timeout", "9s"),
];

#[test]
fn every_setting_has_a_twin_in_the_environment_and_in_the_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (key, value) in SAMPLES {
        let twin = variable(key);
        let from_env = Settings::from_env(&env(&[(&twin, value)])).expect(key);
        assert_ne!(from_env, Settings::default(), "{twin} says nothing");
        let path = dir.path().join(key);
        std::fs::write(&path, format!("{key} = {value:?}\n")).expect("write");
        let from_file = config::load::<Settings>(Some(&path)).expect(key);
        assert_eq!(from_file, from_env, "{key}");
    }
}

#[test]
fn the_file_may_write_numbers_and_truths_without_quotes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("peer.toml");
    let text = "port = 4\ncapacity = 1048576\nreplicas = 2\njson = true\ntimeout = 30\n";
    std::fs::write(&path, text).expect("write");
    let settings = config::load::<Settings>(Some(&path)).expect("valid");
    assert_eq!(settings.port, Some(4));
    assert_eq!(settings.capacity, Some(ByteCount::new(1 << 20)));
    assert_eq!(settings.replicas.map(ReplicationTarget::get), Some(2));
    assert_eq!(settings.json, Some(true));
    assert_eq!(settings.timeout, Some(Duration::from_secs(30)));
}

#[test]
fn a_file_with_an_unknown_key_or_a_bad_value_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("peer.toml");
    for text in [
        "prot = 1",
        "port = 70000",
        "port = -1",
        "zone = \"a b\"",
        "tracker = \"nowhere\"",
        "upload_limit = \"fast\"",
        "upload_slots = 0",
        "memory = \"1MiB\"",
    ] {
        std::fs::write(&path, text).expect("write");
        assert!(config::load::<Settings>(Some(&path)).is_err(), "{text}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("peer.toml");
    std::fs::write(
        &path,
        "data_dir = '/file'\nport = 1\nzone = 'file'\nreplicas = 5\n",
    )
    .expect("write");
    let flags = Settings {
        port: Some(3),
        ..Settings::default()
    };
    let env = env(&[
        ("ENJAMBRE_CONFIG", path.to_str().expect("text")),
        ("ENJAMBRE_PORT", "2"),
        ("ENJAMBRE_ZONE", "environment"),
        ("ENJAMBRE_REPLICAS", ""),
    ]);
    let options = gather(flags, None, &env).expect("valid");
    assert_eq!(options.port, Some(3));
    assert_eq!(options.zone.expect("set").as_str(), "environment");
    assert_eq!(options.replicas.get(), 5, "an empty variable says nothing");
    assert_eq!(options.data_dir, Path::new("/file"));
    assert_eq!(options.host, "127.0.0.1");
    assert_eq!(options.capacity, 50 << 30);
}

#[test]
fn a_limit_can_be_lifted_by_a_stronger_place() {
    let text = |rate: &str| Some(rate.parse::<RateLimit>().expect("a limit"));
    let file = Settings {
        upload_limit: text("10MB/s"),
        download_limit: text("80Mbit/s"),
        upload_slots: NonZeroU16::new(3),
        ..Settings::default()
    };
    let flags = Settings {
        upload_limit: text("none"),
        memory: Some(MemoryBudget::MIN),
        ..Settings::default()
    };
    let limits = |settings: Settings| settings.resolve(Some("/data".into())).expect("valid").limits;
    let expected = NodeLimits {
        rates: RateLimits {
            upload: None,
            download: ByteRate::new(10_000_000),
        },
        upload_slots: NonZeroU16::new(3).expect("not 0"),
        memory: MemoryBudget::MIN,
        scrub: NodeLimits::default().scrub,
    };
    assert_eq!(limits(flags.over(file)), expected);
    assert_eq!(limits(Settings::default()), NodeLimits::default());
}

#[test]
fn a_stronger_way_into_the_network_silences_the_weaker_one() {
    let lower = Settings {
        webserver: Some(address("web:1")),
        ..Settings::default()
    };
    let upper = Settings {
        tracker: Some(address("tracker:1")),
        ..Settings::default()
    };
    let entry = |settings: Settings| settings.resolve(Some("/data".into())).expect("valid").entry;
    assert_eq!(
        entry(upper.clone().over(lower.clone())),
        Some(EntryPoint::Tracker(address("tracker:1")))
    );
    assert_eq!(
        entry(lower.clone().over(upper)),
        Some(EntryPoint::Webserver(address("web:1")))
    );
    assert_eq!(entry(Settings::default()), None);
}

#[test]
fn which_node_is_meant_is_decided_by_the_strongest_place() {
    let dir = Settings {
        data_dir: Some("/data".into()),
        ..Settings::default()
    };
    let peer = Settings {
        peer: Some(address("127.0.0.1:1")),
        ..Settings::default()
    };
    assert_eq!(dir.clone().over(peer.clone()).peer, None);
    let by_address = peer.over(dir);
    assert_eq!(by_address.peer, Some(address("127.0.0.1:1")));
    assert_eq!(
        by_address.data_dir,
        Some("/data".into()),
        "its token may be the node's"
    );
}

#[test]
fn one_place_that_contradicts_itself_is_refused() {
    let env = env(&[
        ("HOME", "/home/me"),
        ("ENJAMBRE_TRACKER", "t:1"),
        ("ENJAMBRE_WEBSERVER", "w:1"),
    ]);
    let error = gather(Settings::default(), None, &env).expect_err("two ways in");
    assert_eq!(
        error.to_string(),
        "the environment variables give both webserver and tracker; choose one"
    );
}

#[test]
fn a_bad_variable_is_named() {
    let error = Settings::from_env(&env(&[("ENJAMBRE_ZONE", "a b")])).expect_err("a space");
    let told = error.to_string();
    assert!(
        told.contains("ENJAMBRE_ZONE") && told.contains("\"a b\""),
        "{told}"
    );
}

#[test]
fn data_goes_where_the_desktop_keeps_data() {
    let dir = |variables: &[(&str, &str)]| {
        gather(Settings::default(), None, &env(variables)).map(|options| options.data_dir)
    };
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
