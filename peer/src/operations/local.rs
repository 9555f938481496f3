//! The node itself: its status and limits, the copies that it holds, and the names that its user removes or
//! renames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::messages::control::{
    LimitChange, LocalContent, LocalName, LocalRole, RateLimits, SetLimits, Status, Verified,
};
use proto::messages::{Remove, Rename};
use shared::model::{
    Binding, ByteRate, ContentId, ContentRef, FragmentSet, Name, PinWish, Revision, RevisionEntry,
};
use shared::settings::{InForce, Origin};
use shared::{Coded as _, ErrorCode, Failure};
use tracing::info;

use super::Node;
use super::extent::{self, Held, nothing_held};
use super::report::Events;
use super::resolve::{inside, no_directory};
use super::security;
use crate::blocking::{blocking, try_blocking};
use crate::collection::read_catalog;
use crate::scrubber::{Finding, look_at};
use store::{DiskStore, Entry, FragmentStore as _, Place, Publication, PublicationState, Roles, StoreError};

/// Entries of the longest listing.
const MAX_LISTED: usize = 10_000;

/// Returns the state of the node.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn status(node: &Node) -> Result<Status, Failure> {
    let store = Arc::clone(&node.store);
    let ask = move || {
        Ok::<_, StoreError>((
            store.content_count(),
            store.usage(),
            (store.count_pending()?, store.count_refused()?),
            (store.lost()?, store.files_away(), store.apart()?),
        ))
    };
    let (contents, usage, (pending, refused), (lost, suspended, kept_apart)) = try_blocking(ask).await?;
    Ok(Status {
        peer: node.identity.peer(),
        incarnation: node.identity.incarnation(),
        address: node.address.clone(),
        zone: node.zone.borrow().clone(),
        data_dir: node.data_dir.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: usage.capacity,
        used: usage.used,
        contents: u32::try_from(contents).unwrap_or(u32::MAX),
        session: node.network.status(),
        visitor_host: node.network.visitor_host(),
        unreachable: node.network.unreachable(),
        network: node.identity.network(),
        kept_apart,
        security: security::membership(node),
        epoch: node.identity.epoch(),
        pending_publications: u32::try_from(pending).unwrap_or(u32::MAX),
        refused_publications: u32::try_from(refused).unwrap_or(u32::MAX),
        lost,
        suspended,
        uptime: node.clock.now().since(node.started),
        bytes_sent: node.counters.sent(),
        bytes_received: node.counters.received(),
        bytes_wasted: node.counters.wasted(),
        bytes_checked: node.counters.checked(),
        active_fetches: node.fetcher.active(),
        active_uploads: node.counters.uploads(),
        limits: limits(node),
        source_faults: node.fetcher.source_faults(),
        scrub: node.scrubber.status(),
        defaults: node.network.defaults(),
    })
}

/// Returns the rates at which the node may transfer.
fn limits(node: &Node) -> RateLimits {
    RateLimits {
        upload: node.uploads.rate(),
        download: node.fetcher.limiter().rate(),
    }
}

/// Returns the settings in force: as they were said, except what has been changed or found out since.
pub(crate) fn settings(node: &Node) -> InForce {
    let mut in_force = node.settings.borrow().clone();
    let settings = &mut in_force.settings;
    for (key, value) in [
        ("port", node.listens.port().to_string()),
        ("advertise", node.address.to_string()),
        ("data_dir", node.data_dir.display().to_string()),
    ] {
        let origin = settings.get(key).map_or(Origin::Default, |(_, origin)| *origin);
        settings.insert(key.to_owned(), (value, origin));
    }
    if let Some((host, Origin::Default)) = settings.get_mut("host") {
        // A member of a secured network has chosen it by itself.
        *host = node.listens.ip().to_string();
    }
    let limits = limits(node);
    for (key, rate) in [
        ("upload_limit", limits.upload),
        ("download_limit", limits.download),
    ] {
        let before = settings.get(key).and_then(|(text, _)| text.parse().ok());
        if before != rate {
            settings.insert(key.to_owned(), (said(rate), Origin::Command));
        }
    }
    in_force
}

