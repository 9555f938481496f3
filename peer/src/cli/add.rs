//! `peer add`: publish a file in place, and wait for its replicas if asked.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::control::{Add, AddEvent, AddStream, SessionStatus};
use shared::json::AddLine;
use shared::model::{
    Binding, ByteCount, ContentId, ContentState, FragmentLength, Health, Name, format_duration,
};
use shared::runtime::Clock;

use super::args::{AddArgs, Wait};
use super::attach;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::get::look;
use super::output::Output;
use super::plan;
use super::progress::{Amount, Progress, Unit};
use super::streams::{self, Broken, is_standard};
use crate::{json, words};

/// What became of a file that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The content.
    pub content: ContentId,
    /// Its bytes.
    pub length: u64,
    /// Bytes of a fragment.
    pub fragment_length: FragmentLength,
    /// How many fragments.
    pub fragments: u32,
    /// What the name is bound to; none while the publication waits for a connection.
    pub binding: Option<Binding>,
    /// How the replicas stood when last heard of.
    pub health: Option<Health>,
}

impl Added {
    const fn state(&self) -> &'static str {
        match (&self.binding, &self.health) {
            (None, _) => "pending",
            (
                Some(_),
                Some(Health {
                    state: ContentState::Replicated,
                    ..
                }),
            ) => "replicated",
            (Some(_), _) => "published",
        }
    }
}

/// A way to the next event of an [`Add`]; none at the regular end.
pub trait AddEvents {
    /// The next event. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<AddEvent>, RemoteError>> + Send;
}

impl<W: Send> AddEvents for proto::client::Incoming<W, AddEvent>
where
    AddEvent: TryFrom<W, Error = proto::Invalid>,
{
    fn next(&mut self) -> impl Future<Output = Result<Option<AddEvent>, RemoteError>> + Send {
        Self::next(self)
    }
}

/// Carries `peer add` out.
pub(super) async fn run(context: &Context<'_>, args: AddArgs) -> Result<(), Failure> {
    let path = source(&args.path).await?;
    let name = match args.name.clone() {
        Some(name) => name,
        None => name_of(&path)?,
    };
    let selection = args.globs.selection()?;
    if is_standard(&path) && (args.dry_run || !selection.is_all()) {
        let why = words::cannot(words::add(shown(&path)), words::read_once_whole());
        return Err(Failure::new(Exit::Usage, why));
    }
    if args.dry_run {
        return plan::add(context, &args, path, name).await;
    }
    let shown = shown(&path);
    let client = match args.wait {
        Wait::No => sharing_node(context, &shown).await?,
        Wait::Forever | Wait::AtMost(_) => context.find_or_run().await?,
    };
    let refused = |error: RemoteError| add_failure(&shown, &error);
    let add = Add {
        path,
        name: name.clone(),
        target: context.options.replicas,
        fragment_length: context.options.fragment_length,
        update: args.update,
        wait: args.wait != Wait::No,
        selection,
    };
    if add.wait {
        let status = client.status().await.map_err(refused)?;
        // Else it would wait for as long as nobody connects the node.
        if status.session == SessionStatus::Offline {
            return Err(Failure::new(Exit::Unreachable, words::cannot_wait_offline(shown)));
        }
    }
    let (mut events, broken) = begin(context, &client, add, &shown).await?;
    let followed = follow(context.out, &context.clock, &mut events, &shown, &name, args.wait);
    let followed = tokio::select! {
        // What could not be read is why the node got no end.
        biased;
        failure = broken.failure() => Err(failure),
        followed = followed => followed,
    };
    followed.map(drop).map_err(|failure| match failure.exit() {
        Exit::Conflict => failure.hint(words::update_or_rename()),
        _ => failure,
    })
}

/// The absolute path of what is to be added, or `-`.
///
/// # Errors
/// As [`file_to_add`].
pub(super) async fn source(path: &Path) -> Result<PathBuf, Failure> {
    let path = path.to_owned();
    if is_standard(&path) {
        return Ok(path);
    }
    look(move || file_to_add(&path)).await?
}

/// What is to be added, as people are told.
pub(super) fn shown(path: &Path) -> String {
    if is_standard(path) {
        words::standard_input().to_owned()
    } else {
        path.display().to_string()
    }
}

