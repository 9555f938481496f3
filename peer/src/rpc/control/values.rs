//! Small values under keys: put into the store as contents, read from it or fetched.

use std::sync::Arc;

use proto::RemoteError;
use proto::messages::control::{AddEvent, PutValue, Value};
use shared::ErrorCode;
use shared::model::{ByteCount, ContentRef, NameError};
use tokio_util::sync::CancellationToken;

use super::add::publish;
use super::collection::{Tally, hold};
use super::get::resolve;
use super::{ControlParts, Events};
use crate::blocking::try_blocking;
use crate::store::{FragmentStore as _, Publication, PublicationState, StoreError, VerifiedReader};
use crate::values::{MAX_VALUE, name_of};

pub(super) async fn put(
    parts: Arc<ControlParts>,
    put: PutValue,
    events: Events<AddEvent>,
) -> Result<(), RemoteError> {
    let invalid = |why: String| RemoteError::new(ErrorCode::InvalidArgument, why);
    let name = name_of(&put.key).map_err(|error| invalid(error.to_string()))?;
    let length = put.value.len() as u64;
    if length > MAX_VALUE {
        let (length, most) = (ByteCount::new(length), ByteCount::new(MAX_VALUE));
        return Err(invalid(format!(
            "a value of {length} is too long: at most {most}; add it as a file"
        )));
    }
    let (store, kept) = (Arc::clone(&parts.store), name.clone());
    let manifest = try_blocking(move || store.keep_bytes(&put.value, &kept)).await?;
    let _guard = parts.network.protect(manifest.content());
    let publication = Publication {
        name,
        content: manifest.content(),
        target: put.target,
        update: true,
        state: PublicationState::Pending(None),
    };
    publish(&parts, publication, &manifest, length, put.wait, &events)
        .await
        .map(drop)
}

pub(super) async fn get(parts: &ControlParts, key: &str) -> Result<Value, RemoteError> {
    let invalid = |error: NameError| RemoteError::new(ErrorCode::InvalidArgument, error.to_string());
    let asked = ContentRef::Name(name_of(key).map_err(invalid)?);
    let wanted = resolve(parts, &asked).await?;
    let (manifest, content) = (wanted.manifest.clone(), wanted.manifest.content());
    if wanted.collection.is_some() || manifest.length() > MAX_VALUE {
        let why = format!("{asked} is no value; get it as a file");
        return Err(RemoteError::new(ErrorCode::FailedPrecondition, why));
    }
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let all = manifest.all_fragments();
    let (tally, sources) = (Tally::default(), wanted.sources);
    hold(parts, &manifest, all, sources, &wanted.name, &tally, &cancel).await?;
    let store = Arc::clone(&parts.store);
    let bytes = try_blocking(move || {
        let entry = store.entry(content);
        let manifest = entry.ok_or(StoreError::UnknownContent(content))?.manifest;
        VerifiedReader::new(&*store).read(&manifest, 0..manifest.length())
    })
    .await?;
    Ok(Value {
        bytes: bytes.into(),
        content,
    })
}