/// Returns a limit as its setting has it.
fn said(rate: Option<ByteRate>) -> String {
    rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string())
}

/// Changes the rates at which the node may transfer, and returns them.
pub(crate) fn set_limits(node: &Node, set: SetLimits) -> RateLimits {
    for (limiter, change) in [
        (&node.uploads, set.upload),
        (node.fetcher.limiter(), set.download),
    ] {
        match change {
            LimitChange::Keep => {}
            LimitChange::Lift => limiter.set(None),
            LimitChange::To(rate) => limiter.set(Some(rate)),
        }
    }
    let now = limits(node);
    info!(
        upload = said(now.upload),
        download = said(now.download),
        "limits changed"
    );
    now
}

/// Lists the contents of which the node holds anything.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn list(node: &Node) -> Result<Vec<LocalContent>, Failure> {
    node.with_store(|store| {
        let entries: Vec<Entry> = store.entries().into_iter().take(MAX_LISTED).collect();
        let collections = collections(store, &entries)?;
        let parts: BTreeSet<ContentId> = collections
            .values()
            .flat_map(|(parts, ..)| parts)
            .copied()
            .collect();
        let local = |entry: Entry| {
            let content = entry.manifest.content();
            let publications = store.publications_of(content)?;
            let is_pending = publications.iter().any(Publication::is_pending);
            let reason = |publication: &Publication| match &publication.state {
                PublicationState::Refused(reason) => Some((publication.name.clone(), reason.clone())),
                _ => None,
            };
            let is_named = publications.iter().any(Publication::is_name);
            Ok(LocalContent {
                content,
                // A part that was also added by itself is no mere part.
                is_part: parts.contains(&content) && !is_named,
                collection: collections
                    .get(&content)
                    .map(|(_, length, held)| (*length, *held)),
                name: name_of(entry.name, &publications),
                length: entry.manifest.length(),
                fragments: entry.manifest.fragment_count(),
                fragments_held: entry.held.len(),
                role: role(entry.roles),
                path: match entry.place {
                    Place::Store => None,
                    Place::File(path) | Place::Partial { output: path, .. } => Some(path),
                },
                is_pending,
                absence: entry.away.map(|away| away.absence),
                names: publications.iter().filter_map(local_name).collect(),
                files: store.users_files(content)?,
                refused: publications.iter().filter_map(reason).collect(),
            })
        };
        entries.into_iter().map(local).collect::<Result<_, StoreError>>()
    })
    .await
}

fn local_name(publication: &Publication) -> Option<LocalName> {
    publication.is_name().then(|| LocalName {
        name: publication.name.clone(),
        is_pending: publication.is_pending(),
    })
}

/// The parts of a directory, the bytes of its files, and about how many of them are held.
type HeldParts = (Vec<ContentId>, u64, u64);

/// Returns the directories of which the user has added or fetched the catalogs.
fn collections(store: &DiskStore, entries: &[Entry]) -> Result<BTreeMap<ContentId, HeldParts>, StoreError> {
    let mut named: BTreeMap<&Name, u32> = BTreeMap::new();
    for name in entries.iter().filter_map(|entry| entry.name.as_ref()) {
        *named.entry(name).or_default() += 1;
    }
    let held: BTreeMap<ContentId, &Entry> = entries
        .iter()
        .map(|entry| (entry.manifest.content(), entry))
        .collect();
    let mut collections = BTreeMap::new();
    for entry in entries {
        let content = entry.manifest.content();
        // The parts of a fetched directory go by its name too; nothing else is worth reading.
        let may_be = entry.place == Place::Store
            && entry.held.is_full()
            && (store.is_collection(content)?
                || entry.name.as_ref().is_some_and(|name| named.get(name) > Some(&1)));
        let Some(catalog) = may_be.then(|| read_catalog(store, content).ok()).flatten() else {
            continue;
        };
        let length = catalog.length();
        let parts = catalog.parts().iter().map(|part| held.get(part).copied());
        let (mut bytes, mut is_complete) = (0_u64, true);
        for part in parts {
            bytes += part.map_or(0, |part| part.manifest.bytes_in(&part.held));
            is_complete &= part.is_some_and(|part| part.held.is_full());
        }
        // Parts can be shared, and packs fetched in part: only the end is exact.
        let bytes = if is_complete {
            length
        } else {
            bytes.min(length.saturating_sub(1))
        };
        collections.insert(content, (catalog.parts().to_vec(), length, bytes));
    }
    Ok(collections)
}

