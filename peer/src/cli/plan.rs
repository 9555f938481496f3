//! `--dry-run` of `add` and `get`: the bytes that would be moved, their sources and targets, and the least
//! time.
//!
//! Nothing is published, and nothing is fetched but the catalog of a directory of which only a part is
//! wanted: a few dozen bytes for each entry, which `get` needs too. A file to be added is read, to know
//! whether the network has it already.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::client::ControlClient;
use proto::messages::Locate;
use proto::messages::control::{EntryKind, Get, Listed, SessionStatus};
use shared::collection::{Rules, Selection, Unsupported};
use shared::json::{AddPlan, GetPlan, LeftOutEntry, PlannedSource};
use shared::model::{
    ByteCount, ByteRate, ContentId, ContentRef, FragmentLength, Location, Name, PeerId, PeerInfo, PeerMode,
    PeerState, ReplicationTarget, Share, format_duration,
};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use crate::collection::{require_foreign, scan};
use crate::terminal::attach::{self, Attached};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::get_failure;
use crate::terminal::listing::{all_peers, locate};
use crate::terminal::paths::off_thread;
use crate::words;
use store::read_file;

/// The longest wait for the number of peers before something is added.
const WARNING_PATIENCE: Duration = Duration::from_secs(2);

/// A file or directory before it is added.
struct Found {
    length: u64,
    fragment_length: FragmentLength,
    fragments: u32,
    /// None of a directory, whose content is known only when its catalog is made.
    content: Option<ContentId>,
    directory: Option<Directory>,
}

/// The wishes of the user for what is added.
pub(super) struct Wanted {
    pub(super) selection: Selection,
    pub(super) rules: Rules,
    pub(super) is_update: bool,
}

/// Runs `peer add --dry-run`; `path` is absolute.
pub(super) async fn add(
    context: &Context<'_>,
    path: PathBuf,
    name: Name,
    wanted: Wanted,
) -> Result<(), Failure> {
    let node = attach::find(context.options).await?;
    let defaults = node.as_ref().map(|node| node.status.defaults).unwrap_or_default();
    let found = {
        let length = context.options.fragment_length.or(defaults.fragment_length);
        let path = path.clone();
        let own = context.options.data_dir.clone();
        let Wanted { selection, rules, .. } = wanted;
        off_thread(move || find(&path, length, &selection, rules, &own)).await??
    };
    let is_update = wanted.is_update;
    let mut plan = AddPlan {
        path,
        name: name.to_string(),
        content: found.content.map(|content| content.to_string()),
        length: found.length,
        files: found.directory.as_ref().map(|directory| directory.files),
        left_out: found.left_out().map_or(0, |left_out| left_out.count),
        left_out_entries: found.left_out().map(LeftOutEntry::list).unwrap_or_default(),
        fragment_length: found.fragment_length.get(),
        fragments: found.fragments,
        target: context.options.replicas.unwrap_or(defaults.replicas).get(),
        bound_to: None,
        replicas: None,
        peers: None,
        bytes: None,
        expected_ms: None,
    };
    if let Some(node) = node {
        let own = node.status.peer;
        let bound = located(&node.client, &ContentRef::Name(name.clone())).await?;
        if let (None, Some(location)) = (context.options.replicas, &bound) {
            plan.target = location.binding.target.get();
        }
        plan.bound_to = bound
            .as_ref()
            .map(|location| location.binding.content.to_string());
        if let (Some(directory), Some(location)) = (&found.directory, &bound) {
            let content = ContentRef::Id(location.binding.content);
            if location.binding.collection.is_some() && directory.is_listed_as(&node.client, &content).await {
                plan.content.clone_from(&plan.bound_to);
            }
        }
        if plan.bound_to.is_some() && plan.bound_to != plan.content && !is_update {
            let adding = words::add(plan.path.display());
            let why = words::cannot(adding, words::bound_to_another(&name));
            return Err(Failure::new(Exit::Conflict, why).hint(words::update_or_rename()));
        }
        let there = match found.content {
            Some(content) => located(&node.client, &ContentRef::Id(content)).await?,
            None => None,
        };
        if let Some(location) = &there {
            let known = location.manifest.fragment_length();
            let is_here = location.holders.iter().any(|holder| holder.peer.id == own);
            // A content that is held here keeps its fragments; otherwise the tracker takes no others.
            if !is_here && known != found.fragment_length {
                let adding = words::add(plan.path.display());
                let why = words::known_only_in_fragments(ByteCount::new(known.get().into()));
                return Err(Failure::new(Exit::Conflict, words::cannot(adding, why)));
            }
            tell_other_fragments(context, known, plan.path.display());
        }
        let fewest = there.map_or(0, |location| location.health.fewest);
        let view = all_peers(&node.client).await?;
        let others = others(&view.peers, own);
        tell_few_peers(context, plan.target, others);
        // One of the replicas is the file itself.
        let copies = plan.target.saturating_sub(fewest.max(1)).min(others);
        let bytes = found.length.saturating_mul(copies.into());
        plan.replicas = Some(fewest);
        plan.peers = Some(others);
        plan.bytes = Some(bytes);
        plan.expected_ms = expected(bytes, node.status.limits.upload);
    }
    context.out.json(&plan);
    context.out.line(&add_text(&plan, found.left_out()));
    Ok(())
}

