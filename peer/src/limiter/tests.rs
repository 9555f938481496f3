//! Tests of the bytes that a limit lets through, and of the callers that it wakes.

use std::pin::pin;
use std::task::Poll;

use futures_util::poll;
use proptest::prelude::*;

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn rate(bytes: u64) -> ByteRate {
    ByteRate::new(bytes).expect("not 0")
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let (mut bucket, rate) = (Bucket::default(), rate(MIB));
    assert_eq!(bucket.take(rate, at(0), 512 * KIB), Ok(()));
    assert_eq!(bucket.take(rate, at(0), 512 * KIB), Err(millis(500)));
    assert_eq!(bucket.take(rate, at(499), 512 * KIB), Err(millis(1)));
    assert_eq!(bucket.take(rate, at(500), 512 * KIB), Ok(()));
    assert_eq!(bucket.take(rate, at(500), 64 * KIB), Err(millis(63)), "62.5 ms");
}

#[test]
fn a_pause_saves_no_more_than_a_burst() {
    let (mut bucket, fast) = (Bucket::default(), rate(8 * MIB));
    let a_day = at(86_400_000);
    assert_eq!(
        bucket.take(fast, a_day, 2 * MIB),
        Ok(()),
        "a quarter of a second's worth"
    );
    assert_eq!(bucket.take(fast, a_day, 512 * KIB), Err(millis(63)));
}

#[test]
fn more_than_a_burst_goes_when_nothing_is_owed() {
    let (mut bucket, slow) = (Bucket::default(), rate(MIB));
    assert_eq!(bucket.take(slow, at(0), 4 * MIB), Ok(()));
    assert_eq!(bucket.take(slow, at(0), 4 * MIB), Err(millis(4000)));
    assert_eq!(bucket.take(slow, at(4000), 4 * MIB), Ok(()));
}

#[test]
fn a_change_of_the_rate_keeps_debt_up_to_the_new_burst() {
    let (mut bucket, fast, slow) = (Bucket::default(), rate(40 * MIB), rate(128 * KIB));
    assert_eq!(bucket.take(fast, at(0), 10 * MIB), Ok(()));
    bucket.change(fast, slow, at(100));
    // Of 6 MiB of debt half a MiB is left; all of it would take 48 seconds.
    assert_eq!(bucket.take(slow, at(100), 16 * KIB), Err(millis(125)));
    bucket.change(slow, fast, at(1100));
    assert_eq!(bucket.owed, u128::from(384 * KIB) * PARTS);
}

#[test]
fn a_clock_that_stands_still_or_the_slowest_rate_breaks_nothing() {
    let (mut bucket, slowest) = (Bucket::default(), rate(1));
    assert_eq!(bucket.take(slowest, at(5), u64::MAX), Ok(()));
    let wait = bucket.take(slowest, at(3), u64::MAX).expect_err("it is owed");
    assert!(wait > millis(u64::MAX / 2), "{wait:?}");
    let (mut bucket, fastest) = (Bucket::default(), rate(u64::MAX));
    assert_eq!(bucket.take(fastest, at(u64::MAX), u64::MAX), Ok(()));
}

proptest! {
    #[test]
    fn never_more_than_the_rate_and_a_burst_and_never_less_than_the_rate(
        per_second in 1_u64..1 << 32,
        takes in prop::collection::vec((1_u64..=512 * KIB, 0_u64..50), 1..200),
    ) {
        let (mut bucket, rate) = (Bucket::default(), rate(per_second));
        let (mut now, mut taken, mut waited) = (0_u64, 0_u128, false);
        for (bytes, pause) in takes {
            now += pause;
            waited |= pause > 0;
            if let Err(wait) = bucket.take(rate, at(now), bytes) {
                let early = wait.as_millis() - 1;
                prop_assert!(early < u128::from(u64::MAX / 4));
                now += u64::try_from(wait.as_millis()).expect("some days");
                prop_assert_eq!(bucket.take(rate, at(now), bytes), Ok(()), "the wait was given");
            }
            taken += u128::from(bytes);
            let burst = u128::from((per_second / 4).max(512 * KIB));
            let allowed = u128::from(per_second) * u128::from(now) / 1000 + burst;
            prop_assert!(taken <= allowed, "{taken} of {allowed} by {now} ms");
            if !waited {
                // A caller that takes as soon as possible gets the rate, but for the rounding of its last
                // wait.
                let least = u128::from(per_second) * u128::from(now.saturating_sub(1)) / 1000;
                prop_assert!(taken + burst >= least);
            }
        }
    }
}

