//! Following a fetch event by event until it ends.

use std::path::Path;
use std::time::Duration;

use proto::RemoteError;
use proto::messages::control::GetEvent;
use shared::model::{ByteCount, ContentRef, FetchPhase, Name, Timestamp, Waiting, format_duration};
use shared::runtime::Clock;
use shared::{Coded as _, ErrorCode};

use super::exit::{Exit, Failure};
use super::output::Output;
use super::progress::{Amount, Progress, Unit, measured, percent};
use super::sources::summary;
use crate::{json, words};

/// Events of a fetch.
pub trait GetEvents {
    /// Returns the next event, or none at the regular end. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<GetEvent>, RemoteError>> + Send;
}

impl<W: Send> GetEvents for proto::client::Incoming<W, GetEvent>
where
    GetEvent: TryFrom<W, Error = proto::Invalid>,
{
    fn next(&mut self) -> impl Future<Output = Result<Option<GetEvent>, RemoteError>> + Send {
        Self::next(self)
    }
}

/// A fetch that is followed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The content that is fetched.
    pub content: &'a ContentRef,
    /// The name that its user knows it by; none shows the one that was asked for, or that the node tells.
    pub called: Option<&'a str>,
    /// The path to write; none means standard output.
    pub output: Option<&'a Path>,
    /// The longest time without a received byte; none waits without a limit.
    pub patience: Option<Duration>,
}

/// Waits for the next event of a fetch, this long at most; none when there are no more.
async fn next(
    events: &mut impl GetEvents,
    content: &ContentRef,
    patience: Option<Duration>,
) -> Result<Option<GetEvent>, Failure> {
    let next = events.next();
    let next = match patience {
        Some(patience) => tokio::time::timeout(patience, next).await.map_err(|_| {
            let why = words::cannot(words::get(content), words::unanswered(format_duration(patience)));
            Failure::new(Exit::Unreachable, why)
        })?,
        None => next.await,
    };
    next.map_err(|error| get_failure(content, &error))
}

/// Shows a fetch's progress until it ends; `how_far` receives the part that is held, such as `45%`.
///
/// # Errors
/// The node's error; [`Exit::Unreachable`] when nothing came for longer than the target's patience.
pub async fn follow(
    out: &Output,
    clock: &Clock,
    events: &mut impl GetEvents,
    target: Target<'_>,
    how_far: impl Fn(&str),
) -> Result<(), Failure> {
    let content = target.content;
    let label = target.called.map_or_else(|| content.to_string(), str::to_owned);
    let (mut label, mut place) = (label, target.output.map(Path::to_owned));
    let mut progress: Option<Progress<'_>> = None;
    // Something moves until it is known how much there is.
    let question = words::asking_network(&label);
    let nothing = Amount::new(0, 0);
    let mut asking = Some(Progress::begin(out, clock, question, Unit::Bytes, nothing));
    let mut stall = Stall::begin(clock.now());
    loop {
        // Progress is reported only once the content is known.
        let patience = target.patience.filter(|_| progress.is_none());
        let Some(event) = next(events, content, patience).await? else {
            break;
        };
        if let GetEvent::Started {
            output: Some(output), ..
        } = &event
        {
            // It may go on in another place than was meant.
            place = target.output.map(|_| output.clone());
        }
        if let Some(output) = &place {
            out.json(&json::get_line(&event, output));
        }
        match event {
            GetEvent::Started {
                name,
                length,
                fragments,
                already_held,
                ..
            } => {
                drop(asking.take());
                let amount = Amount::new(already_held, length);
                let name = target
                    .called
                    .map_or_else(|| asked_name(content, &name), str::to_owned);
                out.note(&started_line(&name, amount, fragments));
                label.clone_from(&name);
                how_far(&format!("{}%", percent(amount)));
                // Held bytes have not been written to standard output yet.
                let start = target.output.map_or(Amount::new(0, length), |_| amount);
                let label = words::fetching(name);
                progress = Some(Progress::begin(out, clock, label, Unit::Bytes, start));
            }
            GetEvent::Progress {
                held,
                length,
                sources,
                received,
                waiting_for,
                phase,
                ..
            } => {
                let amount = Amount::new(held, length);
                // Files are written from what is held, and that stays.
                if phase.is_about_peers() {
                    how_far(&format!("{}%", percent(amount)));
                }
                if let Some(progress) = &mut progress {
                    let (unit, shown) = measured(amount, phase);
                    // The files say themselves what is being done.
                    let remark = match unit {
                        Unit::Files => String::new(),
                        _ => remark(phase, sources, waiting_for.as_ref()),
                    };
                    progress.update_in(unit, shown, &remark);
                }
                // Its own disk is no reason to give up.
                let patience = target.patience.filter(|_| phase.is_about_peers());
                if let Some(stalled) = stall.beyond(patience, clock.now(), (phase, held, received)) {
                    return Err(stalled_failure(content, amount, stalled, waiting_for.as_ref()));
                }
            }
            GetEvent::Done { .. } => {
                drop((asking.take(), progress.take()));
                done(out, &event, &label, place.as_deref());
                return Ok(());
            }
        }
    }
    let message = words::cannot(words::get(content), words::no_result_of_get());
    Err(Failure::new(Exit::Internal, message))
}