/// Returns the name by which a content is shown: the one under which it came first, unless its publications
/// have others.
fn name_of(label: Option<Name>, publications: &[Publication]) -> Option<Name> {
    let mut names = publications
        .iter()
        .filter(|publication| publication.is_name())
        .map(|publication| &publication.name);
    let has_label = names.clone().any(|name| Some(name) == label.as_ref());
    match names.next() {
        Some(first) if !has_label => Some(first.clone()),
        _ => label,
    }
}

/// Returns the most telling of several roles.
const fn role(roles: Roles) -> LocalRole {
    match roles {
        Roles { published: true, .. } => LocalRole::Published,
        Roles { fetched: true, .. } => LocalRole::Fetched,
        Roles { .. } => LocalRole::Assigned,
    }
}

/// Removes a name from the network, and from the outbox when its publication waits there.
///
/// # Errors
/// As the contract says.
pub(crate) async fn remove(node: &Node, remove: &Remove) -> Result<Revision, Failure> {
    let name = remove.name.clone();
    let (is_pending, is_update) = node
        .with_store(move |store| {
            let pending = store.publication(&name)?.filter(Publication::is_pending);
            let is_update = pending.is_some_and(|pending| pending.is_update());
            Ok::<_, StoreError>((store.withdraw_publication(&name)?, is_update))
        })
        .await?;
    let removed = match node.catalog().await {
        Ok(catalog) => catalog.remove(remove).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(revision) => {
            // The content may have other names, and this one is none of them any more.
            let name = remove.name.clone();
            node.with_store(move |store| match store.publication(&name)? {
                Some(known) if matches!(known.state, PublicationState::Published(at) if at < revision) => {
                    store.forget_publication(&known)
                }
                _ => Ok(false),
            })
            .await?;
            Ok(revision)
        }
        Err(error) if is_update && error.code() == ErrorCode::Unavailable => Err(error.context(format!(
            "the pending update of {} is cancelled, and the name stays as it is bound",
            remove.name
        ))),
        // The name was never published.
        Err(error) if is_pending && matches!(error.code(), ErrorCode::NotFound | ErrorCode::Unavailable) => {
            Ok(Revision::NONE)
        }
        Err(error) => Err(error),
    }
}

/// Renames for everyone. The rename names the present revision, so that a repetition after a lost answer
/// changes nothing.
///
/// # Errors
/// As the contract says.
pub(crate) async fn rename(node: &Node, mut rename: Rename) -> Result<Binding, Failure> {
    let catalog = node.catalog().await?;
    if rename.expected.is_none() {
        let (revision, _) = catalog.head(&rename.from).await?;
        rename.expected = (revision != Revision::NONE).then_some(revision);
    }
    let binding = catalog.rename(&rename).await?;
    let (content, revision) = (binding.content, binding.revision);
    node.with_store(move |store| store.rename(&rename.from, &rename.to, content, revision))
        .await?;
    Ok(binding)
}

