//! Following a publication event by event until it ends.

use std::pin::Pin;
use std::time::Duration;

use proto::RemoteError;
use proto::messages::control::{AddEvent, DirectorySize, Hiding};
use shared::json::{AddLine, Stored};
use shared::model::{
    Binding, ByteCount, ContentId, ContentState, FragmentLength, Health, Name, ParseDurationError,
    format_duration, parse_duration,
};
use shared::runtime::Clock;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::progress::{Amount, Progress, Unit};
use crate::{json, words};

/// Time to wait for replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Without a limit.
    Forever,
    /// At most this long after the file has been hashed.
    AtMost(Duration),
}

impl Wait {
    /// Reads the value of `--wait`; an empty one, which stands for none, waits without a limit.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn parse(text: &str) -> Result<Self, ParseDurationError> {
        match text {
            "" => Ok(Self::Forever),
            text => parse_duration(text).map(Self::AtMost),
        }
    }
}

/// Result of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The content.
    pub content: ContentId,
    /// Its bytes.
    pub length: u64,
    /// Length of a fragment.
    pub fragment_length: FragmentLength,
    /// Number of fragments; of a directory, those of all its contents.
    pub fragments: u32,
    /// Size of the directory, if it is one.
    pub directory: Option<DirectorySize>,
    /// The name's binding; none while the publication waits for a connection.
    pub binding: Option<Binding>,
    /// The last known state of the replicas.
    pub health: Option<Health>,
    /// Names that hide paths inside directories since.
    pub hidings: Vec<Hiding>,
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

/// A point that a publication has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The node shares the content, and may ask the tracker to bind the name.
    Shared,
    /// The name is bound.
    Published,
}

/// Events of a publication.
pub trait AddEvents {
    /// Returns the next event, or none at the regular end. Cancel-safe.
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

/// Shows a publication's progress until it ends; the time to wait runs from the moment that the file is
/// hashed. `passed` is called when the content is shared, before which nothing is kept, and when it is
/// published.
///
/// # Errors
/// The node's error; [`Exit::TargetNotMet`] when the time runs out, or the events end, before the replicas
/// exist.
pub async fn follow(
    out: &Output,
    clock: &Clock,
    events: &mut impl AddEvents,
    path: &str,
    name: &Name,
    wait: Option<Wait>,
    passed: impl Fn(Passed),
) -> Result<Added, Failure> {
    let mut shown = Shown::begin(out, clock, name);
    let mut over: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(std::future::pending());
    loop {
        let event = tokio::select! {
            // An event that came in time counts, even when it is read late.
            biased;
            event = events.next() => event.map_err(|error| add_failure(path, &error))?,
            () = &mut over => return Err(target_not_met(name, shown.added.as_ref(), wait)),
        };
        let Some(event) = event else { break };
        if let AddEvent::Shared { .. } = &event {
            passed(Passed::Shared);
            if let Some(Wait::AtMost(limit)) = wait {
                over = Box::pin(tokio::time::sleep(limit));
            }
        }
        if let AddEvent::Published(_) = &event {
            passed(Passed::Published);
        }
        shown.take(event);
    }
    let Some(added) = shown.end() else {
        let message = words::cannot(words::add(path), words::no_answer_to_add());
        return Err(Failure::new(Exit::Internal, message));
    };
    if wait.is_some() && added.state() != "replicated" {
        return Err(target_not_met(name, Some(&added), wait));
    }
    if added.state() == "replicated" {
        let wanted = added.binding.as_ref().map_or(0, |binding| binding.target.get());
        out.line(&match added.fragments {
            0 => words::located_empty().to_owned(),
            _ => words::all_replicated(words::replicas(wanted.into())),
        });
    }
    out.json(&AddLine::Done(Stored {
        name: name.to_string(),
        content: added.content.to_string(),
        length: added.length,
        fragment_length: added.fragment_length.get(),
        fragments: added.fragments,
        files: added.directory.map(|directory| directory.files),
        contents: added.directory.map_or(1, |directory| directory.contents),
        revision: added.binding.as_ref().map(|binding| binding.revision.get()),
        state: added.state(),
        hides: added.hidings.iter().map(json::hidden).collect(),
    }));
    Ok(added)
}

/// State of the display of a publication.
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
            event @ AddEvent::Shared { .. } => {
                self.progress = None;
                let Some((shared, is_pending)) = shared(&event) else {
                    return;
                };
                let line = shared_line(self.name, &shared, is_pending);
                // Otherwise the line comes with the publication, which the tracker may still refuse.
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
            AddEvent::Hides(hiding) => {
                self.out.note(&words::hides(&hiding.name, &hiding.inside));
                if let Some(added) = &mut self.added {
                    added.hidings.push(hiding);
                }
            }
            AddEvent::LeftOut(left_out) => {
                let entries = words::faulty_entries(&left_out);
                self.out.note(&words::left_out(left_out.count, entries));
            }
        }
    }

    fn received(&mut self, done: u64) {
        let amount = Amount { done, total: done };
        if !matches!(&self.progress, Some(progress) if progress.unit() == Unit::Stream) {
            // The first bar expected a file, whose length is known.
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

    /// Ends the progress bar.
    fn end(self) -> Option<Added> {
        self.added
    }
}

/// Returns what a node shares, and whether its publication waits; none for other events.
#[must_use]
pub const fn shared(event: &AddEvent) -> Option<(Added, bool)> {
    match *event {
        AddEvent::Shared {
            content,
            length,
            fragment_length,
            fragments,
            is_pending,
            directory,
        } => {
            let shared = Added {
                content,
                length,
                fragment_length,
                fragments,
                directory,
                binding: None,
                health: None,
                hidings: Vec::new(),
            };
            Some((shared, is_pending))
        }
        _ => None,
    }
}

/// Returns the lines about a content that is shared, with its id.
#[must_use]
pub fn shared_line(name: &Name, added: &Added, is_pending: bool) -> String {
    let length = ByteCount::new(added.length);
    let fragments = match added.fragments {
        n if let Some(directory) = added.directory => words::files_in_fragments(
            words::files(directory.files),
            words::fragments(n.into()),
            words::contents(directory.contents.into()),
        ),
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

fn target_not_met(name: &Name, added: Option<&Added>, wait: Option<Wait>) -> Failure {
    let stand = match added {
        Some(Added {
            health: Some(health), ..
        }) => words::published_so_far(
            health.fragments_at_target,
            health.fragments,
            words::replicas(health.target.get().into()),
            words::fewest_replicas(health),
        ),
        Some(Added { binding: Some(_), .. }) => words::published_unknown().to_owned(),
        _ => words::shared_unpublished().to_owned(),
    };
    let message = match wait {
        Some(Wait::AtMost(limit)) => words::cannot_replicate_within(name, format_duration(limit), stand),
        Some(Wait::Forever) | None => words::cannot_replicate(name, stand),
    };
    Failure::new(Exit::TargetNotMet, message)
}

#[cfg(test)]
mod tests;