/// Tells the end of a fetch, and what came from which peer.
fn done(out: &Output, event: &GetEvent, label: &str, place: Option<&Path>) {
    let GetEvent::Done {
        length,
        received,
        wasted,
        elapsed,
        sources_used,
        from,
        ..
    } = event
    else {
        return;
    };
    for line in summary(from, label) {
        out.note(&line);
    }
    let how = how_line(*received, *wasted, *elapsed, *sources_used);
    let (length, elapsed) = (ByteCount::new(*length), format_duration(*elapsed));
    match place {
        Some(output) => out.line(&words::fetched(label, output.display(), length, elapsed, how)),
        None => out.note(&words::written(label, length, elapsed, how)),
    }
}

/// Returns the failure for a node's refusal to fetch, with advice.
#[must_use]
pub fn get_failure(content: &ContentRef, error: &RemoteError) -> Failure {
    let failure = Failure::of(words::get(content), error);
    match error.code() {
        ErrorCode::NotFound => failure.hint(words::list_shows_names()),
        // The node decides whether the output may be replaced: it knows which files it wrote itself.
        ErrorCode::Conflict => failure.hint(words::force_or_output()),
        ErrorCode::Exhausted => failure.hint(words::make_room()),
        ErrorCode::Corrupt => failure.hint(words::verified_is_kept()),
        _ => failure,
    }
}

/// Returns the name to show: a content may have many, and the user asked for one, or for a path inside.
#[must_use]
pub fn asked_name(content: &ContentRef, told: &Name) -> String {
    match content {
        ContentRef::Name(_) | ContentRef::Inside(_) => content.to_string(),
        ContentRef::Id(_) => told.to_string(),
    }
}

/// Time since the last received byte.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Timestamp,
    /// Phase, and bytes held and received at that time: a long fragment can be on its way for minutes before
    /// it is held.
    had: Option<(FetchPhase, u64, u64)>,
}

impl Stall {
    const fn begin(now: Timestamp) -> Self {
        Self {
            since: now,
            had: None,
        }
    }

    /// Returns the time without a received byte when it exceeds the patience; `has` is bytes held and
    /// received.
    fn beyond(
        &mut self,
        patience: Option<Duration>,
        now: Timestamp,
        has: (FetchPhase, u64, u64),
    ) -> Option<Duration> {
        if self.had != Some(has) {
            (self.since, self.had) = (now, Some(has));
        }
        let stalled = now.since(self.since);
        patience
            .is_some_and(|patience| stalled > patience)
            .then_some(stalled)
    }
}

fn stalled_failure(
    content: &ContentRef,
    amount: Amount,
    stalled: Duration,
    waiting_for: Option<&Waiting>,
) -> Failure {
    let (percent, stalled) = (percent(amount), format_duration(stalled));
    let why = match waiting_for {
        None => words::nothing_came(stalled, percent),
        Some(why) => words::nothing_came_because(stalled, words::waiting(why), percent),
    };
    Failure::new(Exit::Unreachable, words::cannot(words::get(content), why))
}

/// Returns the first line of a fetch, such as `fetching x: 1.0 GiB in 1024 fragments`.
#[must_use]
pub fn started_line(name: &str, amount: Amount, fragments: u32) -> String {
    let total = ByteCount::new(amount.total);
    let line = words::fetching_amount(name, total, words::fragments(fragments.into()));
    match amount.done {
        0 => line,
        _ => words::here_already(line, percent(amount)),
    }
}

/// Returns the words for what a fetch is doing, and for the reason that it does little.
#[must_use]
pub fn remark(phase: FetchPhase, sources: u32, waiting_for: Option<&Waiting>) -> String {
    match (phase, waiting_for) {
        (FetchPhase::Writing { done, total }, _) => words::writing_files(done, total),
        (FetchPhase::Checking, _) => words::looking_at_disk().to_owned(),
        (_, Some(why)) => words::waiting(why),
        (FetchPhase::Connecting, None) => words::phase_connecting().to_owned(),
        (FetchPhase::Fetching, None) => words::sources(sources.into()),
    }
}

/// Returns the rate and the number of sources, such as `9.5 MiB/s from 3 peers`.
#[must_use]
pub fn how_line(received: u64, wasted: u64, elapsed: Duration, sources: u32) -> String {
    if received == 0 {
        return words::nothing_had_to_be_fetched().to_owned();
    }
    let rate = u128::from(received) * 1000 / elapsed.as_millis().max(1);
    let rate = ByteCount::new(u64::try_from(rate).unwrap_or(u64::MAX));
    let peers = words::peers(sources.into());
    // Less than one in a hundred is not worth a word.
    if u128::from(wasted) * 100 > u128::from(received) {
        words::rate_from_wasted(rate, peers, ByteCount::new(wasted))
    } else {
        words::rate_from(rate, peers)
    }
}

#[cfg(test)]
mod tests;
