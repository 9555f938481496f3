//! `peer limit`: how fast the running node may transfer, shown or changed.

use std::str::FromStr;

use clap::Args;
use proto::messages::control::SetLimits;
use shared::model::{ByteRate, ParseByteRateError};

use super::context::Context;
use super::exit::Failure;
use super::{attach, show};
use crate::{json, words};

/// A limit as people write it: a rate, or `none`, `unlimited` or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit(
    /// None: not limited.
    pub Option<ByteRate>,
);

impl FromStr for RateLimit {
    type Err = ParseByteRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "none" | "unlimited" | "0" => Ok(Self(None)),
            rate => rate.parse().map(|rate| Self(Some(rate))),
        }
    }
}

/// `peer limit`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct LimitArgs {
    /// Send at most so much to all peers together, such as 10MB/s, 512KiB/s or 80Mbit/s, or `none`
    #[arg(long, value_name = "RATE")]
    pub upload: Option<RateLimit>,
    /// Take at most so much from all peers together, or `none`
    #[arg(long, value_name = "RATE")]
    pub download: Option<RateLimit>,
}

pub(super) async fn run(context: &Context<'_>, args: LimitArgs) -> Result<(), Failure> {
    let node = attach::require(context.options).await?;
    let limits = if args.upload.is_none() && args.download.is_none() {
        node.status.limits
    } else {
        let set = SetLimits {
            upload: args.upload.map(|limit| limit.0),
            download: args.download.map(|limit| limit.0),
        };
        let set = node.client.set_limits(set).await;
        set.map_err(|error| Failure::of(words::change_limits(), &error))?
    };
    context.out.json(&json::limits(&limits));
    context.out.line(&show::limits(&limits));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::client::ControlClient;
    use proto::messages::control::RateLimits;
    use shared::runtime::Tasks;
    use shared::{Coded as _, ErrorCode};

    use super::*;
    use crate::cli::settings::Options;
    use crate::node::NodeHandle;

    #[test]
    fn a_limit_is_a_rate_or_none() {
        for text in ["none", "unlimited", " None ", "0"] {
            assert_eq!(text.parse(), Ok(RateLimit(None)), "{text}");
        }
        assert_eq!("1MB/s".parse(), Ok(RateLimit(ByteRate::new(1_000_000))));
        assert!("fast".parse::<RateLimit>().is_err());
    }
    #[tokio::test]
    async fn a_node_begins_with_its_settings_and_only_its_owner_changes_them() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().to_str().expect("UTF-8");
        let options = Options::told(&[("data_dir", data_dir), ("upload_limit", "1000")]);
        let config = attach::node_config(&options, 0, None);
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
            upload: None,
            download: Some(ByteRate::new(2000)),
        };
        assert_eq!(owner.set_limits(download).await, Ok(limits(1000, 2000)));
        let lift = SetLimits {
            upload: Some(None),
            download: None,
        };
        let refused = client(None).set_limits(lift).await.expect_err("no token");
        assert_eq!(refused.code(), ErrorCode::PermissionDenied);
        assert_eq!(shown().await, limits(1000, 2000), "nothing has changed");
        assert_eq!(owner.set_limits(lift).await, Ok(limits(0, 2000)));
        assert_eq!(shown().await, limits(0, 2000));
        node.stop().await;
    }
}
