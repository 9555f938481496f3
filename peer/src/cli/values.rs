//! `peer put` and `peer value`: small values under keys.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use clap::Args;
use proto::RemoteError;
use proto::messages::control::PutValue;
use shared::json::Value;
use shared::model::{ByteCount, Name, ReplicationTarget, parse_duration};
use shared::{Coded as _, ErrorCode};

use super::add::{follow, sharing_node};
use super::args::Wait;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::streams;
use crate::values::{MAX_VALUE, name_of};
use crate::words;

/// `peer put`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PutArgs {
    /// The key: a name below values/
    pub key: String,
    /// The value, at most 64 KiB; - reads it from standard input
    pub value: OsString,
    /// Replicas wanted, 1 to 32, this node's included
    #[arg(long, value_name = "N")]
    pub replicas: Option<ReplicationTarget>,
    /// Wait until the replicas are there, at most this long; write it after VALUE or as --wait=DURATION
    #[arg(long, value_name = "DURATION", num_args = 0..=1, value_parser = parse_duration)]
    pub wait: Option<Option<Duration>>,
}

/// Carries `peer put` out.
pub(super) async fn put(context: &Context<'_>, args: PutArgs) -> Result<(), Failure> {
    let name = name(&args.key)?;
    let value = read(args.value).await?;
    let wait = Wait::of(args.wait);
    let what = words::value_of(&args.key);
    let client = match wait {
        Wait::No => sharing_node(context, &what).await?,
        Wait::Forever | Wait::AtMost(_) => context.find_or_run().await?,
    };
    let put = PutValue {
        key: args.key,
        value: value.into(),
        target: args.replicas.unwrap_or(context.options.replicas),
        wait: wait != Wait::No,
    };
    let refused = |error: RemoteError| Failure::of(words::put(&what), &error);
    let mut events = client.put_value(put).await.map_err(refused)?;
    follow(context.out, &context.clock, &mut events, &what, &name, wait)
        .await
        .map(drop)
}

/// Carries `peer value` out: the value as it is, and nothing else.
pub(super) async fn print(context: &Context<'_>, key: &str) -> Result<(), Failure> {
    name(key)?;
    let client = context.find_or_run().await?;
    let value = client.get_value(key).await.map_err(|error| {
        let failure = Failure::of(words::read_value(key), &error);
        match error.code() {
            ErrorCode::NotFound => failure.hint(words::put_stores_one()),
            _ => failure,
        }
    })?;
    if context.out.is_json() {
        context.out.json(&Value::new(key, value.content, &value.bytes));
    } else {
        context.out.bytes(&value.bytes);
    }
    Ok(())
}

fn name(key: &str) -> Result<Name, Failure> {
    name_of(key).map_err(|error| {
        let what = words::use_as_key(format_args!("{key:?}"));
        Failure::new(Exit::Usage, words::cannot(what, error))
    })
}

/// The value that is meant, if it is short enough; of an endless input no more is read than tells that.
async fn read(value: OsString) -> Result<Vec<u8>, Failure> {
    let bytes = if value == "-" {
        streams::beginning(MAX_VALUE + 1).await?
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
