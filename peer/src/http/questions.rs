//! Questions that are answered in JSON, in the shapes of the command line's `--json`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use proto::messages::{List, Locate, Page};
use serde::Deserialize;
use shared::json::{Detail, Located, Names, Network, Paged};

use super::failure::{Failure, json};
use super::files::reference;
use super::{Api, Segment};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PageQuery {
    prefix: String,
    page_token: String,
    page_size: u32,
}

type Pages = Result<Query<PageQuery>, QueryRejection>;

pub(super) async fn status(State(api): State<Api>) -> Result<Response, Failure> {
    let status = api.0.control.own_status().await?;
    Ok(json(crate::json::status(&status)))
}

pub(super) async fn files(State(api): State<Api>, query: Pages) -> Result<Response, Failure> {
    let query = asked(query)?;
    let list = List {
        prefix: query.prefix,
        page: Page::new(query.page_token, query.page_size),
    };
    let listed = api
        .parts()
        .network
        .connection_soon()
        .await?
        .catalog
        .list(&list)
        .await?;
    Ok(json(Paged {
        page: Names::new(&listed.names, Detail::Command),
        next_page_token: listed.next,
    }))
}

pub(super) async fn peers(State(api): State<Api>, query: Pages) -> Result<Response, Failure> {
    let query = asked(query)?;
    let page = Page::new(query.page_token, query.page_size);
    let peers = api
        .parts()
        .network
        .connection_soon()
        .await?
        .catalog
        .peers(&page)
        .await?;
    Ok(json(Paged {
        page: Network::new(&peers.peers, peers.epoch.get(), peers.in_safe_mode),
        next_page_token: peers.next,
    }))
}

pub(super) async fn locate(State(api): State<Api>, name: Segment) -> Result<Response, Failure> {
    let locate = Locate {
        content: reference(name)?,
        max_holders: Locate::MAX_HOLDERS,
        except: None,
    };
    let location = api
        .parts()
        .network
        .connection_soon()
        .await?
        .catalog
        .locate(&locate)
        .await?;
    Ok(json(Located::new(&location, Detail::Command)))
}

fn asked(query: Pages) -> Result<PageQuery, Failure> {
    query
        .map(|query| query.0)
        .map_err(|rejection| Failure::query(&rejection))
}
