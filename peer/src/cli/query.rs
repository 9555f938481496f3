//! The commands that ask once: remove, forget, list, locate, status, network, verify.

use proto::client::{ControlClient, Incoming};
use proto::messages::control::Verified;
use proto::messages::{List, Locate, Page, Remove, Rename};
use proto::{Invalid, RemoteError};
use shared::Coded as _;
use shared::ErrorCode;
use shared::json::{Detail, Forgotten, Located, Names, Network, Removed, Renamed, VerifyLine};
use shared::model::{ByteCount, ContentRef, Epoch, Listing, Name, PeerInfo, Revision};

use super::args::ForgetArgs;
use super::attach;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::progress::{Amount, Progress, Unit};
use super::show;
use crate::{json, words};

/// The network's peers, and what the tracker says of itself.
#[derive(Clone, Debug)]
pub struct NetworkView {
    /// In order of ids.
    pub peers: Vec<PeerInfo>,
    /// The tracker's epoch.
    pub epoch: Epoch,
    /// Whether the tracker waits for peers to report after a restart.
    pub in_safe_mode: bool,
}

async fn node(context: &Context<'_>) -> Result<ControlClient, Failure> {
    Ok(attach::require(context.options).await?.client)
}

pub(super) async fn remove(context: &Context<'_>, name: Name) -> Result<(), Failure> {
    let remove = Remove { name, expected: None };
    let removed = node(context).await?.remove(&remove).await;
    let revision = removed.map_err(|error| remove_failure(&remove.name, &error))?;
    context.out.line(&removed_line(&remove.name, revision));
    context.out.json(&Removed {
        name: remove.name.to_string(),
        revision: revision.get(),
    });
    Ok(())
}

pub(super) async fn rename(context: &Context<'_>, from: Name, to: Name) -> Result<(), Failure> {
    if from == to {
        let why = words::cannot(words::rename(&from, &to), words::same_name());
        return Err(Failure::new(Exit::Usage, why));
    }
    let rename = Rename {
        from,
        to,
        expected: None,
    };
    let Rename { from, to, .. } = &rename;
    let bound = node(context).await?.rename(&rename).await;
    let bound = bound.map_err(|error| Failure::of(words::rename(from, to), &error))?;
    context.out.line(&words::renamed(from, to, bound.revision));
    context.out.json(&Renamed {
        from: from.to_string(),
        name: to.to_string(),
        revision: bound.revision.get(),
        content: bound.content.to_string(),
    });
    Ok(())
}

/// What came of a removal.
#[must_use]
pub fn removed_line(name: &Name, revision: Revision) -> String {
    if revision == Revision::NONE {
        return words::never_published(name);
    }
    words::removed(name, revision)
}

/// What a refusal to remove a name comes to.
#[must_use]
pub fn remove_failure(name: &Name, error: &RemoteError) -> Failure {
    let failure = Failure::of(words::remove(name), error);
    match error.code() {
        ErrorCode::NotFound => failure.hint(words::list_shows_names()),
        _ => failure,
    }
}

pub(super) async fn forget(context: &Context<'_>, args: ForgetArgs) -> Result<(), Failure> {
    let forgotten = node(context).await?.forget(&args.content, args.force).await;
    let (content, freed) = forgotten.map_err(|error| {
        let failure = Failure::of(words::forget(&args.content), &error);
        match error.code() {
            ErrorCode::NotFound => failure.hint(words::local_list_shows()),
            _ => failure,
        }
    })?;
    let freed_text = ByteCount::new(freed);
    context.out.line(&words::forgot(&args.content, freed_text));
    context.out.json(&Forgotten {
        content: content.to_string(),
        freed,
    });
    Ok(())
}

pub(super) async fn list(context: &Context<'_>) -> Result<(), Failure> {
    let names = all_names(&node(context).await?).await?;
    context.out.json(&Names::new(&names, Detail::Command));
    if names.is_empty() {
        context.out.note(words::no_names_yet());
    } else {
        context.out.line(&show::names(&names).render());
    }
    Ok(())
}

pub(super) async fn local_list(context: &Context<'_>) -> Result<(), Failure> {
    let listed = node(context).await?.local_list().await;
    let contents = listed.map_err(|error| Failure::of(words::list_held(), &error))?;
    context.out.json(&json::contents(&contents));
    if contents.is_empty() {
        context.out.note(words::node_holds_nothing());
    } else {
        context.out.line(&show::contents(&contents).render());
    }
    Ok(())
}