/// Returns the number of peers beside this one that take replicas.
fn others(peers: &[PeerInfo], own: PeerId) -> u32 {
    let takes =
        |peer: &&PeerInfo| peer.id != own && peer.state == PeerState::Live && peer.mode == PeerMode::Active;
    u32::try_from(peers.iter().filter(takes).count()).unwrap_or(u32::MAX)
}

/// Says that more replicas are wanted than there are peers.
fn tell_few_peers(context: &Context<'_>, target: u32, others: u32) {
    let peers = others.saturating_add(1);
    if target > peers {
        let wanted = words::replicas(target.into());
        context
            .out
            .note(&words::too_few_peers(wanted, words::peers(peers.into())));
    }
}

/// Says, before something is added or changed, that more replicas are wanted than there are peers; none means
/// those that the name has, or the default. A tracker that does not answer is no reason to wait.
pub(super) async fn warn_of_few_peers(
    context: &Context<'_>,
    node: &Attached,
    name: &Name,
    target: Option<ReplicationTarget>,
) {
    if !matches!(node.status.session, SessionStatus::Connected { .. }) {
        return;
    }
    let asking = async {
        let peers = all_peers(&node.client).await.ok()?.peers;
        let present = match target {
            Some(target) => Some(target),
            None => target_of(&node.client, name).await,
        };
        Some((peers, present.unwrap_or(node.status.defaults.replicas)))
    };
    if let Ok(Some((peers, target))) = tokio::time::timeout(WARNING_PATIENCE, asking).await {
        tell_few_peers(context, target.get(), others(&peers, node.status.peer));
    }
}

/// Returns the target of a name, if it is bound.
async fn target_of(client: &ControlClient, name: &Name) -> Option<ReplicationTarget> {
    let located = locate(client, ContentRef::Name(name.clone()), 1).await.ok()?;
    // A name that is not bound may read as a path inside a directory.
    (located.binding.name == *name).then_some(located.binding.target)
}

/// Says that the fragments of a content that is known already have another length than is wanted.
pub(super) fn tell_other_fragments(
    context: &Context<'_>,
    known: FragmentLength,
    what: impl std::fmt::Display,
) {
    if context
        .options
        .fragment_length
        .is_some_and(|wanted| wanted != known)
    {
        let known = ByteCount::new(known.get().into());
        context.out.note(&words::known_in_other_fragments(what, known));
    }
}

fn find(
    path: &Path,
    fragment_length: Option<FragmentLength>,
    selection: &Selection,
    rules: Rules,
    own: &Path,
) -> Result<Found, Failure> {
    let adding = || words::add(path.display());
    if path.is_dir() {
        let scanned = scan::scan(path, selection, rules, own);
        let scanned = scanned.map_err(|error| Failure::of(adding(), &error))?;
        let is_file = |step: &&scan::Step| matches!(step, scan::Step::File(_));
        return Ok(Found {
            length: scanned.length,
            fragment_length: fragment_length.unwrap_or_else(|| FragmentLength::for_content(scanned.length)),
            fragments: 0,
            content: None,
            directory: Some(Directory {
                files: scanned.steps.iter().filter(is_file).count(),
                scanned,
            }),
        });
    }
    require_foreign(path, own).map_err(|error| Failure::of(words::add(path.display()), &error))?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let manifest =
        read_file(path, fragment_length, threads).map_err(|error| Failure::of(adding(), &error))?;
    Ok(Found {
        length: manifest.length(),
        fragment_length: manifest.fragment_length(),
        fragments: manifest.fragment_count(),
        content: Some(manifest.content()),
        directory: None,
    })
}

