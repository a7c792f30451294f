"""Writes testdata/hostile/gguf/: small files that each break one rule of the format. Run from the root of the repository."""

import struct
import sys
from pathlib import Path

U8, U32, BOOL, TEXT, ARRAY = 0, 4, 7, 8, 9
F32, Q8_0, IQ2_XS = 0, 8, 17


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def tensor(name="a", axes=(4,), form=F32, offset=0):
    return text(name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, form, offset)


def file(tensors=(), pairs=(), data=b"", magic=b"GGUF", version=3, n_tensors=None, n_pairs=None, order="<"):
    n_tensors = len(tensors) if n_tensors is None else n_tensors
    n_pairs = len(pairs) if n_pairs is None else n_pairs
    head = magic + struct.pack(order + "IQQ", version, n_tensors, n_pairs) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


def nested(depth):
    """An array in an array in an array, `depth` of them, the innermost empty."""
    return struct.pack("<IQ", ARRAY, 1) * (depth - 1) + struct.pack("<IQ", U8, 0)


FILES = {
    "magic": file(magic=b"GGML"),
    "header-cut": b"GGUF\x03\x00",
    "version": file(version=1),
    "big-endian": file(order=">"),
    "tensor-count": file(n_tensors=2**40),
    "tensor-count-beyond-file": file(n_tensors=1000),
    "pair-count": file(n_pairs=2**63),
    "pair-count-beyond-file": file(n_pairs=100),
    "key-too-long": file(pairs=[pair("k" * 5000, U8, b"\0")]),
    "key-not-utf8": file(pairs=[pair(b"k\xff", U8, b"\0")]),
    "key-twice": file(pairs=[pair("k", U8, b"\0"), pair("k", U8, b"\1")]),
    "value-type": file(pairs=[pair("k", 13, b"\0")]),
    "boolean": file(pairs=[pair("k", BOOL, b"\2")]),
    "text-beyond-file": file(pairs=[pair("k", TEXT, struct.pack("<Q", 10**6))]),
    "text-too-long": file(pairs=[pair("k", TEXT, struct.pack("<Q", 2**64 - 1))]),
    "array-beyond-file": file(pairs=[pair("k", ARRAY, struct.pack("<IQ", TEXT, 10**6))]),
    "array-too-long": file(pairs=[pair("k", ARRAY, struct.pack("<IQ", U32, 2**62))]),
    "array-too-deep": file(pairs=[pair("k", ARRAY, nested(66))]),
    "alignment-zero": file(pairs=[pair("general.alignment", U32, struct.pack("<I", 0))]),
    "alignment-not-a-power": file(pairs=[pair("general.alignment", U32, struct.pack("<I", 48))]),
    "alignment-text": file(pairs=[pair("general.alignment", TEXT, text("32"))]),
    "name-too-long": file([tensor("a" * 5000)]),
    "name-not-utf8": file([tensor(b"\xc3(")]),
    "name-twice": file([tensor(), tensor(offset=32)], data=bytes(64)),
    "name-twice-unsupported": file([tensor(), tensor(axes=(256,), form=IQ2_XS, offset=32)], data=bytes(128)),
    "axes": file([tensor(axes=(1,) * 9)]),
    "shape-overflows": file([tensor(axes=(2**32, 2**32, 4))]),
    "shape-overflows-beside-zero": file([tensor(axes=(0, 2**40, 2**40))]),
    "shape-too-large": file([tensor(axes=(2**41,))]),
    "row-splits-a-block": file([tensor(axes=(16, 2), form=Q8_0)], data=bytes(34)),
    "type-unknown": file([tensor(form=77)]),
    "offset-misaligned": file([tensor(offset=4)], data=bytes(64)),
    "offset-overflows": file([tensor(offset=2**64 - 32)]),
    "overlap": file([tensor("first", axes=(16,)), tensor("second", offset=32)], data=bytes(96)),
}


def main():
    folder = Path("testdata/hostile/gguf")
    folder.mkdir(parents=True, exist_ok=True)
    for rule, content in FILES.items():
        (folder / f"{rule}.gguf").write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
