//! Publishing what a request brings, and removing names.
//!
//! A name changes by compare-and-set: conditions are judged against the revision that the name has when the
//! request comes, and the publication may follow that very revision only. So two conditional requests at once
//! cannot both succeed.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use proto::http::{Conditions, HttpError, Params, Segment, Verdict, json};
use proto::messages::Remove;
use proto::messages::control::{AddEvent, Hiding};
use serde::Deserialize;
use shared::json::{Removed, Stored};
use shared::model::{
    Binding, ContentId, ContentState, Manifest, Name, ReplicationTarget, Revision, parse_duration,
};
use shared::{Coded as _, Failure};
use tokio::time::Sleep;

use super::Api;
use super::receiving::receive;
use crate::json::hidden;
use crate::operations::access::Access;
use crate::operations::add::Ready;
use crate::operations::report::Events;
use crate::operations::{add, local};
use store::{Publication, PublicationState};

/// The longest wait for replicas.
const MAX_WAIT: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PutQuery {
    /// Replicas wanted.
    replicas: Option<u32>,
    /// The time to wait for them; empty: [`MAX_WAIT`].
    wait: Option<String>,
}

/// The state of a name before it is changed.
struct Head {
    revision: Revision,
    bound: Option<ContentId>,
}

/// The result of a publication.
#[derive(Default)]
struct Outcome {
    binding: Option<Binding>,
    is_replicated: bool,
    hidings: Vec<Hiding>,
}

pub(super) async fn put(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    Params(query): Params<PutQuery>,
    headers: HeaderMap,
    Segment(name): Segment,
    body: Body,
) -> Result<Response, HttpError> {
    let name = Name::new(name).map_err(HttpError::invalid)?;
    publish(&api, access, name, query, &headers, body, None).await
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    Segment(name): Segment,
) -> Result<Response, HttpError> {
    let name = Name::new(name).map_err(HttpError::invalid)?;
    remove(&api, access, name, &headers).await
}

fn changing(access: Access) -> Result<(), HttpError> {
    if access == Access::Change {
        return Ok(());
    }
    let why = "to change something takes the node's token: send the header in its file http-token";
    Err(HttpError::unauthorized(why))
}

/// Publishes a body under a name.
pub(super) async fn publish(
    api: &Api,
    access: Access,
    name: Name,
    query: PutQuery,
    headers: &HeaderMap,
    body: Body,
    limit: Option<u64>,
) -> Result<Response, HttpError> {
    changing(access)?;
    let target = match query.replicas {
        Some(replicas) => Some(ReplicationTarget::new(replicas).map_err(HttpError::invalid)?),
        None => None,
    };
    let wait = match query.wait.as_deref() {
        None => None,
        Some("") => Some(MAX_WAIT),
        Some(text) => Some(parse_duration(text).map_err(HttpError::invalid)?.min(MAX_WAIT)),
    };
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(HttpError::invalid(
            "a file is published whole; send it without Content-Range",
        ));
    }
    let conditions = Conditions::of(headers)?;
    let head = head(api, &name, &conditions).await?;
    let place = api.upload()?;
    let staged = receive(&api.node().store, body, limit).await?;
    let (kept, fragment_length) = (name.clone(), api.node().fragment_length(None).await);
    let mut addition = add::begin(api.node());
    let manifest = addition
        .run(move |addition| addition.upload(staged, &kept, fragment_length))
        .await
        .map_err(HttpError::storing)?;
    drop(place);
    let follows = head.as_ref().filter(|_| !conditions.are_none());
    let publication = Publication {
        name,
        content: manifest.content(),
        target,
        update: true,
        metadata: None,
        state: PublicationState::Pending(follows.map(|head| head.revision)),
    };
    let ready = Ready::of_file(publication.clone(), manifest.clone(), addition);
    let outcome = carry_out(api, ready, wait).await;
    let outcome = outcome.map_err(|error| {
        let (error, name) = (HttpError::from(error), &publication.name);
        match (error.is_conflict(), follows) {
            (true, Some(_)) => HttpError::condition(format!("{name} was changed by others meanwhile")),
            _ => error,
        }
    })?;
    let was_bound = head.is_some_and(|head| head.bound.is_some());
    Ok(answer(
        &publication.name,
        &manifest,
        &outcome,
        wait.is_some(),
        was_bound,
    ))
}