/// A directory before it is added.
struct Directory {
    files: usize,
    scanned: scan::Scanned,
}

impl Found {
    fn left_out(&self) -> Option<&Unsupported> {
        let directory = self.directory.as_ref();
        directory.map(|directory| &directory.scanned.left_out)
    }
}

impl Directory {
    /// Returns whether a published directory has the same entries, with the same modes, times and lengths:
    /// then adding it again changes nothing. A node that cannot tell is no reason to refuse.
    async fn is_listed_as(&self, client: &ControlClient, content: &ContentRef) -> bool {
        let mut here = listed(&self.scanned.steps).into_iter();
        let Ok(mut entries) = client.entries(content).await else {
            return true;
        };
        loop {
            match entries.next().await {
                Ok(Some(some)) => {
                    if !some.into_iter().all(|there| here.next() == Some(there)) {
                        return false;
                    }
                }
                Ok(None) => return here.next().is_none(),
                Err(_) => return true,
            }
        }
    }
}

/// Returns the entries of a directory as a node lists them.
fn listed(steps: &[scan::Step]) -> Vec<Listed> {
    let (mut above, mut all) = (Vec::<&str>::new(), Vec::new());
    for step in steps {
        let (name, kind, modified) = match step {
            scan::Step::Leave => {
                above.pop();
                continue;
            }
            scan::Step::Enter(name, attributes) => {
                (name, EntryKind::Directory(attributes.mode), attributes.modified)
            }
            scan::Step::Link(name, target, modified) => {
                (name, EntryKind::Link(target.as_str().into()), *modified)
            }
            scan::Step::File(found) => {
                let kind = EntryKind::File(found.attributes.mode, found.length);
                (&found.name, kind, found.attributes.modified)
            }
        };
        above.push(name);
        all.push(Listed {
            path: above.join("/"),
            kind,
            modified,
        });
        if !matches!(step, scan::Step::Enter(..)) {
            above.pop();
        }
    }
    all
}

