//! Small values under keys: put into the store as contents, read from it or fetched. See [`crate::values`].

use std::sync::Arc;

use proto::messages::control::{AddEvent, PutValue, Value};
use shared::model::{ByteCount, ContentRef};
use shared::{ErrorCode, Failure};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::add::{Ready, begin, publish};
use super::collection::hold;
use super::report::{Events, FetchTally};
use super::resolve::{WantedKind, resolve};
use super::spoiled::unless_spoiled;
use crate::values::{MAX_VALUE, name_of};
use store::{DiskStore, FragmentStore as _, Publication, PublicationState, StoreError, VerifiedReader};

fn invalid(why: &impl ToString) -> Failure {
    Failure::new(ErrorCode::InvalidArgument, why.to_string())
}

/// Publishes a value.
///
/// # Errors
/// As the contract says.
pub(crate) async fn put(node: &Node, put: PutValue, events: &Events<AddEvent>) -> Result<(), Failure> {
    let name = name_of(&put.key).map_err(|error| invalid(&error))?;
    let length = put.value.len() as u64;
    if length > MAX_VALUE {
        let (length, most) = (ByteCount::new(length), ByteCount::new(MAX_VALUE));
        return Err(invalid(&format!(
            "a value of {length} is too long: at most {most}; add it as a file"
        )));
    }
    let (kept, fragment_length) = (name.clone(), node.fragment_length(None).await);
    let mut addition = begin(node);
    let manifest = addition
        .run(move |addition| addition.bytes(&put.value, &kept, fragment_length))
        .await?;
    let _guard = node.network.protect(manifest.content());
    let publication = Publication {
        name,
        content: manifest.content(),
        target: put.target,
        update: true,
        metadata: None,
        state: PublicationState::Pending(None),
    };
    let ready = Ready::of_file(publication, manifest, addition);
    publish(node, ready, put.wait, events).await.map(drop)
}

/// Returns the value under a key, fetched if it is not here.
///
/// # Errors
/// As the contract says.
pub(crate) async fn get(node: &Node, key: &str) -> Result<Value, Failure> {
    let asked = ContentRef::Name(name_of(key).map_err(|error| invalid(&error))?);
    let wanted = resolve(node, &asked).await?;
    let (content, manifest) = (wanted.manifest.content(), wanted.manifest);
    if wanted.kind != WantedKind::File || manifest.length() > MAX_VALUE {
        let why = format!("{asked} is no value; get it as a file");
        return Err(Failure::new(ErrorCode::FailedPrecondition, why));
    }
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let (tally, name) = (FetchTally::default(), &wanted.name);
    let read = move |store: &Arc<DiskStore>| {
        let entry = store.entry(content);
        let manifest = entry.ok_or(StoreError::UnknownContent(content))?.manifest;
        VerifiedReader::new(&**store).read(&manifest, 0..manifest.length())
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let (all, sources) = (manifest.all_fragments(), wanted.sources.clone());
        hold(node, &manifest, all, sources, name, &tally, &cancel).await?;
        if let Some(bytes) = unless_spoiled(node, attempt, read).await? {
            let bytes = bytes.into();
            return Ok(Value { bytes, content });
        }
    }
}
