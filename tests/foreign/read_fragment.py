#!/usr/bin/env python3
"""A stock gRPC client in another language reads a fragment, knowing nothing but addresses.

    pip install grpcio grpcio-reflection protobuf
    read_fragment.py TRACKER NAME FILE

Everything about messages comes from the servers' reflection services. It asks the tracker where NAME is, fetches
one fragment after the other from a holder, proves every block up to the content id with nothing but hashlib (BEP 52),
and compares the bytes with FILE.
"""

import hashlib
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

BLOCK = 16 * 1024


class Client:
    """Calls methods that it learns about by reflection."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)

    def services(self):
        return sorted(self.database.get_services())

    def call(self, service, method, **fields):
        described = self.pool.FindServiceByName(service).methods_by_name[method]
        request = GetMessageClass(described.input_type)
        reply = GetMessageClass(described.output_type)
        kind = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        return kind(f"/{service}/{method}", request.SerializeToString, reply.FromString)(request(**fields), timeout=20)


def parent(left, right):
    return hashlib.sha256(left + right).digest()


def root(nodes, width, padding):
    nodes = nodes + [padding] * (width - len(nodes))
    while len(nodes) > 1:
        nodes = [parent(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
    return nodes[0]


def power_of_two(count):
    return 1 << max(count - 1, 0).bit_length()


def main(tracker_address, name, path):
    tracker = Client(tracker_address)
    print("tracker serves", ", ".join(tracker.services()))
    located = tracker.call("enjambre.v1.Catalog", "Locate", ref={"name": name})
    manifest = located.manifest
    roots = [manifest.fragment_roots[i : i + 32] for i in range(0, len(manifest.fragment_roots), 32)]
    blocks_per_fragment = manifest.fragment_length // BLOCK
    is_only = len(roots) == 1

    padding = bytes(32)
    for _ in range(blocks_per_fragment.bit_length() - 1):
        padding = parent(padding, padding)
    whole = roots[0] if is_only else root(roots, power_of_two(len(roots)), padding)
    assert whole == manifest.content_id, "the fragment roots are not those of the content"

    holder = located.holders[0].peer
    peer = Client(holder.address)
    print("peer", holder.address, "serves", ", ".join(peer.services()))
    fetched = bytearray()
    for fragment, fragment_root in enumerate(roots):
        length = min(manifest.fragment_length, manifest.length - fragment * manifest.fragment_length)
        blocks = -(-length // BLOCK)
        request = {"fragment": fragment, "first_block": 0, "block_count": blocks}
        chunks = list(
            peer.call(
                "enjambre.v1.Transfer", "Fetch", content_id=manifest.content_id, ranges=[request], with_leaves=True
            )
        )
        leaves = [chunks[0].leaves[i : i + 32] for i in range(0, len(chunks[0].leaves), 32)]
        width = power_of_two(len(leaves)) if is_only else blocks_per_fragment
        assert root(leaves, width, bytes(32)) == fragment_root, f"the leaves of fragment {fragment} are wrong"
        data = b"".join(chunk.data for chunk in chunks)
        for block, leaf in enumerate(leaves):
            got = hashlib.sha256(data[block * BLOCK : (block + 1) * BLOCK]).digest()
            assert got == leaf, f"block {block} of fragment {fragment} is wrong"
        fetched += data
    with open(path, "rb") as file:
        assert file.read() == fetched, "the bytes differ from the file"
    print(f"{len(roots)} fragments, {len(fetched)} bytes, all proven")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
