//! `peer get`: fetch a content into a file, verified.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::Locate;
use proto::messages::control::{EntryPoint, Get, GetEvent};
use shared::ErrorCode;
use shared::model::{ByteCount, ContentRef, Name, Timestamp, format_duration};
use shared::runtime::Clock;

use super::args::{GetArgs, GiveUpAfter};
use super::context::Context;
use super::exit::{Exit, Failure};
pub use super::missing::explain;
use super::output::Output;
use super::plan;
use super::progress::{Amount, Progress, Unit, percent};
use super::streams::{Outlet, Reading, is_standard};
use crate::{json, words};

/// A command gives up when nothing has come for this long, unless `--give-up-after` or `--timeout` says otherwise: longer than a
/// holder takes to restart or a tracker to find out that it does not. What has been fetched is kept.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long nothing may come.
fn patience(context: &Context<'_>, args: &GetArgs) -> Option<Duration> {
    match args.give_up_after {
        Some(GiveUpAfter(patience)) => patience,
        None => context.options.timeout.is_none().then_some(PATIENCE),
    }
}

/// A way to the next event of a [`Get`]; none at the regular end.
pub trait GetEvents {
    /// The next event. Cancel-safe.
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

/// Where a fetched file goes, as far as that is known before the content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Exactly there.
    File(PathBuf),
    /// Into this directory, under the last part of the name.
    Directory(PathBuf),
}

/// Carries `peer get` out.
pub(super) async fn run(context: &Context<'_>, args: GetArgs) -> Result<(), Failure> {
    if args.dry_run {
        return plan::get(context, &args).await;
    }
    let named = match &args.content {
        ContentRef::Name(name) => Some(name.clone()),
        ContentRef::Id(_) => None,
    };
    fetch(context, args, named, context.options.entry.clone()).await
}

/// Fetches what is asked for, to be called `named` if nothing else is said, by way of a node in the network of `entry`.
///
/// # Errors
/// As the node says.
pub(super) async fn fetch(
    context: &Context<'_>,
    args: GetArgs,
    named: Option<Name>,
    entry: Option<EntryPoint>,
) -> Result<(), Failure> {
    if args.output.as_deref().is_some_and(is_standard) {
        return print(context, &args, entry.as_ref()).await;
    }
    // What can be known without a node is said before one is started.
    let wanted = args.output.clone();
    let destination = look(move || destination(wanted.as_deref())).await??;
    let client = context.find_or_run_in(entry.as_ref()).await?;
    let output = match place(&destination, named.as_ref()) {
        Some(output) => output,
        None => {
            let name = name_of(&client, &args.content).await?;
            place(&destination, Some(&name)).unwrap_or_else(|| PathBuf::from(name.file_name()))
        }
    };
    let get = Get {
        content: args.content.clone(),
        output: output.clone(),
        overwrite: args.force,
        selection: args.globs.selection()?,
    };
    let again = |how_far: &str| {
        context.set_last_words(words::kept_so_far(how_far, &args.content));
    };
    let fetched = async {
        let mut events = client
            .get(get)
            .await
            .map_err(|error| get_failure(&args.content, &error))?;
        let target = Target {
            content: &args.content,
            output: Some(&output),
            patience: patience(context, &args),
        };
        follow(context.out, &context.clock, &mut events, target, again).await
    };
    explained(fetched.await, &client, &args.content).await
}

/// Writes a file to standard output, and nothing else there.
async fn print(context: &Context<'_>, args: &GetArgs, entry: Option<&EntryPoint>) -> Result<(), Failure> {
    let content = &args.content;
    if context.out.is_json() || !args.globs.selection()?.is_all() {
        let why = words::cannot(words::get(content), words::output_is_the_file());
        return Err(Failure::new(Exit::Usage, why));
    }
    let client = context.find_or_run_in(entry).await?;
    let events = client.read(content).await;
    let events = events.map_err(|error| get_failure(content, &error))?;
    let mut reading = Reading::new(events, Outlet::standard()?);
    let target = Target {
        content,
        output: None,
        patience: patience(context, args),
    };
    let fetched = follow(context.out, &context.clock, &mut reading, target, |_| {}).await;
    match reading.outlet.judge(fetched) {
        // The hints are about files.
        Err(failure) if failure.exit() == Exit::Conflict => Err(failure),
        judged => explained(judged, &client, content).await,
    }
}

