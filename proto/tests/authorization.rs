//! The table of authorization against the descriptors of all services.

use std::collections::BTreeSet;

use prost::Message;
use shared::security::authorization::calls;

/// The parts of descriptors that name methods; see `google/protobuf/descriptor.proto`.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
}

/// Paths of all methods in encoded descriptors.
fn methods(descriptors: &[u8]) -> Vec<String> {
    let files = Files::decode(descriptors).expect("descriptors").files;
    let of_file = |file: File| {
        let of_service = move |service: Service| {
            let path = format!("/{}.{}", file.package, service.name);
            let paths = service.methods.into_iter();
            paths
                .map(move |method| format!("{path}/{}", method.name))
                .collect::<Vec<_>>()
        };
        file.services.into_iter().flat_map(of_service).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(of_file).collect()
}

#[test]
fn every_method_is_in_the_table_and_no_other() {
    let served: BTreeSet<_> = [
        proto::v1::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ]
    .into_iter()
    .flat_map(methods)
    .collect();
    assert!(served.len() > 60, "descriptors name only {served:?}");
    let listed: BTreeSet<_> = calls()
        .map(|call| call.name.to_owned())
        .filter(|name| name.starts_with('/'))
        .collect();
    assert_eq!(
        served, listed,
        "descriptors on the left, the table of authorization on the right"
    );
}
