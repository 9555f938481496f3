//! Types generated from `proto/enjambre/v1/*.proto`, where every field is described.
#![expect(
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code is not ours to style"
)]

tonic::include_proto!("enjambre.v1");

/// The descriptors of all files, encoded, for the reflection service.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("enjambre.v1");
