//! Shared files that are away for a while: nothing of them is served meanwhile, and nothing is given up.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use shared::model::{Absence, FragmentLength};
use shared::{Coded as _, ErrorCode};
use tempfile::TempDir;

use super::super::fixture::{Content, files_below};
use super::super::{
    DiskStore, FragmentStore as _, Looked, Place, Purpose, Role, StoreError, verify_fragment,
};

const LENGTH: usize = 150_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Home {
    directory: TempDir,
    store: Option<DiskStore>,
}

impl Home {
    /// Makes a store, and a content that is shared in the file `a`.
    fn sharing() -> (Self, Content) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut home = Self {
            directory,
            store: None,
        };
        home.open();
        let content = Content::new(LENGTH, 1);
        home.share("a", &content);
        (home, content)
    }

    fn open(&mut self) {
        self.store = None;
        self.store = Some(DiskStore::open(&self.path("node"), 1 << 20).expect("opens"));
    }

    fn store(&self) -> &DiskStore {
        self.store.as_ref().expect("it is open")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().expect("exists").join(name)
    }

    fn share(&self, name: &str, content: &Content) {
        fs::write(self.path(name), &content.bytes).expect("writes");
        let (one, stop) = (NonZeroUsize::MIN, AtomicBool::new(false));
        self.store()
            .add_file(
                &self.path(name),
                None,
                Some(FragmentLength::MIN),
                one,
                &|_| {},
                &stop,
            )
            .expect("adds");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renames");
    }

    fn look(&self) -> Looked {
        self.store().check_files(Duration::from_secs(10))
    }

    /// Looks until it is clear which files may have the bytes, and reads those.
    fn look_and_read(&self) {
        self.look();
        let doubtful = self.look().doubtful;
        self.store().verify_files(&doubtful, &AtomicBool::new(false));
    }

    fn absence(&self, content: &Content) -> Option<Absence> {
        let entry = self.store().entry(content.id()).expect("kept");
        assert!(
            entry.away.is_none() || entry.held.is_empty(),
            "nothing is held of it"
        );
        entry.away.map(|away| away.absence)
    }

    fn is_shared(&self, content: &Content) -> bool {
        (0..3).all(|n| content.read(self.store(), n).is_ok())
            && self.store().entry(content.id()).expect("kept").held.is_full()
    }

    /// Gives a file the bytes, and the time, of the file `a` as it is now.
    fn forge(&self, name: &str, bytes: &[u8]) {
        let time = fs::metadata(self.path("a")).and_then(|file| file.modified());
        fs::write(self.path(name), bytes).expect("writes");
        let file = fs::OpenOptions::new().write(true).open(self.path(name));
        file.and_then(|file| file.set_modified(time.expect("a time")))
            .expect("sets");
    }
}

#[test]
fn a_file_that_is_renamed_and_back_is_shared_again() {
    for is_read in [false, true] {
        let (home, content) = Home::sharing();
        home.rename("a", "b");
        let mut changes = home.store().subscribe();
        if is_read {
            let read = content.read(home.store(), 0).expect_err("it is gone");
            let StoreError::Away { absence, .. } = &read else {
                panic!("{read}")
            };
            assert_eq!((*absence, read.code()), (Absence::Gone, ErrorCode::Unavailable));
        } else {
            assert_eq!(home.look().changed, [content.id()]);
        }
        assert_eq!(changes.try_recv(), Ok(content.id()), "others are told");
        assert_eq!(home.absence(&content), Some(Absence::Gone));
        let read = content.read(home.store(), 0);
        assert!(matches!(read, Err(StoreError::NotHeld { .. })), "{read:?}");
        assert_eq!(home.look(), Looked::default(), "it is told once");
        home.rename("b", "a");
        assert_eq!(home.look().changed, [content.id()]);
        assert_eq!(changes.try_recv(), Ok(content.id()));
        assert!(home.is_shared(&content) && home.absence(&content).is_none());
    }
}

#[test]
fn a_file_may_be_away_while_the_node_starts() {
    let (mut home, content) = Home::sharing();
    home.rename("a", "b");
    home.open();
    assert_eq!(home.absence(&content), Some(Absence::Gone));
    home.open();
    home.rename("b", "a");
    home.look();
    assert!(home.is_shared(&content));
}

