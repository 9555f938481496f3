//! `peer get` told event by event, and where outputs go.

use std::cell::RefCell;
use std::collections::VecDeque;

use shared::model::{ContentId, Timestamp};
use shared::runtime::ManualClock;

use super::super::output::tests::Captured;
use super::super::sources::tests::source;
use super::*;
use crate::settings::Style;

/// Events as a node would send them.
struct Script {
    events: VecDeque<Result<GetEvent, RemoteError>>,
    pause: Duration,
    hand: ManualClock,
}

impl GetEvents for Script {
    async fn next(&mut self) -> Result<Option<GetEvent>, RemoteError> {
        self.hand.advance(self.pause);
        self.events.pop_front().transpose()
    }
}

const CONTENT: ContentId = ContentId::from_bytes([0xab; 32]);

fn started() -> GetEvent {
    GetEvent::Started {
        name: Name::new("another/name").expect("a name"),
        content: CONTENT,
        length: 4096,
        fragments: 1,
        already_held: 1024,
        output: None,
    }
}

fn progress() -> GetEvent {
    GetEvent::Progress {
        held: 2048,
        length: 4096,
        sources: 0,
        received: 1024,
        wasted: 0,
        waiting_for: Some(Waiting::NoSource),
        phase: FetchPhase::Fetching,
        from: vec![source(1, 1, &[3])],
    }
}

fn done() -> GetEvent {
    GetEvent::Done {
        content: CONTENT,
        length: 4096,
        received: 3072,
        wasted: 30,
        elapsed: Duration::from_millis(1500),
        sources_used: 2,
        from: vec![source(1, 2, &[]), source(2, 1, &[])],
    }
}

struct Played {
    result: Result<(), Failure>,
    stdout: String,
    stderr: String,
    how_far: Vec<String>,
}

async fn play(json: bool, events: impl IntoIterator<Item = Result<GetEvent, RemoteError>>) -> Played {
    play_slowly(json, None, Duration::ZERO, events).await
}

/// Plays the events with this pause between them.
async fn play_slowly(
    json: bool,
    patience: Option<Duration>,
    pause: Duration,
    events: impl IntoIterator<Item = Result<GetEvent, RemoteError>>,
) -> Played {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let style = Style {
        json,
        ..Style::default()
    };
    let out = Output::new(style, false, stdout.clone(), stderr.clone());
    let (clock, hand) = Clock::manual(Timestamp::from_millis(0));
    let content = "models/x".parse().expect("a name");
    let how_far = RefCell::new(Vec::new());
    let told = |text: &str| how_far.borrow_mut().push(text.to_owned());
    let mut script = Script {
        events: events.into_iter().collect(),
        pause,
        hand,
    };
    let target = Target {
        content: &content,
        called: None,
        output: Some(Path::new("/tmp/x")),
        patience,
    };
    let result = follow(&out, &clock, &mut script, target, told).await;
    Played {
        result,
        stdout: stdout.text(),
        stderr: stderr.text(),
        how_far: how_far.into_inner(),
    }
}

#[tokio::test]
async fn a_fetch_says_what_it_fetches_and_where_it_went() {
    let played = play(false, [Ok(started()), Ok(progress()), Ok(done())]).await;
    assert_eq!(played.result, Ok(()));
    assert_eq!(
        played.stdout,
        "fetched models/x to /tmp/x: 4.0 KiB in 1.5s, 2.0 KiB/s from 2 peers\n"
    );
    assert_eq!(
        played.stderr,
        "fetching models/x: 4.0 KiB in 1 fragment, 25% of it is here already\n\
         asked 192.168.20.1:50053 for models/x … received 2 fragments, 2.0 KiB\n\
         asked 192.168.20.2:50053 for models/x … received 1 fragment, 1.0 KiB\n"
    );
    assert_eq!(
        played.how_far,
        ["25%", "50%"],
        "what an interrupted fetch can say"
    );
}