/// Begins to add a file, a directory, or standard input if the path is `-`.
///
/// # Errors
/// As the node says.
pub(super) async fn begin(
    context: &Context<'_>,
    client: &ControlClient,
    add: Add,
    shown: &str,
) -> Result<(impl AddEvents + use<>, Broken), Failure> {
    let refused = |error: RemoteError| add_failure(shown, &error);
    if !is_standard(&add.path) {
        return Ok((client.add(add).await.map_err(refused)?, Broken::never()));
    }
    if std::io::stdin().is_terminal() {
        context.out.note(words::reading_the_terminal());
    }
    let (steps, broken) = streams::input(AddStream {
        name: add.name,
        target: add.target,
        fragment_length: add.fragment_length,
        update: add.update,
        wait: add.wait,
    })?;
    let events = client.add_stream(steps).await.map_err(refused)?;
    Ok((events, broken))
}

/// The running node that goes on sharing what is added.
///
/// # Errors
/// When there is none: nobody would share it after the command.
pub(super) async fn sharing_node(
    context: &Context<'_>,
    what: &impl std::fmt::Display,
) -> Result<ControlClient, Failure> {
    let Some(node) = attach::find(context.options).await? else {
        let why = words::no_node_to_share(context.options.data_dir.display());
        return Err(Failure::new(
            Exit::Unreachable,
            words::cannot(words::add(what), why),
        ));
    };
    attach::enter_if_offline(&node, context.options.entry.as_ref()).await?;
    Ok(node.client)
}

/// Shows how an [`Add`] goes until it ends; `--wait`'s time runs from the moment that the file is hashed.
///
/// # Errors
/// As the node says; [`Exit::TargetNotMet`] when the time runs out or the events end before the replicas are there.
pub async fn follow(
    out: &Output,
    clock: &Clock,
    events: &mut impl AddEvents,
    path: &str,
    name: &Name,
    wait: Wait,
) -> Result<Added, Failure> {
    let mut shown = Shown::begin(out, clock, name);
    let mut over: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(std::future::pending());
    loop {
        let event = tokio::select! {
            // What has happened in time counts, even when it is looked at late.
            biased;
            event = events.next() => event.map_err(|error| add_failure(path, &error))?,
            () = &mut over => return Err(target_not_met(name, shown.added.as_ref(), wait)),
        };
        let Some(event) = event else { break };
        if let (Wait::AtMost(limit), AddEvent::Shared { .. }) = (wait, &event) {
            over = Box::pin(tokio::time::sleep(limit));
        }
        shown.take(event);
    }
    let Some(added) = shown.end() else {
        let message = words::cannot(words::add(path), words::no_answer_to_add());
        return Err(Failure::new(Exit::Internal, message));
    };
    if wait != Wait::No && added.state() != "replicated" {
        return Err(target_not_met(name, Some(&added), wait));
    }
    if added.state() == "replicated" {
        let wanted = added.binding.as_ref().map_or(0, |binding| binding.target.get());
        out.line(&words::all_replicated(words::replicas(wanted.into())));
    }
    out.json(&AddLine::Done {
        name: name.to_string(),
        content: added.content.to_string(),
        length: added.length,
        fragment_length: added.fragment_length.get(),
        fragments: added.fragments,
        revision: added.binding.as_ref().map(|binding| binding.revision.get()),
        state: added.state(),
    });
    Ok(added)
}

/// What has been shown of an [`Add`] so far.
struct Shown<'a> {
    out: &'a Output,
    clock: &'a Clock,
    name: &'a Name,
    progress: Option<Progress<'a>>,
    untold: Option<String>,
    added: Option<Added>,
}

impl<'a> Shown<'a> {
    fn begin(out: &'a Output, clock: &'a Clock, name: &'a Name) -> Self {
        let nothing = Amount { done: 0, total: 0 };
        let progress = Progress::begin(out, clock, words::hashing(name), Unit::Bytes, nothing);
        Self {
            out,
            clock,
            name,
            progress: Some(progress),
            untold: None,
            added: None,
        }
    }

    fn take(&mut self, event: AddEvent) {
        self.out.json(&json::add_line(&event));
        match event {
            AddEvent::Hashing { done, total } => {
                if let Some(progress) = &mut self.progress {
                    progress.update(Amount { done, total }, "");
                }
            }
            AddEvent::Shared {
                content,
                length,
                fragment_length,
                fragments,
                is_pending,
            } => {
                self.progress = None;
                let shared = Added {
                    content,
                    length,
                    fragment_length,
                    fragments,
                    binding: None,
                    health: None,
                };
                let line = shared_line(self.name, &shared, is_pending);
                // Otherwise it is told with the publication, which may still be refused and taken back.
                if is_pending {
                    self.out.line(&line);
                } else {
                    self.untold = Some(line);
                }
                self.added = Some(shared);
            }
            AddEvent::Published(binding) => {
                if let Some(line) = self.untold.take() {
                    self.out.line(&line);
                }
                let wanted = words::replicas(binding.target.get().into());
                self.out
                    .line(&words::published_as(&binding.name, binding.revision, wanted));
                if let Some(added) = &mut self.added {
                    added.binding = Some(binding);
                }
            }
            AddEvent::Replicas(health) => self.replicas(health),
            AddEvent::Received(done) => self.received(done),
        }
    }

