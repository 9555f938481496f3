//! `peer put` and `peer value`: small values under keys.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::ffi::OsStringExt as _;

use clap::Args;
use proto::RemoteError;
use proto::messages::control::PutValue;
use shared::json::Value;
use shared::model::{ByteCount, Name, ReplicationTarget};

use super::context::Context;
use super::{plan, standard_streams};
use crate::terminal::adding::{Wait, follow};
use crate::terminal::exit::{Exit, Failure};
use crate::values::{MAX_VALUE, name_of};
use crate::words;

/// Arguments of `peer put`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PutArgs {
    /// The key: a name below values/
    pub key: String,
    /// The value, at most 64 KiB; - reads standard input
    pub value: OsString,
    /// Replicas wanted, 1 to 32, including this node's
    #[arg(long, value_name = "N")]
    pub replicas: Option<ReplicationTarget>,
    /// Wait until the value has its replicas, at most this long; write it after VALUE or as --wait=DURATION
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = Wait::parse
    )]
    pub wait: Option<Wait>,
}

/// Arguments of `peer value`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ValueArgs {
    /// The key
    pub key: String,
}

/// Runs `peer put`.
pub(super) async fn put(context: &Context<'_>, args: PutArgs) -> Result<(), Failure> {
    let name = name(&args.key)?;
    let value = read(args.value).await?;
    let what = words::value_of(&args.key);
    let node = match args.wait {
        None => context.require_sharing(&what).await?,
        Some(_) => context.find_or_run().await?,
    };
    let put = PutValue {
        key: args.key,
        value: value.into(),
        target: args.replicas.or(context.options.replicas),
        wait: args.wait.is_some(),
    };
    plan::warn_of_few_peers(context, &node, &name, put.target).await;
    let refused = |error: RemoteError| Failure::of(words::put(&what), &error);
    let mut events = node.client.put_value(put).await.map_err(refused)?;
    context.warn_of_leaving(&name);
    let passed = |point| context.note_passed(&name, point);
    let (out, clock) = (context.out, &context.clock);
    follow(out, clock, &mut events, &what, &name, args.wait, passed)
        .await
        .map(drop)
        .map_err(|failure| context.explain_leaving(failure, &name))
}

/// Runs `peer value`: prints the value unchanged, and nothing else.
pub(super) async fn print(context: &Context<'_>, key: &str) -> Result<(), Failure> {
    name(key)?;
    let client = context.find_or_run().await?.client;
    let value = client.get_value(key).await.map_err(|error| {
        Failure::of(words::read_value(key), &error).hint_for(Exit::NotFound, words::put_stores_one())
    })?;
    if context.out.is_json() {
        context.out.json(&Value::new(key, value.content, &value.bytes));
    } else {
        context.out.bytes(&value.bytes);
        // A prompt belongs on a line of its own; a file or a pipe gets the value as it is.
        if std::io::stdout().is_terminal() && !value.bytes.ends_with(b"\n") {
            context.out.bytes(b"\n");
        }
    }
    Ok(())
}

fn name(key: &str) -> Result<Name, Failure> {
    name_of(key).map_err(|error| {
        let what = words::use_as_key(format_args!("{key:?}"));
        Failure::new(Exit::Usage, words::cannot(what, words::name_error(&error)))
    })
}

/// Reads the value, if it is short enough; of a longer input only as much as shows that.
async fn read(value: OsString) -> Result<Vec<u8>, Failure> {
    let bytes = if value == "-" {
        standard_streams::beginning(MAX_VALUE + 1).await?
    } else {
        value.into_vec()
    };
    if bytes.len() as u64 > MAX_VALUE {
        let why = words::value_too_long(ByteCount::new(MAX_VALUE));
        return Err(Failure::new(
            Exit::Usage,
            words::cannot(words::put_the_value(), why),
        ));
    }
    Ok(bytes)
}
