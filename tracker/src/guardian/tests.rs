//! Tests of the guardian, whose clock goes as the story says.

use shared::model::{ClusterId, Timestamp};
use shared::runtime::ManualClock;
use shared::security::Role;
use tempfile::TempDir;

use super::*;
use crate::Timing;
use crate::audit_log::{read, verify};
use crate::journal::MemoryJournal;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_hours(24);

/// A guardian with its world.
struct Watched {
    guardian: Guardian,
    time: ManualClock,
    dir: TempDir,
    _tasks: Tasks,
}

async fn watched(mode: Mode) -> Watched {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ((clock, time), tasks) = (Clock::manual(AT), Tasks::new());
    let journal = Box::new(MemoryJournal::new());
    let opened = Ledger::open(journal, Timing::default(), clock.clone(), 1, &tasks);
    let (ledger, _thread) = opened.expect("opened");
    let cluster = ClusterId::from_bytes([7; 8]);
    let authority = Authority::create(dir.path(), cluster, Vec::new(), AT).expect("made");
    let audit = AuditLog::open(dir.path(), clock.clone()).expect("opened");
    let secured = (Some(authority), Some(audit));
    let guardian = Guardian::begin(ledger, secured, clock, mode)
        .await
        .expect("begun");
    Watched {
        guardian,
        time,
        dir,
        _tasks: tasks,
    }
}

impl Watched {
    fn ends(&self) -> Timestamp {
        self.guardian.tls().certificate().expect("its own").ends
    }
}

#[tokio::test]
async fn the_trackers_own_certificate_is_renewed_with_a_third_left() {
    let world = watched(Mode::Required).await;
    let first = world.ends();
    assert_eq!(first, AT.after(DAY * 30));
    world.time.advance(DAY * 19);
    world.guardian.look(true).await.expect("fine");
    assert_eq!(world.ends(), first);
    world.time.advance(DAY * 2);
    world.guardian.look(true).await.expect("fine");
    assert_eq!(world.ends(), AT.after(DAY * 51));
    let members = world.guardian.members().await.expect("listed");
    assert_eq!(
        (members.len(), members[0].role, members[0].ends),
        (1, Role::Tracker, world.ends())
    );
}

#[tokio::test]
async fn members_hear_of_both_keys_until_the_certificates_of_the_old_one_have_ended() {
    let world = watched(Mode::Required).await;
    let mut news = world.guardian.news();
    world.guardian.rotate().await.expect("rotated");
    assert!(news.has_changed().expect("told"));
    assert_eq!(news.borrow_and_update().roots.len(), 2);
    world.time.advance(DAY * 30);
    world.guardian.look(true).await.expect("fine");
    assert!(!news.has_changed().expect("told"));
    world.time.advance(DAY);
    world.guardian.look(true).await.expect("fine");
    assert_eq!(news.borrow_and_update().roots.len(), 1);
}

#[tokio::test]
async fn a_change_of_the_mode_is_told_and_nothing_is_secured_without_an_authority() {
    let world = watched(Mode::Permissive).await;
    let mut news = world.guardian.news();
    assert_eq!(news.borrow_and_update().mode, Mode::Permissive);
    world.guardian.set_mode(Mode::Required);
    world.guardian.look(false).await.expect("fine");
    assert_eq!(news.borrow_and_update().mode, Mode::Required);
    *world.guardian.0.authority.write().expect("whole") = None;
    world.guardian.set_mode(Mode::Permissive);
    assert_eq!(world.guardian.tls().mode(), Mode::Required);
    let refused = world.guardian.tokens().await.expect_err("no authority");
    assert_eq!(refused.code(), ErrorCode::FailedPrecondition);
}

#[tokio::test]
async fn a_token_counts_until_its_end_and_the_tracker_revokes_not_itself() {
    let world = watched(Mode::Required).await;
    let scopes = vec!["read".parse().expect("a scope")];
    let made = world
        .guardian
        .create_token(TokenId::random(), Grant::Api { scopes }, Some(DAY))
        .await;
    let made = made.expect("made");
    let CreatedSecret::Api(secret) = made.secret else {
        panic!("no API token")
    };
    let token = ApiToken {
        id: made.entry.id,
        secret,
    };
    assert!(world.guardian.scopes(&token).await.is_some());
    let guessed = ApiToken {
        id: token.id,
        ..ApiToken::random()
    };
    assert!(world.guardian.scopes(&guessed).await.is_none());
    world.time.advance(DAY);
    assert!(world.guardian.scopes(&token).await.is_none());
    let own = world.guardian.members().await.expect("listed")[0].id;
    let refused = world.guardian.revoke_member(own).await;
    assert!(matches!(refused, Err(GuardianError::Itself)));
}

#[tokio::test]
async fn what_is_not_secured_is_not_in_the_audit() {
    for (mode, lines) in [(Mode::Off, 0), (Mode::Required, 1)] {
        let world = watched(mode).await;
        let why = Denial::Stranger;
        world
            .guardian
            .denied(&Caller::Anonymous, None, "/enjambre.v1.Catalog/Remove", why);
        world.guardian.close();
        let written = read(world.dir.path(), Timestamp::default()).expect("read");
        assert_eq!(written.len(), lines, "{mode}");
        assert!(
            written
                .iter()
                .all(|line| line.reason == why.reason() && line.who == "anonymous")
        );
        verify(world.dir.path()).expect("read");
    }
}
