//! The commands about this node: `status`, `limit`, `verify`, `forget`, `new-id`.

use std::path::Path;

use clap::Args;
use proto::client::Incoming;
use proto::messages::control::{LimitChange, SetLimits, Verified};
use proto::{Invalid, RemoteError};
use shared::json::{Forgotten, NewId, VerifyLine};
use shared::model::{ByteCount, ContentRef};

use super::context::Context;
use crate::node::{self, RateLimit, find_running};
use crate::terminal::attach::of_another_user;
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::progress::{Amount, Progress, Unit};
use crate::terminal::{listing, show};
use crate::{json, words};

/// Arguments of `peer limit`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct LimitArgs {
    /// Limit of sending to all peers together, such as 10MB/s, 512KiB/s or 80Mbit/s, or `none`
    #[arg(long, value_name = "RATE")]
    pub upload: Option<RateLimit>,
    /// Limit of receiving from all peers together, or `none`
    #[arg(long, value_name = "RATE")]
    pub download: Option<RateLimit>,
}

/// Arguments of `peer forget`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ForgetArgs {
    /// A name, or an id, of which the first 8 digits are enough
    #[arg(value_name = "NAME|ID")]
    pub content: ContentRef,
    /// Even if it is the last copy, or no tracker can tell
    #[arg(long)]
    pub force: bool,
}

pub(super) async fn status(context: &Context<'_>) -> Result<(), Failure> {
    let node = context.require().await?;
    let mode = listing::own_mode(&node.client, &node.status).await;
    let now = context.clock.now();
    context.out.json(&json::status(&node.status, mode));
    context.out.line(&show::status(&node.status, mode, now));
    Ok(())
}

pub(super) async fn limit(context: &Context<'_>, args: LimitArgs) -> Result<(), Failure> {
    let node = context.require().await?;
    let limits = if args.upload.is_none() && args.download.is_none() {
        node.status.limits
    } else {
        let set = SetLimits {
            upload: change(args.upload),
            download: change(args.download),
        };
        let set = node.client.set_limits(set).await;
        set.map_err(|error| Failure::of(words::change_limits(), &error))?
    };
    context.out.json(&json::limits(&limits));
    context.out.line(&show::limits(&limits));
    Ok(())
}

const fn change(limit: Option<RateLimit>) -> LimitChange {
    match limit {
        None => LimitChange::Keep,
        Some(RateLimit(None)) => LimitChange::Lift,
        Some(RateLimit(Some(rate))) => LimitChange::To(rate),
    }
}

pub(super) async fn forget(context: &Context<'_>, args: ForgetArgs) -> Result<(), Failure> {
    let forgotten = context
        .require()
        .await?
        .client
        .forget(&args.content, args.force)
        .await;
    let (content, freed) = forgotten.map_err(|error| {
        let failure = Failure::of(words::forget(&args.content), &error);
        failure.hint_for(Exit::NotFound, words::local_list_shows())
    })?;
    let freed_text = ByteCount::new(freed);
    context.out.line(&words::forgot(&args.content, freed_text));
    context.out.json(&Forgotten {
        content: content.to_string(),
        freed,
    });
    Ok(())
}

/// Refuses an offline command while a node runs on the data directory; `what` is an infinitive.
///
/// # Errors
/// When one runs, or this user may not know.
pub(super) fn require_no_node(data_dir: &Path, what: &str) -> Result<(), Failure> {
    let running = find_running(data_dir).map_err(|hidden| of_another_user(hidden, data_dir))?;
    running.map_or(Ok(()), |running| {
        let why = words::node_runs_there(&running.address);
        Err(Failure::new(Exit::Conflict, words::cannot(what, why)))
    })
}