pub(super) async fn locate(context: &Context<'_>, content: ContentRef) -> Result<(), Failure> {
    let locate = Locate {
        content,
        max_holders: Locate::MAX_HOLDERS,
        except: None,
    };
    let located = node(context).await?.network_locate(&locate).await;
    let location = located.map_err(|error| {
        let failure = Failure::of(words::locate(&locate.content), &error);
        match error.code() {
            ErrorCode::NotFound => failure.hint(words::list_shows_names()),
            _ => failure,
        }
    })?;
    context.out.json(&Located::new(&location, Detail::Command));
    context.out.line(&show::location(&location));
    Ok(())
}

pub(super) async fn status(context: &Context<'_>) -> Result<(), Failure> {
    let status = attach::require(context.options).await?.status;
    context.out.json(&json::status(&status));
    context.out.line(&show::status(&status));
    Ok(())
}

pub(super) async fn network(context: &Context<'_>) -> Result<(), Failure> {
    let view = all_peers(&node(context).await?).await?;
    let epoch = view.epoch.get();
    context
        .out
        .json(&Network::new(&view.peers, epoch, view.in_safe_mode));
    context.out.line(&show::peers(&view.peers).render());
    if view.in_safe_mode {
        context.out.note(words::safe_mode());
    }
    Ok(())
}

pub(super) async fn verify(context: &Context<'_>, what: Option<ContentRef>) -> Result<(), Failure> {
    let client = node(context).await?;
    let failed = |error: RemoteError| Failure::of(words::verify_held(), &error);
    let mut events = client.verify(what.as_ref()).await.map_err(failed)?;
    let verified = follow_verify(context, &mut events).await.map_err(failed)?;
    context.out.json(&VerifyLine::Done(json::verified(verified)));
    let bytes = ByteCount::new(verified.done);
    match verified.damaged {
        0 => {
            context.out.line(&words::verified_all(bytes));
            Ok(())
        }
        damaged => Err(Failure::new(
            Exit::Integrity,
            words::verified_damaged(bytes, words::damaged_withdrawn(damaged.into())),
        )),
    }
}

async fn follow_verify<W: Send>(
    context: &Context<'_>,
    events: &mut Incoming<W, Verified>,
) -> Result<Verified, RemoteError>
where
    Verified: TryFrom<W, Error = Invalid>,
{
    let nothing = Amount { done: 0, total: 0 };
    let label = words::verifying().to_owned();
    let mut progress = Progress::begin(context.out, &context.clock, label, Unit::Bytes, nothing);
    let mut last = Verified {
        done: 0,
        total: 0,
        damaged: 0,
    };
    while let Some(verified) = events.next().await? {
        context.out.json(&VerifyLine::Progress(json::verified(verified)));
        let amount = Amount {
            done: verified.done,
            total: verified.total,
        };
        let remark = match verified.damaged {
            0 => String::new(),
            damaged => words::damaged_so_far(damaged.into()),
        };
        progress.update(amount, &remark);
        last = verified;
    }
    Ok(last)
}

/// All names, page by page.
///
/// # Errors
/// As the tracker says.
pub async fn all_names(client: &ControlClient) -> Result<Vec<Listing>, Failure> {
    let mut list = List {
        prefix: String::new(),
        page: Page::first(),
    };
    let mut names = Vec::new();
    loop {
        let page = client.network_list(&list).await;
        let page = page.map_err(|error| Failure::of(words::list_names(), &error))?;
        names.extend(page.names);
        if !goes_on(&mut list.page, page.next) {
            return Ok(names);
        }
    }
}

/// The names of the first page: to offer them, not to show them.
///
/// # Errors
/// As the tracker says.
pub async fn first_names(client: &ControlClient) -> Result<Vec<String>, RemoteError> {
    let list = List {
        prefix: String::new(),
        page: Page::first(),
    };
    let page = client.network_list(&list).await?;
    let names = page.names.into_iter();
    Ok(names.map(|listing| listing.binding.name.to_string()).collect())
}

/// All peers, page by page.
///
/// # Errors
/// As the tracker says.
pub async fn all_peers(client: &ControlClient) -> Result<NetworkView, Failure> {
    let mut page = Page::first();
    let mut peers = Vec::new();
    loop {
        let next = client.network_peers(&page).await;
        let next = next.map_err(|error| Failure::of(words::list_peers(), &error))?;
        peers.extend(next.peers);
        if !goes_on(&mut page, next.next) {
            return Ok(NetworkView {
                peers,
                epoch: next.epoch,
                in_safe_mode: next.in_safe_mode,
            });
        }
    }
}

/// Turns the page; false at the last one, and at one that leads nowhere.
fn goes_on(page: &mut Page, next: String) -> bool {
    let goes_on = !next.is_empty() && next != page.token;
    page.token = next;
    goes_on
}
