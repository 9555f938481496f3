//! Commands, from arguments to what they print.

use super::*;

fn arguments(line: &str) -> Vec<OsString> {
    std::iter::once("peer")
        .chain(line.split_whitespace())
        .map(OsString::from)
        .collect()
}

fn home(key: &str) -> Option<OsString> {
    (key == "HOME").then(|| "/home/me".into())
}

#[test]
fn help_and_version_are_answers_and_the_rest_is_usage() {
    for line in ["--help", "-h", "--version", "add --help"] {
        assert!(
            matches!(prepare(&arguments(line), &home), Err(Stop::Answer(_))),
            "{line}"
        );
    }
    for line in [
        "--data-dir /d --peer a:1 list",
        "list --data-dir /d --peer a:1",
        "--config /nonexistent list",
    ] {
        match prepare(&arguments(line), &home) {
            Err(Stop::Failure(failure)) => assert_eq!(failure.exit(), Exit::Usage, "{line}"),
            _ => panic!("{line} was understood"),
        }
    }
    assert!(prepare(&arguments("list"), &home).is_ok());
}

#[test]
fn self_commands_need_no_valid_settings() {
    for line in [
        "config check /c",
        "--config /nonexistent config show",
        "completions bash",
    ] {
        assert!(
            matches!(prepare(&arguments(line), &home), Err(Stop::SelfCommand(..))),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_timeout_and_an_interrupt_end_differently() {
    let timeout = Some(Duration::from_millis(20));
    let late = ended(std::future::pending(), timeout).await;
    assert_eq!(
        (late.exit(), late.to_string()),
        (Exit::TimedOut, "gave up after 20ms, as --timeout asks".to_owned())
    );
    let interrupted = ended(std::future::ready(()), None).await;
    assert_eq!(interrupted.exit(), Exit::Interrupted);
    let words = Some("45% of x is kept".to_owned());
    let told = with_last_words(interrupted, words);
    assert_eq!(
        (told.exit(), told.to_string()),
        (Exit::Interrupted, "interrupted: 45% of x is kept".to_owned())
    );
}

#[test]
fn only_a_server_is_talkative() {
    let level = |line: &str| {
        let Ok((invocation, settings)) = prepare(&arguments(line), &home) else {
            panic!("{line} was not understood");
        };
        verbosity(&invocation, &settings.options)
    };
    assert_eq!(level("serve"), Verbosity::Info);
    assert_eq!(level("serve -q"), Verbosity::Warnings);
    assert_eq!(level("serve -v"), Verbosity::Debug);
    assert_eq!(level("list"), Verbosity::Warnings);
    assert_eq!(level(""), Verbosity::Warnings);
}