/// Locates a content; none when there is no such name or content.
async fn located(client: &ControlClient, content: &ContentRef) -> Result<Option<Location>, Failure> {
    match locate(client, content.clone(), Locate::MAX_HOLDERS).await {
        Ok(location) => Ok(Some(location)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(Failure::of(words::locate(content), &error)),
    }
}

/// Asks a node what a `get` would move, and shows it; `shown` is the output as people know it, unless it is
/// the path.
pub(super) async fn get(
    context: &Context<'_>,
    node: &Attached,
    get: Get,
    shown: Option<PathBuf>,
) -> Result<(), Failure> {
    let (client, status) = (&node.client, &node.status);
    let (content, selection) = (&get.content.clone(), get.selection.clone());
    let (meant, is_to_path) = (get.output.clone(), shown.is_none());
    let planned = client
        .plan(get)
        .await
        .map_err(|error| get_failure(content, &error))?;

    let source = |share: &Share| PlannedSource {
        id: share.peer.id.to_string(),
        addr: share.peer.address.to_string(),
        zone: share.peer.zone.as_ref().map(ToString::to_string),
        state: share.peer.state.to_string(),
        fragments: share.held,
        bytes: share.bytes,
    };
    let name = match content {
        ContentRef::Id(_) => planned.name.to_string(),
        named => named.to_string(),
    };
    let writes = planned.writes.filter(|_| is_to_path);
    let is_all = selection.is_all() && name == planned.name.as_str();
    let plan = GetPlan {
        content: planned.content.to_string(),
        length: planned.length,
        directory: planned.files.is_some(),
        files: planned.files.filter(|_| !is_all),
        // The node may know better: it goes on where it was.
        output: shown.or(planned.output).unwrap_or(meant),
        name,
        here: planned.here,
        bytes: planned.missing,
        written: writes.map(|writes| writes.bytes),
        free: writes.map(|writes| writes.free),
        sources: planned.sources.iter().map(source).collect(),
        source_count: planned.source_count,
        available: planned.is_available,
        expected_ms: expected(planned.missing, status.limits.download),
    };
    context.out.json(&plan);
    context.out.line(&get_text(&plan));
    match writes.filter(|writes| writes.bytes > writes.free) {
        Some(writes) => {
            let (needed, free) = (ByteCount::new(writes.bytes), ByteCount::new(writes.free));
            let why = words::cannot(words::get(content), words::does_not_fit(needed, free));
            Err(Failure::new(Exit::Full, why).hint(words::make_room()))
        }
        None => Ok(()),
    }
}

/// Returns the least time for a number of bytes, when there is a limit; otherwise it depends on unmeasured
/// lines.
fn expected(bytes: u64, limit: Option<ByteRate>) -> Option<u64> {
    match (bytes, limit) {
        (0, _) => Some(0),
        (bytes, Some(limit)) => {
            let millis = u128::from(bytes) * 1000 / u128::from(limit.get());
            Some(u64::try_from(millis).unwrap_or(u64::MAX))
        }
        (_, None) => None,
    }
}

fn how_long(expected_ms: Option<u64>) -> String {
    match expected_ms {
        Some(0) => String::new(),
        Some(millis) => words::within_limit(format_duration(std::time::Duration::from_millis(millis))),
        None => words::in_unknown_time().to_owned(),
    }
}

fn add_text(plan: &AddPlan, left_out: Option<&Unsupported>) -> String {
    let length = ByteCount::new(plan.length);
    let pieces = match plan.files {
        Some(files) => words::files(files as u64),
        None => words::fragments(plan.fragments.into()),
    };
    let what = words::amount_in(length, pieces);
    let mut lines = vec![words::would_publish(plan.path.display(), &plan.name, what)];
    match &plan.bound_to {
        Some(bound) if Some(bound) == plan.content.as_ref() => {
            lines.push(words::bound_already().to_owned());
        }
        Some(bound) => lines.push(words::no_longer_stands(bound)),
        None => {}
    }
    if let Some(left_out) = left_out.filter(|left_out| left_out.count > 0) {
        lines.push(words::would_leave_out(
            left_out.count,
            words::faulty_entries(left_out),
        ));
    }
    lines.push(match (plan.bytes, plan.peers, plan.replicas) {
        (Some(bytes), Some(peers), Some(replicas)) => {
            let there = match replicas {
                0 => String::new(),
                n => words::there_already(words::replicas(n.into())),
            };
            words::would_send(
                ByteCount::new(bytes),
                words::other_live_peers(peers.into()),
                words::replicas(plan.target.into()),
                there,
                how_long(plan.expected_ms),
            )
        }
        _ => words::no_node_could_tell().to_owned(),
    });
    lines.join("\n")
}

fn get_text(plan: &GetPlan) -> String {
    let (length, here) = (ByteCount::new(plan.length), ByteCount::new(plan.here));
    let moved = ByteCount::new(plan.bytes);
    let output = plan.output.display();
    let what = match plan.files {
        Some(files) => {
            words::would_fetch_part(&plan.name, output, words::amount_in(length, words::files(files)))
        }
        None => words::would_fetch(&plan.name, output, length, here),
    };
    let mut lines = vec![
        what,
        words::would_move(
            moved,
            words::peers(plan.source_count.into()),
            how_long(plan.expected_ms),
        ),
    ];
    if let (Some(written), Some(free)) = (plan.written, plan.free) {
        lines.push(words::would_write(ByteCount::new(written), ByteCount::new(free)));
    }
    for source in &plan.sources {
        let fragments = words::fragments(source.fragments);
        let has = ByteCount::new(source.bytes);
        lines.push(words::source_line(
            &source.id,
            &source.addr,
            &source.state,
            fragments,
            has,
        ));
    }
    if !plan.available {
        lines.push(words::would_wait().to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_only_when_a_limit_gives_one() {
        let limit = ByteRate::new(1_000_000);
        assert_eq!(expected(2_500_000, limit), Some(2_500));
        assert_eq!(expected(0, None), Some(0));
        assert_eq!(expected(1, None), None);
        assert!(how_long(None).contains("unknown time"));
    }

    #[test]
    fn a_file_is_known_by_its_bytes_before_it_is_added() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, vec![1; 100_000]).expect("writes");
        let everything = Selection::default();
        let found = find(&path, None, &everything, Rules::default(), Path::new("/nowhere")).expect("reads");
        assert_eq!(
            (found.length, found.fragments, found.directory.is_none()),
            (100_000, 2, true)
        );
        assert!(found.content.is_some());
        let found = find(
            directory.path(),
            None,
            &everything,
            Rules::default(),
            Path::new("/nowhere"),
        )
        .expect("reads");
        assert_eq!(
            (
                found.length,
                found.directory.as_ref().map(|of| of.files),
                found.content
            ),
            (100_000, Some(1), None)
        );
    }
}
