//! `peer add` told event by event, and what it makes of them.

use std::collections::VecDeque;
use std::time::Duration;

use shared::ErrorCode;
use shared::model::{ReplicationTarget, Revision, Timestamp};

use super::super::output::tests::Captured;
use super::*;
use crate::settings::Style;

/// Events as a node would send them; then they end, or nothing comes any more.
struct Script {
    events: VecDeque<Result<AddEvent, RemoteError>>,
    goes_silent: bool,
}

impl AddEvents for Script {
    async fn next(&mut self) -> Result<Option<AddEvent>, RemoteError> {
        match self.events.pop_front() {
            Some(event) => event.map(Some),
            None if self.goes_silent => std::future::pending().await,
            None => Ok(None),
        }
    }
}

const CONTENT: ContentId = ContentId::from_bytes([0xab; 32]);

fn name() -> Name {
    Name::new("models/x").expect("a name")
}

fn target() -> ReplicationTarget {
    ReplicationTarget::new(2).expect("a target")
}

fn shared(is_pending: bool) -> AddEvent {
    AddEvent::Shared {
        content: CONTENT,
        length: 300_000,
        fragment_length: FragmentLength::MIN,
        fragments: 5,
        is_pending,
        directory: None,
    }
}

fn published() -> AddEvent {
    AddEvent::Published(Binding {
        name: name(),
        revision: Revision::new(4),
        content: CONTENT,
        length: 300_000,
        target: target(),
        published_at: Timestamp::from_millis(1),
        metadata: None,
        collection: None,
    })
}

fn replicas(at_target: u32) -> AddEvent {
    AddEvent::Replicas(Health {
        state: if at_target == 5 {
            ContentState::Replicated
        } else {
            ContentState::Degraded
        },
        target: target(),
        fewest: if at_target == 5 { 2 } else { 1 },
        fragments_at_target: at_target,
        fragments: 5,
        copies_under_way: 0,
    })
}

/// Plays a script; what came of it, and what was written on stdout.
async fn play(
    json: bool,
    wait: Option<Wait>,
    goes_silent: bool,
    events: impl IntoIterator<Item = AddEvent>,
) -> (Result<Added, Failure>, String) {
    let stdout = Captured::default();
    let style = Style {
        json,
        ..Style::default()
    };
    let out = Output::new(style, false, stdout.clone(), std::io::sink());
    let mut script = Script {
        events: events.into_iter().map(Ok).collect(),
        goes_silent,
    };
    let clock = Clock::manual(Timestamp::from_millis(0)).0;
    let added = follow(&out, &clock, &mut script, "/x", &name(), wait, |_| {}).await;
    (added, stdout.text())
}

#[tokio::test]
async fn a_published_file_is_told_step_by_step() {
    let hashing = AddEvent::Hashing {
        done: 1,
        total: 300_000,
    };
    let (added, told) = play(false, None, false, [hashing, shared(false), published()]).await;
    assert_eq!(added.expect("added").state(), "published");
    let expected = format!(
        "sharing models/x: 293.0 KiB in 5 fragments of 64.0 KiB\nid {CONTENT}\npublished as models/x, revision 4, 2 replicas wanted\n"
    );
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_file_added_offline_waits_and_says_so() {
    let (added, told) = play(false, None, false, [shared(true)]).await;
    assert_eq!(added.expect("shared").state(), "pending");
    assert!(
        told.ends_with("shared here; will be published when the node is connected\n"),
        "{told}"
    );
}

#[tokio::test]
async fn waiting_ends_well_when_every_fragment_has_its_replicas() {
    let events = [shared(false), published(), replicas(1), replicas(5)];
    let (added, told) = play(false, Some(Wait::Forever), false, events).await;
    assert_eq!(added.expect("replicated").state(), "replicated");
    assert!(
        told.ends_with("replicated: every fragment has 2 replicas\n"),
        "{told}"
    );
}

#[tokio::test]
async fn waiting_longer_than_allowed_says_how_far_it_got() {
    let wait = Some(Wait::AtMost(Duration::from_millis(20)));
    let (added, _) = play(false, wait, true, [shared(false), published(), replicas(3)]).await;
    let failure = added.expect_err("too late");
    assert_eq!(failure.exit(), Exit::TargetNotMet);
    let told = failure.to_string();
    assert!(
        told.contains("within 20ms") && told.contains("3 of 5 fragments have their 2 replicas"),
        "{told}"
    );
    assert!(
        told.contains("`peer why models/x` says what it waits for"),
        "{told}"
    );
    let (added, _) = play(false, wait, true, [shared(true)]).await;
    assert!(
        added
            .expect_err("too late")
            .to_string()
            .contains("not published yet")
    );
}

#[tokio::test]
async fn events_that_end_too_early_are_no_success() {
    let (added, _) = play(
        false,
        Some(Wait::Forever),
        false,
        [shared(false), published(), replicas(3)],
    )
    .await;
    assert_eq!(added.expect_err("not replicated").exit(), Exit::TargetNotMet);
    let (added, _) = play(false, None, false, []).await;
    assert_eq!(added.expect_err("nothing happened").exit(), Exit::Internal);
}

#[tokio::test]
async fn with_json_every_event_is_a_line_and_the_last_one_is_the_result() {
    let events = [shared(false), published(), replicas(5)];
    let (_, told) = play(true, Some(Wait::Forever), false, events).await;
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().expect("an event"))
        .collect();
    assert_eq!(events, ["shared", "published", "replicas", "done"]);
    let expected = serde_json::json!({
        "event": "done", "name": "models/x", "content": CONTENT.to_string(), "length": 300_000,
        "fragment_length": 65_536, "fragments": 5, "revision": 4, "state": "replicated",
        "files": null, "contents": 1, "hides": [],
    });
    assert_eq!(lines[3], expected);
}

#[tokio::test]
async fn what_the_node_refuses_keeps_its_exit_code() {
    let stdout = Captured::default();
    let out = Output::new(Style::default(), false, stdout.clone(), std::io::sink());
    let mut script = Script {
        events: [
            Ok(shared(false)),
            Err(RemoteError::new(
                ErrorCode::Conflict,
                "models/x is bound to another content",
            )),
        ]
        .into(),
        goes_silent: false,
    };
    let clock = Clock::manual(Timestamp::from_millis(0)).0;
    let failure = follow(&out, &clock, &mut script, "/x", &name(), None, |_| {})
        .await
        .expect_err("refused");
    assert_eq!(failure.exit(), Exit::Conflict);
    assert_eq!(stdout.text(), "", "what was taken back is no result");
    assert_eq!(
        failure.to_string(),
        "cannot add /x: models/x is bound to another content"
    );
}

#[tokio::test]
async fn nothing_is_kept_before_the_file_is_shared() {
    let hashing = AddEvent::Hashing { done: 1, total: 2 };
    for (events, expected) in [
        (vec![hashing.clone()], &[][..]),
        (
            vec![hashing, shared(false), published()],
            &[Passed::Shared, Passed::Published],
        ),
        (vec![shared(true)], &[Passed::Shared]),
    ] {
        let out = Output::new(Style::default(), false, std::io::sink(), std::io::sink());
        let mut script = Script {
            events: events.into_iter().map(Ok).collect(),
            goes_silent: false,
        };
        let clock = Clock::manual(Timestamp::from_millis(0)).0;
        let called = std::cell::RefCell::new(Vec::new());
        let passed = |point| called.borrow_mut().push(point);
        drop(follow(&out, &clock, &mut script, "/x", &name(), None, passed).await);
        assert_eq!(*called.borrow(), expected);
    }
}
