"""Writes testdata/hostile/onnx/*.onnx: one file for each rule of the ONNX reader, broken once. Plain bytes; needs Python 3 only.

Run from the root of the repository: python3 testdata/scripts/make_hostile_onnx.py
"""

import pathlib
import struct

FOLDER = pathlib.Path("testdata/hostile/onnx")
FLOAT, INT8, INT64 = 1, 3, 7


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def payload(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def tensor(name="w", dims=(2, 2), data_type=FLOAT, data=payload(9, floats(1, 2, 3, 4))):
    """TensorProto: dims 1, data_type 2, name 8; `data` is the encoded data field."""
    return b"".join(number(1, dim) for dim in dims) + number(2, data_type) + payload(8, name) + data


def node(op, inputs=(), outputs=(), attributes=()):
    """NodeProto: input 1, output 2, op_type 4, attribute 5."""
    parts = [payload(1, i) for i in inputs] + [payload(2, o) for o in outputs] + [payload(4, op)]
    return b"".join(parts + [payload(5, a) for a in attributes])


def graph(initializers=(), nodes=()):
    """GraphProto: node 1, initializer 5."""
    return b"".join([payload(1, n) for n in nodes] + [payload(5, t) for t in initializers])


def model(graph_bytes):
    """ModelProto: ir_version 1, graph 7, opset_import 8."""
    return number(1, 8) + payload(7, graph_bytes) + payload(8, number(2, 17))


def of(*initializers):
    return model(graph(initializers))


def external(location, *more):
    """external_data 13 (key 1, value 2) with data_location 14 = EXTERNAL."""
    entries = (("location", location), *more)
    return tensor(data=b"".join(payload(13, payload(1, k) + payload(2, v)) for k, v in entries) + number(14, 1))


def nested(levels):
    inner = graph()
    for _ in range(levels):
        inner = graph(nodes=[node("If", attributes=[payload(1, "then_branch") + payload(6, inner)])])
    return model(inner)


def dequantised(scales, *attributes):
    """A [2, 2] INT8 tensor under DequantizeLinear with this many scales."""
    weight = tensor("q", data_type=INT8, data=payload(9, b"\1\2\3\4"))
    scale = tensor("s", (scales,), data=payload(9, floats(*[0.5] * scales)))
    return model(graph([weight, scale], [node("DequantizeLinear", ["q", "s"], ["y"], attributes)]))


FILES = {
    "truncated-field": of(tensor())[:-30],
    "truncated-varint": model(graph())[:-1] + b"\x80",
    "length-beyond-end": model(graph([b"\x4a\x7f"])),
    "group": model(graph([b"\x0b\x0c"])),
    "varint-too-long": number(1, 8) + b"\x08" + b"\xff" * 10 + b"\x01",
    "field-number-zero": b"\x00\x01",
    "wrong-wire-type": model(graph([number(8, 1)])),
    "no-graph": number(1, 8),
    "two-graphs": payload(7, graph()) + payload(7, graph()),
    "nesting-too-deep": nested(65),
    "negative-dims": of(tensor(dims=(2, -2))),
    "absurd-dims": of(tensor(dims=(1 << 40, 1 << 40))),
    "absurd-dims-behind-a-zero": of(tensor(dims=(0, 1 << 40, 1 << 40), data=b"")),
    "too-many-axes": of(tensor(dims=(1,) * 9)),
    "shape-data-mismatch": of(tensor(dims=(2, 3))),
    "typed-count-mismatch": of(tensor(data_type=INT64, data=payload(7, b"\1\2\3"))),
    "typed-field-of-another-type": of(tensor(data_type=INT64, data=payload(4, floats(1, 2, 3, 4)))),
    "no-data": of(tensor(data=b"")),
    "raw-and-typed": of(tensor(data=payload(9, floats(1, 2, 3, 4)) + payload(4, floats(1, 2, 3, 4)))),
    "raw-twice": of(tensor(data=payload(9, floats(1, 2)) + payload(9, floats(3, 4)))),
    "unknown-data-type": of(tensor(data_type=99)),
    "duplicate-names": of(tensor(), tensor()),
    "duplicate-name-of-a-constant": model(
        graph([tensor()], [node("Constant", outputs=["w"], attributes=[payload(1, "value") + payload(5, tensor())])])
    ),
    "constant-without-output": model(graph(nodes=[node("Constant", attributes=[payload(1, "value") + payload(5, tensor())])])),
    "no-name": of(tensor(name="")),
    "name-not-utf8": of(tensor(name=b"\xff")),
    "name-too-long": of(tensor(name="w" * 4097)),
    "external-parent": of(external("../secret.bin")),
    "external-absolute": of(external("/etc/passwd")),
    "external-drive": of(external("C:weights.bin")),
    "external-backslash": of(external("..\\secret.bin")),
    "external-without-location": of(tensor(data=number(14, 1))),
    "external-offset-no-number": of(external("w.bin", ("offset", "-1"))),
    "external-offset-overflow": of(external("w.bin", ("offset", str((1 << 64) - 1)))),
    "external-length-mismatch": of(external("w.bin", ("length", "12"))),
    "external-and-raw": of(external("w.bin") + payload(9, floats(1, 2, 3, 4))),
    "scale-length-mismatch": dequantised(3),
    "scale-axis-outside": dequantised(2, payload(1, "axis") + number(3, 2)),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, data in FILES.items():
    (FOLDER / f"{name}.onnx").write_bytes(data)