/// Pins or unpins a revision. The request names the present count of pins, so that a repetition changes
/// nothing.
///
/// # Errors
/// As the contract says.
pub(crate) async fn pin(node: &Node, mut wish: PinWish) -> Result<RevisionEntry, Failure> {
    let catalog = node.catalog().await?;
    if wish.expected.is_none() {
        let history = catalog.history(&wish.what.name).await?;
        let found = history.iter().find(|entry| entry.revision == wish.what.revision);
        // A revision that is not listed cannot be pinned: the tracker says why.
        wish.expected = found.map(|entry| entry.pins);
    }
    catalog.pin(&wish).await
}

/// Returns the record of the content that this node holds under a name or id.
///
/// # Errors
/// NotFound when there is none; FailedPrecondition when the name's content is here under other names only.
pub(super) async fn find(node: &Node, reference: &ContentRef) -> Result<Entry, Failure> {
    let id = match reference {
        ContentRef::Id(id) => *id,
        ContentRef::Inside(_) => return Err(only_whole(node, reference, no_directory(reference)).await?),
        ContentRef::Name(name) => {
            let bound = match node.catalog().await {
                Ok(catalog) => match catalog.resolve(reference).await {
                    Ok((binding, _)) => Ok(binding.content),
                    Err(error) if error.code() == ErrorCode::NotFound => Err(error),
                    Err(error) => return Err(error),
                },
                Err(error) => Err(error),
            };
            let known = name.clone();
            let bound_id = bound.as_ref().ok().copied();
            let meant = node
                .with_store(move |store| meant_here(store, &known, bound_id))
                .await?;
            match (meant, bound) {
                (Meant::Content(id), _) | (Meant::Nothing, Ok(id)) => id,
                (Meant::Other(other), _) => return Err(is_here_as(name, &other)),
                (Meant::Nothing, Err(error)) => match begun_with(node, name).await? {
                    Some(id) => id,
                    None => return Err(only_whole(node, reference, error).await?),
                },
            }
        }
    };
    node.entry(id).await?.ok_or_else(|| nothing_held(reference))
}

/// The content of this node that a name means.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    Content(ContentId),
    /// The content that the name is bound to is here under this name only.
    Other(Name),
    Nothing,
}

/// Finds the content that a name means here: the one that is bound to it in the network, if the user has it
/// under this name or under none; else the one that the user has under it. So nobody's binding of a name
/// makes a command act on a file that the user calls something else.
fn meant_here(store: &DiskStore, name: &Name, bound: Option<ContentId>) -> Result<Meant, StoreError> {
    let published = store.publication(name)?;
    let mut here: Vec<ContentId> = published
        .iter()
        .filter(|publication| publication.is_name())
        .map(|publication| publication.content)
        .collect();
    if here.is_empty() {
        let refused = published.map(|publication| publication.content);
        for entry in store
            .entries()
            .into_iter()
            .filter(|entry| entry.name.as_ref() == Some(name))
        {
            let content = entry.manifest.content();
            // A content that has other names was only called so once.
            let publications = store.publications_of(content)?;
            if Some(content) != refused && !publications.iter().any(Publication::is_name) {
                here.push(content);
            }
        }
    }
    match bound.and_then(|bound| store.entry(bound)) {
        Some(entry) if !here.contains(&entry.manifest.content()) => {
            let bound = entry.manifest.content();
            let names = store.publications_of(bound)?;
            let named = names
                .into_iter()
                .find(Publication::is_name)
                .map(|publication| publication.name);
            let fetched = entry.name.filter(|label| label != name && entry.roles.fetched);
            Ok(match (here.first(), named.or(fetched)) {
                (Some(own), _) => Meant::Content(*own),
                (None, Some(other)) => Meant::Other(other),
                (None, None) => Meant::Content(bound),
            })
        }
        Some(entry) => Ok(Meant::Content(entry.manifest.content())),
        None => Ok(here.first().map_or(Meant::Nothing, |own| Meant::Content(*own))),
    }
}

fn is_here_as(name: &Name, other: &Name) -> Failure {
    let text = format!(
        "nothing is here under the name {name}; its content is here as {other}: `peer forget {other}`"
    );
    Failure::new(ErrorCode::FailedPrecondition, text)
}