#[tokio::test]
async fn wasted_bytes_are_told_when_they_are_more_than_one_in_a_hundred() {
    let done = GetEvent::Done {
        content: CONTENT,
        length: 4096,
        received: 3072,
        wasted: 31,
        elapsed: Duration::from_secs(1),
        sources_used: 2,
        from: Vec::new(),
    };
    let played = play(false, [Ok(started()), Ok(done)]).await;
    assert_eq!(
        played.stdout,
        "fetched models/x to /tmp/x: 4.0 KiB in 1.0s, 3.0 KiB/s from 2 peers, 31 B of it wasted\n"
    );
}

#[tokio::test]
async fn with_json_every_event_is_a_line() {
    let played = play(true, [Ok(started()), Ok(progress()), Ok(done())]).await;
    let lines: Vec<serde_json::Value> = played
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let id = CONTENT.to_string();
    let from = |number: u8, state: &str, fragments: u32, asked: &[u32]| {
        serde_json::json!({"id": format!("{number:02x}").repeat(16), "address": format!("192.168.20.{number}:50053"),
            "state": state, "fragments": fragments, "bytes": fragments * 1024, "asked": asked})
    };
    assert_eq!(
        lines,
        [
            serde_json::json!({"event": "started", "name": "another/name", "content": id, "length": 4096,
                "fragments": 1, "already_held": 1024}),
            serde_json::json!({"event": "progress", "held": 2048, "length": 4096, "sources": 0,
                "received": 1024, "wasted": 0, "waiting_for": "no peer that is online holds what is missing",
                "waiting_code": "no_source", "phase": "fetching", "files": null,
                "from": [from(1, "asked", 1, &[3])]}),
            serde_json::json!({"event": "done", "content": id, "length": 4096, "output": "/tmp/x",
                "received": 3072, "wasted": 30, "elapsed_ms": 1500, "sources_used": 2,
                "from": [from(1, "idle", 2, &[]), from(2, "idle", 1, &[])]}),
        ]
    );
    assert_eq!(played.stderr, "");
}

#[tokio::test]
async fn a_fetch_that_ends_without_a_result_is_no_success() {
    let played = play(false, [Ok(started())]).await;
    assert_eq!(played.result.expect_err("no result").exit(), Exit::Internal);
    let full = RemoteError::new(ErrorCode::Exhausted, "no room for 3.0 KiB");
    let played = play(false, [Ok(started()), Err(full)]).await;
    let failure = played.result.expect_err("no room");
    assert_eq!(failure.exit(), Exit::Full);
    assert_eq!(
        failure.to_string(),
        "cannot get models/x: no room for 3.0 KiB; make room, or choose another place with --output"
    );
}

#[tokio::test]
async fn a_stalled_fetch_is_given_up_and_a_moving_one_is_not() {
    let at = |held, received| {
        Ok(GetEvent::Progress {
            held,
            length: 4096,
            sources: 0,
            received,
            wasted: 0,
            waiting_for: Some(Waiting::NoSource),
            phase: FetchPhase::Fetching,
            from: Vec::new(),
        })
    };
    let (patience, pause) = (Some(Duration::from_secs(60)), Duration::from_secs(50));
    let stuck = [
        Ok(started()),
        at(1024, 0),
        at(2048, 0),
        at(2048, 0),
        at(2048, 0),
        Ok(done()),
    ];
    let played = play_slowly(false, patience, pause, stuck.clone()).await;
    let failure = played.result.expect_err("given up");
    assert_eq!(failure.exit(), Exit::Unreachable);
    assert_eq!(
        failure.to_string(),
        "cannot get models/x: nothing arrived for 1m 40s (no peer that is online holds what is missing); 50% is kept, run the same command again to continue"
    );
    let moving = [
        Ok(started()),
        at(1024, 0),
        at(2048, 0),
        at(2049, 0),
        at(2050, 0),
        at(2050, 100),
        at(2050, 200),
        at(2050, 300),
        Ok(done()),
    ];
    assert_eq!(play_slowly(false, patience, pause, moving).await.result, Ok(()));
    assert_eq!(
        play_slowly(false, None, pause, stuck).await.result,
        Ok(()),
        "whoever waits for ever"
    );
}
