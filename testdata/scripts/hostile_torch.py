"""Makes testdata/hostile/{torch,npz,safetensors}/*: one small file for each broken rule. Standard library only.

Written with CPython 3.11.7: python testdata/scripts/hostile_torch.py testdata/hostile
"""
import io, json, pathlib, pickle, struct, sys, zipfile

root = pathlib.Path(sys.argv[1])


def write(file, content):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def zipped(*entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def patched(content, at, new):
    return content[:at] + new + content[at + len(new):]


def torch_file(rule, data_pkl, *more):
    write(f"torch/{rule}.pt", zipped(("m/data.pkl", data_pkl), *(more or [("m/data/0", bytes(24))])))


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def number(n):
    return b"J" + struct.pack("<i", n) if -2**31 <= n < 2**31 else b"\x8a\x08" + struct.pack("<q", n)


def numbers(ns):
    return b"(" + b"".join(map(number, ns)) + b"t"


def tensor(size=(2, 3), strides=(3, 1), offset=0, numel=6, key="0", kind="FloatStorage"):
    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + number(numel) + b"tQ"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + numbers(size) + numbers(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def one(value):
    return b"\x80\x02}" + text("w") + value + b"s."


good = one(tensor())
# The pickle asks for code.
torch_file("global-posix-system", b"\x80\x02cposix\nsystem\n" + text("echo") + b"\x85R.")
torch_file("global-builtins-eval", b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93" + text("1") + b"\x85R.")
torch_file("global-storage-class", b"\x80\x02ctorch\n_load_from_Storage\n.")
torch_file("reduce-text", b"\x80\x02" + text("posix.system") + b")R.")
torch_file("reduce-dtype", b"\x80\x02ctorch\nfloat32\n)R.")
torch_file("reduce-many-arguments", b"\x80\x02ctorch\ndevice\n(" + b"N" * 17 + b"tR.")
torch_file("newobj-function", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.")
torch_file("build-dtype", b"\x80\x02ctorch\nfloat32\n}b.")
torch_file("build-twice", b"\x80\x02c__torch__\nNet\n)\x81}b}b.")
torch_file("rebuild-in-rebuild", b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(h\x00NNNtR.".replace(b"h\x00", b"ctorch._tensor\n_rebuild_from_type_v2\n"))
torch_file("persistent-id-module", b"\x80\x02(" + text("module") + b"NNNNtQ.")
torch_file("persistent-id-text", b"\x80\x02" + text("0") + b"Q.")

# The pickle is broken.
torch_file("opcode-unknown", b"\x80\x02\xff.")
torch_file("opcode-inst", b"\x80\x02(iposix\nsystem\n.")
torch_file("opcode-ext", b"\x80\x02\x82\x01.")
torch_file("protocol-6", b"\x80\x06N.")
torch_file("stack-underflow", b"\x80\x020.")
torch_file("stack-under-mark", b"\x80\x02N(0.")
torch_file("mark-missing", b"\x80\x02t.")
torch_file("memo-missing", b"\x80\x02h\x07.")
torch_file("stop-missing", b"\x80\x02N")
torch_file("bytes-after-stop", b"\x80\x02N.cposix\nsystem\n)R.")
torch_file("frame-past-the-end", b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.")
torch_file("text-past-the-end", b"\x80\x02X" + struct.pack("<I", 1 << 26) + b".")
torch_file("text-not-utf8", b"\x80\x02X" + struct.pack("<I", 1) + b"\xff.")
torch_file("setitems-odd", b"\x80\x02}(NNNu.")
torch_file("setitems-on-list", b"\x80\x02](NNu.")
torch_file("append-on-dict", b"\x80\x02}Na.")

# Bombs.
torch_file("nesting-marks", b"\x80\x02" + b"(" * 1001 + b".")
torch_file("nesting-lists", b"\x80\x02" + b"N" + b"\x85" * 70 + b".")
torch_file("nesting-itself", b"\x80\x02]q\x00h\x00a.")
laughs = b"\x80\x02" + one(tensor())[2:-1] + b"q\x00"
for level in range(30):
    laughs += b"h" + bytes([level]) + b"h" + bytes([level]) + b"\x86q" + bytes([level + 1])
torch_file("memo-laughs", laughs + b".", ("m/data/0", bytes(24)))

# Tensors and storages.
torch_file("storage-missing", one(tensor(key="7")))
torch_file("storage-beyond-the-entry", one(tensor(numel=7)))
torch_file("storage-negative", one(tensor(numel=-1)))
torch_file("storage-overflow", one(tensor(numel=2**62)))
torch_file("view-beyond-the-storage", one(tensor(offset=1)))
torch_file("view-stride-overflow", one(tensor(strides=(2**62, 2**62))))
torch_file("view-negative-size", one(tensor(size=(-2, -3))))
torch_file("view-negative-stride", one(tensor(strides=(-3, 1))))
torch_file("view-negative-offset", one(tensor(offset=-1)))
torch_file("view-huge-size", one(tensor(size=(2**40, 2**40), strides=(0, 0))))
torch_file("view-huge-empty", one(tensor(size=(0, 2**40, 2**40), strides=(0, 0, 0))))
torch_file("view-ranks-differ", one(tensor(strides=(1,))))
torch_file("view-nine-axes", one(tensor(size=(1,) * 9, strides=(1,) * 9)))
torch_file("tensor-of-text", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + text("0") + b"NNNNNtR.")
torch_file("tensor-untyped", one(tensor(kind="UntypedStorage", numel=24)))
torch_file("name-twice", b"\x80\x02}" + text("w") + tensor() + b"s" + text("w") + tensor() + b"s.")
torch_file("name-too-long", b"\x80\x02}" + text("w" * 4097) + tensor() + b"s.")

# The archive.
write("torch/data-pkl-missing.pt", zipped(("m/data/0", bytes(24))))
write("torch/data-pkl-twice.pt", zipped(("m/data.pkl", good), ("n/data.pkl", good)))
write("torch/byte-order-big.pt", zipped(("m/data.pkl", good), ("m/byteorder", b"big"), ("m/data/0", bytes(24))))
twice = zipped(("m/data.pkl", good), ("m/data/0", bytes(24)), ("m/data/1", bytes(24)))
write("torch/entry-twice.pt", twice.replace(b"m/data/1", b"m/data/0"))
write("torch/entry-named-otherwise-in-its-header.pt", twice.replace(b"m/data/1", b"m/data/2", 1))
valid = zipped(("m/data.pkl", good), ("m/data/0", bytes(24)))
end = valid.rindex(b"PK\x05\x06")
last = valid.rindex(b"PK\x01\x02")
first = valid.index(b"PK\x01\x02")
write("torch/cut-short.pt", valid[:-1])
write("torch/directory-elsewhere.pt", patched(valid, end + 16, struct.pack("<I", 1)))
write("torch/directory-count-absurd.pt", patched(patched(valid, end + 8, b"\xfe\xff"), end + 10, b"\xfe\xff"))
write("torch/directory-count-short.pt", patched(patched(valid, end + 8, b"\x01\x00"), end + 10, b"\x01\x00"))
write("torch/directory-zip64-missing.pt", patched(valid, end + 16, b"\xff\xff\xff\xff"))
write("torch/entry-size-absurd.pt", patched(valid, last + 20, struct.pack("<II", 1 << 30, 1 << 30)))
write("torch/entry-sizes-differ.pt", patched(valid, last + 24, struct.pack("<I", 25)))
write("torch/entry-offset-absurd.pt", patched(valid, last + 42, struct.pack("<I", 1 << 30)))
write("torch/entry-encrypted.pt", patched(valid, last + 8, b"\x01\x00"))
write("torch/entry-method-unknown.pt", patched(valid, last + 10, b"\x0e\x00"))
write("torch/entry-zip64-missing.pt", patched(valid, last + 24, b"\xff\xff\xff\xff"))
write("torch/entries-overlap.pt", patched(valid, first + 20, struct.pack("<II", len(good) + 1, len(good) + 1)))
packed = zipped(("m/data.pkl", good), ("m/data/0", bytes(24)), method=zipfile.ZIP_DEFLATED)
first = packed.index(b"PK\x01\x02")
write("torch/entry-inflates-to-more.pt", patched(packed, first + 24, struct.pack("<I", len(good) - 1)))
write("torch/entry-inflates-to-less.pt", patched(packed, first + 24, struct.pack("<I", len(good) + 1)))
write("torch/entry-inflates-absurdly.pt", patched(packed, first + 24, struct.pack("<I", 1 << 31)))
write("torch/part-two.pt", patched(valid, end + 4, b"\x01\x00"))
write("torch/empty.pt", b"")
write("torch/plain-pickle.pt", pickle.dumps({"w": 1}, 2))
write("torch/text.pt", b"version https://git-lfs.example/spec/v1\n")


# npz and npy.
def npy(header, data=b"", version=b"\x01\x00", length=None):
    header = header.encode() if isinstance(header, str) else header
    n = len(header) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", n) + header + data


def descr(kind="<f4", shape="(2,)"):
    return "{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n" % (kind, shape)


write("npz/object-array.npy", npy(descr("|O"), b"cposix\nsystem\n."))
write("npz/object-array.npz", zipped(("a.npy", npy(descr("|O"), b"cposix\nsystem\n."))))
write("npz/big-endian.npy", npy(descr(">f4"), bytes(8)))
write("npz/complex.npy", npy(descr("<c8"), bytes(16)))
write("npz/fields.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", bytes(8)))
write("npz/signature.npy", b"NUMPY" + bytes(60))
write("npz/version-9.npy", npy(descr(), bytes(8), b"\x09\x00"))
write("npz/header-cut.npy", npy(descr(), length=400))
write("npz/header-absurd.npy", npy(descr(), version=b"\x02\x00", length=1 << 31))
write("npz/header-code.npy", npy("{'descr': __import__('os'), }\n"))
write("npz/header-key-twice.npy", npy("{'shape': (2,), 'shape': (3,), }\n"))
write("npz/header-tail.npy", npy(descr() + "#", bytes(8)))
write("npz/shape-negative.npy", npy(descr(shape="(-2,)"), bytes(8)))
write("npz/shape-overflow.npy", npy(descr(shape="(4294967296, 4294967296)"), bytes(8)))
write("npz/shape-nine-axes.npy", npy(descr(shape="(" + "1, " * 9 + ")"), bytes(4)))
write("npz/data-short.npy", npy(descr(), bytes(7)))
write("npz/data-long.npy", npy(descr(), bytes(9)))
write("npz/data-short.npz", zipped(("a.npy", npy(descr(), bytes(7)))))
write("npz/data-short-deflated.npz", zipped(("a.npy", npy(descr(), bytes(7))), method=zipfile.ZIP_DEFLATED))
write("npz/entry-not-npy.npz", zipped(("a.npy", b"PK")))


# safetensors.
def safe(header, data=b"", length=None):
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(begin=0, end=8, dtype="F32", shape=(2,)):
    return json.dumps({"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]})


write("safetensors/empty.safetensors", b"")
write("safetensors/header-length-cut.safetensors", b"\x02\0\0")
write("safetensors/header-length-absurd.safetensors", safe("{}", length=1 << 60))
write("safetensors/header-cut.safetensors", safe("{}", length=100))
write("safetensors/header-not-an-object.safetensors", safe("[]"))
write("safetensors/header-space-first.safetensors", safe(" {}"))
write("safetensors/header-cut-json.safetensors", safe('{"a":'))
write("safetensors/header-not-utf8.safetensors", safe(b'{"\xff": 1}'))
write("safetensors/header-nested.safetensors", safe('{"a":' + "[" * 200 + "]" * 200 + "}"))
write("safetensors/header-tail.safetensors", safe("{} x"))
write("safetensors/name-twice.safetensors", safe('{"a": %s, "a": %s}' % (entry(), entry(8, 16)), bytes(16)))
write("safetensors/metadata-twice.safetensors", safe('{"__metadata__": {}, "__metadata__": {}}'))
write("safetensors/metadata-key-twice.safetensors", safe('{"__metadata__": {"k": "1", "k": "2"}}'))
write("safetensors/metadata-number.safetensors", safe('{"__metadata__": {"k": 1}}'))
write("safetensors/field-twice.safetensors", safe('{"a": {"dtype": "F32", "dtype": "F16", "shape": [2], "data_offsets": [0, 8]}}', bytes(8)))
write("safetensors/field-unknown.safetensors", safe('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "x": 1}}', bytes(8)))
write("safetensors/field-missing.safetensors", safe('{"a": {"dtype": "F32", "shape": [2]}}', bytes(8)))
write("safetensors/dtype-unknown.safetensors", safe('{"a": %s}' % entry(dtype="F7"), bytes(8)))
write("safetensors/shape-negative.safetensors", safe('{"a": %s}' % entry(shape=(-2,)), bytes(8)))
write("safetensors/shape-overflow.safetensors", safe('{"a": %s}' % entry(shape=(2**32, 2**32)), bytes(8)))
write("safetensors/shape-huge-empty.safetensors", safe('{"a": %s}' % entry(0, 0, shape=(0, 2**40, 2**40))))
write("safetensors/shape-nine-axes.safetensors", safe('{"a": %s}' % entry(shape=(2,) + (1,) * 8), bytes(8)))
write("safetensors/length-does-not-fit-the-shape.safetensors", safe('{"a": %s}' % entry(shape=(3,)), bytes(8)))
write("safetensors/offsets-reversed.safetensors", safe('{"a": %s}' % entry(8, 0), bytes(8)))
write("safetensors/offsets-hole-first.safetensors", safe('{"a": %s}' % entry(4, 12), bytes(12)))
write("safetensors/offsets-hole.safetensors", safe('{"a": %s, "b": %s}' % (entry(), entry(12, 20)), bytes(20)))
write("safetensors/offsets-overlap.safetensors", safe('{"a": %s, "b": %s}' % (entry(), entry(4, 12)), bytes(12)))
write("safetensors/offsets-same.safetensors", safe('{"a": %s, "b": %s}' % (entry(), entry()), bytes(8)))
write("safetensors/offsets-absurd.safetensors", safe('{"a": %s}' % entry(2**64 - 8, 2**64 - 1), bytes(8)))
write("safetensors/data-cut.safetensors", safe('{"a": %s, "b": %s}' % (entry(), entry(8, 16)), bytes(12)))
write("safetensors/data-tail.safetensors", safe('{"a": %s}' % entry(), bytes(9)))
