//! Questions that are answered in JSON, in the shapes of the command line's `--json`.

use axum::extract::{Extension, State};
use axum::response::Response;
use proto::http::{HttpError, PageQuery, Params, Segment, json};
use proto::messages::{List, Locate};
use shared::json::{Located, Names, Network, Paged};

use super::Api;
use super::files::reference;
use crate::operations::access::Access;
use crate::operations::{local, upkeep};

pub(super) async fn status(State(api): State<Api>) -> Result<Response, HttpError> {
    let status = local::status(api.node()).await?;
    Ok(json(crate::json::status(&status, None)))
}

pub(super) async fn files(
    State(api): State<Api>,
    Params(query): Params<PageQuery>,
) -> Result<Response, HttpError> {
    let list = List {
        page: query.page(),
        prefix: query.prefix,
    };
    let listed = api.node().catalog().await?.list(&list).await?;
    Ok(json(Paged {
        page: Names::new(&listed.names).with_removed(&listed.removed),
        next_page_token: listed.next,
    }))
}

pub(super) async fn peers(
    State(api): State<Api>,
    Params(query): Params<PageQuery>,
) -> Result<Response, HttpError> {
    let peers = api.node().catalog().await?.peers(&query.page()).await?;
    Ok(json(Paged {
        page: Network::new(&peers.peers, peers.epoch.get(), peers.in_safe_mode),
        next_page_token: peers.next,
    }))
}

pub(super) async fn locate(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    Segment(name): Segment,
) -> Result<Response, HttpError> {
    let locate = Locate {
        content: reference(&name)?.into(),
        max_holders: Locate::MAX_HOLDERS,
        except: None,
    };
    let location = upkeep::locate(api.node(), &locate, access == Access::Change).await?;
    Ok(json(Located::new(&location)))
}
