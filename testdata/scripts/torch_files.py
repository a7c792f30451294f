"""Makes testdata/torch/*: small files of every form that torch.save and TorchScript write, and expected.json with their values.

Written with torch 2.15.0, numpy 2.4.6, CPython 3.11.7: python testdata/scripts/torch_files.py testdata
"""
import collections, json, pathlib, sys
import numpy, torch

root = pathlib.Path(sys.argv[1])
folder = root / "torch"
folder.mkdir(exist_ok=True)
expected = {}


def record(file, tensors):
    expected[file] = {
        name: {"shape": list(t.shape), "values": t.detach().to(torch.float32).flatten().tolist()} for name, t in tensors.items()
    }


def save(file, thing, tensors, **options):
    torch.save(thing, folder / file, **options)
    record(file, tensors)


def ramp(*shape, dtype=torch.float32):
    n = 1
    for axis in shape:
        n *= axis
    return ((torch.arange(n, dtype=torch.float32) % 11) - 3).reshape(shape).to(dtype)


# One tensor of each element type; the newer ones have no storage class of their own.
types = {}
for dtype in [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
              torch.float8_e4m3fn, torch.float8_e5m2]:
    types[str(dtype).removeprefix("torch.")] = ramp(2, 3, dtype=dtype)
for dtype in [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool]:
    types[str(dtype).removeprefix("torch.")] = ramp(2, 3).abs().to(dtype)
save("types.pt", types, types)
for protocol in (3, 4, 5):
    save(f"protocol{protocol}.pt", {"w": ramp(2, 3), "n": 7}, {"w": ramp(2, 3)}, pickle_protocol=protocol)

# Views: one storage seen whole, transposed, sliced, reversed in order of axes, repeated, empty, scalar, and twice under two names.
base = ramp(4, 6)
views = {"whole": base, "tied": base, "transposed": base.t(), "rows": base[1:3], "columns": base[:, 2:5], "step": base[::2, 1::2],
         "cube": ramp(2, 3, 4).permute(2, 0, 1), "empty": base[:0], "scalar": base[1, 1]}
save("views.pt", {**views, "expanded": base[:, :1].expand(4, 100)}, views)

# A training checkpoint: nested state, optimizer state under integer keys, scalars beside it.
model = torch.nn.Sequential(collections.OrderedDict(a=torch.nn.Linear(3, 2), b=torch.nn.BatchNorm1d(2)))
with torch.no_grad():
    for p in model.parameters():
        p.copy_(ramp(*p.shape))
state = {"step": torch.tensor(5.0), "exp_avg": ramp(2, 3)}
save("checkpoint.pt",
     {"state_dict": model.state_dict(), "optimizer": {"state": {0: state}, "param_groups": [{"lr": 0.5, "params": [0]}]},
      "epoch": 3, "best": 0.25, "resumed": True, "name": "tiny", "nothing": None, "shape": torch.Size([2, 3]), "kinds": {1, 2},
      "dtype": torch.float32, "device": torch.device("cpu"), "seed": 2**70, "raw": b"ab"},
     {**model.state_dict(), "optimizer.state.0.step": state["step"], "optimizer.state.0.exp_avg": state["exp_avg"]})

# A parameter, a bare tensor, a list; kinds that are left out with a warning.
save("parameter.pt", {"p": torch.nn.Parameter(ramp(3))}, {"p": ramp(3)})
save("tensor.pt", ramp(3), {"tensor": ramp(3)})
save("list.pt", [ramp(2), [ramp(3)]], {"0": ramp(2), "1.0": ramp(3)})
save("left-out.pt", {"w": ramp(2), "quantised": torch.quantize_per_tensor(ramp(4), 0.5, 0, torch.qint8), "complex": torch.zeros(2, dtype=torch.complex64),
                     "sparse": ramp(2, 2).to_sparse()}, {"w": ramp(2)})


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 2)
        self.register_buffer("table", ramp(4))
        self.sizes = [1, 2]
        self.scale = 0.5

    def forward(self, x):
        return self.inner(x) * self.scale + self.table[0]


block = Block()
with torch.no_grad():
    for p in block.parameters():
        p.copy_(ramp(*p.shape))
torch.jit.script(block).save(folder / "scripted.pt")
record("scripted.pt", block.state_dict())
traced = torch.jit.trace(lambda x: x + torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3))
traced.save(str(folder / "traced.pt"))
record("traced.pt", {"constants.0": torch.tensor([1.0, 2.0, 3.0])})

# Forms that are not read.
torch.save({"w": ramp(2)}, folder / "legacy.pt", _use_new_zipfile_serialization=False)

(folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")

folder = root / "npz"
folder.mkdir(exist_ok=True)
rng = numpy.arange(24, dtype="f4").reshape(4, 6) - 5
arrays = {"matrix": rng, "fortran": numpy.asfortranarray(rng), "cube": numpy.asfortranarray(rng.reshape(2, 3, 4)), "scalar": numpy.float64(1.5), "empty": rng[:0],
          "flags": rng > 0, **{k: rng.astype(k) for k in ["f2", "f8", "i1", "i2", "i4", "i8"]}, **{k: abs(rng).astype(k) for k in ["u1", "u2", "u4", "u8"]}}
left_out = {"big": rng.astype(">f4"), "words": numpy.array(["a", "bc"]), "complex": rng.astype("c8")}
numpy.savez(folder / "stored.npz", **arrays, **left_out)
numpy.savez_compressed(folder / "deflated.npz", **arrays, **left_out)
numpy.save(folder / "single.npy", rng)
expected = {name: {"shape": list(numpy.shape(a)), "values": numpy.asarray(a, "f4").flatten().tolist()} for name, a in arrays.items()}
(folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