#[tokio::test]
async fn without_a_limit_no_caller_waits() {
    let limiter = Limiter::unlimited(Clock::manual(at(0)).0);
    assert_eq!(limiter.rate(), None);
    for _ in 0..1000 {
        assert_eq!(poll!(pin!(limiter.take(u64::MAX))), Poll::Ready(()));
    }
}

#[tokio::test]
async fn lifting_or_raising_the_limit_wakes_all_callers() {
    for then in [None, ByteRate::new(u64::MAX)] {
        let (clock, hand) = Clock::manual(at(0));
        let limiter = Limiter::unlimited(clock);
        limiter.set(ByteRate::new(1));
        limiter.take(MIB).await;
        let waiting: Vec<_> = (0..10).map(|_| Box::pin(limiter.take(MIB))).collect();
        let mut all = Box::pin(futures_util::future::join_all(waiting));
        assert!(poll!(&mut all).is_pending(), "for twelve days each");
        hand.advance(millis(1));
        limiter.set(then);
        tokio::time::timeout(Duration::from_secs(30), all)
            .await
            .expect("they are woken");
        assert_eq!(limiter.rate(), then);
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_has_taken_nothing() {
    let (clock, hand) = Clock::manual(at(0));
    let limiter = Limiter::unlimited(clock);
    limiter.set(ByteRate::new(MIB));
    limiter.take(512 * KIB).await;
    let mut gives_up = Box::pin(limiter.take(512 * KIB));
    let mut next = Box::pin(limiter.take(512 * KIB));
    assert!(poll!(&mut gives_up).is_pending());
    assert!(poll!(&mut next).is_pending());
    drop(gives_up);
    hand.advance(millis(500));
    assert!(poll!(&mut next).is_ready(), "only the first has taken anything");
}

#[tokio::test]
async fn a_limit_that_is_set_again_keeps_the_debt() {
    let (clock, hand) = Clock::manual(at(0));
    let limiter = Limiter::unlimited(clock);
    limiter.set(ByteRate::new(MIB));
    limiter.take(512 * KIB).await;
    hand.advance(millis(250));
    limiter.set(ByteRate::new(2 * MIB));
    let mut next = Box::pin(limiter.take(512 * KIB));
    assert!(poll!(&mut next).is_pending(), "256 KiB are owed");
    hand.advance(millis(125));
    // The caller's own timer would wake it; setting a limit wakes it too.
    limiter.set(ByteRate::new(2 * MIB));
    tokio::time::timeout(Duration::from_secs(30), next)
        .await
        .expect("paid back at the new rate");
}

#[tokio::test]
async fn a_limit_holds_up_during_a_wait_and_for_a_second_after() {
    let (clock, hand) = Clock::manual(at(1));
    let limiter = Limiter::unlimited(clock);
    limiter.take(MIB).await;
    assert!(!limiter.holds_up(), "without a limit no caller waits");
    limiter.set(Some(rate(MIB)));
    limiter.take(512 * KIB).await;
    assert!(!limiter.holds_up(), "a burst waits for nothing");
    let mut waiting = pin!(limiter.take(512 * KIB));
    assert_eq!(poll!(waiting.as_mut()), Poll::Pending);
    assert!(limiter.holds_up());
    hand.advance(millis(500 + 999));
    assert!(limiter.holds_up(), "the next one may be about to wait");
    hand.advance(millis(1));
    assert!(!limiter.holds_up());
    limiter.set(Some(rate(2 * MIB)));
    assert!(!limiter.holds_up(), "another rate, another chance");
}