async fn explained(
    fetched: Result<(), Failure>,
    client: &ControlClient,
    content: &ContentRef,
) -> Result<(), Failure> {
    match fetched {
        Err(failure) if failure.exit() == Exit::Unreachable => Err(explain(failure, client, content).await),
        fetched => fetched,
    }
}

/// What a [`Get`] is about, to whoever follows it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What is fetched.
    pub content: &'a ContentRef,
    /// Where to; none is standard output.
    pub output: Option<&'a Path>,
    /// How long nothing may come before it is given up; none waits for ever.
    pub patience: Option<Duration>,
}

/// Shows how a [`Get`] goes until it ends; `how_far` is told how much is there, such as `45%`.
///
/// # Errors
/// As the node says; [`Exit::Unreachable`] when nothing came for longer than there is patience.
pub async fn follow(
    out: &Output,
    clock: &Clock,
    events: &mut impl GetEvents,
    target: Target<'_>,
    how_far: impl Fn(&str),
) -> Result<(), Failure> {
    let content = target.content;
    let mut label = content.to_string();
    let mut progress: Option<Progress<'_>> = None;
    let mut stall = Stall::begin(clock.now());
    loop {
        let next = events.next();
        let next = match target.patience.filter(|_| progress.is_none()) {
            // Before it is known what is fetched nobody says that nothing comes.
            Some(patience) => match tokio::time::timeout(patience, next).await {
                Ok(next) => next,
                Err(_) => return Err(stalled_failure(content, Amount::new(0, 1), patience, "")),
            },
            None => next.await,
        };
        let Some(event) = next.map_err(|error| get_failure(content, &error))? else {
            break;
        };
        if let Some(output) = target.output {
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
                let amount = Amount::new(already_held, length);
                let name = asked_name(content, &name);
                out.note(&started_line(name, amount, fragments));
                label = name.to_string();
                how_far(&format!("{}%", percent(amount)));
                // What is here has not been written to standard output yet.
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
                ..
            } => {
                let amount = Amount::new(held, length);
                how_far(&format!("{}%", percent(amount)));
                if let Some(progress) = &mut progress {
                    progress.update(amount, &remark(sources, &waiting_for));
                }
                if let Some(stalled) = stall.beyond(target.patience, clock.now(), (held, received)) {
                    return Err(stalled_failure(content, amount, stalled, &waiting_for));
                }
            }
            GetEvent::Done {
                length,
                received,
                wasted,
                elapsed,
                sources_used,
                ..
            } => {
                drop(progress.take());
                let how = how_line(received, wasted, elapsed, sources_used);
                let (length, elapsed) = (ByteCount::new(length), format_duration(elapsed));
                match target.output {
                    Some(output) => out.line(&words::fetched(&label, output.display(), length, elapsed, how)),
                    None => out.note(&words::written(&label, length, elapsed, how)),
                }
                return Ok(());
            }
        }
    }
    let message = words::cannot(words::get(content), words::no_result_of_get());
    Err(Failure::new(Exit::Internal, message))
}

/// What `--output` says, and what its absence does.
///
/// # Errors
/// When it cannot be made absolute or is no text.
pub fn destination(output: Option<&Path>) -> Result<Destination, Failure> {
    let path = output.unwrap_or(Path::new("."));
    let cannot = |why: &str| Failure::new(Exit::Usage, words::cannot(words::write_to(path.display()), why));
    let absolute = std::path::absolute(path).map_err(|error| cannot(&error.to_string()))?;
    if absolute.to_str().is_none() {
        return Err(cannot(words::output_not_utf8()));
    }
    let ends_with_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if absolute.is_dir() {
        Ok(Destination::Directory(absolute))
    } else if ends_with_slash {
        Err(cannot(words::no_such_directory()))
    } else {
        Ok(Destination::File(absolute))
    }
}

/// The file to write, once the name is known.
#[must_use]
pub fn place(destination: &Destination, name: Option<&Name>) -> Option<PathBuf> {
    match destination {
        Destination::File(path) => Some(path.clone()),
        // A name's part is never a path of its own: no slash, no dots.
        Destination::Directory(directory) => name.map(|name| directory.join(name.file_name())),
    }
}

