#!/usr/bin/env python3
"""Makes bep52_roots.tsv: what libtorrent says the BitTorrent v2 (BEP 52) hash tree of known bytes is.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install libtorrent==2.0.11
    /tmp/venv/bin/python shared/tests/make_bep52_roots.py > shared/tests/bep52_roots.tsv

libtorrent hashes real files, so this needs about 1.1 GiB of temporary disk for a minute.

The bytes of a content of any length are the beginning of one endless stream: block n (16 KiB, from 0) is the
SHA-256 of n (8 bytes, little-endian) repeated 512 times. Every block differs from every other, so a tree that
confuses, repeats or drops blocks has another root; and both sides make it faster than they hash it.

Columns: length, piece length (what Enjambre calls fragment length), pieces root (its content id), number of pieces,
and the SHA-256 of the concatenated piece layer (32 bytes a piece; "-" where BEP 52 has none, because the content is no
longer than one piece). The layer's digest rather than the layer, because that of 1 GiB in 64 KiB pieces is 512 KiB.
"""

import hashlib
import os
import sys
import tempfile

import libtorrent

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BLOCK = 16 * KIB

SMALL = [
    1, 2, 31, 32, 33,
    BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 5,
    64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 192 * KIB, 192 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1,
    MIB - 1, MIB, MIB + 1, 3 * MIB + 17, 5 * MIB, 1_000_000, 7_777_777,
]

# (lengths, piece lengths): every small one with small pieces, and each piece length around its own boundaries.
CASES = [(SMALL, [64 * KIB, 256 * KIB, MIB])]
CASES += [([n * piece + d for n in (1, 2, 3) for d in (-1, 0, 1)], [piece]) for piece in (4 * MIB, 16 * MIB)]
CASES += [([GIB + 12_345], [64 * KIB, 4 * MIB, 16 * MIB])]


def write_stream(path, length):
    with open(path, "wb", buffering=MIB) as file:
        for n in range((length + BLOCK - 1) // BLOCK):
            block = hashlib.sha256(n.to_bytes(8, "little")).digest() * (BLOCK // 32)
            file.write(block[: length - n * BLOCK])


def row(directory, name, length, piece_length):
    files = libtorrent.file_storage()
    files.add_file(name, length)
    torrent = libtorrent.create_torrent(files, piece_length, libtorrent.create_torrent_flags_t.v2_only)
    libtorrent.set_piece_hashes(torrent, directory)
    metainfo = torrent.generate()
    assert metainfo[b"info"][b"piece length"] == piece_length, "libtorrent chose another piece length"
    root = metainfo[b"info"][b"file tree"][name.encode()][b""][b"pieces root"]
    layer = metainfo[b"piece layers"].get(root)
    pieces = (length + piece_length - 1) // piece_length
    assert (layer is None) == (pieces == 1) and (layer is None or len(layer) == 32 * pieces)
    digest = "-" if layer is None else hashlib.sha256(layer).hexdigest()
    return (length, piece_length, root.hex(), pieces, digest)


def main():
    print(f"# Made by make_bep52_roots.py with libtorrent {libtorrent.__version__}; do not edit.")
    print("# length\tpiece length\tpieces root\tpieces\tSHA-256 of the piece layer")
    with tempfile.TemporaryDirectory() as directory:
        for lengths, piece_lengths in CASES:
            for length in lengths:
                path = os.path.join(directory, "content")
                write_stream(path, length)
                for piece_length in piece_lengths:
                    print(*row(directory, "content", length, piece_length), sep="\t", flush=True)
                os.remove(path)


if __name__ == "__main__":
    sys.exit(main())