/// Returns the failure for a name that is not bound: the one given, or, of a path inside a directory, that a
/// directory is one thing.
async fn only_whole(node: &Node, reference: &ContentRef, error: Failure) -> Result<Failure, Failure> {
    let around = inside(node, reference).await?.and_then(|wanted| wanted.directory);
    Ok(around.map_or(error, |directory| {
        let why =
            format!("{reference} is inside the directory {directory}, which can only be dropped as a whole");
        Failure::new(ErrorCode::FailedPrecondition, why)
    }))
}

/// Returns the content that is held here and whose id begins with the digits that a name consists of.
async fn begun_with(node: &Node, digits: &Name) -> Result<Option<ContentId>, Failure> {
    let Some(ids) = ContentId::beginning_with(digits.as_str()) else {
        return Ok(None);
    };
    let store = Arc::clone(&node.store);
    let entries = blocking(move || store.entries()).await?;
    let all = entries.iter().map(|entry| entry.manifest.content());
    let mut begun = all.filter(|id| ids.contains(id));
    match (begun.next(), begun.next()) {
        (Some(one), Some(other)) => Err(several(digits, one, other)),
        (one, _) => Ok(one),
    }
}

fn several(digits: &Name, one: ContentId, other: ContentId) -> Failure {
    let text = format!("several contents begin with {digits}, such as {one} and {other}; give more digits");
    Failure::new(ErrorCode::InvalidArgument, text)
}

/// Reads one content or everything again. Withdraws damaged fragments, which the tracker then repairs from
/// other peers, and counts the bytes of the content that are not here.
///
/// # Errors
/// When nothing of the content is held here, or the store fails.
pub(crate) async fn verify(
    node: &Node,
    what: Option<ContentRef>,
    events: &Events<Verified>,
) -> Result<(), Failure> {
    let (held, damaged) = match what {
        Some(reference) => held_of(node, &reference).await?,
        None => (everything(node).await?, 0),
    };
    let bytes = |(entry, fragments): &(Entry, FragmentSet)| entry.manifest.bytes_in(fragments);
    let mut verified = Verified {
        done: 0,
        total: held.contents.iter().map(bytes).sum(),
        damaged,
        missing: held.missing,
    };
    events.tell(verified).await?;
    for (entry, fragments) in held.contents {
        for index in fragments.iter() {
            let length = u64::from(entry.manifest.len_of(index));
            match look_at(&node.store, entry.manifest.content(), index).await? {
                // The file is away: nothing can be said of it.
                Finding::Gone => {
                    verified.missing += length;
                    verified.total -= length;
                }
                finding => {
                    verified.damaged += u32::from(finding == Finding::Damaged);
                    verified.done += length;
                }
            }
            events.tell(verified).await?;
        }
    }
    Ok(())
}

/// Returns everything that the node holds; nothing of that is missing.
async fn everything(node: &Node) -> Result<Held, Failure> {
    let store = Arc::clone(&node.store);
    let entries = blocking(move || store.entries()).await?;
    let with_held = |entry: Entry| {
        let held = entry.held.clone();
        (entry, held)
    };
    Ok(Held {
        contents: entries.into_iter().map(with_held).collect(),
        ..Held::default()
    })
}

/// Returns everything that the node holds of a file, a directory or a path inside one, and the number of
/// fragments of a catalog that were found damaged on the way to it: those are fetched again, because the
/// catalog tells which parts there are.
async fn held_of(node: &Node, reference: &ContentRef) -> Result<(Held, u32), Failure> {
    let mut damaged = 0;
    let mut held = extent::held(node, reference).await?;
    if held.is_catalog_damaged {
        for (entry, fragments) in held.contents.iter().take(1) {
            for index in fragments.iter() {
                let finding = look_at(&node.store, entry.manifest.content(), index).await?;
                damaged += u32::from(finding == Finding::Damaged);
            }
        }
        held = extent::held(node, reference).await?;
    }
    Ok((held, damaged))
}