    fn received(&mut self, done: u64) {
        let amount = Amount { done, total: done };
        if !matches!(&self.progress, Some(progress) if progress.unit() == Unit::Stream) {
            // Whoever has put it up did not know yet that nobody knows how much comes.
            self.progress = None;
        }
        let (out, clock, name) = (self.out, self.clock, self.name);
        let begin = || Progress::begin(out, clock, words::receiving(name), Unit::Stream, amount);
        self.progress.get_or_insert_with(begin).update(amount, "");
    }

    fn replicas(&mut self, health: Health) {
        let amount = Amount {
            done: health.fragments_at_target.into(),
            total: health.fragments.into(),
        };
        let (out, clock, name) = (self.out, self.clock, self.name);
        let begin = || {
            let nothing = Amount { done: 0, ..amount };
            Progress::begin(out, clock, words::replicating(name), Unit::Fragments, nothing)
        };
        let remark = words::fewest_of(health.fewest, health.target);
        self.progress.get_or_insert_with(begin).update(amount, &remark);
        if let Some(added) = &mut self.added {
            added.health = Some(health);
        }
    }

    /// Takes the progress away.
    fn end(self) -> Option<Added> {
        self.added
    }
}

fn shared_line(name: &Name, added: &Added, is_pending: bool) -> String {
    let length = ByteCount::new(added.length);
    let fragments = match added.fragments {
        0 => words::no_fragments().to_owned(),
        1 => words::fragments(1),
        n => words::fragments_of(words::fragments(n.into()), added.fragment_length),
    };
    let sharing = words::sharing(name, length, fragments, added.content);
    if is_pending {
        format!("{sharing}\n{}", words::waits_for_connection())
    } else {
        sharing
    }
}

fn add_failure(path: &str, error: &RemoteError) -> Failure {
    Failure::of(words::add(path), error)
}

fn target_not_met(name: &Name, added: Option<&Added>, wait: Wait) -> Failure {
    let stand = match added {
        Some(Added {
            health: Some(health), ..
        }) => words::published_so_far(
            health.fragments_at_target,
            health.fragments,
            words::replicas(health.target.get().into()),
            health.fewest,
        ),
        Some(Added { binding: Some(_), .. }) => words::published_unknown().to_owned(),
        _ => words::shared_unpublished().to_owned(),
    };
    let message = match wait {
        Wait::AtMost(limit) => words::cannot_replicate_within(name, format_duration(limit), stand),
        Wait::No | Wait::Forever => words::cannot_replicate(name, stand),
    };
    Failure::new(Exit::TargetNotMet, message)
}

/// The file's absolute path, if it is one that can be added.
///
/// # Errors
/// When there is none, or it is no regular file.
pub fn file_to_add(path: &Path) -> Result<PathBuf, Failure> {
    let cannot = |exit, why: &str| Failure::new(exit, words::cannot(words::add(path.display()), why));
    let absolute = std::path::absolute(path).map_err(|error| cannot(Exit::Usage, &error.to_string()))?;
    if absolute.to_str().is_none() {
        return Err(cannot(Exit::Usage, words::path_not_utf8()));
    }
    // `peer add .` and `peer add ../x` name the directory that they mean.
    let absolute = match path.file_name() {
        Some(_) => absolute,
        None => absolute.canonicalize().unwrap_or(absolute),
    };
    match std::fs::metadata(&absolute) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            Err(cannot(Exit::Usage, words::neither_file_nor_directory()))
        }
        Ok(_) => Ok(absolute),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                cannot(Exit::NotFound, words::no_such_file())
            }
            std::io::ErrorKind::PermissionDenied => cannot(Exit::NotAllowed, &error.to_string()),
            _ => cannot(Exit::Internal, &error.to_string()),
        }),
    }
}

/// The name that a file is added under by default: its own.
///
/// # Errors
/// When its own is none that a content can have.
pub fn name_of(path: &Path) -> Result<Name, Failure> {
    if is_standard(path) {
        let why = words::cannot(words::add(shown(path)), words::input_has_no_name());
        return Err(Failure::new(Exit::Usage, why));
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Name::new(file_name.unwrap_or_default()).map_err(|error| {
        let why = words::choose_with_name(words::name_error(&error));
        Failure::new(Exit::Usage, words::cannot(words::add(path.display()), why))
    })
}

#[cfg(test)]
mod tests;
