//! Publishing what a request brings, and removing names.
//!
//! A name changes by compare-and-set: conditions are judged against the revision that the name has when the request comes, and
//! the publication may follow that very revision only. So two conditional requests at once cannot both succeed.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use proto::RemoteError;
use proto::messages::Remove;
use proto::messages::control::AddEvent;
use serde::{Deserialize, Serialize};
use shared::json::Removed;
use shared::model::{
    Binding, ContentId, ContentState, Manifest, Name, ReplicationTarget, Revision, parse_duration,
};
use shared::{Coded as _, ErrorCode};
use tokio::sync::mpsc;

use super::conditions::{Conditions, Verdict};
use super::failure::{Failure, json};
use super::gate::Right;
use super::receiving::receive;
use super::{Api, Segment};
use crate::blocking::try_blocking;
use crate::rpc::control::{add, local};
use crate::store::{Publication, PublicationState};

/// Nobody waits longer for replicas, whatever they ask for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Events of a publication that have not been looked at.
const EVENTS: usize = 16;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PutQuery {
    /// Replicas wanted.
    replicas: Option<u32>,
    /// How long to wait for them; empty: as long as is waited for anyone.
    wait: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Stored {
    name: String,
    content: String,
    length: u64,
    fragment_length: u32,
    fragments: u32,
    /// Null while the publication waits for a connection.
    revision: Option<u64>,
    /// `pending`, `published` or `replicated`.
    state: &'static str,
}

/// How a name stands before it is changed.
struct Head {
    revision: Revision,
    bound: Option<ContentId>,
}

/// How far a publication has come.
#[derive(Default)]
struct Course {
    binding: Option<Binding>,
    is_replicated: bool,
}

pub(super) async fn put(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    query: Result<Query<PutQuery>, QueryRejection>,
    headers: HeaderMap,
    name: Segment,
    body: Body,
) -> Result<Response, Failure> {
    publish(&api, right, asked_name(name)?, query, &headers, body, None).await
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    headers: HeaderMap,
    name: Segment,
) -> Result<Response, Failure> {
    remove(&api, right, asked_name(name)?, &headers).await
}

fn asked_name(segment: Segment) -> Result<Name, Failure> {
    let path = segment.map_err(|rejection| Failure::path(&rejection))?.0;
    Name::new(path).map_err(Failure::invalid)
}

fn changing(right: Right) -> Result<(), Failure> {
    if right == Right::Change {
        return Ok(());
    }
    let why = "to change something takes the node's token: send the header in its file http-token";
    Err(Failure::new(ErrorCode::PermissionDenied, why))
}

/// Publishes a body under a name.
pub(super) async fn publish(
    api: &Api,
    right: Right,
    name: Name,
    query: Result<Query<PutQuery>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
    limit: Option<u64>,
) -> Result<Response, Failure> {
    changing(right)?;
    let query = query.map_err(|rejection| Failure::query(&rejection))?.0;
    let target = match query.replicas {
        Some(replicas) => ReplicationTarget::new(replicas).map_err(Failure::invalid)?,
        None => ReplicationTarget::DEFAULT,
    };
    let wait = match query.wait.as_deref() {
        None => None,
        Some("") => Some(MAX_WAIT),
        Some(text) => Some(parse_duration(text).map_err(Failure::invalid)?.min(MAX_WAIT)),
    };
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Failure::invalid(
            "a file is published whole; send it without Content-Range",
        ));
    }
    let conditions = Conditions::of(headers)?;
    let head = head(api, &name, &conditions).await?;
    let place = api.upload()?;
    let inflow = receive(&api.parts().store, body, limit).await?;
    let kept = name.clone();
    let manifest = try_blocking(move || inflow.keep(&kept, None))
        .await
        .map_err(Failure::storing)?;
    drop(place);
    let follows = head.as_ref().filter(|_| !conditions.are_none());
    let publication = Publication {
        name,
        content: manifest.content(),
        target,
        update: true,
        state: PublicationState::Pending(follows.map(|head| head.revision)),
    };
    let course = carry_out(api, publication.clone(), &manifest, wait).await;
    let course = course.map_err(|error| {
        let (failure, name) = (Failure::from(error), &publication.name);
        match (failure.is_conflict(), follows) {
            (true, Some(_)) => Failure::condition(format!("{name} was changed by others meanwhile")),
            _ => failure,
        }
    })?;
    let was_bound = head.is_some_and(|head| head.bound.is_some());
    Ok(answer(
        &publication.name,
        &manifest,
        &course,
        wait.is_some(),
        was_bound,
    ))
}