/// Gives the data directory an id of its own.
pub(super) async fn new_id(context: &Context<'_>) -> Result<(), Failure> {
    let data_dir = &context.options.data_dir;
    require_no_node(data_dir, words::give_new_id())?;
    let renewed = node::new_id(data_dir, context.options.node.capacity).await;
    let renewed = renewed.map_err(|error| Failure::of(words::give_new_id(), &error))?;
    let Some(renewed) = renewed else {
        return Err(Failure::new(Exit::NotFound, words::no_id_yet(data_dir.display())));
    };
    for name in &renewed.left {
        context.out.note(&words::left_to_the_original(name));
    }
    context
        .out
        .line(&words::has_new_id(renewed.peer, data_dir.display()));
    context.out.json(&NewId {
        id: renewed.peer.to_string(),
        previous: renewed.previous.to_string(),
        left: renewed.left.iter().map(ToString::to_string).collect(),
    });
    Ok(())
}

pub(super) async fn verify(context: &Context<'_>, what: Option<ContentRef>) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let failed = |error: RemoteError| Failure::of(words::verify_held(), &error);
    let mut events = client.verify(what.as_ref()).await.map_err(failed)?;
    let verified = follow_verify(context, &mut events).await.map_err(failed)?;
    if let Some(content) = &what {
        context.note_hidden(&client, content).await;
    }
    context.out.json(&VerifyLine::Done(json::verified(verified)));
    let bytes = ByteCount::new(verified.done);
    let missing = ByteCount::new(verified.missing);
    match (verified.damaged, verified.missing) {
        (0, 0) => {
            context.out.line(&words::verified_all(bytes));
            Ok(())
        }
        (0, _) => Err(Failure::new(
            Exit::Incomplete,
            words::verified_some(bytes, missing),
        )),
        (damaged, 0) => {
            let withdrawn = words::damaged_withdrawn(damaged.into());
            Err(Failure::new(
                Exit::Integrity,
                words::verified_damaged(bytes, withdrawn),
            ))
        }
        (damaged, _) => {
            let found = words::damaged_and_missing(words::damaged_withdrawn(damaged.into()), missing);
            Err(Failure::new(
                Exit::Integrity,
                words::verified_damaged(bytes, found),
            ))
        }
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
        missing: 0,
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

#[cfg(test)]
mod tests {
    use proto::client::ControlClient;
    use proto::messages::control::RateLimits;
    use shared::model::ByteRate;
    use shared::runtime::Tasks;
    use shared::{Coded as _, ErrorCode};

    use super::*;
    use crate::node::NodeHandle;
    use crate::settings::Options;
    use crate::terminal::attach;

    #[tokio::test]
    async fn a_node_begins_with_its_settings_and_only_its_owner_changes_them() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().to_str().expect("UTF-8");
        let options = Options::told(&[("data_dir", data_dir), ("upload_limit", "1000")]);
        let config = attach::node_config(&options, 0, None, false);
        let node = NodeHandle::start(config, Tasks::new()).await.expect("a node");
        let client = |token| ControlClient::new(&node.control_address(), token).expect("a client");
        let owner = client(Some(node.token()));
        let limits = |upload, download| RateLimits {
            upload: ByteRate::new(upload),
            download: ByteRate::new(download),
        };
        let shown = async || owner.status().await.expect("it runs").limits;
        assert_eq!(shown().await, limits(1000, 0));

        let download = SetLimits {
            upload: LimitChange::Keep,
            download: LimitChange::To(ByteRate::new(2000).expect("not zero")),
        };
        assert_eq!(owner.set_limits(download).await, Ok(limits(1000, 2000)));
        let lift = SetLimits {
            upload: LimitChange::Lift,
            download: LimitChange::Keep,
        };
        let refused = client(None).set_limits(lift).await.expect_err("no token");
        assert_eq!(refused.code(), ErrorCode::PermissionDenied);
        assert_eq!(shown().await, limits(1000, 2000), "nothing has changed");
        assert_eq!(owner.set_limits(lift).await, Ok(limits(0, 2000)));
        assert_eq!(shown().await, limits(0, 2000));
        node.stop().await;
    }
}