/// A name that a content has; what it is called when nobody names it otherwise.
///
/// # Errors
/// When the tracker knows none, or is away.
pub async fn name_of(client: &ControlClient, content: &ContentRef) -> Result<Name, Failure> {
    let location = client.network_locate(&locate_one(content)).await;
    Ok(location
        .map_err(|error| get_failure(content, &error))?
        .binding
        .name)
}

fn locate_one(content: &ContentRef) -> Locate {
    Locate {
        content: content.clone(),
        max_holders: 1,
        except: None,
    }
}

/// Looks at the disk, off the async threads.
pub(crate) async fn look<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let looked = crate::blocking::blocking(work).await;
    looked.map_err(|error| Failure::of(words::look_at_the_disk(), &error))
}

/// What a node's refusal to get something comes to.
#[must_use]
pub fn get_failure(content: &ContentRef, error: &RemoteError) -> Failure {
    use shared::Coded as _;
    let failure = Failure::of(words::get(content), error);
    match error.code() {
        ErrorCode::NotFound => failure.hint(words::list_shows_names()),
        // Whether the output may be replaced is for the node to say: it knows what it put there itself.
        ErrorCode::Conflict => failure.hint(words::force_or_output()),
        ErrorCode::Exhausted => failure.hint(words::make_room()),
        ErrorCode::Corrupt => failure.hint(words::verified_is_kept()),
        _ => failure,
    }
}

/// A content may have many names; the one that was asked for is the one to show.
const fn asked_name<'a>(content: &'a ContentRef, told: &'a Name) -> &'a Name {
    match content {
        ContentRef::Name(asked) => asked,
        ContentRef::Id(_) => told,
    }
}

/// Since when nothing has come.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Timestamp,
    /// Bytes held and received then: a long fragment can be on its way for minutes before it counts as held.
    had: Option<(u64, u64)>,
}

impl Stall {
    const fn begin(now: Timestamp) -> Self {
        Self {
            since: now,
            had: None,
        }
    }

    /// How long nothing has come, now that this much is held and received, if that is longer than there is patience.
    fn beyond(&mut self, patience: Option<Duration>, now: Timestamp, has: (u64, u64)) -> Option<Duration> {
        if self.had != Some(has) {
            (self.since, self.had) = (now, Some(has));
        }
        let stalled = now.since(self.since);
        patience
            .is_some_and(|patience| stalled > patience)
            .then_some(stalled)
    }
}

fn stalled_failure(content: &ContentRef, amount: Amount, stalled: Duration, waiting_for: &str) -> Failure {
    let (percent, stalled) = (percent(amount), format_duration(stalled));
    let why = match waiting_for {
        "" => words::nothing_came(stalled, percent),
        why => words::nothing_came_because(stalled, why, percent),
    };
    Failure::new(Exit::Unreachable, words::cannot(words::get(content), why))
}

fn started_line(name: &Name, amount: Amount, fragments: u32) -> String {
    let total = ByteCount::new(amount.total);
    let line = words::fetching_amount(name, total, words::fragments(fragments.into()));
    match amount.done {
        0 => line,
        _ => words::here_already(line, percent(amount)),
    }
}

fn remark(sources: u32, waiting_for: &str) -> String {
    match (sources, waiting_for) {
        (n, "") => words::sources(n.into()),
        (_, why) => why.to_owned(),
    }
}

/// Where it came from, and how fast.
fn how_line(received: u64, wasted: u64, elapsed: Duration, sources: u32) -> String {
    if received == 0 {
        return words::nothing_had_to_be_fetched().to_owned();
    }
    let rate = u128::from(received) * 1000 / elapsed.as_millis().max(1);
    let rate = ByteCount::new(u64::try_from(rate).unwrap_or(u64::MAX));
    let peers = words::peers(sources.into());
    // One in a hundred is not worth a word.
    if u128::from(wasted) * 100 > u128::from(received) {
        words::rate_from_in_vain(rate, peers, ByteCount::new(wasted))
    } else {
        words::rate_from(rate, peers)
    }
}

#[cfg(test)]
mod tests;