/// How the name stands, if there is a tracker to tell.
///
/// # Errors
/// When the conditions do not hold, or nobody can tell whether they do.
async fn head(api: &Api, name: &Name, conditions: &Conditions) -> Result<Option<Head>, Failure> {
    let asked = match api.parts().network.connection_soon().await {
        Ok(connection) => connection.catalog.head(name).await,
        Err(error) => Err(error),
    };
    let (revision, bound) = match asked {
        Ok(head) => head,
        Err(error) if error.code().is_retryable() && conditions.are_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let tag = bound.map(|bound| bound.to_string());
    match (conditions.judge(tag.as_deref()), bound) {
        (Verdict::Go, _) => Ok(Some(Head { revision, bound })),
        (_, Some(bound)) => Err(Failure::condition(format!("{name} is bound to {bound}"))),
        (_, None) => Err(Failure::condition(format!("{name} is not bound to anything"))),
    }
}

/// Publishes, and waits for replicas if asked; that they are not there in time is no failure.
async fn carry_out(
    api: &Api,
    publication: Publication,
    manifest: &Manifest,
    wait: Option<Duration>,
) -> Result<Course, RemoteError> {
    let (events, mut told) = mpsc::channel(EVENTS);
    let guard = api.parts().network.protect(publication.content);
    let (length, is_waiting) = (manifest.length(), wait.is_some());
    let publishing = add::publish(api.parts(), publication, manifest, length, is_waiting, &events);
    tokio::pin!(publishing);
    let over = tokio::time::sleep(wait.unwrap_or(MAX_WAIT));
    tokio::pin!(over);
    let mut course = Course::default();
    loop {
        tokio::select! {
            published = &mut publishing => {
                course.binding = published?;
                while let Ok(event) = told.try_recv() {
                    course.note(event);
                }
                break;
            }
            Some(event) = told.recv() => course.note(event),
            () = &mut over => break,
        }
    }
    drop(guard);
    Ok(course)
}

impl Course {
    fn note(&mut self, event: Result<AddEvent, RemoteError>) {
        match event {
            Ok(AddEvent::Published(binding)) => self.binding = Some(binding),
            Ok(AddEvent::Replicas(health)) => self.is_replicated = health.state == ContentState::Replicated,
            _ => {}
        }
    }
}

/// 201 for a new name, 200 for one that was bound; 202 when what was asked for has not been reached yet.
fn answer(name: &Name, manifest: &Manifest, course: &Course, is_waiting: bool, was_bound: bool) -> Response {
    let (state, is_reached) = match (&course.binding, course.is_replicated) {
        (None, _) => ("pending", false),
        (Some(_), true) => ("replicated", true),
        (Some(_), false) => ("published", !is_waiting),
    };
    let status = match (is_reached, was_bound) {
        (false, _) => StatusCode::ACCEPTED,
        (true, true) => StatusCode::OK,
        (true, false) => StatusCode::CREATED,
    };
    let stored = Stored {
        name: name.to_string(),
        content: manifest.content().to_string(),
        length: manifest.length(),
        fragment_length: manifest.fragment_length().get(),
        fragments: manifest.fragment_count(),
        revision: course.binding.as_ref().map(|binding| binding.revision.get()),
        state,
    };
    let tag = format!("\"{}\"", manifest.content());
    (status, [(header::ETAG, tag)], json(stored)).into_response()
}

/// Removes a name for everyone.
pub(super) async fn remove(
    api: &Api,
    right: Right,
    name: Name,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    changing(right)?;
    let conditions = Conditions::of(headers)?;
    let expected = if conditions.are_none() {
        None
    } else {
        head(api, &name, &conditions).await?.map(|head| head.revision)
    };
    let is_conditional = expected.is_some();
    let remove = Remove { name, expected };
    let removed = local::remove(api.parts(), &remove).await.map_err(|error| {
        let failure = Failure::from(error);
        if is_conditional && failure.is_conflict() {
            Failure::condition(format!("{} was changed by others meanwhile", remove.name))
        } else {
            failure
        }
    });
    Ok(json(Removed {
        name: remove.name.to_string(),
        revision: removed?.get(),
    }))
}
