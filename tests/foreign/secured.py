#!/usr/bin/env python3
"""A stock gRPC client in another language at the tracker of a secured network.

    pip install grpcio grpcio-reflection protobuf
    secured.py TRACKER CLUSTER AUTHORITY_PEM PEER_DATA_DIR

It asks with the certificate of a peer, by mutual TLS, then without one, and prints the answer to each call: `ok`, or
the name of gRPC's status. Nothing in it is special to this system but the name that the tracker's certificate has,
and the files in which the peer keeps its certificate and its key.
"""

import base64
import json
import pathlib
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

CALLS = [
    ("enjambre.v1.Catalog", "List"),
    ("enjambre.v1.Catalog", "Remove"),
    ("enjambre.v1.Security", "ListTokens"),
]


def pem(kind, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


def certificate_and_key(directory):
    """The chain and the key of a peer, in PEM."""
    membership = json.loads((directory / "membership.json").read_text())
    chain = "".join(pem("CERTIFICATE", base64.b64decode(one)) for one in membership["chain"])
    digits = (directory / "peer.key").read_text().split("\n")[1]
    return chain.encode(), pem("PRIVATE KEY", bytes.fromhex(digits)).encode()


def outcomes(channel):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    for service, method in CALLS:
        described = pool.FindServiceByName(service).methods_by_name[method]
        reply = GetMessageClass(described.output_type)
        call = channel.unary_unary(f"/{service}/{method}", lambda message: message, reply.FromString)
        try:
            call(b"", timeout=20)
            yield method, "ok"
        except grpc.RpcError as error:
            yield method, error.code().name


def main(tracker, cluster, authority, directory):
    roots = pathlib.Path(authority).read_bytes()
    chain, key = certificate_and_key(pathlib.Path(directory))
    expected = [("grpc.ssl_target_name_override", f"tracker.{cluster}.enjambre")]
    for who, credentials in [
        ("member", grpc.ssl_channel_credentials(roots, key, chain)),
        ("stranger", grpc.ssl_channel_credentials(roots)),
    ]:
        with grpc.secure_channel(tracker, credentials, options=expected) as channel:
            for method, outcome in outcomes(channel):
                print(who, method, outcome)


if __name__ == "__main__":
    main(*sys.argv[1:])