/// Returns the state of the name, if there is a tracker to tell.
///
/// # Errors
/// When the conditions do not hold, or nobody can tell whether they do.
async fn head(api: &Api, name: &Name, conditions: &Conditions) -> Result<Option<Head>, HttpError> {
    // Without a condition the name is published once there is a tracker.
    let catalog = match conditions.are_none() {
        true => api.node().catalog_soon().await,
        false => api.node().catalog().await,
    };
    let asked = match catalog {
        Ok(catalog) => catalog.head(name).await,
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
        (_, Some(bound)) => Err(HttpError::condition(format!("{name} is bound to {bound}"))),
        (_, None) => Err(HttpError::condition(format!("{name} is not bound to anything"))),
    }
}

/// Publishes, and waits for replicas if asked; replicas that are late are no failure. The wait begins when
/// the name is bound, or is known to wait for a tracker: before that, nothing could be answered.
async fn carry_out(api: &Api, ready: Ready, wait: Option<Duration>) -> Result<Outcome, Failure> {
    let (events, mut told) = Events::channel();
    let guard = api.node().network.protect(ready.publication.content);
    let publishing = add::publish(api.node(), ready, wait.is_some(), &events);
    tokio::pin!(publishing);
    let wait = wait.unwrap_or(MAX_WAIT);
    let mut over: Option<Pin<Box<Sleep>>> = None;
    let mut outcome = Outcome::default();
    loop {
        tokio::select! {
            published = &mut publishing => {
                outcome.binding = published?;
                while let Ok(event) = told.try_recv() {
                    outcome.note(event);
                }
                break;
            }
            Some(event) = told.recv() => {
                if matches!(&event, Ok(AddEvent::Published(_) | AddEvent::Shared { is_pending: true, .. })) {
                    over = Some(Box::pin(tokio::time::sleep(wait)));
                }
                outcome.note(event);
            }
            () = passed(&mut over) => break,
        }
    }
    drop(guard);
    Ok(outcome)
}

/// Waits until a wait is over; for ever if none has begun. Cancel-safe.
async fn passed(over: &mut Option<Pin<Box<Sleep>>>) {
    match over {
        Some(over) => over.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Outcome {
    fn note(&mut self, event: Result<AddEvent, Failure>) {
        match event {
            Ok(AddEvent::Hides(hiding)) => self.hidings.push(hiding),
            Ok(AddEvent::Published(binding)) => self.binding = Some(binding),
            Ok(AddEvent::Replicas(health)) => self.is_replicated = health.state == ContentState::Replicated,
            _ => {}
        }
    }
}

/// Answers 201 for a new name, 200 for one that was bound, and 202 while the replicas that were asked for are
/// missing.
fn answer(
    name: &Name,
    manifest: &Manifest,
    outcome: &Outcome,
    is_waiting: bool,
    was_bound: bool,
) -> Response {
    let (state, is_reached) = match (&outcome.binding, outcome.is_replicated) {
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
        files: None,
        contents: 1,
        revision: outcome.binding.as_ref().map(|binding| binding.revision.get()),
        state,
        hides: outcome.hidings.iter().map(hidden).collect(),
    };
    let tag = format!("\"{}\"", manifest.content());
    (status, [(header::ETAG, tag)], json(stored)).into_response()
}

/// Removes a name for everyone.
pub(super) async fn remove(
    api: &Api,
    access: Access,
    name: Name,
    headers: &HeaderMap,
) -> Result<Response, HttpError> {
    changing(access)?;
    let conditions = Conditions::of(headers)?;
    let expected = if conditions.are_none() {
        None
    } else {
        head(api, &name, &conditions).await?.map(|head| head.revision)
    };
    let is_conditional = expected.is_some();
    let remove = Remove { name, expected };
    let removed = local::remove(api.node(), &remove).await.map_err(|error| {
        let error = HttpError::from(error);
        if is_conditional && error.is_conflict() {
            HttpError::condition(format!("{} was changed by others meanwhile", remove.name))
        } else {
            error
        }
    });
    Ok(json(Removed {
        name: remove.name.to_string(),
        revision: removed?.get(),
    }))
}