#[test]
fn a_week_away_is_told_and_forgives_a_restart() {
    let (mut home, content) = Home::sharing();
    home.rename("a", "b");
    home.look();
    for _ in 0..7 {
        home.store().check_files(DAY);
    }
    home.open();
    let away = home.store().files_away();
    assert_eq!((away.gone, away.count()), (1, 1));
    assert_eq!(away.first[0].path, home.path("a"));
    assert!(away.first[0].lasted >= 7 * DAY, "{:?}", away.first[0].lasted);
    home.rename("b", "a");
    home.look();
    assert!(home.is_shared(&content));
    assert_eq!(home.store().files_away().count(), 0);
}

#[test]
fn a_file_that_stays_away_is_withdrawn_in_the_end() {
    let (mut home, content) = Home::sharing();
    home.rename("a", "b");
    home.look();
    for _ in 0..31 {
        home.store().check_files(DAY);
    }
    assert_eq!(home.absence(&content), None);
    home.rename("b", "a");
    home.open();
    home.look();
    assert!(content.held(home.store()).is_empty(), "until it is added again");
    home.share("a", &content);
    assert!(home.is_shared(&content));
}

#[test]
fn another_file_of_equal_size_and_time_is_not_served() {
    let (home, content) = Home::sharing();
    let mut other = content.bytes.clone();
    other[70_000] ^= 1;
    home.forge("forged", &other);
    home.rename("forged", "a");
    home.look_and_read();
    assert_eq!(home.absence(&content), Some(Absence::Changed));
    assert!(content.read(home.store(), 0).is_err());
    assert_eq!(home.look().doubtful, [], "it is read once");
    // The right bytes are right in any file.
    home.forge("forged", &content.bytes);
    home.rename("forged", "a");
    home.look_and_read();
    assert!(home.is_shared(&content));
}

#[test]
fn a_file_with_another_time_is_read_before_it_is_served() {
    let (mut home, content) = Home::sharing();
    let file = fs::OpenOptions::new().write(true).open(home.path("a"));
    let touched = file.and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH + DAY));
    touched.expect("sets");
    assert_eq!(home.look().changed, [content.id()]);
    assert!(content.read(home.store(), 0).is_err());
    home.look_and_read();
    assert!(home.is_shared(&content));
    home.open();
    assert!(home.is_shared(&content), "its new time is written down");
}

#[test]
fn a_shorter_file_has_changed_and_a_pipe_too() {
    let (home, content) = Home::sharing();
    home.rename("a", "b");
    fs::write(home.path("a"), "short").expect("writes");
    home.look();
    assert_eq!(home.absence(&content), Some(Absence::Changed));
    assert_eq!(home.look().doubtful, [], "no bytes of it can be right");
    fs::remove_file(home.path("a")).expect("removes");
    home.look();
    assert_eq!(
        home.absence(&content),
        Some(Absence::Gone),
        "the reason is kept up"
    );
    home.rename("b", "a");
    home.look();
    assert!(home.is_shared(&content));
}

#[test]
fn a_file_that_may_not_be_read_comes_back_with_its_mode() {
    let (home, content) = Home::sharing();
    let set = |mode| fs::set_permissions(home.path("a"), fs::Permissions::from_mode(mode)).expect("sets");
    set(0o000);
    if fs::File::open(home.path("a")).is_ok() {
        // The superuser may read everything.
        return;
    }
    let verified = verify_fragment(home.store(), content.id(), content.index(0));
    assert!(matches!(verified, Err(StoreError::Away { .. })), "{verified:?}");
    assert_eq!(home.absence(&content), Some(Absence::Unreadable));
    set(0o600);
    home.look();
    assert!(home.is_shared(&content));
}

#[test]
fn an_equal_file_takes_over_and_either_comes_back() {
    let (home, content) = Home::sharing();
    home.share("b", &content);
    home.rename("a", "a.away");
    home.rename("b", "b.away");
    home.look();
    assert_eq!(home.absence(&content), Some(Absence::Gone));
    home.rename("b.away", "b");
    home.look();
    assert!(home.is_shared(&content), "the other file is back first");
    home.rename("a.away", "a");
    fs::remove_file(home.path("b")).expect("removes");
    home.look();
    assert!(home.is_shared(&content), "and the first one is not forgotten");
}

