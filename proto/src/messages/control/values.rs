//! Small values under keys, as commands put and read them.

use bytes::Bytes;
use shared::model::{ContentId, ReplicationTarget};

use crate::messages::types::{chosen_target, content_id, target_number};
use crate::{Invalid, v1};

/// Publish a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutValue {
    /// Key of the value; the node refuses bad ones.
    pub key: String,
    /// Bytes of the value; the node bounds their number.
    pub value: Bytes,
    /// Replicas wanted; `None` means as many as the name has, or the network's default for a new one.
    pub target: Option<ReplicationTarget>,
    /// Whether to go on reporting until they are there.
    pub wait: bool,
}

/// A value that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Bytes of the value.
    pub bytes: Bytes,
    /// Content id of the value.
    pub content: ContentId,
}

impl TryFrom<v1::PutValueRequest> for PutValue {
    type Error = Invalid;

    fn try_from(wire: v1::PutValueRequest) -> Result<Self, Invalid> {
        Ok(Self {
            key: wire.key,
            value: wire.value,
            target: chosen_target(wire.target)?,
            wait: wire.wait,
        })
    }
}

impl From<PutValue> for v1::PutValueRequest {
    fn from(put: PutValue) -> Self {
        Self {
            key: put.key,
            value: put.value,
            target: target_number(put.target),
            wait: put.wait,
        }
    }
}

impl TryFrom<v1::GetValueReply> for Value {
    type Error = Invalid;

    fn try_from(wire: v1::GetValueReply) -> Result<Self, Invalid> {
        Ok(Self {
            content: content_id(&wire.content_id)?,
            bytes: wire.value,
        })
    }
}

impl From<Value> for v1::GetValueReply {
    fn from(value: Value) -> Self {
        Self {
            content_id: value.content.as_bytes().to_vec().into(),
            value: value.bytes,
        }
    }
}
