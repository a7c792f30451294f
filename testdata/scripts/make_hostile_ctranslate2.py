"""Writes testdata/hostile/ctranslate2/: small files that each break one rule of the format. Run from the root of the repository."""

import struct
import sys
from pathlib import Path

F32, I8 = 0, 1


def text(s, nul=b"\0"):
    s = (s if isinstance(s, bytes) else s.encode()) + nul
    return struct.pack("<H", len(s)) + s


def variable(name="a", shape=(2,), form=F32, data=bytes(8), size=None):
    size = len(data) if size is None else size
    return text(name) + struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, form, size) + data


def file(variables=(), aliases=(), version=6, spec=None, n_variables=None, n_aliases=None):
    n_variables = len(variables) if n_variables is None else n_variables
    n_aliases = len(aliases) if n_aliases is None else n_aliases
    head = struct.pack("<I", version) + (text("Spec") if spec is None else spec) + struct.pack("<II", 3, n_variables)
    pairs = b"".join(text(alias) + text(name) for alias, name in aliases)
    return head + b"".join(variables) + struct.pack("<I", n_aliases) + pairs


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


WEIGHT = variable("weight", (2, 1), I8, b"\1\2")

FILES = {
    "version-old": file(version=1),
    "version-new": file(version=7),
    "not-a-model": b"This is not a model",
    "header-cut": b"\6\0\0\0",
    "spec-not-utf8": file(spec=text(b"\xff")),
    "spec-without-nul": file(spec=text("Spec", nul=b"")),
    "variable-count": file(n_variables=2**32 - 1),
    "first-variable-cut": file([variable(size=8, data=b"")])[:-4],
    "name-too-long": file([variable("a" * 5000)]),
    "name-not-utf8": file([variable(b"\xc3(")]),
    "name-without-nul": file([text("a", nul=b"") + variable()]),
    "name-with-two-nuls": file([variable("a\0b")]),
    "name-empty": file([struct.pack("<H", 0)]),
    "name-twice": file([variable(), variable()]),
    "axes": file([variable(shape=(1,) * 9)]),
    "shape-overflows": file([variable(shape=(2**32 - 1,) * 3)]),
    "shape-overflows-beside-zero": file([variable(shape=(0,) + (2**32 - 1,) * 2, data=b"")]),
    "type-unknown": file([variable(form=6)]),
    "width-unknown": file([variable(form=8)], version=3),
    "size-too-small": file([variable(data=bytes(4))]),
    "size-too-large": file([variable(size=2**32 - 1)]),
    "scale-count": file([WEIGHT, variable("weight_scale", (3,), F32, floats(1, 1, 1))]),
    "scale-type": file([WEIGHT, variable("weight_scale", (2,), I8, b"\1\1")]),
    "scale-zero": file([WEIGHT, variable("weight_scale", (2,), F32, floats(1, 0))]),
    "scale-not-a-number": file([WEIGHT, variable("weight_scale", (2,), F32, floats(float("nan"), 1))]),
    "alias-count": file([variable()], n_aliases=2**32 - 1),
    "alias-of-nothing": file([variable()], [("b", "c")]),
    "alias-twice": file([variable()], [("b", "a"), ("b", "a")]),
    "alias-is-a-variable": file([variable()], [("a", "a")]),
}


def main():
    folder = Path("testdata/hostile/ctranslate2")
    folder.mkdir(parents=True, exist_ok=True)
    for rule, content in FILES.items():
        (folder / f"{rule}.bin").write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