#[test]
fn an_assignment_does_not_take_the_place_of_a_file_that_is_away() {
    let (home, content) = Home::sharing();
    home.rename("a", "b");
    let refused = home.store().prepare(&content.manifest, content.assigned(&[0]));
    assert!(matches!(refused, Err(StoreError::Away { .. })), "{refused:?}");
    assert_eq!(home.store().usage().used, 0);
    home.rename("b", "a");
    home.look();
    assert!(home.is_shared(&content));
}

#[test]
fn a_file_that_is_fetched_anew_stays_shared() {
    let (mut home, content) = Home::sharing();
    home.rename("a", "b");
    let output = home.path("out");
    let fetched = content.fetched(&output, false);
    let entry = home.store().prepare(&content.manifest, fetched).expect("fits");
    assert!(entry.roles.published && entry.roles.fetched && entry.away.is_none());
    content.fill(home.store(), &[0, 1, 2]);
    assert_eq!(
        home.store().entry(content.id()).expect("kept").place,
        Place::File(output.clone())
    );
    // The old file is one of its files again.
    home.rename("b", "a");
    fs::remove_file(&output).expect("removes");
    home.open();
    assert!(home.is_shared(&content));
}

#[test]
fn a_fetch_that_is_given_up_leaves_the_file_to_come_back() {
    let (home, content) = Home::sharing();
    home.rename("a", "b");
    let fetched = content.fetched(&home.path("out"), false);
    home.store().prepare(&content.manifest, fetched).expect("fits");
    content.fill(home.store(), &[1]);
    home.rename("b", "a");
    for _ in 0..10 {
        home.store().forget_leftovers(|_| false).expect("looks");
    }
    assert!(home.is_shared(&content));
    let mut left = files_below(&home.path(""));
    left.retain(|file| !file.starts_with("node/"));
    assert_eq!(left, ["a"], "the partial file is gone");
}

#[test]
fn a_content_that_was_read_while_its_file_was_away_goes_back_to_it() {
    let (home, content) = Home::sharing();
    home.rename("a", "b");
    let purpose = Purpose::Collected {
        role: Role::Fetched,
        name: None,
        fragments: content.manifest.all_fragments(),
    };
    home.store().prepare(&content.manifest, purpose).expect("fits");
    content.fill(home.store(), &[0, 1, 2]);
    let entry = || home.store().entry(content.id()).expect("kept");
    assert!(entry().roles.published && entry().place == Place::Store);
    let leftovers = || (0..10).for_each(|_| drop(home.store().forget_leftovers(|_| false).expect("looks")));
    leftovers();
    assert_eq!(entry().place, Place::Store, "the file is still away");
    home.rename("b", "a");
    leftovers();
    assert_eq!(entry().place, Place::File(home.path("a")));
    assert!(home.is_shared(&content));
    assert_eq!(home.store().usage().used, 0);
}

#[test]
fn a_fetched_file_that_was_moved_away_is_soon_forgotten() {
    let (home, _) = Home::sharing();
    let content = Content::new(LENGTH, 2);
    let output = home.path("out");
    let fetched = content.fetched(&output, false);
    home.store().prepare(&content.manifest, fetched).expect("fits");
    content.fill(home.store(), &[0, 1, 2]);
    fs::remove_file(&output).expect("removes");
    home.look();
    assert_eq!(home.store().files_away().count(), 0, "its user knows");
    home.store().check_files(Duration::from_secs(60 * 60));
    home.look();
    for _ in 0..10 {
        home.store().forget_leftovers(|_| false).expect("looks");
    }
    assert!(home.store().entry(content.id()).is_none());
}

#[test]
fn the_stores_own_file_that_cannot_be_looked_at_is_not_lost() {
    let (mut home, _) = Home::sharing();
    let content = Content::new(LENGTH, 2);
    let all = content.assigned(&[0, 1, 2]);
    home.store().prepare(&content.manifest, all).expect("fits");
    content.fill(home.store(), &[0, 1, 2]);
    let data = home.store().layout.data(content.id());
    // A link that leads to itself: the system fails, for every user.
    fs::rename(&data, home.path("hidden")).expect("renames");
    std::os::unix::fs::symlink(&data, &data).expect("links");
    home.open();
    assert_eq!(home.absence(&content), Some(Absence::Failing));
    home.look();
    assert_eq!(home.absence(&content), Some(Absence::Failing));
    fs::rename(home.path("hidden"), &data).expect("renames");
    home.look();
    assert!(home.is_shared(&content));
    home.open();
    assert!(home.is_shared(&content));
}
